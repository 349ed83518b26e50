/* How each source moves the break, seen with sbrk(0).
 *   down BYTES   source:brk: the break rises for 32 MiB of blocks of that size and, when all are freed, comes
 *                down again by at least half
 *   low BYTES    source:brk: the break comes down although threads, while 40 MiB below its top were free, took blocks
 *                that live on, of sizes whose slabs touch few pages
 *   still        source:mmap: the break never moves, whatever is allocated, by threads too
 *   bounded      source:auto with brk_limit:8m: blocks come from the break first, at most 8 MiB of it */
#include "support/check.h"
#include "support/process.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static uintptr_t break_now(void) { return (uintptr_t)sbrk(0); }

/* Without an array that would itself be a block: the list is in the blocks. */
static void *take(size_t total_bytes, size_t size) {
    void **list = NULL;
    for (size_t taken_bytes = 0; taken_bytes < total_bytes; taken_bytes += size) {
        void **block = malloc(size);
        CHECK(block != NULL);
        memset(block, 1, size);
        *block = list;
        list = block;
    }
    return list;
}

static void give_back(void **list) {
    while (list != NULL) {
        void **next = *list;
        free(list);
        list = next;
    }
}

static void run_down(size_t size) {
    const size_t total_bytes = (size_t)32 << 20;
    free(malloc(size));
    for (int round = 0; round < 3; round++) {
        uintptr_t start = break_now();
        void *list = take(total_bytes, size);
        uintptr_t peak = break_now();
        CHECKF(peak >= start + total_bytes / 2, "round %d: the break rose by %zd bytes only", round,
               (ptrdiff_t)(peak - start));
        give_back(list);
        uintptr_t end = break_now();
        printf("blocks of %zu bytes: break +%zu KiB, then -%zd KiB\n", size, (peak - start) / 1024,
               (ptrdiff_t)(peak - end) / 1024);
        fflush(stdout);
        CHECKF((ptrdiff_t)(peak - end) >= (ptrdiff_t)(peak - start) / 2, "round %d: it came down by %zd of %zu", round,
               (ptrdiff_t)(peak - end), peak - start);
    }
}

/* Blocks of many sizes, one of each, in threads at the same time: each has slabs of its own, which touch a page or two.
 */
enum { LOW_THREADS = 12, LOW_SIZES = 20 };
static pthread_barrier_t all_have;
static void *few[LOW_THREADS][LOW_SIZES];

static void *take_few(void *argument) {
    void **blocks = argument;
    for (size_t i = 0; i < LOW_SIZES; i++) {
        blocks[i] = malloc(1040 + i * 128);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 1, 1040);
    }
    pthread_barrier_wait(&all_have);
    return NULL;
}

static void take_few_in_threads(void) {
    pthread_t threads[LOW_THREADS];
    CHECK(pthread_barrier_init(&all_have, NULL, LOW_THREADS) == 0);
    for (size_t i = 0; i < LOW_THREADS; i++) CHECK(pthread_create(&threads[i], NULL, take_few, few[i]) == 0);
    for (size_t i = 0; i < LOW_THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_destroy(&all_have);
}

static void free_few(void) {
    for (size_t i = 0; i < LOW_THREADS * LOW_SIZES; i++) free(few[i / LOW_SIZES][i % LOW_SIZES]);
}

/* The list goes from the first block to the last, and so do the frees: what is given back meanwhile is high. */
static void *take_in_order(size_t total_bytes, size_t size) {
    void **first = NULL, **last = NULL;
    for (size_t taken_bytes = 0; taken_bytes < total_bytes; taken_bytes += size) {
        void **block = malloc(size);
        CHECK(block != NULL);
        memset(block, 1, size);
        *block = NULL;
        if (first == NULL) first = block;
        else *last = block;
        last = block;
    }
    return first;
}

static void run_low(size_t size) {
    const size_t total_bytes = (size_t)40 << 20;
    void *live = take((size_t)20 << 20, 1024);
    for (int round = 0; round < 4; round++) {
        take_few_in_threads();
        free_few();
    }
    malloc_trim(0);
    void *list = take_in_order(total_bytes, size), *top = malloc(200000);
    CHECK(top != NULL);
    memset(top, 1, 200000);
    uintptr_t peak = break_now();
    give_back(list);
    uintptr_t held = break_now();
    CHECKF(held >= peak - total_bytes / 4, "it came down by %zu although its top is in use", peak - held);
    take_few_in_threads();
    free(top);
    uintptr_t end = break_now();
    printf("break %zx, without its top less by %zu KiB\n", peak, (peak - end) / 1024);
    fflush(stdout);
    CHECKF(peak - end >= total_bytes * 2 / 3, "it came down by %zu", peak - end);
    free_few();
    give_back(live);
}

static void *take_in_thread(void *argument) {
    give_back(take(4 << 20, (size_t)(uintptr_t)argument));
    return NULL;
}

static void run_still(void) {
    uintptr_t start = break_now();
    for (size_t size = 16; size <= (size_t)(8 << 20); size = size * 5 + 3) {
        void *list = take(16 << 20, size);
        CHECK(break_now() == start);
        give_back(list);
        CHECK(break_now() == start);
    }
    pthread_t threads[4];
    for (intptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, take_in_thread, (void *)((intptr_t)100 << i * 3)) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(break_now() == start);
}

static void run_bounded(void) {
    const uintptr_t limit_bytes = 8 << 20, slack_bytes = 1 << 20;
    extern char end; /* the program's own data ends below the break */
    uintptr_t start = break_now();
    char *first = malloc(100);
    CHECK(first != NULL);
    CHECKF((uintptr_t)first > (uintptr_t)&end && (uintptr_t)first < break_now(), "a small block at %p, break %p",
           (void *)first, sbrk(0));
    void *list = take(32 << 20, 1000);
    CHECKF(break_now() <= start + limit_bytes + slack_bytes, "the break rose by %zu", break_now() - start);
    CHECKF(break_now() >= start + limit_bytes / 2, "the break rose by %zu only", break_now() - start);
    give_back(list);
    free(first);
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    process_expect_malloc();
    process_watchdog(120);
    if (strcmp(argv[1], "down") == 0 && argc == 3) run_down((size_t)atol(argv[2]));
    else if (strcmp(argv[1], "low") == 0 && argc == 3) run_low((size_t)atol(argv[2]));
    else if (strcmp(argv[1], "still") == 0) run_still();
    else if (strcmp(argv[1], "bounded") == 0) run_bounded();
    else CHECKF(false, "unknown variant %s", argv[1]);
    return 0;
}
