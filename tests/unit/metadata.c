#include "support.h"

#include "metadata/map.h"
#include "metadata/metadata.h"

#include <string.h>

#define RECORDS 3000
#define RECORD_BYTES 200 /* not a multiple of the alignment */

static char *record[RECORDS];

static void distinct_and_aligned(void **state) {
    (void)state;
    size_t before_bytes = acre_metadata_bytes();
    for (unsigned i = 0; i < RECORDS; i++) {
        record[i] = acre_metadata_take(ACRE_RECORD_HUGE, RECORD_BYTES);
        assert_non_null(record[i]);
        assert_int_equal((uintptr_t)record[i] % 64, 0);
        assert_true(unit_is_zero(record[i], RECORD_BYTES));
        memset(record[i], (int)(i % 255) + 1, RECORD_BYTES);
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        for (unsigned byte = 0; byte < RECORD_BYTES; byte++)
            assert_int_equal((unsigned char)record[i][byte], i % 255 + 1);
    }
    assert_true(acre_metadata_bytes() - before_bytes >= (size_t)RECORDS * RECORD_BYTES);
}

/* Kinds do not mix, and a record is as it was left but for its third word. */
static void reuse(void **state) {
    (void)state;
    size_t before_bytes = acre_metadata_bytes();
    acre_metadata_give(ACRE_RECORD_HUGE, record[10]);
    acre_metadata_give(ACRE_RECORD_HUGE, record[20]);
    char *other = acre_metadata_take(ACRE_RECORD_CHUNK, 64);
    assert_true(other != record[10] && other != record[20]);
    assert_int_equal(acre_metadata_bytes(), before_bytes + 64);
    assert_ptr_equal(acre_metadata_take(ACRE_RECORD_HUGE, RECORD_BYTES), record[20]);
    assert_ptr_equal(acre_metadata_take(ACRE_RECORD_HUGE, RECORD_BYTES), record[10]);
    for (unsigned byte = 0; byte < RECORD_BYTES; byte++) {
        if (byte < 16 || byte >= 24) assert_int_equal(record[10][byte], 11);
    }
    assert_int_equal(acre_metadata_bytes(), before_bytes + 64);
}

static void out_of_memory(void **state) {
    (void)state;
    unsigned taken = 0;
    unit_fault(ACRE_OS_MMAP, 1, true);
    while (acre_metadata_take(ACRE_RECORD_ASKED, 4096) != NULL) assert_true(++taken < 1000);
    assert_true(unit_fault_end());
    assert_non_null(acre_metadata_take(ACRE_RECORD_ASKED, 4096));
}

#define HIGH ((UINT64_C(1) << ACRE_ADDRESS_BITS) - ACRE_GRANULE_BYTES)
static const uint64_t places[] = {
    ACRE_GRANULE_BYTES, (UINT64_C(1) << 30) - ACRE_GRANULE_BYTES, (UINT64_C(1) << 32) - ACRE_GRANULE_BYTES,
    (UINT64_C(1) << 46) + 5 * ACRE_GRANULE_BYTES, HIGH - 2 * ACRE_GRANULE_BYTES,
};
#define PLACES (sizeof places / sizeof places[0])

static void unknown_addresses(void **state) {
    (void)state;
    static const uint64_t addresses[] = {0, 1, 4096, HIGH, HIGH + ACRE_GRANULE_BYTES, UINT64_C(1) << 56, UINT64_MAX};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        assert_ptr_equal(acre_map_find(addresses[i]), &acre_map_nothing);
    for (size_t i = 0; i < PLACES; i++) assert_ptr_equal(acre_map_find(places[i]), &acre_map_nothing);
    assert_int_equal(acre_map_nothing.kind, ACRE_SPAN_NONE);
}

/* Two granules each, some of them across the edges of pieces and leaves. */
static void set_and_find(void **state) {
    (void)state;
    static struct acre_span span[PLACES];
    for (size_t i = 0; i < PLACES; i++) {
        assert_true(acre_map_reserve(places[i], 2 * ACRE_GRANULE_BYTES));
        assert_ptr_equal(acre_map_find(places[i]), &acre_map_nothing);
        acre_map_set(places[i], 2 * ACRE_GRANULE_BYTES, &span[i]);
    }
    for (size_t i = 0; i < PLACES; i++) {
        assert_ptr_equal(acre_map_find(places[i]), &span[i]);
        assert_ptr_equal(acre_map_find(places[i] + 2 * ACRE_GRANULE_BYTES - 1), &span[i]);
        assert_ptr_equal(acre_map_find(places[i] - 1), &acre_map_nothing);
        assert_ptr_equal(acre_map_find(places[i] + 2 * ACRE_GRANULE_BYTES), &acre_map_nothing);
        acre_map_set(places[i] + ACRE_GRANULE_BYTES, 1, NULL);
        assert_ptr_equal(acre_map_find(places[i]), &span[i]);
        assert_ptr_equal(acre_map_find(places[i] + ACRE_GRANULE_BYTES), &acre_map_nothing);
        acre_map_set(places[i], 1, NULL);
        assert_ptr_equal(acre_map_find(places[i]), &acre_map_nothing);
    }
}

static void reserve_fails(void **state) {
    (void)state;
    uintptr_t leaf = UINT64_C(9) << ACRE_MAP_LEAF_SHIFT;
    assert_false(acre_map_reserve(UINT64_C(1) << ACRE_ADDRESS_BITS, 1));
    unit_fault(ACRE_OS_MMAP, 1, false);
    assert_false(acre_map_reserve(leaf, 1));
    assert_true(unit_fault_end());
    assert_ptr_equal(acre_map_find(leaf), &acre_map_nothing);
    assert_true(acre_map_reserve(leaf, 1));
    acre_map_set(leaf, 1, &acre_map_nothing);
    assert_ptr_equal(acre_map_find(leaf), &acre_map_nothing);
}

static void before_start(void **state) {
    (void)state;
    assert_ptr_equal(acre_map_find((uintptr_t)&state), &acre_map_nothing);
    assert_ptr_equal(acre_map_find(UINTPTR_MAX), &acre_map_nothing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distinct_and_aligned), cmocka_unit_test(reuse),
        cmocka_unit_test(out_of_memory),        cmocka_unit_test(before_start),
        cmocka_unit_test(unknown_addresses),    cmocka_unit_test(set_and_find),
        cmocka_unit_test(reserve_fails),
    };
    return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
