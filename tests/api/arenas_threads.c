/* Arenas and threads. Parts that may hang run in a child, which a timer ends. */
#include "support/child.h"
#include "support/process.h"
#include "support/suite.h"

#include <acre/acre.h>

#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
/* In a child: a failure is its exit status. */
#define EXPECT(condition)                                                                                          \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                        \
            _exit(1);                                                                                              \
        }                                                                                                          \
    } while (0)

enum { count = 4000, threads_most = 8 };
static acre_arena *arena;
static void *blocks[count];
static sem_t ready, go;
static const size_t sizes[] = {16, 48, 100, 500, 1000, 3000, 6000, 20000, 70000, 600000};

static size_t live_blocks(void) {
    struct acre_arena_figures stats;
    acre_arena_stats(arena, &stats);
    return stats.live_blocks;
}

static void run_thread(void *(*work)(void *), void *argument) {
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, work, argument) == 0);
    pthread_join(thread, NULL);
}

static void *allocate_all(void *unused) {
    for (int i = 0; i < count; i++) EXPECT((blocks[i] = acre_arena_malloc(arena, sizes[i % 9])) != NULL);
    return unused;
}
static void *free_all(void *unused) {
    for (int i = 0; i < count; i++) free(blocks[i]);
    return unused;
}
static void *free_odd(void *unused) {
    for (int i = 1; i < count; i += 2) free(blocks[i]);
    return unused;
}

/* Who frees has never used the arena; and who has them freed lives on. */
static void free_elsewhere(void) {
    arena = acre_arena_create(NULL);
    for (int round = 0; round < 5; round++) {
        allocate_all(NULL);
        run_thread(free_all, NULL);
        EXPECT(live_blocks() == 0);
    }
    acre_arena_destroy(arena);
}
static void frees_from_another_thread(void **state) {
    (void)state;
    assert_true(child_ends_well(free_elsewhere));
}

static void free_of_one_who_ended(void) {
    arena = acre_arena_create(NULL);
    for (int round = 0; round < 5; round++) {
        run_thread(allocate_all, NULL);
        EXPECT(live_blocks() == count);
        if (round % 2 == 0) run_thread(free_odd, NULL);
        for (int i = 0; i < count; i++) {
            if (round % 2 != 0 || i % 2 == 0) free(blocks[i]);
        }
        EXPECT(live_blocks() == 0);
    }
    acre_arena_destroy(arena);
}
static void blocks_outlive_their_thread(void **state) {
    (void)state;
    assert_true(child_ends_well(free_of_one_who_ended));
}

/* The one block that is freed lies in a full slab that nobody owns. */
static void free_one_of_a_full_slab(void) {
    arena = acre_arena_create(NULL);
    for (int i = 0; i < count; i++) blocks[i] = acre_arena_malloc(arena, 100);
    run_thread(free_odd, NULL);
    EXPECT(live_blocks() == count / 2);
    acre_arena_destroy(arena);
}
static void free_into_a_full_slab_by_a_stranger(void **state) {
    (void)state;
    assert_true(child_ends_well(free_one_of_a_full_slab));
}

static void *use_then_sleep(void *unused) {
    for (int i = 0; i < 500; i++) {
        void *block = acre_arena_malloc(arena, sizes[i % 10]);
        if (i % 3 == 0) free(block);
    }
    sem_post(&ready);
    sem_wait(&go);
    for (int i = 0; i < 3000; i++) {
        unsigned char *block = malloc(sizes[i % 9]);
        EXPECT(acre_arena_of(block) == NULL);
        memset(block, 0xee, sizes[i % 9]);
        free(block);
    }
    return unused;
}

static void destroy_while_users_sleep(void) {
    pthread_t threads[threads_most];
    sem_init(&ready, 0, 0), sem_init(&go, 0, 0);
    for (int round = 0; round < 30 / ACRE_TEST_SLOWDOWN; round++) {
        arena = acre_arena_create(NULL);
        for (int i = 0; i < threads_most; i++) pthread_create(&threads[i], NULL, use_then_sleep, NULL);
        for (int i = 0; i < threads_most; i++) sem_wait(&ready);
        if (round % 2 == 0) acre_arena_reset(arena);
        acre_arena_destroy(arena);
        arena = acre_arena_create(NULL); /* the record serves again, and so may memory */
        for (int i = 0; i < 500; i++) memset(blocks[i] = acre_arena_malloc(arena, 1000), i, 1000);
        for (int i = 0; i < threads_most; i++) sem_post(&go);
        for (int i = 0; i < threads_most; i++) pthread_join(threads[i], NULL);
        for (int i = 0; i < 500; i++) {
            unsigned char *block = blocks[i];
            EXPECT(block[0] == (unsigned char)i && memcmp(block, block + 1, 999) == 0);
        }
        acre_arena_destroy(arena);
    }
}
static void destroy_while_its_users_sleep(void **state) {
    (void)state;
    assert_true(child_ends_well(destroy_while_users_sleep));
}

static void *use_and_end(void *unused) {
    acre_arena *here = arena;
    for (int i = 0; i < 300; i++) {
        void *block = acre_arena_malloc(here, sizes[i % 9]);
        if (i % 3 == 0) free(block);
    }
    sem_post(&ready);
    return unused;
}

/* The threads' ends and the arena's coincide. */
static void destroy_while_users_end(void) {
    pthread_t threads[threads_most];
    sem_init(&ready, 0, 0);
    for (int round = 0; round < 500 / ACRE_TEST_SLOWDOWN; round++) {
        arena = acre_arena_create(NULL);
        for (int i = 0; i < threads_most; i++) pthread_create(&threads[i], NULL, use_and_end, NULL);
        for (int i = 0; i < threads_most; i++) sem_wait(&ready);
        if (round % 3 == 0) acre_arena_reset(arena);
        acre_arena_destroy(arena);
        for (int i = 0; i < threads_most; i++) pthread_join(threads[i], NULL);
    }
}
static void destroy_while_its_users_end(void **state) {
    (void)state;
    assert_true(child_ends_well(destroy_while_users_end));
}

static void *hammer(void *number) {
    uint64_t random = (uint64_t)(uintptr_t)number;
    unsigned char *mine[200] = {NULL};
    size_t bytes[200];
    for (int i = 0; i < 60000; i++) {
        unsigned slot = (unsigned)(process_random(&random) % 200);
        if (mine[slot] != NULL) {
            EXPECT(mine[slot][0] == (unsigned char)slot && mine[slot][bytes[slot] - 1] == (unsigned char)slot);
            free(mine[slot]);
            mine[slot] = NULL;
            continue;
        }
        bytes[slot] = sizes[process_random(&random) % 10] + 1;
        mine[slot] = acre_arena_malloc(arena, bytes[slot]);
        if (mine[slot] == NULL) continue;
        mine[slot][0] = mine[slot][bytes[slot] - 1] = (unsigned char)slot;
        struct acre_arena_figures stats;
        if (i % 500 == 0) {
            acre_arena_stats(arena, &stats);
            EXPECT(stats.held_bytes <= 16 * MIB);
        }
    }
    for (int i = 0; i < 200; i++) free(mine[i]);
    return NULL;
}

static void hammer_at_limit(void) {
    pthread_t threads[threads_most];
    arena = acre_arena_create(&(struct acre_arena_options){.limit_bytes = 16 * MIB});
    for (uintptr_t i = 0; i < threads_most; i++) pthread_create(&threads[i], NULL, hammer, (void *)i);
    for (int i = 0; i < threads_most; i++) pthread_join(threads[i], NULL);
    struct acre_arena_figures stats;
    acre_arena_stats(arena, &stats);
    EXPECT(stats.live_blocks == 0);
    EXPECT(stats.held_peak_bytes <= 16 * MIB);
    acre_arena_destroy(arena);
}
static void eight_threads_never_exceed_the_limit(void **state) {
    (void)state;
    assert_true(child_ends_well(hammer_at_limit));
}

/* What a thread that ended has left is searched as well, and also after a search in vain. */
static void *take_and_wait(void *unused) {
    for (int i = 0; i < count; i++) EXPECT((blocks[i] = acre_arena_malloc(arena, 48)) != NULL);
    sem_post(&ready);
    sem_wait(&go);
    return unused;
}
static void meet_the_limit_while_another_ends(void) {
    pthread_t thread;
    int taken = 0, kept = 0;
    sem_init(&ready, 0, 0), sem_init(&go, 0, 0);
    arena = acre_arena_create(&(struct acre_arena_options){.limit_bytes = 512 * KIB});
    EXPECT(pthread_create(&thread, NULL, take_and_wait, NULL) == 0);
    sem_wait(&ready);
    while (acre_arena_malloc(arena, 48) != NULL) continue;
    sem_post(&go);
    pthread_join(thread, NULL);
    for (int i = 0; i < count; i++) {
        if (i % 300 == 0) kept++;
        else free(blocks[i]);
    }
    while (acre_arena_malloc(arena, 48) != NULL) taken++;
    EXPECT(taken > (count - kept) * 9 / 10);
    acre_arena_destroy(arena);
}
static void what_an_ended_thread_left_is_found_at_the_limit(void **state) {
    (void)state;
    assert_true(child_ends_well(meet_the_limit_while_another_ends));
}

/* How many slabs a thread fills with blocks of mixed sizes before sizes have their own is for those that it has,
 * whoever they came from. */
enum { least_count = 3 * 4096 }; /* of 16 bytes: they fill slabs to the last place */
static void *least[least_count];
static void *take_least(void *unused) {
    for (int i = 0; i < least_count; i++) EXPECT((least[i] = acre_arena_malloc(arena, 16)) != NULL);
    return unused;
}
static void change_sizes_and_free_others(void) {
    enum { taken_most = 1000, steps = 20, rounds = 60 };
    void *taken[taken_most];
    arena = acre_arena_create(NULL);
    for (int step = 0; step < rounds * steps; step++) {
        for (int half = 0; half < 2; half++) {
            size_t bytes = half == 0 ? 64 : 80 + 16 * (size_t)(step % 10);
            for (int i = 0; i < taken_most; i++) EXPECT((taken[i] = acre_arena_malloc(arena, bytes)) != NULL);
            for (int i = 1; i < taken_most; i++) free(taken[i]);
        }
        if (step % steps != 0) continue;
        run_thread(take_least, NULL);
        for (int i = 0; i < least_count; i++) free(least[i]);
    }
    struct acre_arena_figures stats;
    acre_arena_stats(arena, &stats);
    EXPECT(stats.held_bytes <= 8 * MIB);
    acre_arena_destroy(arena);
}
static void slabs_of_others_do_not_make_room_for_more(void **state) {
    (void)state;
    assert_true(child_ends_well(change_sizes_and_free_others));
}

/* libacre's own thread is started by whoever is in its slow path: what libc allocates for it is not the arena's. */
static void *nap(void *unused) {
    void *block = malloc(10);
    sem_wait(&go);
    free(block);
    return unused;
}
static void start_scavenger_while_entered(void) {
    pthread_t thread;
    sem_init(&go, 0, 0);
    arena = acre_arena_create(NULL);
    EXPECT(pthread_create(&thread, NULL, nap, NULL) == 0);
    usleep(10000);
    EXPECT(acre_arena_enter(arena));
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < count; i++) memset(blocks[i] = malloc(3000), 1, 3000);
        for (int i = 0; i < count; i++) free(blocks[i]);
    }
    acre_arena_leave();
    EXPECT(live_blocks() == 0);
}
static void the_scavenger_takes_nothing_from_the_entered_arena(void **state) {
    (void)state;
    assert_true(child_ends_well(start_scavenger_while_entered));
}

static void *end_entered(void *unused) {
    EXPECT(acre_arena_enter(arena));
    free(malloc(100));
    return unused;
}
static void end_while_entered(void) {
    arena = acre_arena_create(NULL);
    for (int i = 0; i < 50; i++) run_thread(end_entered, NULL);
    acre_arena_destroy(arena);
    run_thread(nap, (sem_init(&go, 0, 1), NULL));
}
static void thread_may_end_while_it_has_entered(void **state) {
    (void)state;
    assert_true(child_ends_well(end_while_entered));
}

int main(void) {
    process_expect_malloc();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frees_from_another_thread),
        cmocka_unit_test(blocks_outlive_their_thread),
        cmocka_unit_test(free_into_a_full_slab_by_a_stranger),
        cmocka_unit_test(destroy_while_its_users_sleep),
        cmocka_unit_test(destroy_while_its_users_end),
        cmocka_unit_test(eight_threads_never_exceed_the_limit),
        cmocka_unit_test(what_an_ended_thread_left_is_found_at_the_limit),
        cmocka_unit_test(slabs_of_others_do_not_make_room_for_more),
        cmocka_unit_test(the_scavenger_takes_nothing_from_the_entered_arena),
        cmocka_unit_test(thread_may_end_while_it_has_entered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
