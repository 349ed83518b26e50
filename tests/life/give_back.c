/* Memory that is free goes back to Linux, and nothing else does. Variants:
 *
 * idle-random, idle-clustered, idle-none: four threads build blocks, free all but one in a hundred (which: see the
 * name) and sleep; a second later resident are the pages that a survivor touches, and little more. Nobody calls the
 * allocator meanwhile.
 *
 * trim: the same without decay, and then malloc_trim by a thread that never allocated.
 *
 * remote: one thread frees nearly all that another made, which sleeps for good.
 *
 * holes: threads take, check and free blocks of all sizes, while others release whatever is free all the time.
 *
 * alone: a process without threads gives back too what it does not need any more, when it is much.
 *
 * top: what gives back does not itself hold the break up, though it starts when slabs fill all of the heap.
 *
 * before: the heap was built before the first thread. raw-fork: children that libc does not know of.
 * ends: a process whose main thread leaves by pthread_exit ends with its last thread. late: also if libc freed
 * something for those threads after their last destructors.
 *
 * forked: the child of a process that gives back gives back as well.
 */
#include "support/check.h"
#include "support/process.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, KEPT_PART = 100, CLUSTER = 4096 };
static const size_t mib = 1 << 20;
static size_t page_bytes;
/* More than the scavenger's stack would be without it: libc puts every thread's there. */
static __thread volatile char thread_local_bytes[100 << 10];

enum survivors { RANDOM, CLUSTERED, NONE };

struct builder {
    enum survivors survivors;
    size_t build_bytes;
    uint64_t random;
    char **blocks;
    size_t *sizes;
    size_t count, survivor_pages;
    pthread_barrier_t *built, *done;
};

static void sleep_ms(unsigned ms) {
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&pause, &pause) != 0) {
    }
}

/* Not from malloc: what the test itself needs must not be in the way. */
static void *map(size_t size_bytes) {
    void *start = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(start != MAP_FAILED);
    return start;
}

static bool survives(struct builder *builder, size_t number) {
    switch (builder->survivors) {
    case RANDOM:
        return process_random(&builder->random) % KEPT_PART == 0;
    case CLUSTERED:
        return number / CLUSTER % KEPT_PART == 0;
    default:
        return false;
    }
}

static int compare_pages(const void *a, const void *b) {
    uintptr_t left = *(const uintptr_t *)a, right = *(const uintptr_t *)b;
    return (left > right) - (left < right);
}

/* Different pages that the survivors lie on. */
static size_t count_pages(const struct builder *builder) {
    uintptr_t *pages = map((builder->count + 1) * 2 * sizeof *pages);
    size_t count = 0, different = 0;
    for (size_t i = 0; i < builder->count; i++) {
        if (builder->blocks[i] == NULL) continue;
        pages[count++] = (uintptr_t)builder->blocks[i] / page_bytes;
        pages[count++] = ((uintptr_t)builder->blocks[i] + builder->sizes[i] - 1) / page_bytes;
    }
    qsort(pages, count, sizeof *pages, compare_pages);
    for (size_t i = 0; i < count; i++) different += i == 0 || pages[i] != pages[i - 1];
    munmap(pages, (builder->count + 1) * 2 * sizeof *pages);
    return different;
}

static void build(struct builder *builder) {
    size_t most = builder->build_bytes / 256;
    builder->blocks = map(most * sizeof *builder->blocks);
    builder->sizes = map(most * sizeof *builder->sizes);
    for (size_t bytes = 0; bytes < builder->build_bytes && builder->count < most; builder->count++) {
        size_t size = 16 + process_random(&builder->random) % 1009;
        char *block = malloc(size);
        CHECK(block != NULL);
        memset(block, 1, size);
        builder->blocks[builder->count] = block;
        builder->sizes[builder->count] = size;
        bytes += size;
    }
}

static void free_most(struct builder *builder) {
    for (size_t i = 0; i < builder->count; i++) {
        if (survives(builder, i)) continue;
        free(builder->blocks[i]);
        builder->blocks[i] = NULL;
    }
    builder->survivor_pages = count_pages(builder);
    for (size_t i = 0; i < builder->count; i++) {
        if (builder->blocks[i] != NULL) builder->blocks[i][0] = 2; /* written to since: it must stay */
    }
}

static void *run_builder(void *context) {
    struct builder *builder = context;
    build(builder);
    pthread_barrier_wait(builder->built);
    free_most(builder);
    pthread_barrier_wait(builder->done);
    for (;;) sleep_ms(1000);
    return NULL;
}

struct built {
    struct builder builders[THREADS];
    pthread_barrier_t built, done;
    size_t books_bytes, peak_bytes, floor_bytes; /* the last: what survivors and books need */
};

static void build_and_free(struct built *all, enum survivors survivors) {
    pthread_t thread;
    size_t start_bytes = process_resident_bytes();
    pthread_barrier_init(&all->built, NULL, THREADS + 1);
    pthread_barrier_init(&all->done, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        all->builders[i] = (struct builder){.survivors = survivors,
                                            .build_bytes = 48 * mib,
                                            .random = (uint64_t)i,
                                            .built = &all->built,
                                            .done = &all->done};
        CHECK(pthread_create(&thread, NULL, run_builder, &all->builders[i]) == 0);
    }
    pthread_barrier_wait(&all->built);
    all->peak_bytes = process_resident_bytes();
    pthread_barrier_wait(&all->done);
    all->floor_bytes = start_bytes;
    for (int i = 0; i < THREADS; i++) {
        const struct builder *builder = &all->builders[i];
        all->floor_bytes += builder->survivor_pages * page_bytes;
        all->floor_bytes += builder->count * (sizeof *builder->blocks + sizeof *builder->sizes);
    }
}

static void check_given_back(const struct built *all, const char *when) {
    /* The allocator's records of what once was stay: a 64th. */
    size_t now_bytes = process_resident_bytes();
    size_t most_bytes = all->floor_bytes * 105 / 100 + 4 * mib + all->peak_bytes / 64;
    CHECKF(now_bytes <= most_bytes,
           "%s %zu KiB are resident, of a peak of %zu; the pages of survivors are %zu, the bound %zu", when,
           now_bytes / 1024, all->peak_bytes / 1024, all->floor_bytes / 1024, most_bytes / 1024);
    for (int i = 0; i < THREADS; i++) {
        const struct builder *builder = &all->builders[i];
        for (size_t number = 0; number < builder->count; number++) {
            const char *block = builder->blocks[number];
            if (block == NULL) continue;
            CHECK(block[0] == 2);
            for (size_t at = 1; at < builder->sizes[number]; at++) CHECK(block[at] == 1);
        }
    }
}

static struct built built;

static void run_idle(enum survivors survivors) {
    build_and_free(&built, survivors);
    sleep_ms(1000);
    check_given_back(&built, "a second later");
}

static void *trim(void *context) {
    *(int *)context = malloc_trim(0);
    return NULL;
}

static void run_trim(void) {
    pthread_t thread;
    int first = 0, second = 0;
    build_and_free(&built, RANDOM);
    CHECK(pthread_create(&thread, NULL, trim, &first) == 0 && pthread_join(thread, NULL) == 0);
    check_given_back(&built, "after malloc_trim");
    CHECK(pthread_create(&thread, NULL, trim, &second) == 0 && pthread_join(thread, NULL) == 0);
    CHECKF(first == 1 && second == 0, "malloc_trim returned %d, and then %d", first, second);
}

/* ---- holes: everything is written, checked and freed while pages go away under it */

static volatile bool ended;

static size_t any_size(uint64_t *random) {
    size_t kind = process_random(random) % 64;
    size_t most = kind == 0 ? 300000 : kind < 4 ? 32768 : kind < 16 ? 2048 : 256;
    return 1 + process_random(random) % most;
}

static void check_pattern(const unsigned char *block, size_t size, unsigned char pattern) {
    for (size_t at = 0; at < size; at++)
        CHECKF(block[at] == pattern, "byte %zu of %zu at %p", at, size, (void *)block);
}

static void *take_and_free(void *context) {
    enum { LIVE = 6000 };
    uint64_t random = (uint64_t)(uintptr_t)context;
    struct {
        unsigned char *block;
        size_t size;
        unsigned char pattern;
    } *held = map(LIVE * sizeof *held);
    for (unsigned round = 0; !ended; round++) {
        size_t low = round % 8 == 0 ? LIVE / 50 : LIVE; /* sometimes nearly all is freed */
        for (size_t step = 0; step < LIVE; step++) {
            size_t at = process_random(&random) % LIVE;
            if (held[at].block != NULL) {
                check_pattern(held[at].block, held[at].size, held[at].pattern);
                free(held[at].block);
                held[at].block = NULL;
            }
            if (at >= low) continue;
            held[at].size = any_size(&random);
            held[at].pattern = (unsigned char)(process_random(&random) % 255 + 1);
            bool zeroed = at % 8 == 0;
            held[at].block = zeroed ? calloc(1, held[at].size) : malloc(held[at].size);
            CHECK(held[at].block != NULL);
            if (zeroed) check_pattern(held[at].block, held[at].size, 0);
            memset(held[at].block, held[at].pattern, held[at].size);
        }
    }
    return NULL;
}

static void *trim_always(void *context) {
    unsigned long *count = context;
    for (; !ended; ++*count) malloc_trim(0);
    return NULL;
}

static void run_holes(unsigned seconds) {
    pthread_t threads[THREADS];
    unsigned long trims = 0;
    for (int i = 0; i < THREADS; i++) {
        bool trims_too = i == 0;
        CHECK(pthread_create(&threads[i], NULL, trims_too ? trim_always : take_and_free,
                             trims_too ? (void *)&trims : (void *)(uintptr_t)i) == 0);
    }
    sleep_ms(seconds * 1000);
    ended = true;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECKF(trims > 10, "%lu trims only", trims);
}

static void run_alone(void) {
    enum { COUNT = 200000 };
    static char *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = malloc(1000);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 1, 1000);
    }
    size_t peak_bytes = process_resident_bytes();
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 500 != 0) free(blocks[i]);
    }
    sleep_ms(1000);
    size_t now_bytes = process_resident_bytes();
    CHECKF(now_bytes <= 16 * mib, "%zu KiB of %zu are still resident", now_bytes / 1024, peak_bytes / 1024);
}

static void run_top(void) {
    enum { COUNT = 56000, KEPT = 8, MOST_TRIES = 10000 };
    static char *blocks[COUNT];
    char *start = sbrk(0);
    if (process_has_source("brk")) SKIP("there everything comes from the break");
    for (size_t i = 0; i < COUNT; i++) CHECK((blocks[i] = malloc(1000)) != NULL);
    for (size_t i = 0; i < COUNT; i++) {
        if (i % KEPT != 0) free(blocks[i]);
    }
    for (int tries = 0; process_thread_count() < 2 && tries < MOST_TRIES; tries++) free(malloc(100000));
    CHECK(process_thread_count() == 2);
    for (size_t i = 0; i < COUNT; i += KEPT) free(blocks[i]);
    malloc_trim(0);
    char *end = sbrk(0);
    CHECKF(end - start <= (ptrdiff_t)mib, "%td KiB are left of the break", (end - start) / 1024);
}

/* ---- remote: free blocks in slabs of a thread that will never look at them */

enum { FOREIGN = 200000 };
static char *foreign[FOREIGN];

static void *make_and_sleep(void *built_barrier) {
    for (size_t i = 0; i < FOREIGN; i++) {
        CHECK((foreign[i] = malloc(500)) != NULL);
        memset(foreign[i], 1, 500);
    }
    for (size_t i = 0; i < FOREIGN; i += 64) { /* its slabs are partly used by its own doing */
        free(foreign[i]);
        foreign[i] = NULL;
    }
    pthread_barrier_wait(built_barrier);
    for (;;) sleep_ms(1000);
    return NULL;
}

static void run_remote(void) {
    enum { EACH = 500, PAGES_MOST = FOREIGN / EACH * 2 };
    pthread_t thread;
    pthread_barrier_t ready;
    pthread_barrier_init(&ready, NULL, 2);
    size_t start_bytes = process_resident_bytes();
    CHECK(pthread_create(&thread, NULL, make_and_sleep, &ready) == 0);
    pthread_barrier_wait(&ready);
    sleep_ms(1500); /* the scavenger has seen all that its owner noted */
    size_t peak_bytes = process_resident_bytes();
    for (size_t i = 0; i < FOREIGN; i++) {
        if (i % EACH != 1) free(foreign[i]);
    }
    sleep_ms(1500);
    size_t now_bytes = process_resident_bytes();
    size_t most_bytes = start_bytes + PAGES_MOST * page_bytes + 4 * mib + peak_bytes / 64;
    CHECKF(now_bytes <= most_bytes, "%zu KiB of %zu are still resident, of %zu at most", now_bytes / 1024,
           peak_bytes / 1024, most_bytes / 1024);
}

static void *use_some(void *is_late) {
    if (is_late != NULL) (void)strerror(99999); /* its text is freed when the thread is no more */
    enum { COUNT = 30000 };
    char **blocks = map(COUNT * sizeof *blocks);
    for (size_t i = 0; i < COUNT; i++) CHECK((blocks[i] = malloc(1000)) != NULL);
    for (size_t i = 0; i < COUNT; i++) free(blocks[i]);
    sleep_ms(300);
    return NULL;
}

/* The program's handlers of exit run on a thread of its own: as the last that ended, it has its stack, not acre's.
 */
static void check_thread_at_exit(void) {
    char name[16] = "", room[200 << 10];
    memset(room, 1, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
    if (prctl(PR_GET_NAME, name) != 0 || strcmp(name, "acre") == 0) _exit(7);
}

static void run_ends(bool is_late) {
    pthread_t thread;
    int status;
    time_t start_s = time(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(atexit(check_thread_at_exit) == 0);
        CHECK(pthread_create(&thread, NULL, use_some, is_late ? "" : NULL) == 0);
        sleep_ms(100);
        pthread_exit(NULL);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
    CHECKF(time(NULL) - start_s < 10, "after %ld s", (long)(time(NULL) - start_s));
}

static void *wait_for_end(void *unused) {
    (void)unused;
    while (pause() != 0) {
    }
    return NULL;
}

/* The heap was built before there was a thread: the scavenger comes all the same, at a malloc after it. */
static void run_before(void) {
    enum { COUNT = 400000, BYTES = 500 };
    pthread_t thread;
    char **blocks = map(COUNT * sizeof *blocks);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK((blocks[i] = malloc(BYTES)) != NULL);
        memset(blocks[i], 1, BYTES);
    }
    CHECK(pthread_create(&thread, NULL, wait_for_end, NULL) == 0);
    size_t peak_bytes = process_resident_bytes();
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 1000 != 0) free(blocks[i]);
    }
    for (int i = 0; i < 1000; i++) CHECK(malloc(24) != NULL);
    sleep_ms(2000);
    size_t now_bytes = process_resident_bytes();
    CHECKF(now_bytes < peak_bytes / 4, "%zu KiB of %zu are still resident", now_bytes / 1024, peak_bytes / 1024);
}

/* A child that was made past libc, while the scavenger was at work: it has no scavenger, and malloc goes on. */
static void run_raw_fork(void) {
    enum { COUNT = 100000, FORKS = 200 };
    char **blocks = map(COUNT * sizeof *blocks);
    for (size_t i = 0; i < COUNT; i++) CHECK((blocks[i] = malloc(500)) != NULL);
    for (int round = 0; round < FORKS; round++) {
        int status;
        for (size_t i = 0; i < COUNT; i += 7) free(blocks[(i + (size_t)round) % COUNT]);
        pid_t child = (pid_t)syscall(SYS_fork);
        CHECK(child >= 0);
        if (child == 0) {
            alarm(20);
            for (size_t size = 1; size < 100000; size += size / 3 + 1) free(malloc(size));
            _exit(0);
        }
        for (size_t i = 0; i < COUNT; i += 7) CHECK((blocks[(i + (size_t)round) % COUNT] = malloc(500)) != NULL);
        CHECK(waitpid(child, &status, 0) == child);
        CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "round %d: status %d", round, status);
    }
}

static void run_forked(void) {
    int status;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_some, NULL) == 0 && pthread_join(thread, NULL) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        process_watchdog(60);
        run_idle(RANDOM);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
}

int main(int count, char **arguments) {
    const char *variant = count > 1 ? arguments[1] : "";
    process_expect_malloc();
    process_watchdog(240);
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    thread_local_bytes[0] = 1;
    if (strcmp(variant, "idle-random") == 0)
        run_idle(RANDOM);
    else if (strcmp(variant, "idle-clustered") == 0)
        run_idle(CLUSTERED);
    else if (strcmp(variant, "idle-none") == 0)
        run_idle(NONE);
    else if (strcmp(variant, "trim") == 0)
        run_trim();
    else if (strcmp(variant, "holes") == 0)
        run_holes(count > 2 ? (unsigned)atoi(arguments[2]) : 5);
    else if (strcmp(variant, "alone") == 0)
        run_alone();
    else if (strcmp(variant, "top") == 0)
        run_top();
    else if (strcmp(variant, "before") == 0)
        run_before();
    else if (strcmp(variant, "raw-fork") == 0)
        run_raw_fork();
    else if (strcmp(variant, "ends") == 0)
        run_ends(false);
    else if (strcmp(variant, "late") == 0)
        run_ends(true);
    else if (strcmp(variant, "remote") == 0)
        run_remote();
    else if (strcmp(variant, "forked") == 0)
        run_forked();
    else
        SKIP("%s: no such variant", variant);
    return 0;
}
