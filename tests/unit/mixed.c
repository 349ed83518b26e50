/* Slabs of mixed sizes: where blocks begin, which are live, and pages that may go, against a list by hand. */
#include "support.h"

#include "slab/mixed.h"

#include <string.h>

#define BLOCKS_MOST 4096

static struct acre_slab *slab;
static struct block {
    uint32_t unit, units;
    bool live;
} block[BLOCKS_MOST];
static uint32_t count;

/* A record is enough: nothing of this looks at the span. */
static char record[2048] __attribute__((aligned(64)));

static void start(void) {
    assert_true(sizeof record >= ACRE_MIXED_RECORD_BYTES);
    memset(record, 0, sizeof record);
    slab = (struct acre_slab *)(void *)record;
    slab->words = ACRE_SMALL_WORDS;
    slab->stride = 1;
    slab->unit_bytes = ACRE_ALIGNMENT;
    slab->total = ACRE_GRANULE_BYTES / ACRE_ALIGNMENT;
    slab->end_bytes = ACRE_GRANULE_BYTES;
    slab->pattern = ~UINT64_C(0);
    slab->reciprocal = UINT32_C(1) << (32 - 4);
    slab->block_reciprocal = UINT32_C(1) << ACRE_BLOCK_RECIPROCAL_SHIFT;
    count = 0;
}

static void carve(unsigned size_class, uint32_t most) {
    uint32_t before = slab->fresh_bytes, units = (uint32_t)(acre_class_bytes(size_class) / ACRE_ALIGNMENT);
    uint32_t carved = acre_mixed_carve(slab, size_class, most);
    uint32_t first = slab->fresh_bytes / ACRE_ALIGNMENT - carved * units;
    size_t alignment = acre_class_bytes(size_class) & -acre_class_bytes(size_class);
    assert_true(carved <= most && first * ACRE_ALIGNMENT >= before && first * ACRE_ALIGNMENT - before < alignment);
    if (carved > 0) assert_int_equal(first * ACRE_ALIGNMENT % alignment, 0);
    for (uint32_t number = 0; number < carved; number++, count++) {
        block[count].unit = first + number * units;
        block[count].units = units;
        block[count].live = true;
    }
}

static void check(void) {
    uint32_t live = 0;
    for (uint32_t number = 0; number < count; number++) {
        uint32_t unit = block[number].unit;
        assert_true(acre_mixed_begins_at(slab, unit));
        assert_int_equal(acre_slab_is_free(slab, unit), !block[number].live);
        assert_true(acre_slab_bytes_of(slab, unit) == block[number].units * ACRE_ALIGNMENT);
        for (uint32_t inside = 1; inside < block[number].units; inside++) {
            assert_true(acre_slab_is_free(slab, unit + inside) && !acre_mixed_begins_at(slab, unit + inside));
            assert_int_equal(acre_mixed_begin(slab, unit + inside), unit);
        }
        live += block[number].live;
    }
    assert_int_equal(acre_slab_count_free(slab), slab->total - live);
}

static void carves_what_was_asked(void **state) {
    (void)state;
    for (int round = 0; round < 300; round++) {
        start();
        while (slab->end_bytes - slab->fresh_bytes >= 2048)
            carve(1 + unit_below(ACRE_SMALL_CLASSES - 1), 1 + unit_below(round % 3 == 0 ? 300 : 8));
        check();
        for (uint32_t number = 0; number < count; number++) {
            if (unit_below(2) == 0) continue;
            acre_slab_set_free(slab, block[number].unit);
            block[number].live = false;
        }
        check();
    }
}

static void fills_to_the_end(void **state) {
    (void)state;
    for (unsigned size_class = 1; size_class < ACRE_SMALL_CLASSES; size_class++) {
        start();
        for (uint32_t before = UINT32_MAX; before != count;) {
            before = count;
            carve(size_class, 1 + unit_below(100));
        }
        assert_int_equal(count, ACRE_GRANULE_BYTES / acre_class_bytes(size_class));
        check();
    }
}

static void forget_dead(void) {
    uint32_t live = 0;
    for (uint32_t number = 0; number < count; number++) {
        if (block[number].live) block[live++] = block[number];
    }
    count = live;
}

/* Live blocks stay what they are, and none lies on another. */
static void check_live(void) {
    static unsigned char taken[ACRE_GRANULE_BYTES / ACRE_ALIGNMENT];
    memset(taken, 0, sizeof taken);
    for (uint32_t number = 0; number < count; number++) {
        uint32_t unit = block[number].unit;
        assert_true(!acre_slab_is_free(slab, unit) && acre_mixed_begins_at(slab, unit));
        assert_true(acre_slab_bytes_of(slab, unit) == block[number].units * ACRE_ALIGNMENT);
        for (uint32_t inside = 0; inside < block[number].units; inside++) {
            assert_true(taken[unit + inside]++ == 0 && acre_mixed_begin(slab, unit + inside) == unit);
        }
    }
    assert_int_equal(acre_slab_count_free(slab), slab->total - count);
}

static bool carve_freed(unsigned size_class, uint32_t most) {
    uint32_t units = (uint32_t)(acre_class_bytes(size_class) / ACRE_ALIGNMENT), unit;
    uint32_t carved = acre_mixed_carve_freed(slab, size_class, most, &unit);
    assert_true(carved <= most && (carved == 0 || unit % (units & -units) == 0));
    for (uint32_t number = 0; number < carved; number++)
        block[count++] = (struct block){unit + number * units, units, true};
    return carved > 0;
}

/* Until nothing fits any more: then even the smallest does not. */
static void carves_where_blocks_were_freed(void **state) {
    (void)state;
    for (int round = 0; round < 300; round++) {
        start();
        while (slab->end_bytes - slab->fresh_bytes >= 2048) carve(1 + unit_below(ACRE_SMALL_CLASSES - 1), 8);
        assert_false(round % 3 == 0 && carve_freed(ACRE_SMALL_CLASSES - 1, 1));
        for (int times = 0; times < 3; times++) {
            for (uint32_t number = 0; number < count; number++) {
                if (unit_below(3) != 0) continue;
                acre_slab_set_free(slab, block[number].unit);
                block[number].live = false;
            }
            forget_dead();
            for (int tries = 0; tries < 100; tries++)
                carve_freed(1 + unit_below(ACRE_SMALL_CLASSES - 1), 1 + unit_below(20));
            check_live();
        }
        while (carve_freed(1, 100)) check_live();
        uint32_t units = 0;
        for (uint32_t number = 0; number < count; number++) units += block[number].units;
        assert_int_equal(units, slab->fresh_bytes / ACRE_ALIGNMENT);
    }
}

static void begins_anew(void **state) {
    (void)state;
    start();
    carve(3, 200);
    carve(20, 20);
    acre_mixed_restart(slab);
    assert_int_equal(acre_slab_count_free(slab), slab->total);
    count = 0;
    carve(7, 100);
    check();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carves_what_was_asked),
        cmocka_unit_test(fills_to_the_end),
        cmocka_unit_test(carves_where_blocks_were_freed),
        cmocka_unit_test(begins_anew),
    };
    unit_seed(7);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
