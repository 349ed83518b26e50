/* An arena's limit, measured by what the kernel says of pages, not by what acre says.
 *
 * Eight threads take, write to and free blocks of an arena of 16 MiB, of all sizes up to beyond the limit, and want
 * far more than there is. Its resident memory is looked at every few milliseconds:
 *   between   between two steps of the threads: every page that acre_arena_contains says is the arena's
 *   reserve   at any moment, while the process is stopped: the address space that the arena has reserved
 *   process   at any moment: all memory of the process, less what it had before; this includes acre's records, and
 *             wants huge_cache:off, since freed huge blocks that wait in the cache are no arena's
 * Meanwhile a thread uses another arena, which never refuses it, and whose blocks keep what was written. */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum { workers = 8, slots_each = 40, other_slots = 100 };
static const size_t limit_bytes = 16 * MIB, reserve_bytes = 1024 * MIB, other_bytes = 32 * MIB;
/* What else may grow in the process: records, which acre/acre.h says are about 1.5 % of the memory; granules that
 * the arena has given back to those that small arenas share; stacks. */
static const size_t beside_bytes = 2 * MIB;

/* Shared with who measures. */
static struct shared {
    uintptr_t start, end; /* of what was reserved */
    char *other;          /* memory of the other arena */
    _Atomic int ready, go, stop;
    _Atomic unsigned long steps, refused, other_steps;
} *shared;

static acre_arena *arena, *other;
static pthread_rwlock_t between_steps;

/* ---- the threads */

/* As many of each magnitude, from 16 bytes to 8 MiB, and now and then more than the arena may hold. */
static size_t some_size(uint64_t *random) {
    uint64_t dice = process_random(random);
    if (dice % 500 == 0) return limit_bytes + 1 + (dice >> 20) % limit_bytes;
    size_t magnitude = (size_t)16 << (dice >> 10) % 19;
    return magnitude + (dice >> 20) % magnitude;
}

struct slot {
    unsigned char *block;
    size_t bytes;
};

static void drop(struct slot *slot) {
    unsigned char mark = (unsigned char)slot->bytes;
    if (slot->block == NULL) return;
    CHECK(slot->block[0] == mark && slot->block[slot->bytes / 2] == mark && slot->block[slot->bytes - 1] == mark);
    free(slot->block);
    slot->block = NULL;
}

static void step(struct slot *slots, uint64_t *random) {
    struct slot *slot = &slots[process_random(random) % slots_each];
    drop(slot);
    slot->bytes = some_size(random);
    slot->block = acre_arena_malloc(arena, slot->bytes);
    if (slot->block != NULL) {
        CHECK(slot->bytes <= limit_bytes);
        memset(slot->block, (unsigned char)slot->bytes, slot->bytes);
    } else if (slot->bytes <= limit_bytes) {
        CHECK(errno == ENOMEM);
        atomic_fetch_add(&shared->refused, 1);
        drop(&slots[process_random(random) % slots_each]);
    }
    atomic_fetch_add(&shared->steps, 1);
}

static void *hammer(void *number) {
    struct slot slots[slots_each] = {{NULL, 0}};
    uint64_t random = (uintptr_t)number;
    atomic_fetch_add(&shared->ready, 1);
    while (atomic_load(&shared->go) == 0) usleep(100);
    while (atomic_load(&shared->stop) == 0) {
        pthread_rwlock_rdlock(&between_steps);
        step(slots, &random);
        pthread_rwlock_unlock(&between_steps);
    }
    for (int i = 0; i < slots_each; i++) drop(&slots[i]);
    return NULL;
}

static bool is_as_written(const uint64_t *words, size_t count, uint64_t seed) {
    for (size_t i = 0; i < count; i++) {
        if (words[i] != seed + i) return false;
    }
    return true;
}

/* Never refused; nor is malloc. */
static void *go_on(void *unused) {
    static uint64_t *blocks[other_slots];
    static size_t counts[other_slots];
    uint64_t random = 99;
    atomic_fetch_add(&shared->ready, 1);
    while (atomic_load(&shared->stop) == 0) {
        size_t i = process_random(&random) % other_slots;
        CHECKF(is_as_written(blocks[i], counts[i], i), "a block of the other arena has changed");
        free(blocks[i]);
        counts[i] = 1 + process_random(&random) % (i % 10 == 0 ? 20000 : 500);
        blocks[i] = acre_arena_malloc(other, counts[i] * sizeof(uint64_t));
        CHECKF(blocks[i] != NULL, "the other arena refused %zu words", counts[i]);
        for (size_t word = 0; word < counts[i]; word++) blocks[i][word] = i + word;
        void *block = malloc(100);
        CHECK(block != NULL);
        free(block);
        atomic_fetch_add(&shared->other_steps, 1);
    }
    return unused;
}

/* ---- the kernel's view */

/* Bytes of [start, end) that are in memory, or in swap, and that `is_wanted` (NULL: all) says yes to. */
static size_t resident(int pagemap, uintptr_t start, uintptr_t end, bool (*is_wanted)(uintptr_t)) {
    enum { at_once = 512 };
    uint64_t entries[at_once];
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), pages = 0;
    for (uintptr_t at = start; at < end; at += at_once * page_bytes) {
        size_t count = (end - at) / page_bytes < at_once ? (end - at) / page_bytes : at_once;
        ssize_t got =
            pread(pagemap, entries, count * sizeof entries[0], (off_t)(at / page_bytes * sizeof entries[0]));
        for (size_t i = 0; i < (got < 0 ? 0 : (size_t)got / sizeof entries[0]); i++)
            pages += entries[i] >> 62 != 0 && (is_wanted == NULL || is_wanted(at + i * page_bytes));
    }
    return pages * page_bytes;
}

static int open_of(pid_t process, const char *file) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)process, file);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) SKIP("%s cannot be read", path);
    return descriptor;
}

struct mapping {
    uintptr_t start, end;
    char rights[5];
    bool anonymous;
};

/* Calls visit for every mapping; allocates nothing. */
static void each_mapping(pid_t process, void (*visit)(const struct mapping *mapping, void *context),
                         void *context) {
    static char text[256 << 10];
    int file = open_of(process, "maps");
    size_t length = 0;
    for (ssize_t got; (got = read(file, text + length, sizeof text - 1 - length)) > 0;) length += (size_t)got;
    close(file);
    CHECK(length < sizeof text - 1);
    text[length] = 0;
    for (char *line = text; *line != 0; line = strchr(line, '\n') + 1) {
        struct mapping mapping;
        unsigned long inode;
        CHECK(sscanf(line, "%lx-%lx %4s %*s %*s %lu", &mapping.start, &mapping.end, mapping.rights, &inode) == 4);
        mapping.anonymous = inode == 0;
        visit(&mapping, context);
    }
}

struct sum {
    int pagemap;
    bool (*is_wanted)(uintptr_t page);
    size_t bytes;
};

static void add(const struct mapping *mapping, void *context) {
    struct sum *sum = context;
    if (mapping->anonymous && strncmp(mapping->rights, "rw", 2) == 0)
        sum->bytes += resident(sum->pagemap, mapping->start, mapping->end, sum->is_wanted);
}

static size_t resident_anonymous(pid_t process, int pagemap, bool (*is_wanted)(uintptr_t page)) {
    struct sum sum = {pagemap, is_wanted, 0};
    each_mapping(process, add, &sum);
    return sum.bytes;
}

/* ---- between steps */

static bool is_the_arenas(uintptr_t page) { return acre_arena_contains(arena, (void *)page); }

static size_t measure_between(void) {
    static int pagemap = -1;
    if (pagemap < 0) pagemap = open_of(getpid(), "pagemap");
    pthread_rwlock_wrlock(&between_steps);
    size_t bytes = resident_anonymous(getpid(), pagemap, is_the_arenas);
    pthread_rwlock_unlock(&between_steps);
    return bytes;
}

/* ---- at any moment */

static pid_t hammering;

static bool is_not_the_others(uintptr_t page) { return page - (uintptr_t)shared->other >= other_bytes; }

static size_t measure_stopped(bool all) {
    static int pagemap = -1;
    int status;
    if (pagemap < 0) pagemap = open_of(hammering, "pagemap");
    CHECK(kill(hammering, SIGSTOP) == 0 && waitpid(hammering, &status, WUNTRACED) == hammering &&
          WIFSTOPPED(status));
    size_t bytes = all ? resident_anonymous(hammering, pagemap, is_not_the_others)
                       : resident(pagemap, shared->start, shared->end, NULL);
    CHECK(kill(hammering, SIGCONT) == 0);
    return bytes;
}
static size_t measure_reserved(void) { return measure_stopped(false); }
static size_t measure_process(void) { return measure_stopped(true); }

/* ---- */

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static size_t most_of(size_t (*measure)(void), unsigned ms, unsigned *looks) {
    size_t most_bytes = 0;
    uint64_t random = 5, end_ms = now_ms() + ms;
    for (; now_ms() < end_ms; (*looks)++) {
        usleep(500 + (unsigned)(process_random(&random) % 4000));
        size_t bytes = measure();
        if (bytes > most_bytes) most_bytes = bytes;
    }
    return most_bytes;
}

/* Lets the threads run and says what they and the arena came to. */
static void watch(size_t (*measure)(void), unsigned ms, size_t more_bytes) {
    unsigned looks = 0;
    while (atomic_load(&shared->ready) < workers + 1) usleep(1000);
    size_t before_bytes = more_bytes > 0 ? measure() : 0;
    atomic_store(&shared->go, 1);
    size_t most_bytes = most_of(measure, ms, &looks) - before_bytes;
    atomic_store(&shared->stop, 1);
    printf("%lu steps, %lu refused, %lu beside them; resident at most %zu KiB of %zu in %u looks\n",
           atomic_load(&shared->steps), atomic_load(&shared->refused), atomic_load(&shared->other_steps),
           most_bytes / KIB, limit_bytes / KIB, looks);
    fflush(stdout);
    CHECKF(most_bytes <= limit_bytes + more_bytes, "%zu bytes were resident", most_bytes);
    CHECKF(most_bytes >= limit_bytes / 2, "the arena was never near its limit: %zu bytes", most_bytes);
    CHECK(atomic_load(&shared->refused) > 0 && atomic_load(&shared->steps) > 1000);
    CHECK(atomic_load(&shared->other_steps) > 1000 && looks > 20);
}

/* The reserved address space is all that has no access and is so long, as long as nothing is used of it. */
static void note_reserved(const struct mapping *mapping, void *context) {
    (void)context;
    if (mapping->rights[0] == 'r' || mapping->end - mapping->start < reserve_bytes) return;
    shared->start = mapping->start;
    shared->end = mapping->end;
}

static void start(pthread_t threads[workers + 1], bool reserves) {
    struct acre_arena_options mine = {.limit_bytes = limit_bytes, .reserve_bytes = reserves ? reserve_bytes : 0};
    struct acre_arena_options others = {
        .source = ACRE_SOURCE_RANGE, .range = shared->other, .range_bytes = other_bytes};
    arena = acre_arena_create(&mine);
    other = acre_arena_create(&others);
    CHECK(arena != NULL && other != NULL);
    if (reserves) each_mapping(getpid(), note_reserved, NULL);
    CHECK(!reserves || shared->start != 0);
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&between_steps, &attributes);
    for (uintptr_t i = 0; i < workers; i++) CHECK(pthread_create(&threads[i], NULL, hammer, (void *)i) == 0);
    CHECK(pthread_create(&threads[workers], NULL, go_on, NULL) == 0);
}

static void end(pthread_t threads[workers + 1]) {
    for (int i = 0; i < workers + 1; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    acre_arena_destroy(arena);
    acre_arena_destroy(other);
}

static void run_alone(unsigned ms) {
    pthread_t threads[workers + 1];
    start(threads, false);
    watch(measure_between, ms, 0);
    end(threads);
}

/* The threads are those of a child, which this process stops to look at it. */
static void run_in_child(unsigned ms, bool reserves) {
    pthread_t threads[workers + 1];
    int status;
    hammering = fork();
    CHECK(hammering >= 0);
    if (hammering == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it may be stopped then */
        start(threads, reserves);
        end(threads);
        _exit(0);
    }
    watch(reserves ? measure_reserved : measure_process, ms, reserves ? 0 : beside_bytes);
    CHECK(waitpid(hammering, &status, 0) == hammering);
    CHECKF(status == 0, "status %x", (unsigned)status);
}

static void *map(size_t size_bytes, int flags) {
    void *start = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
    CHECK(start != MAP_FAILED);
    return start;
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    unsigned ms = (unsigned)atoi(arguments[2]);
    process_expect_malloc();
    process_watchdog(60);
    shared = map(sizeof *shared, MAP_SHARED);
    shared->other = map(other_bytes, MAP_PRIVATE);
    if (strcmp(arguments[1], "between") == 0)
        run_alone(ms);
    else if (strcmp(arguments[1], "reserve") == 0 || strcmp(arguments[1], "process") == 0)
        run_in_child(ms, arguments[1][0] == 'r');
    else
        CHECKF(false, "unknown variant %s", arguments[1]);
    return 0;
}
