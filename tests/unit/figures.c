#include "support.h"

#include "inspect/figures.h"
#include "metadata/map.h"
#include "span/huge.h"

#include <string.h>

static struct acre_figures collect(void) {
    struct acre_figures figures;
    acre_figures_collect(&figures);
    return figures;
}

static void before_start(void **state) {
    (void)state;
    uint8_t cells[8];
    assert_int_equal(collect().live_bytes + collect().held_bytes, 0);
    assert_int_equal(acre_figures_picture(cells, 8), 0);
    unit_start("source:auto");
    assert_int_equal(collect().live_bytes + collect().held_bytes, 0);
}

#define SMALL 10
#define MEDIUM 3
#define HUGE_BYTES (((size_t)1 << 20) + 5)

static void check_live(struct acre_figures figures) {
    assert_int_equal(figures.live_bytes, SMALL * 112 + MEDIUM * 2048 + 100001 + HUGE_BYTES);
    assert_int_equal(figures.live_blocks, SMALL + MEDIUM + 2);
    assert_int_equal(figures.large_bytes, 100001);
    assert_int_equal(figures.large_blocks, 1);
    assert_int_equal(figures.huge_bytes, HUGE_BYTES);
    assert_int_equal(figures.huge_blocks, 1);
    assert_int_equal(figures.cached_bytes, 0);
    assert_true(figures.held_bytes >= figures.live_bytes && figures.chunks >= 1);
    assert_true(figures.break_bytes > 0 && figures.break_bytes < figures.held_bytes);
    assert_true(figures.top_bytes <= figures.free_page_bytes);
    assert_true(figures.metadata_bytes > 0);
}

static void check_picture(void) {
    uint8_t cells[100];
    unsigned filled = acre_figures_picture(cells, 20), lively = 0;
    assert_int_equal(filled, 20);
    for (unsigned i = 0; i < filled; i++) {
        assert_true(cells[i] <= 100 || cells[i] == 255);
        lively += cells[i] > 0 && cells[i] <= 100;
    }
    assert_true(lively > 0);
    assert_true(acre_figures_picture(cells, 100) <= 100);
}

static void known_set(void **state) {
    (void)state;
    struct acre_heap *heap = acre_heap_mine();
    void *block[SMALL + MEDIUM];
    bool zero;
    for (unsigned i = 0; i < SMALL + MEDIUM; i++) {
        block[i] = acre_heap_take(heap, acre_class_of(i < SMALL ? 100 : 2000), &zero);
        memset(block[i], 1, 100);
    }
    struct acre_span_place large = acre_page_heap_take_large(&acre_default_arena.pages, 100001, 16);
    size_t dirty_bytes;
    uintptr_t huge = acre_huge_take(&acre_default_arena.huge, HUGE_BYTES, 4096, &dirty_bytes);
    check_live(collect());
    check_picture();
    assert_true(acre_huge_give((struct acre_huge *)acre_map_find(huge), huge));
    assert_int_equal(collect().huge_bytes, 0);
    assert_int_equal(collect().cached_bytes, acre_align_up(HUGE_BYTES, acre_os_page_bytes()));
    assert_int_equal(acre_page_heap_give_large(&acre_default_arena.pages, large.chunk, large.base),
                     ACRE_LARGE_FINE);
    assert_int_equal(collect().live_bytes, SMALL * 112 + MEDIUM * 2048);
    assert_true(collect().retained_bytes >= 100001 + collect().cached_bytes);
    for (unsigned i = 0; i < SMALL + MEDIUM; i++)
        acre_heap_free((struct acre_slab *)acre_map_find((uintptr_t)block[i]), (uintptr_t)block[i]);
    assert_int_equal(collect().live_bytes, 0);
    assert_int_equal(collect().live_blocks, 0);
    acre_heap_recover(heap);
    assert_int_equal(collect().held_bytes, 0);
    assert_int_equal(collect().retained_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(before_start), cmocka_unit_test(known_set)};
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
