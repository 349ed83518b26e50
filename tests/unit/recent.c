#include "support.h"

#include "heap/recent.h"
#include "metadata/map.h"

#include <stdlib.h>
#include <string.h>

#define CLASS 3u /* 48 bytes: blocks that begin at no power of two */

static uintptr_t take(void) {
    bool zero;
    return (uintptr_t)acre_heap_take(acre_heap_mine(), CLASS, &zero);
}
static struct acre_slab *slab_of(uintptr_t block) { return (struct acre_slab *)acre_map_find(block); }
static void give(uintptr_t block) { acre_heap_free(slab_of(block), block); }
static uint32_t recents(struct acre_slab *slab) { return acre_recent_count(acre_heap_mine(), slab); }
static bool is_valid(void) { return acre_heap_is_valid(acre_heap_mine()); }

/* All blocks of a slab that is in use, and nothing ready of another; the class keeps recent ones. */
static struct acre_slab *use_up(uintptr_t *block) {
    struct acre_heap *heap = acre_heap_mine();
    acre_recent_start(heap, CLASS);
    for (;;) {
        uintptr_t first = take();
        struct acre_slab *slab = slab_of(first);
        if (slab->fresh_bytes > 5120) continue; /* one that was in use: fill it */
        while (acre_slab_count_free(slab) > 0 || acre_cursor_blocks(&heap->cursor[CLASS], CLASS) > 0)
            assert_ptr_equal(slab_of(take()), slab);
        for (uint32_t number = 0; number < slab->total; number++) block[number] = acre_slab_block(slab, number);
        assert_int_equal(recents(slab), 0);
        return slab;
    }
}

static uintptr_t block[5000];

static void last_goes_first(void **state) {
    (void)state;
    struct acre_slab *slab = use_up(block);
    for (uint32_t i = 0; i < ACRE_RECENT_MOST + 5; i++) {
        give(block[i * 7]);
        assert_true(acre_slab_is_free(slab, i * 7));
        assert_true(is_valid());
    }
    assert_int_equal(recents(slab), ACRE_RECENT_MOST);
    for (uint32_t i = ACRE_RECENT_MOST; i-- > 0;) {
        assert_int_equal(take(), block[i * 7]);
        assert_false(acre_slab_is_free(slab, i * 7));
        assert_true(is_valid());
    }
    assert_int_equal(recents(slab), 0);
}

/* However many of its blocks are recent, the last free finds a slab empty. */
static void an_emptied_slab_goes(void **state) {
    (void)state;
    struct acre_slab *slab = use_up(block);
    uintptr_t elsewhere = take(); /* so that the slab is not the one in use */
    assert_ptr_not_equal(slab_of(elsewhere), slab);
    uint32_t total = slab->total, most = 0;
    for (uint32_t number = 0; number < total; number++) {
        give(block[number]);
        if (number + 1 < total) most = (uint32_t)acre_max(most, recents(slab));
        assert_true(is_valid());
    }
    assert_true(most > 0);
    acre_heap_give_kept(acre_heap_mine());
    assert_ptr_not_equal(slab_of(block[0]), slab);
    assert_true(is_valid());
    give(elsewhere);
}

static void expelled(void **state) {
    (void)state;
    struct acre_slab *slab = use_up(block);
    for (uint32_t number = 0; number < 8; number++) give(block[number]);
    assert_int_equal(recents(slab), 8);
    assert_int_equal(acre_recent_expel(acre_heap_mine(), slab), 8);
    assert_int_equal(recents(slab), 0);
    give(block[8]);
    assert_int_equal(recents(slab), 0);
    assert_true(acre_slab_is_free(slab, 0) && acre_slab_is_free(slab, 8));
    assert_true(acre_recent_admit(acre_heap_mine(), slab));
    give(block[9]);
    assert_int_equal(recents(slab), 1);
}

static void free_again(void *context) {
    uintptr_t *twice = context;
    give(twice[0]);
    give(twice[1]);
    give(twice[0]);
}

/* An address inside a block is not handed out: the program ends when it is come upon. */
static void free_inside(void *context) {
    uintptr_t *inside = context;
    give(inside[0] + 16);
    for (unsigned i = 0; i < 10000; i++) UNIT_CHECK(take() != inside[0] + 16);
}

static void free_misaligned(void *context) { give(*(uintptr_t *)context + 8); }

static void free_behind_fresh(void *context) {
    struct acre_slab *slab = slab_of(*(uintptr_t *)context);
    give(slab->span.base + slab->fresh_bytes);
}

static void misuse_aborts(void **state) {
    (void)state;
    static const struct {
        void (*run)(void *);
        const char *says;
    } rows[] = {{free_again, "double free"},
                {free_inside, "not a block"},
                {free_behind_fresh, "not a block"},
                {free_misaligned, "not a block"}};
    acre_recent_start(acre_heap_mine(), CLASS);
    uintptr_t two[2] = {take(), take()};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[500];
        assert_true(unit_aborted(unit_in_child(rows[i].run, two, text, sizeof text)));
        if (strstr(text, rows[i].says) == NULL) fail_msg("%s", text);
    }
    give(two[0]);
    give(two[1]);
}

/* A class begins to keep recent blocks when its blocks come back scattered, and ends when they come back in runs.
 */
static void begins_and_ends(void **state) {
    (void)state;
    enum { class_80 = 5, count = 700 };
    struct acre_heap *heap = acre_heap_mine();
    bool zero;
    assert_false(acre_recent_is_kept(heap, class_80));
    for (uint32_t i = 0; i < count; i++) block[i] = (uintptr_t)acre_heap_take(heap, class_80, &zero);
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = round % 3; i < count; i += 3) give(block[i]);
        for (uint32_t i = round % 3; i < count; i += 3) block[i] = (uintptr_t)acre_heap_take(heap, class_80, &zero);
        assert_true(is_valid());
    }
    assert_true(acre_recent_is_kept(heap, class_80));
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < count; i++) give(block[i]);
        for (uint32_t i = 0; i < count; i++) block[i] = (uintptr_t)acre_heap_take(heap, class_80, &zero);
        assert_true(is_valid());
    }
    assert_false(acre_recent_is_kept(heap, class_80));
    for (uint32_t i = 0; i < count; i++) give(block[i]);
    assert_true(is_valid());
}

/* A slab that was not in the lookaside when its class ended comes in again, and must not stay there as one that
 * keeps recent blocks. */
static void ended_out_of_sight(void **state) {
    (void)state;
    struct acre_slab *slab = use_up(block);
    struct acre_heap *heap = acre_heap_mine();
    uintptr_t granule = slab->span.base >> ACRE_GRANULE_SHIFT, slot = granule % ACRE_LOOKASIDE_SLOTS;
    acre_recent_start(heap, CLASS); /* filling the slab may have ended it */
    assert_true(acre_recent_admit(heap, slab));
    while (heap->recent[CLASS].top->block != 0) take();
    heap->home->lookaside.granule[slot] = slot == 0 ? ACRE_LOOKASIDE_EMPTY : 0;
    acre_recent_stop(heap, CLASS);
    acre_heap_remember(slab);
    assert_false(acre_recent_admit(heap, slab));
    assert_false(slab->keeps_recent);
    assert_true(is_valid());
    acre_heap_forget(slab);
    assert_int_not_equal(heap->home->lookaside.granule[slot], granule);
    assert_int_not_equal(heap->home->lookaside.granule[slot], ACRE_LOOKASIDE_RECENT(granule));
}

/* At random, against what the test knows to be live. */
static void random_steps(void **state) {
    (void)state;
    static struct live {
        uintptr_t block;
        uint32_t value;
    } live[3000];
    acre_recent_start(acre_heap_mine(), CLASS);
    for (uint32_t step = 0; step < 100000; step++) {
        uint32_t room = step / 10000 % 2 == 0 ? 3000 : 300; /* the heap grows and shrinks */
        struct live *one = &live[unit_below(room)];
        if (one->block != 0) {
            assert_int_equal(*(uint32_t *)one->block, one->value);
            give(one->block);
            one->block = 0;
        } else {
            *one = (struct live){take(), step};
            *(uint32_t *)one->block = step;
        }
        if (step % 64 == 0) assert_true(is_valid());
    }
    for (struct live *one = live; one < live + 3000; one++) {
        if (one->block != 0) give(one->block);
    }
    assert_true(is_valid());
}

static int group_setup(void **state) {
    (void)state;
    unit_start(NULL);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_goes_first),    cmocka_unit_test(an_emptied_slab_goes),
        cmocka_unit_test(expelled),           cmocka_unit_test(misuse_aborts),
        cmocka_unit_test(begins_and_ends),    cmocka_unit_test(random_steps),
        cmocka_unit_test(ended_out_of_sight),
    };
    return cmocka_run_group_tests_name("recent", tests, group_setup, NULL);
}
