/* Blocks of an arena: their sizes, content and alignment; realloc, and what moves between arenas. */
#include "api/arenas.h"

#include <malloc.h>

static void blocks_of_every_size_hold_what_is_written(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    void *blocks[size_count];
    for (unsigned i = 0; i < size_count; i++) {
        blocks[i] = acre_arena_malloc(arena, sizes[i]);
        assert_non_null(blocks[i]);
        assert_true(is_aligned(blocks[i], 16));
        assert_true(malloc_usable_size(blocks[i]) >= sizes[i]);
        fill(blocks[i], sizes[i], i);
    }
    for (unsigned i = 0; i < size_count; i++) {
        assert_true(is_filled(blocks[i], sizes[i], i));
        free(blocks[i]);
    }
    assert_int_equal(stats_of(arena).live_blocks, 0);
    acre_arena_destroy(arena);
}

static void malloc_of_zero_gives_blocks_of_their_own(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    void *one = acre_arena_malloc(arena, 0), *other = acre_arena_malloc(arena, 0);
    assert_non_null(one);
    assert_ptr_not_equal(one, other);
    acre_arena_destroy(arena);
}

static void calloc_is_zero_after_frees(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (unsigned i = 1; i < size_count; i++) {
        for (int round = 0; round < 20; round++) {
            unsigned char *block = acre_arena_calloc(arena, 1, sizes[i]);
            assert_non_null(block);
            assert_true(is_zero(block, 0, sizes[i]));
            memset(block, 0xee, malloc_usable_size(block));
            free(block);
        }
    }
    acre_arena_destroy(arena);
}

static void sizes_beyond_everything_are_refused(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    void *block = acre_arena_malloc(arena, 100);
    fill(block, 100, 1);
#define REFUSED(call)                                                                                              \
    do {                                                                                                           \
        errno = 0;                                                                                                 \
        assert_null(call);                                                                                         \
        assert_int_equal(errno, ENOMEM);                                                                           \
    } while (0)
    REFUSED(acre_arena_malloc(arena, SIZE_MAX));
    REFUSED(acre_arena_malloc(arena, (size_t)PTRDIFF_MAX + 1));
    REFUSED(acre_arena_malloc(arena, PTRDIFF_MAX));
    REFUSED(acre_arena_calloc(arena, SIZE_MAX, 2));
    REFUSED(acre_arena_calloc(arena, SIZE_MAX / 2 + 1, 2));
    REFUSED(acre_arena_calloc(arena, (size_t)1 << 32, (size_t)1 << 32));
    REFUSED(acre_arena_realloc(arena, block, SIZE_MAX));
    REFUSED(acre_arena_realloc(arena, NULL, SIZE_MAX));
    REFUSED(acre_arena_aligned_alloc(arena, 4096, SIZE_MAX));
    REFUSED(acre_arena_aligned_alloc(arena, 4096, SIZE_MAX - 4095));
    REFUSED(acre_arena_aligned_alloc(arena, (size_t)1 << 62, 100));
    REFUSED(acre_arena_aligned_alloc(arena, (size_t)1 << 63, 100));
#undef REFUSED
    assert_true(is_filled(block, 100, 1));
    assert_non_null(acre_arena_malloc(arena, 100));
    acre_arena_destroy(arena);
}

static void calloc_with_a_zero_count(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    assert_non_null(acre_arena_calloc(arena, 0, SIZE_MAX));
    assert_non_null(acre_arena_calloc(arena, SIZE_MAX, 0));
    acre_arena_destroy(arena);
}

static void aligned_blocks_of_every_size(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (size_t alignment = 1; alignment <= 16 * MIB; alignment *= 2) {
        for (unsigned i = 0; i < size_count; i++) {
            unsigned char *block = acre_arena_aligned_alloc(arena, alignment, sizes[i]);
            assert_non_null(block);
            assert_true(is_aligned(block, alignment));
            assert_true(acre_arena_of(block) == arena);
            if (sizes[i] > 0) block[0] = block[sizes[i] - 1] = 1;
            if (i % 2 == 0) free(block);
        }
        acre_arena_reset(arena);
    }
    acre_arena_destroy(arena);
}

static void alignments_that_are_no_power_of_two_are_refused(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    static const size_t wrong[] = {0, 3, 24, 4097, SIZE_MAX};
    for (int i = 0; i < 5; i++) {
        errno = 0;
        assert_null(acre_arena_aligned_alloc(arena, wrong[i], 100));
        assert_int_equal(errno, EINVAL);
    }
    acre_arena_destroy(arena);
}

/* ---- realloc */

static void realloc_leaves_a_block_in_its_arena(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (unsigned from = 0; from < size_count; from++) {
        for (unsigned to = 1; to < size_count; to++) {
            void *block = acre_arena_malloc(arena, sizes[from]);
            fill(block, sizes[from], from);
            void *moved = realloc(block, sizes[to]);
            assert_non_null(moved);
            assert_true(acre_arena_of(moved) == arena);
            assert_true(is_filled(moved, sizes[from] < sizes[to] ? sizes[from] : sizes[to], from));
            free(moved);
        }
    }
    assert_int_equal(stats_of(arena).live_blocks, 0);
    acre_arena_destroy(arena);
}

static void realloc_of_a_default_block_stays_there_though_entered(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (unsigned to = 1; to < size_count; to++) {
        void *block = malloc(100);
        fill(block, 100, to);
        assert_true(acre_arena_enter(arena));
        void *moved = realloc(block, sizes[to]);
        acre_arena_leave();
        assert_true(acre_arena_of(moved) == NULL);
        assert_true(is_filled(moved, sizes[to] < 100 ? sizes[to] : 100, to));
        free(moved);
    }
    acre_arena_destroy(arena);
}

static void arena_realloc_moves_between_arenas(void **state) {
    (void)state;
    acre_arena *here = create(NULL), *there = create(NULL);
    for (unsigned from = 0; from < size_count; from++) {
        for (unsigned to = 1; to < size_count; to++) {
            void *block = from % 2 == 0 ? acre_arena_malloc(there, sizes[from]) : malloc(sizes[from]);
            fill(block, sizes[from], from);
            void *moved = acre_arena_realloc(here, block, sizes[to]);
            assert_non_null(moved);
            assert_true(acre_arena_of(moved) == here);
            assert_true(is_filled(moved, sizes[from] < sizes[to] ? sizes[from] : sizes[to], from));
            free(moved);
        }
    }
    assert_int_equal(stats_of(here).live_blocks, 0);
    assert_int_equal(stats_of(there).live_blocks, 0);
    acre_arena_destroy(here);
    acre_arena_destroy(there);
}

static void arena_realloc_of_null_and_to_zero(void **state) {
    (void)state;
    acre_arena *here = create(NULL), *there = create(NULL);
    void *block = acre_arena_realloc(here, NULL, 100);
    assert_true(acre_arena_of(block) == here);
    assert_null(acre_arena_realloc(here, block, 0));
    assert_null(acre_arena_realloc(here, acre_arena_malloc(there, 100), 0));
    assert_null(acre_arena_realloc(here, acre_arena_malloc(there, 200000), 0));
    assert_int_equal(stats_of(here).live_blocks, 0);
    assert_int_equal(stats_of(there).live_blocks, 0);
    acre_arena_destroy(here);
    acre_arena_destroy(there);
}

/* At its limit the block stays where it was, and NULL says so: what is not NULL lies here. */
static void arena_realloc_into_a_full_arena_fails(void **state) {
    (void)state;
    acre_arena *full = create(&(struct acre_arena_options){.limit_bytes = 64 * KIB}), *there = create(NULL);
    while (acre_arena_malloc(full, 64) != NULL) {
    }
    static const size_t to[] = {400, 100, 50};
    for (int i = 0; i < 3; i++) {
        void *block = acre_arena_malloc(there, 100);
        fill(block, 50, 3);
        errno = 0;
        void *moved = acre_arena_realloc(full, block, to[i]);
        assert_true(is_filled(block, 50, 3));
        if (moved != NULL) assert_true(acre_arena_of(moved) == full);
        assert_int_equal(errno, ENOMEM);
    }
    acre_arena_destroy(full);
    acre_arena_destroy(there);
}

/* Where there is no room for a shorter block, the longer one serves; that is a success, and errno is as it was. */
static void shrinking_in_a_full_arena_keeps_errno(void **state) {
    (void)state;
    acre_arena *arena = create(&(struct acre_arena_options){.limit_bytes = MIB});
    void *block = acre_arena_malloc(arena, 200000);
    assert_non_null(block);
    for (size_t size = 100000; size > 16; size /= 2)
        while (acre_arena_malloc(arena, size) != NULL) {
        }
    fill(block, 200000, 1);
    for (size_t size = 100000; size > 16; size = size * 2 / 3) {
        errno = 77;
        block = realloc(block, size);
        assert_non_null(block);
        assert_int_equal(errno, 77);
        assert_true(is_filled(block, size, 1));
    }
    acre_arena_destroy(arena);
}

int arenas_blocks(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_every_size_hold_what_is_written),
        cmocka_unit_test(malloc_of_zero_gives_blocks_of_their_own),
        cmocka_unit_test(calloc_is_zero_after_frees),
        cmocka_unit_test(sizes_beyond_everything_are_refused),
        cmocka_unit_test(calloc_with_a_zero_count),
        cmocka_unit_test(aligned_blocks_of_every_size),
        cmocka_unit_test(alignments_that_are_no_power_of_two_are_refused),
        cmocka_unit_test(realloc_leaves_a_block_in_its_arena),
        cmocka_unit_test(realloc_of_a_default_block_stays_there_though_entered),
        cmocka_unit_test(arena_realloc_moves_between_arenas),
        cmocka_unit_test(arena_realloc_of_null_and_to_zero),
        cmocka_unit_test(arena_realloc_into_a_full_arena_fails),
        cmocka_unit_test(shrinking_in_a_full_arena_keeps_errno),
    };
    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
