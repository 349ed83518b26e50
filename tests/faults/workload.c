#include "faults/faults.h"

#include "acre/acre.h"
#include "support/check.h"
#include "support/process.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define KEPT_ERRNO 77
#define PAGE 4096u  /* a part of a long block; no matter how long pages are */
#define STEP 40009u /* in the rest of it: page faults are what takes most of the time */

static bool all_to_be_had;

struct block {
    unsigned char *start;
    size_t size;
    unsigned mark;
};

/* The place behind i that is written and looked at: all of a short block, the ends and some of a long one. */
static size_t next_place(size_t size, size_t i) {
    if (size <= 16 * PAGE || i + 1 < PAGE || i >= size - PAGE) return i + 1;
    return i + STEP < size - PAGE ? i + STEP : size - PAGE;
}

static unsigned char byte_of(const struct block *block, size_t i) { return (unsigned char)(block->mark + i * 7); }

static void fill(struct block *block) {
    for (size_t i = 0; i < block->size; i = next_place(block->size, i)) block->start[i] = byte_of(block, i);
}

static void check_first(const struct block *block, size_t length) {
    for (size_t i = 0; i < length; i = next_place(block->size, i))
        CHECKF(block->start[i] == byte_of(block, i), "byte %zu of %zu at %p", i, block->size, (void *)block->start);
}

static void check_bytes(const struct block *block) { check_first(block, block->size); }

/* What every function of the family keeps to: a block, and errno as it was, or NULL and ENOMEM. */
static bool expect(struct block *block, void *start, size_t size) {
    static _Atomic unsigned marks;
    int error = errno;
    errno = KEPT_ERRNO;
    if (start == NULL) {
        CHECKF(error == ENOMEM, "%zu bytes: errno %d", size, error);
        CHECKF(!all_to_be_had, "%zu bytes refused though no call fails", size);
        *block = (struct block){NULL, 0, 0};
        return false;
    }
    CHECKF(error == KEPT_ERRNO, "%zu bytes: errno became %d", size, error);
    CHECK(malloc_usable_size(start) >= size);
    *block = (struct block){start, size, atomic_fetch_add(&marks, 1)};
    return true;
}

static void give(struct block *block) {
    if (block->start == NULL) return;
    check_bytes(block);
    errno = KEPT_ERRNO;
    free(block->start);
    CHECKF(errno == KEPT_ERRNO, "free of %zu bytes: errno became %d", block->size, errno);
    *block = (struct block){NULL, 0, 0};
}

static void take(struct block *block, size_t size) {
    errno = KEPT_ERRNO;
    if (expect(block, malloc(size), size)) fill(block);
}

static void take_zeroed(struct block *block, size_t size) {
    errno = KEPT_ERRNO;
    if (!expect(block, calloc(size, 1), size)) return;
    for (size_t i = 0; i < size; i = next_place(size, i))
        CHECKF(block->start[i] == 0, "byte %zu of %zu is not zero", i, size);
    fill(block);
}

static void take_aligned(struct block *block, size_t size, size_t alignment, unsigned how) {
    void *start = NULL;
    errno = KEPT_ERRNO;
    if (how % 3 == 0) {
        int error = posix_memalign(&start, alignment, size);
        CHECK(errno == KEPT_ERRNO);
        CHECK(error == 0 || (error == ENOMEM && start == NULL));
        if (error != 0) errno = error;
    } else {
        start = how % 3 == 1 ? memalign(alignment, size) : aligned_alloc(alignment, size);
    }
    if (!expect(block, start, size)) return;
    CHECKF(((uintptr_t)start & (alignment - 1)) == 0, "%p is not aligned to %zu", start, alignment);
    fill(block);
}

static void take_pages(struct block *block, size_t size, bool whole) {
    errno = KEPT_ERRNO;
    void *start = whole ? pvalloc(size) : valloc(size);
    if (expect(block, start, size)) fill(block);
}

/* A refused realloc leaves the block as it is; one to less is never refused. */
static void resize(struct block *block, size_t size) {
    struct block before = *block;
    if (size == 0) return; /* what was refused does not grow */
    if (block->start == NULL) return take(block, size);
    errno = KEPT_ERRNO;
    void *start = size % 2 == 0 ? realloc(block->start, size) : reallocarray(block->start, size, 1);
    if (start == NULL) {
        CHECKF(size > before.size, "%zu bytes refused where %zu were", size, before.size);
        CHECKF(errno == ENOMEM && !all_to_be_had, "realloc to %zu: errno %d", size, errno);
        check_bytes(&before);
        errno = KEPT_ERRNO;
        return;
    }
    CHECKF(errno == KEPT_ERRNO, "realloc to %zu: errno became %d", size, errno);
    before.start = start; /* where it is now, its bytes are as they were */
    check_first(&before, size < before.size ? size : before.size);
    block->start = start;
    block->size = size;
    fill(block);
}

#define BLOCKS 48
static const size_t sizes[] = {1,     16,     24,     100,    256,    257,    500,     1000,
                               1024,  1025,   3000,   8000,   16384,  30000,  32768,   33000,
                               65536, 100000, 300000, 524288, 524289, 700000, 1 << 20, 3 << 20};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void take_somehow(struct block *block, size_t size, unsigned how) {
    switch (how % 8) {
    case 0:
    case 1:
        return take(block, size);
    case 2:
        return take_zeroed(block, size);
    case 3:
        return take_aligned(block, size, (size_t)64 << how % 5, how);
    case 4:
        return take_aligned(block, size, (size_t)4096 << how % 10, how);
    case 5:
        return take_pages(block, size, how % 16 > 8);
    default:
        return resize(block, size);
    }
}

static void use_family(uint64_t seed, unsigned rounds) {
    struct block blocks[BLOCKS] = {{NULL, 0, 0}};
    for (unsigned i = 0; i < rounds; i++) {
        struct block *block = &blocks[process_random(&seed) % BLOCKS];
        unsigned how = (unsigned)(process_random(&seed) >> 20);
        if (how % 8 < 6) give(block);
        take_somehow(block, sizes[process_random(&seed) % SIZES], how);
    }
    for (unsigned i = 0; i < BLOCKS; i++) give(&blocks[i]);
}

/* Steadily longer, past every kind of block, with others in the way, and shorter again. */
static void grow(void) {
    struct block block = {NULL, 0, 0}, others[32] = {{NULL, 0, 0}};
    unsigned step = 0;
    for (size_t size = 16; size < (6 << 20); size += size / 2 + 1, step++) {
        resize(&block, size);
        if (step < 32) take(&others[step], size / 2 + 1);
    }
    for (size_t size = block.size; size > 16; size = size * 3 / 5) resize(&block, size);
    give(&block);
    for (unsigned i = 0; i < 32; i++) give(&others[i]);
}

#define HUGE_BLOCKS 14
static void use_huge(void) {
    struct block blocks[HUGE_BLOCKS] = {{NULL, 0, 0}};
    for (size_t i = 0; i < HUGE_BLOCKS; i++) take(&blocks[i], (size_t)600000 + i * 200000);
    for (size_t i = 0; i < HUGE_BLOCKS; i += 2) give(&blocks[i]);
    for (size_t i = 1; i < HUGE_BLOCKS; i += 2) resize(&blocks[i], blocks[i].size + blocks[i].size / 4);
    for (size_t i = 0; i < HUGE_BLOCKS; i += 4) take_zeroed(&blocks[i], 1500000);
    for (size_t i = 1; i < HUGE_BLOCKS; i += 4) resize(&blocks[i], blocks[i].size * 2);
    for (size_t i = 3; i < HUGE_BLOCKS; i += 4) resize(&blocks[i], blocks[i].size / 3 + 1);
    for (size_t i = 0; i < HUGE_BLOCKS; i++) give(&blocks[i]);
}

#define SMALL_BLOCKS 6000
static struct block small_blocks[SMALL_BLOCKS];

/* Many of one size class and of all, freed so that pages lie free between live blocks, which then go back. */
static void use_small(void) {
    uint64_t random = 3;
    for (unsigned i = 0; i < SMALL_BLOCKS; i++) take(&small_blocks[i], i % 2 == 0 ? 200 : 1 + i % 900);
    for (unsigned i = 0; i < SMALL_BLOCKS; i++)
        if (i / 100 % 4 != 0) give(&small_blocks[i]);
    malloc_trim(0);
    for (unsigned i = 0; i < SMALL_BLOCKS / 2; i++)
        if (small_blocks[i].start == NULL) take(&small_blocks[i], 1 + process_random(&random) % 700);
    for (unsigned i = 0; i < SMALL_BLOCKS; i++) give(&small_blocks[i]);
}

/* ---- arenas */

static void *map_custom(void *context, size_t size_bytes, size_t alignment) {
    (void)context;
    char *start = mmap(NULL, size_bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return NULL;
    size_t skipped = -(uintptr_t)start & (alignment - 1);
    if (skipped > 0) munmap(start, skipped);
    munmap(start + skipped + size_bytes, alignment - skipped);
    return start + skipped;
}
static bool unmap_custom(void *context, void *start, size_t size_bytes) {
    (void)context;
    return munmap(start, size_bytes) == 0;
}
static void take_in(acre_arena *arena, struct block *block, size_t size, unsigned how) {
    void *start;
    errno = KEPT_ERRNO;
    switch (how % 4) {
    case 0:
        start = acre_arena_calloc(arena, 1, size);
        break;
    case 1:
        start = acre_arena_aligned_alloc(arena, 4096, size);
        break;
    case 2:
        start = acre_arena_realloc(arena, NULL, size);
        break;
    default:
        start = acre_arena_malloc(arena, size);
    }
    bool all = all_to_be_had;
    all_to_be_had = false; /* arenas of these are full at some time, or get nothing at all */
    if (expect(block, start, size)) {
        CHECK(acre_arena_of(start) == arena);
        fill(block);
    }
    all_to_be_had = all;
}

static void use_arena(acre_arena *arena) {
    struct block blocks[40] = {{NULL, 0, 0}};
    struct acre_arena_figures stats;
    for (unsigned i = 0; i < 40; i++) take_in(arena, &blocks[i], sizes[i % SIZES], i);
    for (unsigned i = 0; i < 40; i += 3) give(&blocks[i]);
    acre_arena_release(arena);
    if (acre_arena_enter(arena)) {
        bool all = all_to_be_had;
        all_to_be_had = false;
        for (unsigned i = 0; i < 40; i += 3) take(&blocks[i], 1000 + i * 500);
        for (unsigned i = 0; i < 40; i += 4) resize(&blocks[i], 3000 + i * 700);
        all_to_be_had = all;
        acre_arena_leave();
    }
    for (unsigned i = 0; i < 40; i++)
        if (blocks[i].start != NULL) check_bytes(&blocks[i]);
    acre_arena_reset(arena);
    acre_arena_stats(arena, &stats);
    CHECKF(stats.live_blocks == 0 && stats.live_bytes == 0, "%zu blocks after reset", stats.live_blocks);
    for (unsigned i = 0; i < 10; i++) take_in(arena, &blocks[i], 40 + i * 9000, i);
    for (unsigned i = 0; i < 10; i += 2) give(&blocks[i]);
    acre_arena_destroy(arena);
}

static char range[3 << 20];

static void use_arenas(void) {
    const struct acre_arena_options options[] = {
        {.name = "plain"},
        {.name = "break", .source = ACRE_SOURCE_BRK},
        {.name = "limited", .limit_bytes = 1 << 20},
        {.name = "zeroed", .zeroed = true, .thp = ACRE_THP_ALWAYS},
        {.name = "reserved", .reserve_bytes = 8 << 20},
        {.name = "range", .source = ACRE_SOURCE_RANGE, .range = range, .range_bytes = sizeof range},
        {.name = "hugetlb", .source = ACRE_SOURCE_HUGETLB},
        {.name = "custom", .source = ACRE_SOURCE_CUSTOM, .functions = {map_custom, unmap_custom, NULL}},
    };
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++) {
        errno = KEPT_ERRNO;
        acre_arena *arena = acre_arena_create(&options[i]);
        if (arena != NULL) {
            use_arena(arena);
            continue;
        }
        CHECKF(errno == ENOMEM, "arena %s: errno %d", options[i].name, errno);
        CHECKF(!all_to_be_had || options[i].source == ACRE_SOURCE_HUGETLB, "arena %s refused", options[i].name);
    }
}

/* ---- threads and processes */

#define THREADS 3
#define HANDED 200
static struct {
    pthread_mutex_t lock;
    struct block handed[THREADS * HANDED];
    unsigned count;
} across = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hand_over(struct block *block) {
    pthread_mutex_lock(&across.lock);
    if (block->start != NULL && across.count < THREADS * HANDED) {
        across.handed[across.count++] = *block;
        *block = (struct block){NULL, 0, 0};
    }
    pthread_mutex_unlock(&across.lock);
    give(block);
}

static void free_another(void) {
    struct block block = {NULL, 0, 0};
    pthread_mutex_lock(&across.lock);
    if (across.count > 0) block = across.handed[--across.count];
    pthread_mutex_unlock(&across.lock);
    give(&block);
}

static void *run_thread(void *number) {
    uint64_t random = (uintptr_t)number;
    for (unsigned i = 0; i < HANDED; i++) {
        struct block block;
        take(&block, i % 50 == 49 ? 600000 : 1 + process_random(&random) % 4000);
        hand_over(&block);
        if (i % 3 != 0) free_another();
    }
    return NULL;
}

static void use_threads(void) {
    pthread_t threads[THREADS];
    bool started[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        started[i] = pthread_create(&threads[i], NULL, run_thread, (void *)i) == 0;
        CHECK(started[i] || !all_to_be_had); /* libc has no memory for it */
    }
    use_huge(); /* much is held while there are threads: where a scavenger is wanted, it starts */
    usleep(3000);
    for (unsigned i = 0; i < THREADS; i++)
        if (started[i]) CHECK(pthread_join(threads[i], NULL) == 0);
    while (across.count > 0) free_another();
}

static void use_fork(void) {
    struct block blocks[40];
    for (unsigned i = 0; i < 40; i++) take(&blocks[i], sizes[i % SIZES]);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(30);
        for (unsigned i = 0; i < 40; i++) give(&blocks[i]);
        use_family(5, 60);
        use_small();
        faults_end(); /* what runs at the end, of libc or of a tool, need not be able to do without memory */
        _exit(0);
    }
    for (unsigned i = 0; i < 40; i++) give(&blocks[i]);
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child of a fork: status 0x%x", status);
}

static void ask_for_figures(void) {
    char *text = NULL;
    size_t length = 0;
    struct mallinfo2 info = mallinfo2();
    CHECK(info.uordblks <= info.arena);
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL) return;
    malloc_info(0, stream);
    fclose(stream);
    free(text);
}

void workload_run(bool all) {
    all_to_be_had = all;
    use_family(1, 150);
    use_small();
    grow();
    use_huge();
    use_arenas();
    use_threads();
    use_fork();
    ask_for_figures();
    acre_release();
    use_family(2, 80);
    usleep(3000); /* for the scavenger, where there is one */
    use_arenas();
    acre_release();
}
