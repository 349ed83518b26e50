#include "support.h"

#include "metadata/map.h"
#include "source/source.h"
#include "span/huge.h"
#include "span/supplier.h"
#include "span/vacant.h"

#include <errno.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

static struct acre_huge *record_of(uintptr_t block) {
    struct acre_span *span = acre_map_find(block);
    assert_int_equal(span->kind, ACRE_SPAN_HUGE);
    assert_int_equal(span->base, block);
    return (struct acre_huge *)span;
}

static struct acre_supplier supplier;
static struct acre_huge_space space;

static bool is_valid(void) {
    return acre_huge_is_valid(&space) &&
           acre_quota_held_bytes(&supplier.quota) == acre_huge_figures(&space).live_bytes;
}

static void start(bool cache, bool from_break) {
    struct acre_huge_policy policy = {cache, 32 * MIB, 3600000};
    acre_huge_start(&policy);
    acre_supplier_start(&supplier, from_break ? ACRE_SOURCE_BRK : ACRE_SOURCE_MMAP, SIZE_MAX);
    acre_huge_space_start(&space, &supplier, ACRE_THP_AUTO);
}

static uintptr_t take(size_t size_bytes, size_t alignment, size_t *dirty_bytes) {
    uintptr_t block = acre_huge_take(&space, size_bytes, alignment, dirty_bytes);
    assert_true(block != 0 && block % alignment == 0);
    assert_true(acre_huge_is_live(record_of(block)) && is_valid());
    assert_true(record_of(block)->mapped_bytes >= size_bytes);
    assert_int_equal(record_of(block)->asked_bytes, size_bytes);
    memset((void *)block, 0x5a, 4096);
    memset((char *)block + size_bytes - 4096, 0xa5, 4096);
    return block;
}

static void give(uintptr_t block) {
    assert_true(acre_huge_give(record_of(block), block));
    assert_true(is_valid());
}

static void take_and_give(void **state) {
    (void)state;
    size_t dirty_bytes = 1;
    start(false, false);
    for (size_t alignment = 4096; alignment <= 8 * MIB; alignment *= 4) {
        uintptr_t block = take(MIB + 5000, alignment, &dirty_bytes);
        assert_int_equal(dirty_bytes, 0);
        assert_true(unit_is_zero((char *)block + 4096, MIB - 4096));
        struct acre_huge_figures figures = acre_huge_figures(&space);
        assert_true(figures.live_blocks == 1 && figures.asked_bytes == MIB + 5000 && acre_huge_cached_bytes() == 0);
        give(block);
        assert_ptr_equal(acre_map_find(block), &acre_map_nothing);
        assert_int_equal(acre_huge_figures(&space).live_bytes, 0);
    }
    assert_int_equal(acre_huge_take(&space, SIZE_MAX, 4096, &dirty_bytes), 0);
    assert_int_equal(acre_huge_take(&space, (size_t)PTRDIFF_MAX, 4096, &dirty_bytes), 0);
}

static void cache_on(void **state) {
    (void)state;
    size_t dirty_bytes = 0;
    start(true, false);
    uintptr_t block = take(2 * MIB, 4096, &dirty_bytes);
    struct acre_huge *huge = record_of(block);
    give(block);
    assert_false(acre_huge_is_live(huge));
    assert_false(acre_huge_give(huge, huge->span.base)); /* a second free */
    assert_int_equal(acre_huge_cached_bytes(), 2 * MIB);
    assert_int_equal(take(2 * MIB - 100, 4096, &dirty_bytes), block);
    assert_int_equal(dirty_bytes, 2 * MIB);
    assert_int_equal(acre_huge_cached_bytes(), 0);
    give(block);
    assert_false(acre_huge_decay(false)); /* too young */
    assert_true(acre_huge_decay(true));
    assert_false(acre_huge_decay(true));
    assert_ptr_equal(acre_map_find(block), &acre_map_nothing);
    assert_int_equal(acre_huge_cached_bytes(), 0);
}

/* A freed mapping is cut, its parts are joined again, and a block grows into what lies free behind it. */
static void cut_join_extend(void **state) {
    (void)state;
    size_t dirty_bytes;
    start(true, false);
    uintptr_t whole = take(8 * MIB, 4096, &dirty_bytes);
    give(whole);
    assert_int_equal(take(2 * MIB, 4096, &dirty_bytes), whole);
    assert_int_equal(dirty_bytes, 2 * MIB);
    assert_int_equal(acre_huge_cached_bytes(), 6 * MIB);
    assert_int_equal(take(6 * MIB, 4096, &dirty_bytes), whole + 2 * MIB);
    assert_int_equal(acre_huge_cached_bytes(), 0);
    give(whole + 2 * MIB);
    give(whole);
    assert_int_equal(take(8 * MIB, 4096, &dirty_bytes), whole);
    give(whole);
    assert_int_equal(take(4 * MIB, 4096, &dirty_bytes), whole);
    assert_int_equal(acre_huge_resize(record_of(whole), whole, 5 * MIB), whole);
    assert_int_equal(record_of(whole)->mapped_bytes, 5 * MIB);
    assert_int_equal(acre_huge_cached_bytes(), 3 * MIB);
    assert_true(is_valid());
    give(whole);
    assert_int_equal(acre_huge_cached_bytes(), 8 * MIB);
    acre_huge_decay(true);
}

/* One that is too short is made longer: what it held is dirty, the rest reads as zeros. */
static void lengthen(void **state) {
    (void)state;
    size_t dirty_bytes;
    start(true, false);
    uintptr_t block = take(2 * MIB, 4096, &dirty_bytes);
    memset((void *)block, 0x77, 2 * MIB);
    give(block);
    block = acre_huge_take(&space, 7 * MIB, 4096, &dirty_bytes);
    assert_true(block != 0 && is_valid());
    assert_int_equal(dirty_bytes, 2 * MIB);
    assert_int_equal(*(unsigned char *)(block + MIB), 0x77);
    assert_true(unit_is_zero((char *)block + 2 * MIB, 5 * MIB));
    give(block);
    acre_huge_decay(true);
    assert_int_equal(acre_huge_cached_bytes() + acre_huge_figures(&space).live_bytes, 0);
}

/* A block that grows much is left to be copied into pages that wait. */
static void grow_by_copy(void **state) {
    (void)state;
    size_t dirty_bytes;
    start(true, false);
    uintptr_t waiting = take(6 * MIB, 4096, &dirty_bytes), block = take(2 * MIB, 4096, &dirty_bytes);
    give(waiting);
    assert_int_equal(acre_huge_resize(record_of(block), block, 4 * MIB), 0);
    assert_int_equal(record_of(block)->asked_bytes, 2 * MIB);
    block = acre_huge_resize(record_of(block), block, 2 * MIB + MIB / 2); /* a little: where it lies, or moved */
    assert_true(block != 0);
    give(block);
    acre_huge_decay(true);
}

/* The cache stays within its bytes and its number of mappings. */
static void cache_bounds(void **state) {
    (void)state;
    uintptr_t block[40];
    size_t dirty_bytes;
    start(true, false);
    for (unsigned i = 0; i < 40; i++) block[i] = take(3 * MIB, 4096, &dirty_bytes);
    for (unsigned i = 0; i < 40; i++) {
        give(block[i]);
        assert_true(acre_huge_cached_bytes() <= (i < 3 ? 8 : 1) * 32 * MIB);
    }
    for (unsigned i = 0; i < 40; i++) block[i] = take(MIB / 2, 4096, &dirty_bytes);
    for (unsigned i = 0; i < 40; i++) give(block[i]);
    assert_true(acre_huge_cached_bytes() <= 32 * MIB);
    acre_huge_decay(true);
    assert_int_equal(acre_huge_cached_bytes() + acre_huge_figures(&space).live_bytes, 0);
}

static void resize(void **state) {
    (void)state;
    static const size_t sizes[] = {4 * MIB, MIB, 9 * MIB + 1, MIB + 1, 100000, 20 * MIB};
    size_t dirty_bytes;
    start(false, false);
    uintptr_t block = take(MIB, 4096, &dirty_bytes);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uintptr_t moved = acre_huge_resize(record_of(block), block, sizes[i]);
        assert_true(moved != 0);
        if (moved != block) assert_ptr_equal(acre_map_find(block), &acre_map_nothing);
        block = moved;
        assert_int_equal(*(unsigned char *)block, 0x5a);
        assert_int_equal(record_of(block)->asked_bytes, sizes[i]);
        assert_int_equal(acre_huge_figures(&space).asked_bytes, sizes[i]);
        ((char *)block)[sizes[i] - 1] = 1;
    }
    static const enum acre_os_call calls[] = {ACRE_OS_MREMAP, ACRE_OS_MMAP};
    for (size_t i = 0; i < 2; i++) { /* in place there may be room: then a call of mmap is not asked for */
        unit_fault(calls[i], 1, true);
        uintptr_t moved = acre_huge_resize(record_of(block), block, 40 * MIB);
        if (unit_fault_end())
            assert_int_equal(moved, 0);
        else
            acre_huge_resize(record_of(block), block, 20 * MIB);
        assert_true(is_valid());
    }
    assert_int_equal(record_of(block)->asked_bytes, 20 * MIB);
    assert_int_equal(acre_huge_resize(record_of(block), block, SIZE_MAX), 0);
    assert_int_equal(*(unsigned char *)block, 0x5a);
    give(block);
    assert_int_equal(acre_huge_figures(&space).live_bytes, 0);
}

/* Another thread may have freed it meanwhile: then it waits in the cache, or its record has no block. */
static void no_live_block(void **state) {
    (void)state;
    size_t dirty_bytes;
    start(true, false);
    uintptr_t block = take(3 * MIB, 4096, &dirty_bytes);
    struct acre_huge *huge = record_of(block);
    assert_int_equal(acre_huge_resize(huge, block + MIB, 4 * MIB), 0);
    give(block);
    assert_int_equal(acre_huge_resize(huge, block, 4 * MIB), 0);
    assert_int_equal(acre_huge_resize(huge, block, 3 * MIB), 0);
    assert_int_equal(acre_huge_figures(&space).live_bytes, 0);
    assert_true(acre_huge_is_valid(&space));
}

/* Below the top: a hole, joined, cut and used again. At the top: the break comes down. */
static void break_holes(void **state) {
    (void)state;
    uintptr_t block[4];
    size_t dirty_bytes;
    start(true, true);
    for (unsigned i = 0; i < 4; i++) block[i] = take(MIB, 4096, &dirty_bytes);
    for (unsigned i = 0; i < 4; i++) assert_true(record_of(block[i])->from_break);
    for (unsigned i = 1; i < 4; i++) assert_int_equal(block[i], block[i - 1] + MIB);
    assert_int_equal(acre_source_break_bytes(), 4 * MIB);
    give(block[0]);
    give(block[1]);
    assert_int_equal(acre_source_break_bytes(), 4 * MIB);
    assert_int_equal(take(MIB + MIB / 2, 4096, &dirty_bytes), block[0]); /* only the joined hole is long enough */
    assert_int_equal(take(MIB / 2, 4096, &dirty_bytes), block[0] + MIB + MIB / 2);
    assert_int_equal(acre_source_break_bytes(), 4 * MIB);
    give(block[2]);
    give(block[3]);
    assert_int_equal(acre_source_break_bytes(), 2 * MIB);
    give(block[0]);
    give(block[0] + MIB + MIB / 2);
    assert_int_equal(acre_source_break_bytes(), 0);
    assert_int_equal(acre_huge_figures(&space).live_bytes, 0);
}

static void break_resize(void **state) {
    (void)state;
    size_t dirty_bytes;
    start(true, true);
    uintptr_t block = take(4 * MIB, 4096, &dirty_bytes);
    assert_int_equal(acre_huge_resize(record_of(block), block, 5 * MIB), 0);
    assert_int_equal(acre_huge_resize(record_of(block), block, MIB), 0);
    assert_int_equal(acre_huge_resize(record_of(block), block, 3 * MIB), block);
    assert_int_equal(record_of(block)->asked_bytes, 3 * MIB);
    give(block);
    assert_int_equal(acre_source_break_bytes(), 0);
}

static int refuse_all(enum acre_os_call call) { return call == ACRE_OS_MUNMAP ? 0 : ENOMEM; }

/* When the break cannot grow, and when nothing can. */
static void no_memory(void **state) {
    (void)state;
    size_t dirty_bytes;
    start(false, true);
    unit_fault(ACRE_OS_BRK, 1, true);
    uintptr_t block = take(MIB, 4096, &dirty_bytes);
    assert_true(unit_fault_end());
    assert_false(record_of(block)->from_break);
    give(block);
    start(true, false);
    block = take(2 * MIB, 4096, &dirty_bytes);
    give(block);
    acre_os_fault = refuse_all; /* there may be room to make the cached one longer where it lies */
    assert_int_equal(acre_huge_take(&space, 16 * MIB, 4096, &dirty_bytes), 0);
    acre_os_fault = NULL;
    assert_int_equal(acre_huge_cached_bytes() + acre_huge_figures(&space).live_bytes, 0);
}

/* What cannot be unmapped gives its pages back, waits for another block, and goes when it can. */
static void refused_unmap(void **state) {
    (void)state;
    size_t dirty_bytes = 1;
    start(false, false);
    size_t held_bytes = acre_source_held_bytes();
    uint64_t mapped_bytes = acre_os_figures.mapped_bytes;
    uintptr_t block = take(MIB, 4096, &dirty_bytes);
    unit_fault(ACRE_OS_MUNMAP, 1, true);
    give(block);
    assert_true(unit_fault_end());
    assert_ptr_equal(acre_map_find(block), &acre_map_nothing);
    assert_int_equal(acre_source_held_bytes(), held_bytes);
    assert_int_equal(acre_huge_vacant.bytes, MIB);
    assert_int_equal(acre_huge_take(&space, MIB, 4096, &dirty_bytes), block);
    assert_int_equal(dirty_bytes, 0);
    assert_true(unit_is_zero((void *)block, MIB));
    assert_int_equal(acre_source_held_bytes(), held_bytes + MIB);
    unit_fault(ACRE_OS_MUNMAP, 1, true);
    give(block);
    acre_huge_decay(true);
    assert_true(unit_fault_end());
    assert_int_equal(acre_huge_vacant.bytes, MIB);
    acre_huge_decay(true);
    assert_int_equal(acre_huge_vacant.bytes, 0);
    assert_int_equal(acre_source_held_bytes(), held_bytes);
    assert_int_equal(acre_os_figures.mapped_bytes, mapped_bytes);
}

#define SLOTS 12

static void random_steps(void **state) {
    (void)state;
    struct {
        uintptr_t block;
        size_t size_bytes;
    } slot[SLOTS] = {{0, 0}};
    for (unsigned step = 0; step < 600; step++) {
        size_t size_bytes = 100000 + unit_below(2000000), asked_bytes = 0, i = unit_below(SLOTS);
        size_t dirty_bytes;
        if (step % 200 == 0) acre_huge_decay(true);
        if (slot[i].block == 0) {
            slot[i].block = take(slot[i].size_bytes = size_bytes, (size_t)4096 << unit_below(10), &dirty_bytes);
        } else if (unit_below(3) == 0) {
            uintptr_t moved = acre_huge_resize(record_of(slot[i].block), slot[i].block, size_bytes);
            if (moved != 0) slot[i].block = moved, slot[i].size_bytes = size_bytes;
        } else {
            assert_int_equal(*(unsigned char *)slot[i].block, 0x5a);
            give(slot[i].block);
            slot[i].block = slot[i].size_bytes = 0;
        }
        for (size_t j = 0; j < SLOTS; j++) asked_bytes += slot[j].size_bytes;
        assert_int_equal(acre_huge_figures(&space).asked_bytes, asked_bytes);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (slot[i].block != 0) give(slot[i].block);
    }
    acre_huge_decay(true);
    assert_int_equal(acre_huge_figures(&space).live_bytes + acre_huge_cached_bytes(), 0);
}

static void random_mmap(void **state) {
    start(true, false);
    random_steps(state);
}

static void random_break(void **state) {
    start(true, true);
    random_steps(state);
    assert_int_equal(acre_source_break_bytes(), 0);
}

static uintptr_t take_anew(size_t size_bytes, bool fills) {
    size_t dirty_bytes;
    uintptr_t block = acre_huge_take_anew(&space, size_bytes, 4096, &dirty_bytes);
    assert_true(block != 0 && is_valid());
    if (fills) memset((void *)block, 1, size_bytes);
    return block;
}

static bool has_huge_pages(uintptr_t block) {
    bool has = record_of(block)->huge_pages;
    assert_true(!has || block % (2 * MIB) == 0);
    return has;
}

/* After a block that was full new ones up to its length have huge pages, twice as much in all; after one that was
 * not, or a trim, none. */
static void huge_pages_after_full_ones(void **state) {
    (void)state;
    uintptr_t blocks[6];
    start(false, false);
    give(take_anew(8 * MIB, false));
    blocks[0] = take_anew(8 * MIB, true);
    assert_false(has_huge_pages(blocks[0]));
    give(blocks[0]);
    blocks[0] = take_anew(8 * MIB + 4096, false); /* too much */
    blocks[1] = take_anew(MIB, false);            /* too little */
    blocks[2] = take_anew(5 * MIB + 5000, false);
    blocks[3] = take_anew(8 * MIB, true);
    blocks[4] = take_anew(3 * MIB, false); /* too much in all */
    assert_false(has_huge_pages(blocks[0]) || has_huge_pages(blocks[1]) || has_huge_pages(blocks[4]));
    assert_true(has_huge_pages(blocks[2]) && has_huge_pages(blocks[3]));
    give(blocks[3]);
    blocks[3] = take_anew(3 * MIB, false);
    assert_true(has_huge_pages(blocks[3]));
    give(blocks[4]); /* that was not full */
    blocks[4] = take_anew(2 * MIB, false);
    blocks[5] = take_anew(2 * MIB, true);
    assert_false(has_huge_pages(blocks[4]));
    give(blocks[5]);
    acre_huge_decay(true);
    blocks[5] = take_anew(2 * MIB, false);
    assert_false(has_huge_pages(blocks[5]));
    for (size_t i = 0; i < 6; i++) give(blocks[i]);
}

/* Nor are they taken from the cache, or asked for where a block grows. */
static void huge_pages_never(void **state) {
    (void)state;
    size_t dirty_bytes;
    start(true, false);
    give(take_anew(4 * MIB, true));
    uintptr_t block = take_anew(4 * MIB, true);
    assert_true(has_huge_pages(block));
    give(block);
    acre_huge_space_start(&space, &supplier, ACRE_THP_NEVER);
    for (size_t i = 0; i < 4; i++) {
        block = acre_huge_take(&space, 4 * MIB, 4096, &dirty_bytes);
        assert_false(has_huge_pages(block));
        memset((void *)block, 1, 4 * MIB);
    }
    block = acre_huge_resize(record_of(block), block, 6 * MIB);
    assert_false(has_huge_pages(block));
    acre_huge_space_empty(&space);
    acre_huge_decay(true);
}

static void huge_pages_where_full_ones_grow(void **state) {
    (void)state;
    start(false, false);
    for (int fills = 0; fills < 2; fills++) {
        uintptr_t block = take_anew(3 * MIB, fills != 0), grown = acre_huge_resize(record_of(block), block, 16 * MIB);
        assert_true(grown != 0 && is_valid());
        assert_int_equal(record_of(grown)->huge_pages, fills != 0);
        grown = acre_huge_resize(record_of(grown), grown, 64 * MIB);
        assert_int_equal(record_of(grown)->huge_pages, fills != 0);
        grown = acre_huge_resize(record_of(grown), grown, 3 * MIB);
        assert_true(unit_is_zero((char *)grown + 8192, 4096) == (fills == 0));
        give(grown);
    }
}

/* What is cut off an extent is like it. */
static void huge_pages_stay_with_parts(void **state) {
    (void)state;
    size_t dirty_bytes;
    start(true, false);
    uintptr_t block = take_anew(16 * MIB, true), part;
    give(block);
    block = take_anew(16 * MIB, true);
    assert_true(has_huge_pages(block));
    give(block);
    block = take(5 * MIB, 4096, &dirty_bytes);
    part = take(5 * MIB, 4096, &dirty_bytes);
    assert_true(dirty_bytes == 5 * MIB && record_of(block)->huge_pages && record_of(part)->huge_pages);
    give(block);
    give(part);
    assert_true(acre_huge_decay(true) && acre_huge_cached_bytes() == 0);
}

static int group_setup(void **state) {
    (void)state;
    unit_start("source:mmap");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(take_and_give),   cmocka_unit_test(cache_on),      cmocka_unit_test(cache_bounds),
        cmocka_unit_test(cut_join_extend), cmocka_unit_test(lengthen),      cmocka_unit_test(grow_by_copy),
        cmocka_unit_test(resize),          cmocka_unit_test(no_live_block),
        cmocka_unit_test(break_holes),   cmocka_unit_test(break_resize),
        cmocka_unit_test(no_memory),       cmocka_unit_test(refused_unmap), cmocka_unit_test(random_mmap),
        cmocka_unit_test(random_break),    cmocka_unit_test(huge_pages_after_full_ones),
        cmocka_unit_test(huge_pages_never),
        cmocka_unit_test(huge_pages_where_full_ones_grow), cmocka_unit_test(huge_pages_stay_with_parts),
    };
    return cmocka_run_group_tests_name("huge", tests, group_setup, NULL);
}
