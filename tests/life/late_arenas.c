/* Threads that use arenas after their last destructors. Options:
 *   shared          one allocates from an arena first; those that come after it, also in its place, have heaps of
 *                   their own there
 *   entered         one ends while it has entered an arena, which then goes as any other
 *   entered-next    the same, by the next thread in its place */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { stack_bytes = 256 << 10, holders = 5, held = 200, rounds = 10000 / ACRE_TEST_SLOWDOWN, words = 8 };
static acre_arena *arena;
static pthread_key_t key;
static pthread_barrier_t all_have_heaps;
static bool enters;

static void use_at_last(void *calls_left) {
    if ((uintptr_t)calls_left > 1) {
        pthread_setspecific(key, (void *)((uintptr_t)calls_left - 1));
        return;
    }
    if (enters)
        CHECK(acre_arena_enter(arena));
    else
        CHECK(acre_arena_malloc(arena, 64) != NULL);
    free(malloc(10));
}

static void *set_key(void *unused) {
    free(malloc(10));
    pthread_setspecific(key, (void *)PTHREAD_DESTRUCTOR_ITERATIONS);
    return unused;
}

static void *destroy(void *unused) {
    free(malloc(10));
    acre_arena_destroy(arena);
    return unused;
}

/* Each block has its thread's number in it as long as it is that thread's. */
static void allocate_and_free(uint64_t number) {
    uint64_t *blocks[held];
    for (int round = 0; round < rounds; round++) {
        for (uint64_t i = 0; i < held; i++) {
            CHECK((blocks[i] = acre_arena_malloc(arena, words * sizeof(uint64_t))) != NULL);
            for (int at = 0; at < words; at++) blocks[i][at] = number << 32 | i;
        }
        for (uint64_t i = 0; i < held; i++) {
            for (int at = 0; at < words; at++)
                CHECKF(blocks[i][at] == (number << 32 | i), "a block of thread %d is thread %d's, too", (int)number,
                       (int)(blocks[i][at] >> 32));
            free(blocks[i]);
        }
    }
}

static void *hold(void *number) {
    free(malloc(10));
    CHECK(acre_arena_malloc(arena, 64) != NULL);
    pthread_barrier_wait(&all_have_heaps);
    pthread_barrier_wait(&all_have_heaps);
    allocate_and_free((uintptr_t)number);
    return number;
}

/* Its first call is the arena's. */
static void *come_after(void *number) {
    CHECK(acre_arena_malloc(arena, 64) != NULL);
    pthread_barrier_wait(&all_have_heaps);
    allocate_and_free((uintptr_t)number);
    return number;
}

static void run(pthread_attr_t *in_place, void *function(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, in_place, function, argument) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void run_shared(pthread_attr_t *in_place) {
    pthread_t threads[holders];
    CHECK(pthread_barrier_init(&all_have_heaps, NULL, holders + 1) == 0);
    for (uintptr_t i = 0; i < holders; i++) CHECK(pthread_create(&threads[i], NULL, hold, (void *)(i + 1)) == 0);
    pthread_barrier_wait(&all_have_heaps);
    run(in_place, come_after, (void *)(uintptr_t)(holders + 1));
    for (int i = 0; i < holders; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    acre_arena_destroy(arena);
}

int main(int argc, char **argv) {
    pthread_attr_t in_place;
    CHECK(argc == 2);
    enters = strcmp(argv[1], "shared") != 0;
    process_expect_malloc();
    process_watchdog(120);
    void *stack = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    CHECK(pthread_attr_init(&in_place) == 0 && pthread_attr_setstack(&in_place, stack, stack_bytes) == 0);
    CHECK(pthread_key_create(&key, use_at_last) == 0);
    CHECK((arena = acre_arena_create(NULL)) != NULL);
    run(&in_place, set_key, NULL);
    usleep(20000); /* the kernel has let go of the thread, too */
    if (!enters)
        run_shared(&in_place);
    else if (strcmp(argv[1], "entered-next") == 0)
        run(&in_place, destroy, NULL);
    else
        acre_arena_destroy(arena);
    return 0;
}
