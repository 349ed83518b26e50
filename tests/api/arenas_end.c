/* The end of blocks and of arenas: reset, release, destroy. */
#include "api/arenas.h"
#include "support/child.h"
#include "support/process.h"

#include <pthread.h>

static bool visit_none(void *block, size_t size_bytes, void *context) {
    (void)size_bytes, (void)context;
    fail_msg("%p is still live", block);
    return false;
}

static void reset_leaves_memory_and_no_blocks(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3000; i++) {
            void *block = acre_arena_malloc(arena, sizes[i % 11]);
            assert_non_null(block);
            memset(block, i, sizes[i % 11]);
            if (i % 4 == 0) free(block);
        }
        acre_arena_malloc(arena, 20 * MIB);
        acre_arena_reset(arena);
        struct acre_arena_figures stats = stats_of(arena);
        assert_int_equal(stats.live_blocks, 0);
        assert_int_equal(stats.live_bytes, 0);
        assert_true(stats.held_bytes > 0);
        assert_true(acre_arena_walk(arena, visit_none, NULL));
    }
    assert_true(acre_arena_release(arena));
    acre_arena_destroy(arena);
}

/* The same work after a reset needs no more from the source. */
static void reset_arena_uses_its_memory_again(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    size_t held_bytes = 0;
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 20000; i++) assert_non_null(acre_arena_malloc(arena, sizes[i % 8]));
        if (round == 1) held_bytes = stats_of(arena).held_bytes;
        acre_arena_reset(arena);
    }
    assert_true(stats_of(arena).held_peak_bytes <= held_bytes + held_bytes / 4);
    acre_arena_destroy(arena);
}

static void reset_of_an_untouched_arena(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    acre_arena_reset(arena);
    acre_arena_reset(arena);
    assert_non_null(acre_arena_malloc(arena, 10));
    acre_arena_destroy(arena);
}

/* Blocks of a class that this thread never took, of slabs that became its own by frees. */
static acre_arena *shared_arena;
static void *left_behind[2000];
static void *leave_blocks(void *unused) {
    for (int i = 0; i < 2000; i++) left_behind[i] = acre_arena_malloc(shared_arena, 512);
    return unused;
}
static void adopt_and_reset(void) {
    pthread_t thread;
    static unsigned char *blocks[4000];
    shared_arena = acre_arena_create(NULL);
    acre_arena_malloc(shared_arena, 32);
    if (pthread_create(&thread, NULL, leave_blocks, NULL) != 0) _Exit(2);
    pthread_join(thread, NULL);
    for (int i = 1; i < 2000; i += 2) free(left_behind[i]);
    acre_arena_reset(shared_arena);
    for (unsigned i = 0; i < 4000; i++) fill(blocks[i] = acre_arena_malloc(shared_arena, 512), 512, i);
    for (unsigned i = 0; i < 4000; i++) {
        if (!is_filled(blocks[i], 512, i)) _Exit(1);
    }
    acre_arena_destroy(shared_arena);
}
static void reset_forgets_slabs_adopted_by_frees(void **state) {
    (void)state;
    assert_true(child_ends_well(adopt_and_reset));
}

static void release_gives_free_memory_back(void **state) {
    (void)state;
    enum { count = 200 };
    acre_arena *arena = create(NULL);
    void *blocks[count];
    void *kept = acre_arena_malloc(arena, 1000);
    fill(kept, 1000, 1);
    for (int i = 0; i < count; i++) memset(blocks[i] = acre_arena_malloc(arena, 200000), 1, 200000);
    size_t full_bytes = process_resident_bytes();
    for (int i = 0; i < count; i++) free(blocks[i]);
    acre_arena_release(arena);
    assert_true(process_resident_bytes() + count * 200000 * 3 / 4 < full_bytes);
    assert_true(stats_of(arena).retained_bytes < MIB);
    assert_true(is_filled(kept, 1000, 1));
    assert_false(acre_arena_release(arena));
    acre_arena_destroy(arena);
}

static void use_all_sizes(acre_arena *arena, int times) {
    for (int i = 0; i < times; i++) {
        for (unsigned each = 0; each < size_count; each++) {
            void *block = acre_arena_malloc(arena, sizes[each]);
            assert_non_null(block);
            memset(block, 1, sizes[each]);
        }
    }
}

/* Huge blocks of any arena may wait in the cache that all share, which acre_release empties. */
static void destroy_gives_all_memory_back(void **state) {
    (void)state;
    use_all_sizes(shared_arena = create(NULL), 1);
    acre_arena_destroy(shared_arena);
    acre_release();
    size_t mapped_bytes = process_address_space_bytes(), resident_bytes = process_resident_bytes();
    for (int round = 0; round < 5; round++) {
        acre_arena *arena = create(NULL);
        use_all_sizes(arena, 4);
        acre_arena_destroy(arena);
    }
    acre_release();
    assert_true(process_address_space_bytes() <= mapped_bytes + 3 * MIB);
    assert_true(process_resident_bytes() <= resident_bytes + 3 * MIB);
}

static void many_lives_leak_nothing(void **state) {
    (void)state;
    size_t resident_bytes = 0;
    for (int life = 0; life < 20000; life++) {
        acre_arena *arena = create(NULL);
        for (int i = 0; i < 5; i++) memset(acre_arena_malloc(arena, 300), 1, 300);
        if (life % 7 == 0) memset(acre_arena_malloc(arena, 30000), 1, 30000);
        acre_arena_destroy(arena);
        if (life == 2000) resident_bytes = process_resident_bytes();
    }
    assert_true(process_resident_bytes() < resident_bytes + MIB);
}

static void destroy_leaves_others_undisturbed(void **state) {
    (void)state;
    enum { count = 60 };
    acre_arena *arenas[count];
    void *blocks[count][3];
    for (unsigned i = 0; i < count; i++) {
        arenas[i] = create(NULL);
        for (unsigned each = 0; each < 3; each++) {
            blocks[i][each] = acre_arena_malloc(arenas[i], 100 + 3000 * each);
            fill(blocks[i][each], 100 + 3000 * each, i);
        }
    }
    for (unsigned i = 0; i < count; i += 2) acre_arena_destroy(arenas[i]);
    for (unsigned i = 1; i < count; i += 2) {
        for (unsigned each = 0; each < 3; each++) assert_true(is_filled(blocks[i][each], 100 + 3000 * each, i));
        assert_int_equal(stats_of(arenas[i]).live_blocks, 3);
        acre_arena_destroy(arenas[i]);
    }
}

int arenas_end(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reset_leaves_memory_and_no_blocks), cmocka_unit_test(reset_arena_uses_its_memory_again),
        cmocka_unit_test(reset_of_an_untouched_arena),       cmocka_unit_test(reset_forgets_slabs_adopted_by_frees),
        cmocka_unit_test(release_gives_free_memory_back),    cmocka_unit_test(destroy_gives_all_memory_back),
        cmocka_unit_test(many_lives_leak_nothing),           cmocka_unit_test(destroy_leaves_others_undisturbed),
    };
    return cmocka_run_group_tests_name("end", tests, NULL, NULL);
}
