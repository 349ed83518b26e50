/* The break is everybody's: what others do to it between acre's question and acre's move. The hook of faults is
 * asked right in front of each move, which is where others come in. */
#include "support.h"

#include "source/source.h"

#include <unistd.h>

#define GRANULE ((size_t)64 << 10)

static intptr_t others_move; /* by so much, before acre's next move */

static int come_between(enum acre_os_call call) {
    intptr_t move = others_move;
    if (call != ACRE_OS_BRK || move == 0) return 0;
    others_move = 0;
    sbrk(move);
    return 0;
}

static struct acre_extent grow(size_t size_bytes, intptr_t others) {
    acre_os_fault = come_between;
    others_move = others;
    struct acre_extent extent = acre_source_grow_break(size_bytes, size_bytes);
    UNIT_CHECK(others_move == 0); /* they had their turn */
    acre_os_fault = NULL;
    return extent;
}

static void start_and_grow(struct acre_extent *extent) {
    acre_source_start(SIZE_MAX);
    sbrk((intptr_t)(acre_align_up((uintptr_t)sbrk(0), GRANULE) - (uintptr_t)sbrk(0)));
    *extent = acre_source_grow_break(4 * GRANULE, 4 * GRANULE);
    UNIT_CHECK(extent->size_bytes == 4 * GRANULE);
}

/* A little more, and no whole granule is left of what was to be just that: it goes back. */
static void raised_a_little(void *unused) {
    struct acre_extent extent;
    (void)unused;
    start_and_grow(&extent);
    size_t held_bytes = acre_source_held_bytes();
    uintptr_t before = (uintptr_t)sbrk(0);
    UNIT_CHECK(grow(GRANULE, 4096).size_bytes == 0);
    UNIT_CHECK((uintptr_t)sbrk(0) == before + 4096);
    UNIT_CHECK(acre_source_held_bytes() == held_bytes);
    extent = acre_source_grow_break(2 * GRANULE, 2 * GRANULE);
    UNIT_CHECK(extent.size_bytes >= 2 * GRANULE && extent.base >= before + 4096 && extent.base % GRANULE == 0);
}

/* Where more was wanted than needed, the whole granules of it serve, and the rest goes back. */
static void raised_in_a_long_move(void *unused) {
    struct acre_extent extent;
    (void)unused;
    start_and_grow(&extent);
    acre_os_fault = come_between;
    others_move = 4096;
    uintptr_t before = (uintptr_t)sbrk(0);
    extent = acre_source_grow_break(GRANULE, 4 * GRANULE);
    acre_os_fault = NULL;
    UNIT_CHECK(extent.base == before + GRANULE && extent.size_bytes == 3 * GRANULE);
    UNIT_CHECK((uintptr_t)sbrk(0) == extent.base + extent.size_bytes);
    UNIT_CHECK(acre_source_lower_break(extent.base + extent.size_bytes, extent.size_bytes));
}

/* Below what acre holds: then nothing of the break is to be relied on, and it is not used again. */
static void lowered_meanwhile(void *unused) {
    struct acre_extent extent;
    (void)unused;
    start_and_grow(&extent);
    UNIT_CHECK(grow(GRANULE, -(intptr_t)GRANULE).size_bytes == 0);
    UNIT_CHECK(acre_source_grow_break(GRANULE, GRANULE).size_bytes == 0);
    UNIT_CHECK(!acre_source_lower_break(extent.base + extent.size_bytes, GRANULE));
    UNIT_CHECK(acre_source_map(GRANULE, GRANULE) != 0);
}

static void lowered_before(void *unused) {
    struct acre_extent extent;
    (void)unused;
    start_and_grow(&extent);
    sbrk(-(intptr_t)GRANULE);
    UNIT_CHECK(acre_source_grow_break(GRANULE, GRANULE).size_bytes == 0);
    sbrk((intptr_t)(4 * GRANULE));
    UNIT_CHECK(acre_source_grow_break(GRANULE, GRANULE).size_bytes == 0);
}

/* Others' memory at the top is not cut off: the height is put back. */
static void raised_before_it_comes_down(void *unused) {
    struct acre_extent extent;
    (void)unused;
    start_and_grow(&extent);
    uintptr_t top = extent.base + extent.size_bytes;
    acre_os_fault = come_between;
    others_move = (intptr_t)GRANULE;
    UNIT_CHECK(!acre_source_lower_break(top, GRANULE));
    acre_os_fault = NULL;
    UNIT_CHECK((uintptr_t)sbrk(0) == top + GRANULE);
    UNIT_CHECK(acre_source_break_bytes() == extent.size_bytes);
    sbrk(-(intptr_t)GRANULE);
    UNIT_CHECK(acre_source_lower_break(top, GRANULE));
}

static void others_come_between(void **state) {
    static void (*const cases[])(void *) = {raised_a_little, raised_in_a_long_move, lowered_meanwhile,
                                            lowered_before, raised_before_it_comes_down};
    char text[1000];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(unit_in_child(cases[i], NULL, text, sizeof text), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(others_come_between)};
    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
