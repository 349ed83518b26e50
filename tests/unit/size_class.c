#include "support.h"

#include "slab/slab.h"

/* Every size fits its class and not the one below. */
static void classes_fit(void **state) {
    (void)state;
    for (size_t size_bytes = 0; size_bytes <= ACRE_MEDIUM_MOST; size_bytes++) {
        unsigned size_class = acre_class_of(size_bytes);
        assert_true(size_class >= 1 && size_class < ACRE_CLASSES);
        assert_true(acre_class_bytes(size_class) >= size_bytes);
        assert_true(size_class == 1 || acre_class_bytes(size_class - 1) < size_bytes);
    }
}

static void spacing(void **state) {
    (void)state;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        size_t bytes = acre_class_bytes(size_class), below = acre_class_bytes(size_class - 1);
        assert_int_equal(acre_class_of(bytes), size_class);
        assert_int_equal(bytes % ACRE_ALIGNMENT, 0);
        assert_true(bytes > below);
        if (below >= 128) assert_true((bytes - below) * 8 <= below);
        if (bytes <= ACRE_EXACT_MOST) assert_int_equal(bytes, size_class * 16);
    }
    assert_int_equal(acre_class_bytes(ACRE_CLASSES - 1), ACRE_MEDIUM_MOST);
}

/* What a slab's record can describe. */
static void slabs(void **state) {
    (void)state;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        size_t bytes = acre_class_bytes(size_class), granules = acre_class_granules(size_class);
        size_t blocks = granules * ACRE_GRANULE_BYTES / bytes;
        assert_true(blocks >= 2);
        assert_int_equal(acre_class_is_small(size_class), bytes <= ACRE_SMALL_MOST);
        if (acre_class_is_small(size_class))
            assert_true(granules == 1 && blocks <= 64 * ACRE_SMALL_WORDS);
        else
            assert_true(blocks <= 64);
    }
}

static void aligned(void **state) {
    (void)state;
    for (size_t alignment = 1; alignment <= ACRE_MEDIUM_MOST; alignment *= 2) {
        for (size_t size_bytes = 0; size_bytes <= ACRE_MEDIUM_MOST; size_bytes += 13) {
            unsigned least = acre_class_of(size_bytes);
            unsigned size_class = acre_class_of(acre_class_aligned(size_bytes, alignment));
            assert_true(size_class >= least && size_class < ACRE_CLASSES);
            assert_int_equal(acre_class_bytes(size_class) % alignment, 0);
            /* and no lesser class would do */
            for (; least < size_class; least++) assert_true(acre_class_bytes(least) % alignment != 0);
        }
    }
}

/* It serves: it is no smaller, no less aligned, and not much larger; and there are four to a doubling. */
static void wider(void **state) {
    (void)state;
    for (unsigned size_class = 1; size_class < ACRE_SMALL_CLASSES; size_class++) {
        unsigned by = acre_class_wider(size_class);
        size_t bytes = acre_class_bytes(size_class), by_bytes = acre_class_bytes(by);
        assert_true(by >= size_class && acre_class_is_small(by));
        assert_int_equal(acre_class_wider(by), by);
        assert_int_equal(by_bytes % (bytes & -bytes), 0);
        assert_true(bytes <= 128 ? by_bytes == bytes : (by_bytes - bytes) * 4 < bytes);
        if (size_class > 1) assert_true(by >= acre_class_wider(size_class - 1));
    }
    unsigned count = 0;
    for (unsigned size_class = acre_class_of(513); size_class < ACRE_SMALL_CLASSES; size_class++)
        count += acre_class_wider(size_class) == size_class;
    assert_int_equal(count, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_fit), cmocka_unit_test(wider),   cmocka_unit_test(spacing),
        cmocka_unit_test(slabs),       cmocka_unit_test(aligned),
    };
    return cmocka_run_group_tests_name("size_class", tests, NULL, NULL);
}
