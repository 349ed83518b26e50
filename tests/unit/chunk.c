/* Random steps on one chunk against an array with an entry for each page. The chunk's memory is never touched, so
 * it need not be there. */
#include "support.h"

#include "span/chunk.h"

#include <string.h>

#define STEPS 8000
#define BASE ((uintptr_t)0x7000000 + 3 * ACRE_GRANULE_BYTES)

static struct acre_chunk chunk;
static uint16_t run_of[ACRE_CHUNK_PAGES]; /* 0: free; else the run's number */
static bool dirty[ACRE_CHUNK_PAGES];
static struct {
    uint32_t index, pages; /* pages 0: none */
    enum acre_run_state state;
} run[200];
#define RUNS (sizeof run / sizeof run[0])

static uint32_t unit_pages(void) { return (uint32_t)(ACRE_GRANULE_BYTES >> acre_page_shift()); }

static bool is_free(uint32_t index, uint32_t pages) {
    for (uint32_t page = index; page < index + pages; page++) {
        if (page >= chunk.pages || run_of[page] != 0) return false;
    }
    return true;
}

/* Whether a run could be had, by looking at every place. */
static bool there_is(uint32_t pages, uint32_t alignment_pages) {
    uint32_t first = (uint32_t)(BASE >> acre_page_shift());
    for (uint32_t index = 0; index + pages <= chunk.pages; index++) {
        if ((first + index) % alignment_pages == 0 && is_free(index, pages)) return true;
    }
    return false;
}

static void note_run(size_t number, uint32_t index, uint32_t pages, enum acre_run_state state, uint32_t dirty_pages) {
    uint32_t found = 0;
    assert_true(is_free(index, pages));
    for (uint32_t page = index; page < index + pages; page++) {
        found += dirty[page];
        run_of[page] = (uint16_t)(number + 1);
    }
    assert_int_equal(dirty_pages, found);
    run[number].index = index;
    run[number].pages = pages;
    run[number].state = state;
}

static void note_free(uint32_t index, uint32_t pages, uint32_t touched) {
    for (uint32_t page = index; page < index + pages; page++) {
        run_of[page] = 0;
        dirty[page] |= page < index + touched;
    }
}

static void take(size_t number) {
    uint32_t pages = 1 + unit_below(unit_below(4) == 0 ? 120 : 12), alignment = 1u << unit_below(6);
    enum acre_run_state state = unit_below(2) == 0 ? ACRE_RUN_LARGE : ACRE_RUN_SLAB;
    uint32_t old = 0;
    bool can = there_is(pages, alignment);
    uint32_t index = acre_chunk_take(&chunk, pages, alignment, state, &old);
    assert_int_equal(index != ACRE_NO_RUN, can);
    if (!can) return;
    assert_int_equal(((BASE >> acre_page_shift()) + index) % alignment, 0);
    note_run(number, index, pages, state, old);
}

static uint32_t count_old(uint32_t index, uint32_t pages) {
    uint32_t old = 0;
    for (uint32_t page = index; page < index + pages; page++) old += dirty[page];
    return old;
}

/* What it costs that the first so many pages are touched: first those that hold no old data, then those behind that
 * do. */
static uint32_t cost(uint32_t index, uint32_t touched_pages) {
    uint32_t unit = unit_pages();
    return (touched_pages - count_old(index, touched_pages)) * unit +
           count_old(index + touched_pages, unit - touched_pages);
}

static void take_granules(size_t number) {
    uint32_t unit = unit_pages(), granules = 1 + unit_below(4), touched = unit_below(unit + 1), best = ACRE_NO_RUN;
    uint32_t most = 1 + unit_below(unit_below(2) == 0 ? 3 : ACRE_CHUNK_GRANULES), seen = 0;
    uint32_t price, index = acre_chunk_find_granules(&chunk, granules, touched, most, &price);
    bool is_single = granules == 1 && touched > 0;
    for (uint32_t page = 0; page + granules * unit <= chunk.pages; page += unit) {
        if (!is_free(page, granules * unit)) continue;
        if (best == ACRE_NO_RUN || (is_single && cost(page, touched) < cost(best, touched))) best = page;
        if (!is_single || cost(best, touched) <= ACRE_PRICE_FINE || ++seen == most) break;
    }
    assert_int_equal(index, best);
    assert_int_equal(price, is_single && best != ACRE_NO_RUN ? cost(best, touched) : 0);
    if (index == ACRE_NO_RUN) return;
    uint32_t old = acre_chunk_count_dirty(&chunk, index, granules * unit);
    acre_chunk_take_granules(&chunk, index, granules);
    note_run(number, index, granules * unit, ACRE_RUN_SLAB, old);
}

static void give(size_t number) {
    uint32_t touched = unit_below(run[number].pages + 1);
    acre_chunk_free(&chunk, run[number].index, run[number].pages, touched);
    note_free(run[number].index, run[number].pages, touched);
    run[number].pages = 0;
}

static void resize(size_t number) {
    uint32_t index = run[number].index, old = run[number].pages, pages = 1 + unit_below(2 * old + 4);
    if (pages <= old) {
        acre_chunk_shrink_run(&chunk, index, pages);
        note_free(index + pages, old - pages, old - pages);
    } else {
        bool can = is_free(index + old, pages - old);
        assert_int_equal(acre_chunk_grow_run(&chunk, index, pages), can);
        if (!can) return;
        for (uint32_t page = index + old; page < index + pages; page++) run_of[page] = (uint16_t)(number + 1);
    }
    run[number].pages = pages;
    acre_run_set_slack(&chunk, index, pages * 16 - 1);
    assert_int_equal(acre_run_slack(&chunk, index), pages * 16 - 1);
}

/* The end of the chunk moves, as the break does. */
static void move_end(void) {
    uint32_t unit = unit_pages(), most = ACRE_CHUNK_GRANULES * unit;
    uint32_t last = acre_chunk_last_free(&chunk), pages = unit * (1 + unit_below(3));
    if (unit_below(2) == 0 && chunk.pages + pages <= most) {
        for (uint32_t page = chunk.pages; page < chunk.pages + pages; page++) dirty[page] = false;
        acre_chunk_extend(&chunk, pages);
    } else if (last != ACRE_NO_RUN && chunk.pages - last >= pages) {
        acre_chunk_cut(&chunk, pages);
    }
}

static void compare_counts(void) {
    uint32_t free_pages = 0, dirty_pages = 0, longest = 0, row = 0;
    for (uint32_t page = 0; page < chunk.pages; page++) {
        free_pages += run_of[page] == 0;
        dirty_pages += run_of[page] == 0 && dirty[page];
        row = run_of[page] == 0 ? row + 1 : 0;
        longest = row > longest ? row : longest;
    }
    assert_int_equal(chunk.free_pages, free_pages);
    assert_int_equal(chunk.dirty_pages, dirty_pages);
    assert_true(chunk.longest_run >= longest);
    bool ends_free = chunk.pages > 0 && run_of[chunk.pages - 1] == 0;
    assert_int_equal(acre_chunk_last_free(&chunk), ends_free ? chunk.pages - row : ACRE_NO_RUN);
}

static void compare_runs(void) {
    for (size_t number = 0; number < RUNS; number++) {
        if (run[number].pages == 0) continue;
        assert_true(acre_chunk_run_begins(&chunk, run[number].index));
        assert_int_equal(acre_run_pages(&chunk, run[number].index), run[number].pages);
        assert_int_equal(acre_run_state(&chunk, run[number].index), run[number].state);
        if (run[number].pages > 1) assert_false(acre_chunk_run_begins(&chunk, run[number].index + 1));
    }
}

static void start(uint32_t granules) {
    memset(run_of, 0, sizeof run_of);
    memset(dirty, 0, sizeof dirty);
    memset(run, 0, sizeof run);
    acre_chunk_start(&chunk, BASE, false);
    acre_chunk_extend(&chunk, granules * unit_pages());
}

static void random_steps(void **state) {
    (void)state;
    start(20);
    for (unsigned step = 0; step < STEPS; step++) {
        size_t number = unit_below(RUNS);
        if (unit_below(10) == 0) move_end();
        else if (run[number].pages == 0 && unit_below(4) == 0) take_granules(number);
        else if (run[number].pages == 0) take(number);
        else if (run[number].state == ACRE_RUN_LARGE && unit_below(3) == 0) resize(number);
        else give(number);
        assert_true(acre_chunk_is_valid(&chunk));
        compare_counts();
        if (step % 50 == 0) compare_runs();
    }
    for (size_t number = 0; number < RUNS; number++) {
        if (run[number].pages > 0) give(number);
    }
    assert_true(acre_chunk_is_valid(&chunk));
    assert_int_equal(chunk.free_pages, chunk.pages);
    assert_int_equal(chunk.longest_run, chunk.pages);
}

static void whole_chunk(void **state) {
    (void)state;
    uint32_t old = 0, price;
    uint32_t pages = ACRE_CHUNK_GRANULES * unit_pages();
    start(ACRE_CHUNK_GRANULES);
    assert_int_equal(chunk.free_granules, UINT64_MAX);
    assert_int_equal(acre_chunk_find_granules(&chunk, ACRE_CHUNK_GRANULES, 0, 1, &price), 0);
    assert_int_equal(acre_chunk_count_dirty(&chunk, 0, pages), 0);
    acre_chunk_take_granules(&chunk, 0, ACRE_CHUNK_GRANULES);
    assert_true(chunk.free_pages == 0 && chunk.free_granules == 0 && chunk.longest_run == 0);
    assert_int_equal(acre_chunk_take(&chunk, 1, 1, ACRE_RUN_LARGE, &old), ACRE_NO_RUN);
    assert_int_equal(acre_chunk_last_free(&chunk), ACRE_NO_RUN);
    acre_chunk_free(&chunk, 0, pages, pages);
    assert_int_equal(chunk.dirty_pages, pages);
    assert_int_equal(acre_chunk_take(&chunk, pages, 1, ACRE_RUN_LARGE, &old), 0);
    assert_int_equal(old, pages);
}

/* Granules that are free, with so many pages of old data each, from their first on. */
static void start_with_dirty(const uint32_t *dirty_pages, uint32_t granules) {
    uint32_t unit = unit_pages();
    start(granules);
    for (uint32_t granule = 0; granule < granules; granule++) acre_chunk_take_granules(&chunk, granule * unit, 1);
    for (uint32_t granule = 0; granule < granules; granule++)
        acre_chunk_free(&chunk, granule * unit, unit, acre_min(dirty_pages[granule], unit));
}

static uint32_t best_granule(uint32_t touched_pages) {
    uint32_t price, index = acre_chunk_find_granules(&chunk, 1, touched_pages, ACRE_CHUNK_GRANULES, &price);
    return index / unit_pages();
}

/* What touches few pages comes to where few hold old data, and what touches all to where all do; and never to
 * untouched pages where there is another place. */
static void best_places(void **state) {
    (void)state;
    uint32_t price;
    if (unit_pages() < 16) skip();
    start_with_dirty((const uint32_t[]){16, 5, 0, 3, 12}, 5);
    assert_int_equal(best_granule(0), 0);
    assert_int_equal(best_granule(16), 0);
    assert_int_equal(best_granule(12), 4);
    assert_int_equal(best_granule(7), 4);
    assert_int_equal(best_granule(5), 1);
    assert_int_equal(best_granule(3), 1); /* fine, and found first */
    assert_int_equal(best_granule(2), 3);
    assert_int_equal(acre_chunk_find_granules(&chunk, 2, 3, 1, &price), 0); /* more than one: the lowest */
    start_with_dirty((const uint32_t[]){0, 16, 0}, 3);
    assert_int_equal(best_granule(1), 1);
    chunk.advised = true; /* huge pages: who knows */
    assert_int_equal(best_granule(1), 0);
}

/* Old data that a slab would not come to first is no use to it. */
static void old_data_behind(void **state) {
    (void)state;
    uint32_t unit = unit_pages();
    if (unit < 16) skip();
    start_with_dirty((const uint32_t[]){16, 16}, 2);
    acre_chunk_note_released(&chunk, 0, 8);
    acre_chunk_note_released(&chunk, unit + 8, 8);
    assert_int_equal(best_granule(8), 1);
    assert_int_equal(best_granule(1), 1);
    assert_int_equal(best_granule(16), 0); /* the same price */
}

/* The checker finds what is broken. */
static void broken_books(void **state) {
    (void)state;
    start(4);
    assert_true(acre_chunk_is_valid(&chunk));
    chunk.free_pages--;
    assert_false(acre_chunk_is_valid(&chunk));
    chunk.free_pages++;
    chunk.free_granules ^= 2;
    assert_false(acre_chunk_is_valid(&chunk));
    chunk.free_granules ^= 2;
    chunk.longest_run--;
    assert_false(acre_chunk_is_valid(&chunk));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps),
        cmocka_unit_test(whole_chunk),
        cmocka_unit_test(best_places),
        cmocka_unit_test(old_data_behind),
        cmocka_unit_test(broken_books),
    };
    return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}
