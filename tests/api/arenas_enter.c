/* The arena that a thread has entered, from which its malloc comes. */
#include "api/arenas.h"

#include <malloc.h>
#include <pthread.h>

static void entered_arena_serves_every_function(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    void *blocks[9] = {NULL};
    assert_true(acre_arena_enter(arena));
    blocks[0] = malloc(100);
    blocks[1] = calloc(3, 100);
    blocks[2] = realloc(NULL, 100);
    blocks[3] = aligned_alloc(64, 128);
    blocks[4] = memalign(4096, 100);
    assert_int_equal(posix_memalign(&blocks[5], 256, 100), 0);
    blocks[6] = valloc(100);
    blocks[7] = malloc(300000);
    blocks[8] = malloc(20 * MIB);
    char *copy = strdup("some text"); /* from within libc */
    acre_arena_leave();
    for (int i = 0; i < 9; i++) assert_true(acre_arena_of(blocks[i]) == arena);
    assert_true(acre_arena_of(copy) == arena);
    void *outside = malloc(100);
    assert_null(acre_arena_of(outside));
    free(outside);
    for (int i = 0; i < 9; i++) free(blocks[i]);
    free(copy);
    assert_int_equal(stats_of(arena).live_blocks, 0);
    acre_arena_destroy(arena);
}

static void expect_malloc_from(acre_arena *arena) {
    void *block = malloc(100);
    assert_true(acre_arena_of(block) == arena);
    free(block);
}

static void enters_nest_32_deep(void **state) {
    (void)state;
    enum { depth = 32 };
    acre_arena *arenas[depth], *one_more = create(NULL);
    for (int i = 0; i < depth; i++) {
        arenas[i] = i % 3 == 2 ? arenas[i - 1] : create(NULL);
        assert_true(acre_arena_enter(arenas[i]));
        expect_malloc_from(arenas[i]);
    }
    errno = 0;
    assert_false(acre_arena_enter(one_more));
    assert_int_equal(errno, ENOMEM);
    expect_malloc_from(arenas[depth - 1]);
    for (int i = depth - 1; i >= 0; i--) {
        expect_malloc_from(arenas[i]);
        acre_arena_leave();
    }
    expect_malloc_from(NULL);
    assert_true(acre_arena_enter(one_more));
    acre_arena_leave();
    for (int i = 0; i < depth; i++) {
        if (i % 3 != 2) acre_arena_destroy(arenas[i]);
    }
    acre_arena_destroy(one_more);
}

static void *malloc_elsewhere(void *unused) {
    (void)unused;
    return malloc(100);
}
static void enter_is_for_the_calling_thread_alone(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    pthread_t thread;
    void *block;
    assert_true(acre_arena_enter(arena));
    assert_int_equal(pthread_create(&thread, NULL, malloc_elsewhere, NULL), 0);
    pthread_join(thread, &block);
    acre_arena_leave();
    assert_null(acre_arena_of(block));
    free(block);
    acre_arena_destroy(arena);
}

static void frees_of_other_arenas_while_entered(void **state) {
    (void)state;
    acre_arena *one = create(NULL), *other = create(NULL);
    void *blocks[3] = {acre_arena_malloc(one, 100), acre_arena_malloc(other, 100), malloc(100)};
    assert_true(acre_arena_enter(one));
    for (int i = 0; i < 3; i++) free(blocks[i]);
    acre_arena_leave();
    assert_int_equal(stats_of(one).live_blocks, 0);
    assert_int_equal(stats_of(other).live_blocks, 0);
    acre_arena_destroy(one);
    acre_arena_destroy(other);
}

static void malloc_at_the_limit_of_the_entered_arena_fails(void **state) {
    (void)state;
    acre_arena *arena = create(&(struct acre_arena_options){.limit_bytes = 256 * KIB});
    assert_true(acre_arena_enter(arena));
    void *too_large = malloc(MIB), *small = malloc(10);
    int error = errno;
    acre_arena_leave();
    assert_null(too_large);
    assert_int_equal(error, ENOMEM);
    assert_non_null(small);
    acre_arena_destroy(arena);
}

int arenas_enter(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entered_arena_serves_every_function),
        cmocka_unit_test(enters_nest_32_deep),
        cmocka_unit_test(enter_is_for_the_calling_thread_alone),
        cmocka_unit_test(frees_of_other_arenas_while_entered),
        cmocka_unit_test(malloc_at_the_limit_of_the_entered_arena_fails),
    };
    return cmocka_run_group_tests_name("enter", tests, NULL, NULL);
}
