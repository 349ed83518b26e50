/* Blocks of an arena that gives them zeroed: whatever lay there before, and however they are asked for. */
#include "api/arenas.h"
#include "support/process.h"

#include <malloc.h>

static acre_arena *create_zeroed(void) { return create(&(struct acre_arena_options){.zeroed = true}); }

static void *allocate_in_some_way(acre_arena *arena, unsigned way, size_t size) {
    void *block = NULL;
    switch (way % 7) {
    case 0:
        return acre_arena_malloc(arena, size);
    case 1:
        return acre_arena_calloc(arena, 1, size);
    case 2:
        return acre_arena_realloc(arena, NULL, size);
    case 3:
        return acre_arena_aligned_alloc(arena, 256, size);
    default:
        break;
    }
    assert_true(acre_arena_enter(arena));
    if (way % 7 == 4) block = malloc(size);
    if (way % 7 == 5) block = memalign(4096, size);
    if (way % 7 == 6) block = realloc(NULL, size);
    acre_arena_leave();
    return block;
}

/* Blocks in turn, some freed, with all that may be written overwritten. */
static void expect_zeroed(acre_arena *arena, size_t size) {
    enum { count = 24 };
    unsigned char *blocks[count];
    unsigned many = size > MIB ? 7 : count;
    for (unsigned i = 0; i < many; i++) {
        blocks[i] = allocate_in_some_way(arena, i, size);
        assert_non_null(blocks[i]);
        assert_true(acre_arena_of(blocks[i]) == arena);
        assert_true(is_zero(blocks[i], 0, size));
        memset(blocks[i], 0xee, malloc_usable_size(blocks[i]));
    }
    for (unsigned i = 0; i < many; i++) {
        if (i % 5 != 0) free(blocks[i]);
    }
}

static void zeroed_blocks_are_zero_after_frees_and_resets(void **state) {
    (void)state;
    acre_arena *arena = create_zeroed();
    for (int round = 0; round < 12; round++) {
        for (unsigned i = 1; i < size_count; i++) expect_zeroed(arena, sizes[i]);
        if (round % 3 == 2) acre_arena_reset(arena);
        if (round % 4 == 3) acre_arena_release(arena);
    }
    acre_arena_destroy(arena);
}

static void zeroed_after_another_arena_left_its_data(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        acre_arena *dirty = create(NULL);
        for (unsigned i = 1; i < size_count; i++) {
            for (int each = 0; each < 5; each++) {
                void *block = acre_arena_malloc(dirty, sizes[i]);
                memset(block, 0xee, malloc_usable_size(block));
            }
        }
        acre_arena_destroy(dirty);
        acre_arena *arena = create_zeroed();
        for (unsigned i = 1; i < size_count; i++) expect_zeroed(arena, sizes[i]);
        acre_arena_destroy(arena);
    }
}

/* Frees in a scattered order, so that blocks come again one by one as well as in runs. */
static void zeroed_after_scattered_frees(void **state) {
    (void)state;
    enum { count = 3000 };
    static unsigned char *blocks[count];
    acre_arena *arena = create_zeroed();
    uint64_t random = 7;
    memset(blocks, 0, sizeof blocks);
    for (int step = 0; step < 100000; step++) {
        unsigned slot = (unsigned)(process_random(&random) % count);
        size_t size = slot % 3 == 0 ? 48 : slot % 3 == 1 ? 400 : 5000;
        if (blocks[slot] != NULL) {
            free(blocks[slot]);
            blocks[slot] = NULL;
            continue;
        }
        blocks[slot] = acre_arena_malloc(arena, size);
        assert_true(is_zero(blocks[slot], 0, size));
        memset(blocks[slot], 0xee, malloc_usable_size(blocks[slot]));
    }
    acre_arena_destroy(arena);
}

/* What realloc adds has never been written by who holds the block: it comes zeroed like any other byte. */
static void expect_growth_is_zero(size_t size, size_t more_bytes) {
    acre_arena *arena = create_zeroed();
    for (int round = 0; round < 40; round++) {
        unsigned char *dirt[6];
        for (int i = 0; i < 6; i++) {
            dirt[i] = acre_arena_malloc(arena, i % 2 == 0 ? size : size + more_bytes);
            memset(dirt[i], 0xee, malloc_usable_size(dirt[i]));
        }
        for (int i = 1; i < 6; i++) free(dirt[i]);
        size_t had_bytes = malloc_usable_size(dirt[0]), has_bytes = had_bytes + more_bytes;
        unsigned char *grown = realloc(dirt[0], has_bytes);
        assert_non_null(grown);
        assert_true(is_zero(grown, had_bytes, has_bytes));
        memset(grown, 0xee, malloc_usable_size(grown));
        free(grown);
    }
    acre_arena_destroy(arena);
}

static void zeroed_growth_of_small_blocks(void **state) {
    (void)state;
    expect_growth_is_zero(100, 30), expect_growth_is_zero(1000, 2000), expect_growth_is_zero(5000, 5000);
}
static void zeroed_growth_of_large_blocks(void **state) {
    (void)state;
    expect_growth_is_zero(100000, 50000), expect_growth_is_zero(300000, 10000);
}
static void zeroed_growth_of_huge_blocks(void **state) {
    (void)state;
    expect_growth_is_zero(16 * MIB, 8 * MIB), expect_growth_is_zero(20 * MIB, 300 * KIB);
}

/* Bytes that malloc_usable_size counts are the block's too, and realloc within them is what hands them out. */
static void expect_usable_is_zero(size_t size) {
    acre_arena *arena = create_zeroed();
    for (int round = 0; round < 40; round++) {
        unsigned char *blocks[4];
        for (int i = 0; i < 4; i++) {
            blocks[i] = acre_arena_malloc(arena, size);
            assert_true(is_zero(blocks[i], 0, malloc_usable_size(blocks[i])));
            memset(blocks[i], 0xee, malloc_usable_size(blocks[i]));
        }
        for (int i = 0; i < 4; i++) free(blocks[i]);
    }
    acre_arena_destroy(arena);
}

static void zeroed_up_to_the_usable_size_small(void **state) {
    (void)state;
    expect_usable_is_zero(1), expect_usable_is_zero(100), expect_usable_is_zero(5000);
}
static void zeroed_up_to_the_usable_size_large(void **state) {
    (void)state;
    expect_usable_is_zero(50001), expect_usable_is_zero(300001);
}
static void zeroed_up_to_the_usable_size_huge(void **state) {
    (void)state;
    expect_usable_is_zero(16 * MIB + 1);
}

int arenas_zeroed(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_blocks_are_zero_after_frees_and_resets),
        cmocka_unit_test(zeroed_after_another_arena_left_its_data),
        cmocka_unit_test(zeroed_after_scattered_frees),
        cmocka_unit_test(zeroed_growth_of_small_blocks),
        cmocka_unit_test(zeroed_growth_of_large_blocks),
        cmocka_unit_test(zeroed_growth_of_huge_blocks),
        cmocka_unit_test(zeroed_up_to_the_usable_size_small),
        cmocka_unit_test(zeroed_up_to_the_usable_size_large),
        cmocka_unit_test(zeroed_up_to_the_usable_size_huge),
    };
    return cmocka_run_group_tests_name("zeroed", tests, NULL, NULL);
}
