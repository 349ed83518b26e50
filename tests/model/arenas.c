/* The randomised model test of arenas: create, enter and leave, allocate by every function, free in any thread,
 * realloc within and between arenas, reset, release, destroy, against a shadow model. Threads end and begin again
 * all the while, with blocks of theirs alive.
 *
 * An arena has a lock for reading while it or a block of it is used, and for writing where the header asks that no
 * other thread uses it. A block knows which life of its arena it belongs to, and is forgotten when that is over.
 *
 *     arenas [--seed N] [--threads N] [--operations N] (a thread) [--arenas N] [--exits 0/1]
 */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum { arenas_most = 64, slots = 1500, threads_most = 64, mailbox_slots = 256, shifts = 12 };
enum { none = -1 }; /* the default arena's number */

struct custom {
    _Atomic size_t taken_bytes;
    _Atomic uint64_t random;
    bool fails, gives;
};

struct place {
    pthread_rwlock_t lock;
    acre_arena *arena; /* NULL: none now */
    unsigned life;
    _Atomic long live_blocks;
    size_t limit_bytes;
    bool zeroed, may_fail;
    char *range;
    struct custom custom;
} places[arenas_most];
static const size_t range_bytes = 6 * MIB;

struct block {
    unsigned char *start; /* NULL: none */
    size_t size_bytes;
    int place;
    unsigned life;
    unsigned char pattern;
};

struct mailbox {
    pthread_mutex_t lock;
    unsigned used;
    struct block blocks[mailbox_slots];
};

struct run {
    uint64_t random, operations;
    int number, entered[4], depth;
    size_t live_bytes;
    struct block blocks[slots];
    struct mailbox mailbox;
};
static struct run *runs;
static int thread_count = 1, place_count = 12;
static uint64_t operations = 100000, seed = 1;
static _Atomic uint64_t done, creations, failures;
/* Threads that end now: their slabs are handed on, and what they had ready is in nobody's books for a moment. Books
 * are looked at only while there is none; --exits 1: always, though they are not compared then. */
static pthread_mutex_t ending_lock = PTHREAD_MUTEX_INITIALIZER;
static int ending;
static bool looks_at_exits;

static uint64_t pick(struct run *run, uint64_t below) { return process_random(&run->random) % below; }

/* ---- the caller's own source */

static uint64_t custom_random(struct custom *custom) {
    uint64_t state = atomic_fetch_add(&custom->random, UINT64_C(0x632be59bd9b4e019));
    return process_random(&state);
}

static void *take(void *context, size_t size_bytes, size_t alignment) {
    struct custom *custom = context;
    CHECK(size_bytes % (64 * KIB) == 0 && size_bytes > 0);
    CHECK(alignment >= 64 * KIB && (alignment & (alignment - 1)) == 0);
    if (custom->fails && custom_random(custom) % 4 == 0) return NULL;
    char *all = mmap(NULL, size_bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return NULL;
    char *start = (char *)(((uintptr_t)all + alignment - 1) & ~(alignment - 1));
    if (start > all) munmap(all, (size_t)(start - all));
    munmap(start + size_bytes, (size_t)(all + alignment - start));
    atomic_fetch_add(&custom->taken_bytes, size_bytes);
    memset(start, 0xcc, size_bytes < 256 * KIB ? size_bytes : 256 * KIB);
    return start;
}

static bool give(void *context, void *start, size_t size_bytes) {
    struct custom *custom = context;
    size_t before_bytes = atomic_fetch_sub(&custom->taken_bytes, size_bytes);
    CHECK(before_bytes >= size_bytes);
    CHECK(munmap(start, size_bytes) == 0);
    return true;
}

/* ---- arenas */

static void choose_source(struct run *run, struct place *place, struct acre_arena_options *options) {
    switch (pick(run, 10)) {
    case 0:
        options->source = ACRE_SOURCE_MMAP;
        break;
    case 1:
        options->source = ACRE_SOURCE_BRK;
        break;
    case 2:
        options->source = ACRE_SOURCE_RANGE;
        options->range = place->range + pick(run, 3) * 1000;
        options->range_bytes = 200 * KIB + pick(run, range_bytes - 300 * KIB);
        place->may_fail = true;
        break;
    case 3:
        options->reserve_bytes = 64 * KIB + pick(run, 40 * MIB);
        place->may_fail = true;
        break;
    case 4:
    case 5:
        options->source = ACRE_SOURCE_CUSTOM;
        place->custom.fails = pick(run, 2) == 0;
        place->custom.gives = pick(run, 4) != 0;
        atomic_store(&place->custom.random, process_random(&run->random));
        atomic_store(&place->custom.taken_bytes, 0);
        options->functions =
            (struct acre_source_functions){take, place->custom.gives ? give : NULL, &place->custom};
        place->may_fail |= place->custom.fails;
        break;
    default:
        break;
    }
}

/* With the lock for writing. */
static void create(struct run *run, struct place *place) {
    struct acre_arena_options options;
    memset(&options, 0, sizeof options);
    place->may_fail = false;
    place->zeroed = options.zeroed = pick(run, 3) == 0;
    if (pick(run, 3) == 0) options.limit_bytes = 64 * KIB + pick(run, pick(run, 2) == 0 ? MIB : 32 * MIB);
    place->limit_bytes = options.limit_bytes & ~(64 * KIB - 1);
    place->may_fail = options.limit_bytes != 0;
    options.thp = (enum acre_thp)pick(run, 3);
    options.name = "model";
    choose_source(run, place, &options);
    place->arena = acre_arena_create(&options);
    CHECKF(place->arena != NULL, "source %d, errno %d", (int)options.source, errno);
    place->life++;
    atomic_store(&place->live_blocks, 0);
    atomic_fetch_add(&creations, 1);
}

static bool count_block(void *block, size_t size_bytes, void *context) {
    (void)block, (void)size_bytes;
    ++*(long *)context;
    return true;
}

/* With the lock for writing: the books are exact then. */
static void check_books(struct place *place) {
    struct acre_arena_figures stats;
    long live = atomic_load(&place->live_blocks), walked = 0;
    pthread_mutex_lock(&ending_lock);
    bool exact = ending == 0;
    if (looks_at_exits) pthread_mutex_unlock(&ending_lock);
    acre_arena_stats(place->arena, &stats);
    if (exact || looks_at_exits) CHECK(acre_arena_walk(place->arena, count_block, &walked));
    if (!looks_at_exits) pthread_mutex_unlock(&ending_lock);
    exact &= !looks_at_exits;
    CHECKF(!exact || (long)stats.live_blocks == live, "stats %zu, model %ld", stats.live_blocks, live);
    CHECKF(!exact || walked == live, "walked %ld, model %ld", walked, live);
    CHECKF(place->limit_bytes == 0 || stats.held_peak_bytes <= place->limit_bytes, "held %zu, peak %zu, limit %zu",
           stats.held_bytes, stats.held_peak_bytes, place->limit_bytes);
}

static void end(struct place *place, bool destroy) {
    atomic_store(&place->live_blocks, 0);
    place->life++;
    if (!destroy) {
        acre_arena_reset(place->arena);
        check_books(place);
        return;
    }
    acre_arena_destroy(place->arena);
    place->arena = NULL;
    if (place->custom.gives) CHECK(atomic_load(&place->custom.taken_bytes) == 0);
    place->custom.gives = false;
}

static void rule(struct run *run) {
    struct place *place = &places[pick(run, (uint64_t)place_count)];
    if (pthread_rwlock_trywrlock(&place->lock) != 0) return;
    if (place->arena == NULL)
        create(run, place);
    else if (pick(run, 3) == 0)
        check_books(place);
    else
        end(place, pick(run, 2) == 0);
    pthread_rwlock_unlock(&place->lock);
}

static void release(struct run *run) {
    struct place *place = &places[pick(run, (uint64_t)place_count)];
    pthread_rwlock_rdlock(&place->lock);
    if (place->arena != NULL) acre_arena_release(place->arena);
    pthread_rwlock_unlock(&place->lock);
}

/* Read locks: whether the block's arena still lives. */
static bool hold(const struct block *block) {
    if (block->place == none) return true;
    struct place *place = &places[block->place];
    pthread_rwlock_rdlock(&place->lock);
    if (place->arena != NULL && place->life == block->life) return true;
    pthread_rwlock_unlock(&place->lock);
    return false;
}
static void let_go(int place) {
    if (place != none) pthread_rwlock_unlock(&places[place].lock);
}
static void count_live(int place, long change) {
    if (place != none) atomic_fetch_add(&places[place].live_blocks, change);
}

/* ---- blocks */

static bool is_all(const unsigned char *bytes, size_t size_bytes, unsigned char value) {
    return size_bytes == 0 || (bytes[0] == value && memcmp(bytes, bytes + 1, size_bytes - 1) == 0);
}

/* Of huge blocks the ends. */
static size_t part_bytes(size_t size_bytes) { return size_bytes > MIB ? 64 * KIB : size_bytes; }

static void check(const struct block *block, size_t size_bytes) {
    size_t part = part_bytes(size_bytes);
    CHECKF(is_all(block->start, part, block->pattern) &&
               is_all(block->start + size_bytes - part, part, block->pattern),
           "content of %p, %zu bytes, arena %d", (void *)block->start, size_bytes, block->place);
}

static void fill(struct run *run, struct block *block) {
    size_t part = part_bytes(block->size_bytes);
    block->pattern = (unsigned char)(1 + pick(run, 255));
    memset(block->start, block->pattern, part);
    memset(block->start + block->size_bytes - part, block->pattern, part);
}

static size_t pick_size(struct run *run) {
    uint64_t kind = pick(run, 2000);
    if (kind == 0) return 16 * MIB + pick(run, 8 * MIB);
    if (kind < 6) return pick(run, 4 * MIB);
    if (kind < 60) return pick(run, 400 * KIB);
    if (kind < 300) return pick(run, 40 * KIB);
    return pick(run, kind < 1000 ? 1200 : 200);
}

/* Of the entered arena, if any; *zeroed: by the function itself. */
static void *allocate_plainly(struct run *run, size_t size, bool *zeroed) {
    void *block = NULL;
    switch (pick(run, 8)) {
    case 0:
        *zeroed = true;
        return calloc(1, size);
    case 1:
        return realloc(NULL, size);
    case 2:
        return memalign((size_t)16 << pick(run, 9), size);
    case 3:
        return posix_memalign(&block, (size_t)8 << pick(run, 10), size) == 0 ? block : NULL;
    default:
        return malloc(size);
    }
}

static void *allocate_in(struct run *run, acre_arena *arena, size_t size, bool *zeroed) {
    void *block = NULL;
    switch (pick(run, 8)) {
    case 0:
        *zeroed = true;
        return acre_arena_calloc(arena, 1, size);
    case 1:
        return acre_arena_realloc(arena, NULL, size);
    case 2:
        return acre_arena_aligned_alloc(arena, (size_t)1 << pick(run, 18), size);
    case 3:
        if (!acre_arena_enter(arena)) return NULL;
        block = allocate_plainly(run, size, zeroed);
        acre_arena_leave();
        return block;
    default:
        return acre_arena_malloc(arena, size);
    }
}

static void check_new(const struct block *block, bool zeroed) {
    acre_arena *arena = block->place == none ? NULL : places[block->place].arena;
    CHECK(acre_arena_of(block->start) == arena);
    CHECK(malloc_usable_size(block->start) >= block->size_bytes);
    if (arena != NULL && block->size_bytes > 0)
        CHECK(acre_arena_contains(arena, block->start + block->size_bytes - 1));
    if (zeroed)
        CHECKF(is_all(block->start, block->size_bytes, 0), "%zu bytes at %p, arena %d", block->size_bytes,
               (void *)block->start, block->place);
}

static void note_failure(int place, size_t size_bytes) {
    CHECKF(errno == ENOMEM, "errno %d", errno);
    CHECKF(place != none && places[place].may_fail, "%zu bytes from arena %d", size_bytes, place);
    atomic_fetch_add(&failures, 1);
}

static void allocate(struct run *run, struct block *block) {
    bool entered = run->depth > 0 && pick(run, 4) != 0, zeroed = false;
    int place = entered ? run->entered[run->depth - 1] : (int)pick(run, (uint64_t)place_count + 1) - 1;
    if (run->depth > 0 && place == none) place = run->entered[0];
    size_t size = pick_size(run);
    if (place != none) pthread_rwlock_rdlock(&places[place].lock);
    acre_arena *arena = place == none ? NULL : places[place].arena;
    if (place != none && arena == NULL) {
        let_go(place);
        return;
    }
    errno = ENOMEM; /* posix_memalign leaves it alone */
    block->start =
        place == none || entered ? allocate_plainly(run, size, &zeroed) : allocate_in(run, arena, size, &zeroed);
    if (block->start == NULL) {
        note_failure(place, size);
        let_go(place);
        return;
    }
    block->size_bytes = size;
    block->place = place;
    block->life = place == none ? 0 : places[place].life;
    count_live(place, 1);
    check_new(block, zeroed || (place != none && places[place].zeroed));
    fill(run, block);
    run->live_bytes += size;
    let_go(place);
}

static void forget(struct run *run, struct block *block) {
    run->live_bytes -= block->size_bytes;
    block->start = NULL;
}

static void free_block(struct run *run, struct block *block) {
    if (hold(block)) {
        check(block, block->size_bytes);
        count_live(block->place, -1);
        if (pick(run, 8) == 0)
            CHECK(realloc(block->start, 0) == NULL);
        else if (pick(run, 8) == 0)
            free_sized(block->start, block->size_bytes);
        else
            free(block->start);
        let_go(block->place);
    }
    forget(run, block);
}

static void finish_resize(struct run *run, struct block *block, unsigned char *moved, size_t size, int place) {
    size_t kept_bytes = block->size_bytes < size ? block->size_bytes : size;
    struct block now = {moved, size, place, place == none ? 0 : places[place].life, block->pattern};
    size_t written_bytes = part_bytes(block->size_bytes);
    count_live(block->place, -1);
    count_live(place, 1);
    check_new(&now, false);
    CHECK(is_all(moved, kept_bytes < written_bytes ? kept_bytes : written_bytes, now.pattern));
    run->live_bytes += size - block->size_bytes;
    *block = now;
    fill(run, block);
}

static void resize(struct run *run, struct block *block) {
    size_t size = pick(run, 3) == 0 ? block->size_bytes + pick(run, 1 + block->size_bytes / 2) : pick_size(run);
    int place = block->place;
    if (size == 0) size = 1;
    if (!hold(block)) {
        forget(run, block);
        return;
    }
    check(block, block->size_bytes);
    errno = 0;
    void *moved = realloc(block->start, size);
    if (moved == NULL)
        note_failure(place, size);
    else
        finish_resize(run, block, moved, size, place);
    let_go(place);
}

static void move(struct run *run, struct block *block) {
    int from = block->place, to = (int)pick(run, (uint64_t)place_count);
    size_t size = pick_size(run) + 1;
    if (!hold(block)) {
        forget(run, block);
        return;
    }
    pthread_rwlock_rdlock(&places[to].lock);
    if (places[to].arena != NULL) {
        check(block, block->size_bytes);
        errno = 0;
        void *moved = acre_arena_realloc(places[to].arena, block->start, size);
        if (moved == NULL)
            note_failure(to, size);
        else if (errno == ENOMEM && acre_arena_of(moved) != places[to].arena)
            finish_resize(run, block, moved, size, from); /* tests/api/arenas.c is about this */
        else
            finish_resize(run, block, moved, size, to);
    }
    pthread_rwlock_unlock(&places[to].lock);
    let_go(from);
}

static void send(struct run *run, struct block *block) {
    struct run *to = &runs[pick(run, (uint64_t)thread_count)];
    pthread_mutex_lock(&to->mailbox.lock);
    bool sent = to->mailbox.used < mailbox_slots;
    if (sent) to->mailbox.blocks[to->mailbox.used++] = *block;
    pthread_mutex_unlock(&to->mailbox.lock);
    if (sent) forget(run, block);
}

static void receive(struct run *run) {
    pthread_mutex_lock(&run->mailbox.lock);
    unsigned used = run->mailbox.used;
    struct block blocks[mailbox_slots];
    memcpy(blocks, run->mailbox.blocks, used * sizeof blocks[0]);
    run->mailbox.used = 0;
    pthread_mutex_unlock(&run->mailbox.lock);
    for (unsigned i = 0; i < used; i++) {
        run->live_bytes += blocks[i].size_bytes;
        free_block(run, &blocks[i]);
    }
}

static void enter(struct run *run) {
    int place = (int)pick(run, (uint64_t)place_count);
    if (run->depth == 4) return;
    pthread_rwlock_rdlock(&places[place].lock);
    if (places[place].arena == NULL || !acre_arena_enter(places[place].arena)) {
        let_go(place);
        return;
    }
    run->entered[run->depth++] = place;
}

static void leave(struct run *run) {
    if (run->depth == 0) return;
    acre_arena_leave();
    let_go(run->entered[--run->depth]);
}

static void step(struct run *run) {
    struct block *block = &run->blocks[pick(run, slots)];
    uint64_t what = pick(run, 1000);
    if (what < 4) {
        rule(run);
    } else if (what < 5) {
        release(run);
    } else if (what < 15) {
        enter(run);
    } else if (what < 45) {
        leave(run);
    } else if (what < 55) {
        receive(run);
    } else if (block->start == NULL) {
        if (run->live_bytes < 48 * MIB) allocate(run, block);
    } else if (what < 150) {
        resize(run, block);
    } else if (what < 180) {
        move(run, block);
    } else if (what < 350) {
        send(run, block);
    } else {
        free_block(run, block);
    }
}

static void count_ending(int change) {
    pthread_mutex_lock(&ending_lock);
    ending += change;
    pthread_mutex_unlock(&ending_lock);
}

static void *work_a_shift(void *argument) {
    struct run *run = argument;
    uint64_t shift = operations / shifts + pick(run, operations / shifts + 1);
    for (uint64_t i = 0; i < shift && run->operations < operations; i++, run->operations++) step(run);
    while (run->depth > 0) leave(run);
    count_ending(1);
    return NULL;
}

/* One thread after the other, each with what the last one left. */
static void *work(void *argument) {
    struct run *run = argument;
    while (run->operations < operations) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, work_a_shift, run) == 0);
        pthread_join(thread, NULL);
        count_ending(-1);
    }
    atomic_fetch_add(&done, run->operations);
    return NULL;
}

static void start(void) {
    runs =
        mmap(NULL, sizeof *runs * (size_t)thread_count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(runs != MAP_FAILED);
    for (int i = 0; i < place_count; i++) {
        pthread_rwlock_init(&places[i].lock, NULL);
        places[i].range = mmap(NULL, range_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(places[i].range != MAP_FAILED);
        memset(places[i].range, 0xcc, range_bytes);
    }
    for (int i = 0; i < thread_count; i++) {
        runs[i].random = seed * 1000 + (uint64_t)i;
        runs[i].number = i;
        pthread_mutex_init(&runs[i].mailbox.lock, NULL);
    }
}

static void finish(void) {
    for (int i = 0; i < thread_count; i++) {
        receive(&runs[i]);
        for (int slot = 0; slot < slots; slot++) {
            if (runs[i].blocks[slot].start != NULL) free_block(&runs[i], &runs[i].blocks[slot]);
        }
    }
    for (int i = 0; i < place_count; i++) {
        if (places[i].arena == NULL) continue;
        check_books(&places[i]);
        CHECK(atomic_load(&places[i].live_blocks) == 0);
        end(&places[i], true);
    }
}

static void read_arguments(int count, char **arguments) {
    for (int i = 1; i + 1 < count; i += 2) {
        uint64_t value = strtoull(arguments[i + 1], NULL, 10);
        if (strcmp(arguments[i], "--seed") == 0) seed = value;
        if (strcmp(arguments[i], "--threads") == 0) thread_count = (int)value;
        if (strcmp(arguments[i], "--operations") == 0) operations = value;
        if (strcmp(arguments[i], "--arenas") == 0) place_count = (int)value;
        if (strcmp(arguments[i], "--exits") == 0) looks_at_exits = value != 0;
    }
    CHECK(thread_count > 0 && thread_count <= threads_most && place_count > 0 && place_count <= arenas_most);
}

int main(int count, char **arguments) {
    struct timespec from, to;
    pthread_t threads[threads_most];
    process_expect_malloc();
    process_watchdog(280);
    read_arguments(count, arguments);
    start();
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < thread_count; i++) CHECK(pthread_create(&threads[i], NULL, work, &runs[i]) == 0);
    for (int i = 0; i < thread_count; i++) pthread_join(threads[i], NULL);
    finish();
    clock_gettime(CLOCK_MONOTONIC, &to);
    double passed_s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
    printf("seed %llu: %llu operations in %.2f s, %llu arenas, %llu failures to allocate\n",
           (unsigned long long)seed, (unsigned long long)atomic_load(&done), passed_s,
           (unsigned long long)atomic_load(&creations), (unsigned long long)atomic_load(&failures));
    return 0;
}
