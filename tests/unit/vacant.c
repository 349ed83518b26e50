#include "support.h"

#include "metadata/metadata.h"
#include "span/vacant.h"

/* Addresses that nothing lies at: only records are kept here. A cell for each page. */
#define FIRST ((uintptr_t)0x700000000000)
#define PAGE ((size_t)4096)
#define CELLS 512

static bool is_vacant[CELLS];
static struct acre_vacant vacant;

static void put(size_t cell, size_t cells) {
    struct acre_huge *huge = acre_metadata_take(ACRE_RECORD_HUGE, sizeof *huge);
    assert_non_null(huge);
    huge->span.base = FIRST + cell * PAGE;
    huge->mapped_bytes = cells * PAGE;
    for (size_t i = cell; i < cell + cells; i++) is_vacant[i] = true;
    struct acre_huge *joined = acre_vacant_put(&vacant, huge);
    size_t first = cell, end = cell + cells;
    while (first > 0 && is_vacant[first - 1]) first--;
    while (end < CELLS && is_vacant[end]) end++;
    assert_int_equal(joined->span.base, FIRST + first * PAGE);
    assert_int_equal(joined->mapped_bytes, (end - first) * PAGE);
}

/* The first of so many vacant cells in a row, or CELLS. */
static size_t find_row(size_t cells) {
    size_t row = 0;
    for (size_t i = 0; i < CELLS; i++) {
        row = is_vacant[i] ? row + 1 : 0;
        if (row == cells) return i + 1 - cells;
    }
    return CELLS;
}

static void take(size_t cells) {
    size_t first = find_row(cells);
    uintptr_t base = acre_vacant_take(&vacant, cells * PAGE);
    assert_int_equal(base, first == CELLS ? 0 : FIRST + first * PAGE);
    for (size_t i = first; first < CELLS && i < first + cells; i++) is_vacant[i] = false;
}

static void remove_highest(void) {
    size_t end = CELLS, first;
    while (end > 0 && !is_vacant[end - 1]) end--;
    struct acre_huge *highest = acre_vacant_highest(&vacant);
    assert_int_equal(highest == NULL, end == 0);
    if (highest == NULL) return;
    for (first = end; first > 0 && is_vacant[first - 1]; first--) is_vacant[first - 1] = false;
    assert_int_equal(highest->span.base, FIRST + first * PAGE);
    assert_int_equal(highest->mapped_bytes, (end - first) * PAGE);
    acre_vacant_remove(&vacant, highest);
    acre_metadata_give(ACRE_RECORD_HUGE, highest);
}

static void step(void) {
    size_t cell = unit_below(CELLS), cells = 1 + unit_below(unit_below(8) == 0 ? 40 : 3);
    switch (unit_below(40)) {
    case 0:
        remove_highest();
        break;
    case 1 ... 19:
        take(cells);
        break;
    default:
        for (size_t end = cell; end < CELLS && !is_vacant[end] && end < cell + cells; end++)
            if (end + 1 == CELLS || end + 1 == cell + cells || is_vacant[end + 1]) put(cell, end + 1 - cell);
    }
}

static void like_a_row_of_cells(void **state) {
    (void)state;
    for (unsigned i = 0; i < 40000; i++) {
        size_t count = 0;
        step();
        assert_true(acre_vacant_is_valid(&vacant));
        for (size_t cell = 0; cell < CELLS; cell++) count += is_vacant[cell];
        assert_int_equal(vacant.bytes, count * PAGE);
    }
    while (vacant.root != NULL) remove_highest();
    assert_int_equal(vacant.count, 0);
    assert_int_equal(acre_vacant_take(&vacant, PAGE), 0);
}

static int group_setup(void **state) {
    (void)state;
    unit_seed(9);
    unit_start("source:mmap");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_a_row_of_cells)};
    return cmocka_run_group_tests_name("vacant", tests, group_setup, NULL);
}
