#include "support.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/os.h"

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

/* What a process starts with lies outside of blocks, and each kind's last one given is the next one taken. */
static void early_ones(void **state) {
    (void)state;
    acre_metadata_give(ACRE_RECORD_HUGE, record[10]);
    acre_metadata_give(ACRE_RECORD_HUGE, record[20]);
    assert_ptr_equal(acre_metadata_take(ACRE_RECORD_HUGE, RECORD_BYTES), record[20]);
    assert_ptr_equal(acre_metadata_take(ACRE_RECORD_HUGE, RECORD_BYTES), record[10]);
}

/* Kinds do not mix, and a record is as it was left but for its third word. */
static void reuse(void **state) {
    (void)state;
    char *low = record[RECORDS - 30], *high = record[RECORDS - 10];
    acre_metadata_give(ACRE_RECORD_HUGE, high);
    acre_metadata_give(ACRE_RECORD_HUGE, low);
    size_t before_bytes = acre_metadata_bytes();
    char *other = acre_metadata_take(ACRE_RECORD_CHUNK, 64);
    assert_true(other != high && other != low);
    assert_int_equal(acre_metadata_bytes(), before_bytes + acre_os_page_bytes());
    assert_ptr_equal(acre_metadata_take(ACRE_RECORD_HUGE, RECORD_BYTES),
                     low); /* the lowest, to keep others empty */
    assert_ptr_equal(acre_metadata_take(ACRE_RECORD_HUGE, RECORD_BYTES), high);
    for (unsigned byte = 0; byte < RECORD_BYTES; byte++) {
        if (byte < 16 || byte >= 24) assert_int_equal((unsigned char)high[byte], (RECORDS - 10) % 255 + 1);
    }
    assert_int_equal(acre_metadata_bytes(), before_bytes + acre_os_page_bytes());
}

static void check_those_in_use(void) {
    for (unsigned i = 0; i < RECORDS; i++) {
        for (unsigned byte = 0; record[i] != NULL && byte < RECORD_BYTES; byte++) {
            if (byte < 16 || byte >= 24) assert_int_equal((unsigned char)record[i][byte], i % 255 + 1);
        }
    }
}

/* Where a page is as long as a block of records, it has the block's own record, and none goes back. */
static bool can_pages_go(void) { return acre_os_page_bytes() < ACRE_GRANULE_BYTES; }

/* What is given back at the least, when every 400th of the records of the upper half stays: but for the pages of
 * those, the first one of each block, and those at the ends. */
static size_t least_given_back(void) {
    size_t blocks = RECORDS / 2 * 256 / ACRE_GRANULE_BYTES, stay_pages = RECORDS / 2 / 400 + 1 + blocks + 2;
    size_t given_bytes = RECORDS / 2 * RECORD_BYTES, stay_bytes = stay_pages * acre_os_page_bytes();
    return can_pages_go() ? given_bytes - acre_min(given_bytes, stay_bytes) : 0;
}

/* Pages without a record go back at the second look, and read as zeros. */
static void unused_pages_go(void **state) {
    (void)state;
    bool waits = false;
    size_t before_bytes = acre_metadata_bytes(), page_bytes = acre_os_page_bytes();
    assert_int_equal(acre_metadata_look(false, &waits), 0);
    assert_false(waits);
    for (unsigned i = RECORDS / 2; i < RECORDS; i++) {
        if (i % 400 == 0) continue;
        acre_metadata_give(ACRE_RECORD_HUGE, record[i]);
        record[i] = NULL;
    }
    assert_int_equal(acre_metadata_look(false, &waits), 0);
    assert_int_equal(waits, can_pages_go());
    assert_int_equal(acre_metadata_bytes(), before_bytes);
    waits = false;
    size_t bytes = acre_metadata_look(false, &waits);
    assert_false(waits);
    assert_int_equal(bytes % page_bytes, 0);
    assert_true(bytes >= least_given_back());
    assert_int_equal(acre_metadata_bytes(), before_bytes - bytes);
    assert_int_equal(acre_metadata_look(true, &waits), 0);
    check_those_in_use();
    for (unsigned i = RECORDS / 2; i < RECORDS; i++) {
        if (record[i] != NULL) continue;
        record[i] = acre_metadata_take(ACRE_RECORD_HUGE, RECORD_BYTES);
        memset(record[i], (int)(i % 255) + 1, RECORD_BYTES);
    }
    check_those_in_use();
    assert_int_equal(acre_metadata_bytes(), before_bytes);
}

static void what_is_locked_stays(void **state) {
    (void)state;
    bool waits = false;
    for (unsigned i = RECORDS / 2; i < RECORDS; i++) acre_metadata_give(ACRE_RECORD_HUGE, record[i]);
    size_t before_bytes = acre_metadata_bytes();
    unit_fault(ACRE_OS_MADVISE, 1, true);
    assert_int_equal(acre_metadata_look(true, &waits), 0);
    assert_int_equal(unit_fault_end(), can_pages_go());
    assert_int_equal(waits, can_pages_go());
    assert_int_equal(acre_metadata_bytes(), before_bytes);
    assert_int_equal(acre_metadata_look(true, &waits) > 0, can_pages_go());
    for (unsigned i = RECORDS / 2; i < RECORDS; i++) record[i] = NULL;
    check_those_in_use();
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
    ACRE_GRANULE_BYTES,
    (UINT64_C(1) << 30) - ACRE_GRANULE_BYTES,
    (UINT64_C(1) << 32) - ACRE_GRANULE_BYTES,
    (UINT64_C(1) << 46) + 5 * ACRE_GRANULE_BYTES,
    HIGH - 2 * ACRE_GRANULE_BYTES,
};
#define PLACES (sizeof places / sizeof places[0])

static void unknown_addresses(void **state) {
    (void)state;
    static const uint64_t addresses[] = {0,         1, 4096, HIGH, HIGH + ACRE_GRANULE_BYTES, UINT64_C(1) << 56,
                                         UINT64_MAX};
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
    volatile uintptr_t last = UINTPTR_MAX; /* known to no compiler, which would warn of the look that is not made */
    assert_ptr_equal(acre_map_find((uintptr_t)&state), &acre_map_nothing);
    assert_ptr_equal(acre_map_find(last), &acre_map_nothing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distinct_and_aligned),
        cmocka_unit_test(early_ones),
        cmocka_unit_test(reuse),
        cmocka_unit_test(unused_pages_go),
        cmocka_unit_test(what_is_locked_stays),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(before_start),
        cmocka_unit_test(unknown_addresses),
        cmocka_unit_test(set_and_find),
        cmocka_unit_test(reserve_fails),
    };
    return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
