/* Arenas used wrongly: each case runs in a forked child, which must end by SIGABRT with one line on stderr that
 * names the function. */
#include "support/child.h"
#include "support/process.h"
#include "support/suite.h"

#include <acre/acre.h>

/* Through a volatile, so that the compiler neither warns about nor folds what is wrong on purpose. */
static void *hide(void *pointer) {
    void *volatile hidden = pointer;
    return hidden;
}

static acre_arena *create(void) {
    acre_arena *arena = acre_arena_create(NULL);
    if (arena == NULL) _Exit(3);
    return arena;
}

static acre_arena *create_destroyed(void) {
    acre_arena *arena = create();
    for (int i = 0; i < 100; i++) acre_arena_malloc(arena, 48);
    acre_arena_destroy(arena);
    return hide(arena);
}

/* The record of the arena that was destroyed serves again. */
static acre_arena *create_destroyed_before(unsigned others) {
    acre_arena *arena = create_destroyed();
    for (unsigned i = 0; i < others; i++) acre_arena_malloc(create(), 48);
    return arena;
}

static void destroy_twice(void) { acre_arena_destroy(create_destroyed()); }
static void destroy_twice_with_others_between(void) { acre_arena_destroy(create_destroyed_before(40)); }
static void destroy_of_null(void) { acre_arena_destroy(NULL); }
static void malloc_after_destroy(void) { hide(acre_arena_malloc(create_destroyed(), 48)); }
static void malloc_after_destroy_with_others(void) { hide(acre_arena_malloc(create_destroyed_before(1000), 48)); }
static void calloc_after_destroy(void) { hide(acre_arena_calloc(create_destroyed(), 2, 48)); }
static void realloc_after_destroy(void) { hide(acre_arena_realloc(create_destroyed(), NULL, 48)); }
static void aligned_alloc_after_destroy(void) { hide(acre_arena_aligned_alloc(create_destroyed(), 64, 48)); }
static void reset_after_destroy(void) { acre_arena_reset(create_destroyed()); }
static void release_after_destroy(void) { acre_arena_release(create_destroyed()); }
static void contains_after_destroy(void) { acre_arena_contains(create_destroyed(), "no block"); }
static void enter_after_destroy(void) { acre_arena_enter(create_destroyed()); }
static void stats_after_destroy(void) {
    struct acre_arena_figures stats;
    acre_arena_stats(create_destroyed(), &stats);
}
static bool visit(void *block, size_t size_bytes, void *context) {
    (void)block, (void)size_bytes, (void)context;
    return true;
}
static void walk_after_destroy(void) { acre_arena_walk(create_destroyed(), visit, NULL); }

/* One life of the record after another: the handle must stay dead in each. */
static void malloc_after_many_lives(unsigned lives) {
    acre_arena *arena = create_destroyed();
    for (unsigned i = 0; i < lives; i++) {
        acre_arena *other = create();
        acre_arena_malloc(other, 48);
        if (i + 1 < lives) acre_arena_destroy(other);
    }
    hide(acre_arena_malloc(arena, 48));
}
static void malloc_after_1_life(void) { malloc_after_many_lives(1); }
static void malloc_after_7_lives(void) { malloc_after_many_lives(7); }
static void malloc_after_15_lives(void) { malloc_after_many_lives(15); }
static void malloc_after_100_lives(void) { malloc_after_many_lives(100); }

static void free_after_destroy(size_t size) {
    acre_arena *arena = create();
    void *block = acre_arena_malloc(arena, size);
    acre_arena_destroy(arena);
    free(hide(block));
}
static void free_small_after_destroy(void) { free_after_destroy(48); }
static void free_medium_after_destroy(void) { free_after_destroy(6000); }
static void free_large_after_destroy(void) { free_after_destroy(200000); }
static void free_huge_after_destroy(void) { free_after_destroy((size_t)20 << 20); }
static void realloc_small_after_destroy(void) {
    acre_arena *arena = create();
    void *block = acre_arena_malloc(arena, 48);
    acre_arena_destroy(arena);
    hide(realloc(hide(block), 4000));
}
static void free_in_arena_with_chunks_after_destroy(void) {
    acre_arena *arena = create();
    void *block = NULL;
    for (int i = 0; i < 100000; i++) block = acre_arena_malloc(arena, 48);
    acre_arena_destroy(arena);
    free(hide(block));
}

static void double_free(size_t size) {
    void *block = acre_arena_malloc(create(), size);
    free(hide(block));
    free(hide(block));
}
static void double_free_small(void) { double_free(48); }
static void double_free_medium(void) { double_free(6000); }
static void double_free_large(void) { double_free(200000); }
static void double_free_huge(void) { double_free((size_t)20 << 20); }

static void free_after_reset(size_t size) {
    acre_arena *arena = create();
    void *block = acre_arena_malloc(arena, size);
    acre_arena_reset(arena);
    free(hide(block));
}
static void free_small_after_reset(void) { free_after_reset(48); }
static void free_large_after_reset(void) { free_after_reset(200000); }
static void free_huge_after_reset(void) { free_after_reset((size_t)20 << 20); }

static void free_inside_a_block(void) { free((char *)hide(acre_arena_malloc(create(), 100)) + 8); }

static void leave_without_enter(void) { acre_arena_leave(); }
static void leave_once_too_often(void) {
    acre_arena *arena = create();
    acre_arena_enter(arena);
    acre_arena_leave();
    acre_arena_leave();
}

static void destroy_while_entered(void) {
    acre_arena *arena = create();
    acre_arena_enter(arena);
    acre_arena_enter(create());
    acre_arena_destroy(arena);
}

/* What acre_arena_each calls must leave the registry as it is. */
static bool create_one(acre_arena *arena, const char *name, void *context) {
    (void)arena, (void)name, (void)context;
    return acre_arena_create(NULL) != NULL;
}
static bool reset_it(acre_arena *arena, const char *name, void *context) {
    (void)name, (void)context;
    acre_arena_reset(arena);
    return true;
}
static bool destroy_it(acre_arena *arena, const char *name, void *context) {
    (void)name, (void)context;
    acre_arena_destroy(arena);
    return true;
}
static void each_of_one(acre_visit_arena *wrong) {
    acre_arena_malloc(create(), 48);
    acre_arena_each(wrong, NULL);
}
static void create_in_each(void) { each_of_one(create_one); }
static void reset_in_each(void) { each_of_one(reset_it); }
static void destroy_in_each(void) { each_of_one(destroy_it); }

static acre_arena *own;
static void *take_from_itself(void *context, size_t size_bytes, size_t alignment) {
    (void)context, (void)alignment;
    return acre_arena_malloc(own, size_bytes);
}
static void source_that_uses_its_own_arena(void) {
    struct acre_arena_options options = {.source = ACRE_SOURCE_CUSTOM, .functions = {take_from_itself, NULL, NULL}};
    own = acre_arena_create(&options);
    hide(acre_arena_malloc(own, 200000));
}

static const struct misuse {
    const char *name;
    void (*run)(void);
    const char *function;
} cases[] = {
#define CASE(run, function)                                                                                        \
    { #run, run, function }
    CASE(destroy_twice, "acre_arena_destroy"),
    CASE(destroy_twice_with_others_between, "acre_arena_destroy"),
    CASE(destroy_of_null, "acre_arena_destroy"),
    CASE(malloc_after_destroy, "acre_arena_malloc"),
    CASE(malloc_after_destroy_with_others, "acre_arena_malloc"),
    CASE(calloc_after_destroy, "acre_arena_calloc"),
    CASE(realloc_after_destroy, "acre_arena_realloc"),
    CASE(aligned_alloc_after_destroy, "acre_arena_aligned_alloc"),
    CASE(reset_after_destroy, "acre_arena_reset"),
    CASE(release_after_destroy, "acre_arena_release"),
    CASE(contains_after_destroy, "acre_arena_contains"),
    CASE(enter_after_destroy, "acre_arena_enter"),
    CASE(stats_after_destroy, "acre_arena_stats"),
    CASE(walk_after_destroy, "acre_arena_walk"),
    CASE(malloc_after_1_life, "acre_arena_malloc"),
    CASE(malloc_after_7_lives, "acre_arena_malloc"),
    CASE(malloc_after_15_lives, "acre_arena_malloc"),
    CASE(malloc_after_100_lives, "acre_arena_malloc"),
    CASE(free_small_after_destroy, "free"),
    CASE(free_medium_after_destroy, "free"),
    CASE(free_large_after_destroy, "free"),
    CASE(free_huge_after_destroy, "free"),
    CASE(realloc_small_after_destroy, "realloc"),
    CASE(free_in_arena_with_chunks_after_destroy, "free"),
    CASE(double_free_small, "free"),
    CASE(double_free_medium, "free"),
    CASE(double_free_large, "free"),
    CASE(double_free_huge, "free"),
    CASE(free_small_after_reset, "free"),
    CASE(free_large_after_reset, "free"),
    CASE(free_huge_after_reset, "free"),
    CASE(free_inside_a_block, "free"),
    CASE(leave_without_enter, "acre_arena_leave"),
    CASE(leave_once_too_often, "acre_arena_leave"),
    CASE(destroy_while_entered, "acre_arena_destroy"),
    CASE(create_in_each, "acre_arena_create"),
    CASE(reset_in_each, "acre_arena_reset"),
    CASE(destroy_in_each, "acre_arena_destroy"),
    CASE(source_that_uses_its_own_arena, "would wait for itself"),
#undef CASE
};
enum { case_count = sizeof cases / sizeof cases[0] };

static void run_case(void **state) {
    const struct misuse *misuse = *state;
    assert_true(child_is_stopped(misuse->name, misuse->run, misuse->function));
}

int main(void) {
    process_expect_malloc();
    struct CMUnitTest tests[case_count];
    for (int i = 0; i < case_count; i++)
        tests[i] = (struct CMUnitTest){cases[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
