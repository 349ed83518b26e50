/* What a sanitizer sees of a program on acre.
 *   own         the malloc is acre's, for libc too
 *   reuse       blocks that threads hand on, free and take again: acre alone orders the one and the other, no race
 * and mistakes of the program, each of which is to be seen:
 *   race        two threads write to a block
 *   free        a thread frees a block that another writes to
 *   late        a thread writes to a block that it has freed, and that another one has by now
 *   overflow    of an int
 * Threads here wait for each other by relaxed atomics, which order nothing. */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { large_bytes = 200000 };

static void start(pthread_t *thread, void *(*work)(void *), void *argument) {
    CHECK(pthread_create(thread, NULL, work, argument) == 0);
}

/* ---- own */

static size_t live_blocks(void) {
    struct acre_arena_figures stats;
    acre_arena_stats(NULL, &stats);
    return stats.live_blocks;
}

static void malloc_is_acres(void) {
    size_t before = live_blocks();
    char *text = malloc(large_bytes);
    CHECK(live_blocks() == before + 1);
    memset(text, 'a', large_bytes - 1);
    text[large_bytes - 1] = 0;
    char *copy = strdup(text);
    CHECK(live_blocks() == before + 2);
    free(text), free(copy);
    CHECK(live_blocks() == before);
}

/* ---- reuse */

enum { threads = 4, cells = 16, blocks_each = 6000, known_most = 1 << 14, written_most = 300 };
static const size_t sizes[] = {16, 48, 200, 1000, 5000, 40000, large_bytes, 1 << 20};
static _Atomic(unsigned char *) passed[threads - 1][cells]; /* by a thread to the next */
static _Atomic int left = blocks_each;                      /* to the last one */
static acre_arena *arena;

static size_t written(size_t size) { return size < written_most ? size : written_most; }

/* The first thread frees nothing: an address that comes to it again was freed by another. */
static unsigned take(uint64_t *random) {
    static const unsigned char *known[known_most];
    unsigned again = 0;
    for (int number = 0; number < blocks_each;) {
        uint64_t dice = process_random(random);
        _Atomic(unsigned char *) *cell = &passed[0][dice % cells];
        if (atomic_load_explicit(cell, memory_order_relaxed) != NULL) continue;
        size_t size = sizes[(dice >> 8) % (sizeof sizes / sizeof sizes[0])];
        unsigned char *block = dice >> 16 & 1 ? malloc(size) : acre_arena_malloc(arena, size);
        CHECK(block != NULL);
        memset(block, (int)(size & 0x7f), written(size));
        const unsigned char **place = &known[((uintptr_t)block >> 4) % known_most];
        again += *place == block;
        *place = block;
        atomic_store_explicit(cell, block, memory_order_release);
        number++;
    }
    return again;
}

static void *hand_on(void *argument) {
    uintptr_t number = (uintptr_t)argument;
    uint64_t random = number;
    while (atomic_load_explicit(&left, memory_order_relaxed) > 0) {
        _Atomic(unsigned char *) *from = &passed[number - 1][process_random(&random) % cells];
        _Atomic(unsigned char *) *to =
            number + 1 == threads ? NULL : &passed[number][process_random(&random) % cells];
        if (to != NULL && atomic_load_explicit(to, memory_order_relaxed) != NULL) continue;
        unsigned char *block = atomic_load_explicit(from, memory_order_acquire);
        if (block == NULL) continue;
        atomic_store_explicit(from, NULL, memory_order_relaxed);
        CHECK(block[0] == block[15]);
        block[0] = block[15] = (unsigned char)number;
        if (to != NULL)
            atomic_store_explicit(to, block, memory_order_release);
        else
            free(block), atomic_fetch_sub_explicit(&left, 1, memory_order_relaxed);
    }
    return NULL;
}

static void reuse_is_ordered(void) {
    pthread_t others[threads];
    uint64_t random = 1;
    arena = acre_arena_create(NULL);
    for (uintptr_t i = 1; i < threads; i++) start(&others[i], hand_on, (void *)i);
    unsigned again = take(&random);
    for (int i = 1; i < threads; i++) CHECK(pthread_join(others[i], NULL) == 0);
    CHECKF(again > blocks_each / 10, "%u of %d blocks had been others'", again, blocks_each);
    acre_arena_destroy(arena);
}

/* ---- mistakes */

static _Atomic int turn;
static char *block;

static void wait_for_turn(int number) {
    while (atomic_load_explicit(&turn, memory_order_relaxed) != number) usleep(100);
}
static void give_turn(int number) { atomic_store_explicit(&turn, number, memory_order_relaxed); }

static void *write_in_turn(void *unused) {
    wait_for_turn(1);
    block[8] = 1;
    return unused;
}
static void *free_in_turn(void *unused) {
    wait_for_turn(1);
    free(block);
    return unused;
}
static void *take_in_turn(void *unused) {
    wait_for_turn(1);
    char *again = malloc(large_bytes);
    CHECKF(again == block, "the block was not taken again");
    give_turn(2);
    return unused;
}

/* The other thread's mistake comes after a write here, or a free. */
static void be_wrong(void *(*other)(void *), bool late) {
    pthread_t thread;
    block = malloc(large_bytes);
    start(&thread, other, NULL);
    if (late)
        free(block);
    else
        block[8] = 2;
    give_turn(1);
    if (late) {
        wait_for_turn(2);
        block[8] = 3;
    }
    pthread_join(thread, NULL);
}

static void overflow(void) {
    volatile int most = INT_MAX;
    most = most + 1;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    const char *variant = arguments[1];
    process_expect_malloc();
    process_watchdog(60);
    if (strcmp(variant, "own") == 0)
        malloc_is_acres();
    else if (strcmp(variant, "reuse") == 0)
        reuse_is_ordered();
    else if (strcmp(variant, "race") == 0)
        be_wrong(write_in_turn, false);
    else if (strcmp(variant, "free") == 0)
        be_wrong(free_in_turn, false);
    else if (strcmp(variant, "late") == 0)
        be_wrong(take_in_turn, true);
    else if (strcmp(variant, "overflow") == 0)
        overflow();
    else
        CHECKF(false, "unknown variant %s", variant);
    return 0;
}
