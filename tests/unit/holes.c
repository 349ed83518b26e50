#include "support.h"

#include "arena/scavenge.h"
#include "heap/gate.h"
#include "heap/recent.h"
#include "metadata/map.h"
#include "slab/holes.h"
#include "span/released.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 20000

static unsigned char *block[BLOCKS];

static unsigned char *take(unsigned size_class) {
    bool zero;
    return acre_heap_take(acre_heap_mine(), size_class, &zero);
}
static struct acre_slab *slab_of(const void *address) {
    return (struct acre_slab *)acre_map_find((uintptr_t)address);
}
static void give(void *address) { acre_heap_free(slab_of(address), (uintptr_t)address); }

/* A slab with every block taken, which is not in use any more. */
static struct acre_slab *full_slab(unsigned size_class) {
    for (;;) {
        unsigned char *first = take(size_class);
        struct acre_slab *slab = slab_of(first);
        if (slab->fresh_bytes > 2 * 4096 + acre_slab_block_bytes(slab)) continue;
        while (slab_of(take(size_class)) == slab) {
        }
        for (uint32_t number = 0; number < slab->total; number++) {
            block[number] = (unsigned char *)acre_slab_block(slab, number);
            assert_false(acre_slab_is_free(slab, number));
            memset(block[number], (int)(number % 255 + 1), acre_slab_block_bytes(slab));
        }
        return slab;
    }
}

/* The same by looking at every block. */
static uint64_t free_pages_by_hand(const struct acre_slab *slab) {
    size_t page_bytes = acre_os_page_bytes(), block_bytes = acre_slab_block_bytes(slab);
    uint64_t free_pages = ~UINT64_C(0);
    size_t pages = acre_class_granules(slab->span.size_class) * ACRE_GRANULE_BYTES / page_bytes;
    if (pages < 64) free_pages = (UINT64_C(1) << pages) - 1;
    size_t touched = slab->zero ? (slab->fresh_bytes + page_bytes - 1) / page_bytes : pages;
    if (touched < 64) free_pages &= (UINT64_C(1) << touched) - 1;
    for (uint32_t number = 0; number < slab->total; number++) {
        if (acre_slab_is_free(slab, number)) continue;
        for (size_t page = number * block_bytes / page_bytes; page <= ((number + 1) * block_bytes - 1) / page_bytes;
             page++)
            free_pages &= ~(UINT64_C(1) << page);
    }
    return free_pages;
}

static void check_contents(const struct acre_slab *slab) {
    for (uint32_t number = 0; number < slab->total; number++) {
        if (acre_slab_is_free(slab, number)) continue;
        for (size_t at = 0; at < acre_slab_block_bytes(slab); at++)
            assert_int_equal(block[number][at], number % 255 + 1);
    }
}

static unsigned count_pages(uint64_t pages) { return acre_count_bits(pages); }
static uint32_t slab_pages(void) { return (uint32_t)(ACRE_GRANULE_BYTES / acre_os_page_bytes()); }

static void finds_the_pages_of_every_class(void **state) {
    (void)state;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        if (acre_class_is_small(size_class)) /* by its own blocks from the first on */
            acre_heap_mine()->served[size_class] = (uint16_t)acre_class_bytes(size_class);
        struct acre_slab *slab = full_slab(size_class);
        for (uint32_t freed = 0, number; freed + 1 < slab->total; freed++) {
            do number = unit_below(slab->total);
            while (acre_slab_is_free(slab, number));
            give(block[number]);
            if (freed % 16 == 0 || slab->total - freed < 40)
                assert_int_equal(acre_slab_free_pages(slab, acre_recent_read), free_pages_by_hand(slab));
        }
        size_t bytes = acre_slab_release_holes(slab, acre_recent_read, true);
        assert_int_equal(bytes, count_pages(free_pages_by_hand(slab)) * acre_os_page_bytes());
        check_contents(slab);
        assert_int_equal(acre_slab_release_holes(slab, acre_recent_read, true), 0);
    }
}

/* From one look to the next is how long pages wait; what was handed out meanwhile waits anew. */
static void pages_wait_for_the_second_look(void **state) {
    (void)state;
    if (slab_pages() == 1) skip(); /* it goes with its slab, or not at all */
    struct acre_slab *slab = full_slab(4);
    uint32_t pages = slab_pages() - 1; /* but for the first */
    bool waits = false;
    for (uint32_t number = slab->total / slab_pages(); number < slab->total; number++) give(block[number]);
    uint64_t free_pages = free_pages_by_hand(slab);
    assert_int_equal(count_pages(free_pages), pages);
    assert_int_equal(acre_slab_look(slab, acre_recent_read, &waits), 0);
    assert_true(waits);
    assert_int_equal(acre_slab_look(slab, acre_recent_read, &waits), pages);
    assert_int_equal(acre_slab_release_holes(slab, acre_recent_read, false), pages * acre_os_page_bytes());
    waits = false;
    assert_int_equal(acre_slab_look(slab, acre_recent_read, &waits), 0);
    assert_false(waits);
    check_contents(slab);
    while (slab_of(take(4)) != slab) { /* it is in use again */
    }
    assert_false(slab->was_looked_at);
    assert_int_equal(acre_slab_look(slab, acre_recent_read, &waits), 0);
    assert_true(waits);
    assert_true(acre_slab_look(slab, acre_recent_read, &waits) > 0);
}

/* Without the pages that a recent block lies on, by looking at the stack. */
static uint64_t pages_without_recent(const struct acre_slab *slab) {
    const struct acre_recent *recent = &acre_heap_mine()->recent[slab->span.size_class];
    size_t page_bytes = acre_os_page_bytes(), block_bytes = acre_slab_block_bytes(slab);
    uint64_t pages = ~UINT64_C(0);
    for (const struct acre_recent_entry *entry = recent->top; entry->block != 0; entry--) {
        uintptr_t from = entry->block - slab->span.base;
        if (from >= slab->end_bytes) continue;
        for (size_t page = from / page_bytes; page <= (from + block_bytes - 1) / page_bytes; page++)
            pages &= ~(UINT64_C(1) << page);
    }
    return pages;
}

static void recent_blocks_keep_their_pages(void **state) {
    (void)state;
    acre_recent_start(acre_heap_mine(), 5);
    struct acre_slab *slab = full_slab(5);
    for (uint32_t number = 0; number < slab->total / 2; number++) give(block[number]);
    assert_true(slab->keeps_recent);
    assert_true(acre_recent_count(acre_heap_mine(), slab) == ACRE_RECENT_MOST);
    uint64_t free_pages = free_pages_by_hand(slab) & pages_without_recent(slab);
    assert_true(count_pages(free_pages) + 2 >= slab_pages() / 2); /* recent ones lie at the end of the freed half */
    if (!ACRE_STORES_ARRIVE_IN_ORDER) free_pages = 0; /* what the owner does cannot be told from outside */
    assert_int_equal(acre_slab_free_pages(slab, acre_recent_read), free_pages);
    assert_int_equal(acre_slab_release_holes(slab, acre_recent_read, true),
                     count_pages(free_pages) * acre_os_page_bytes());
    slab->countdown++; /* the owner is in the middle of something: nothing can be told */
    assert_int_equal(acre_slab_free_pages(slab, acre_recent_read), 0);
    slab->countdown--;
    for (uint32_t number = slab->total / 2; number + 20 < slab->total; number++) give(block[number]);
    assert_false(slab->keeps_recent); /* nearly empty */
    assert_int_equal(acre_slab_release_holes(slab, acre_recent_read, true) > 0, slab_pages() > 1);
    check_contents(slab);
    acre_recent_stop(acre_heap_mine(), 5);
}

static void *give_most(void *slab) {
    for (uint32_t number = 100; number < ((struct acre_slab *)slab)->total; number++) give(block[number]);
    acre_remote_flush(acre_this_thread);
    return NULL;
}

/* What others freed is free, whatever the owner has on its stack and has not collected. */
static void frees_by_others_beside_recent_blocks(void **state) {
    (void)state;
    pthread_t thread;
    acre_recent_start(acre_heap_mine(), 5);
    struct acre_slab *slab = full_slab(5);
    for (uint32_t number = 0; number < 90; number++) give(block[number]);
    assert_true(slab->keeps_recent);
    assert_int_equal(pthread_create(&thread, NULL, give_most, slab), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    slab->countdown++; /* so these alone */
    size_t bytes = acre_slab_release_holes(slab, acre_recent_read, true);
    slab->countdown--;
    size_t kept_pages = 100 * acre_slab_block_bytes(slab) / acre_os_page_bytes() + 1;
    assert_int_equal(bytes, ACRE_GRANULE_BYTES - kept_pages * acre_os_page_bytes());
    for (uint32_t number = 90; number < 100; number++)
        for (size_t at = 0; at < acre_slab_block_bytes(slab); at++)
            assert_int_equal(block[number][at], number % 255 + 1);
    acre_remote_drain(acre_heap_mine());
    acre_recent_stop(acre_heap_mine(), 5);
}

static _Atomic bool through;

static void *refill_once(void *unused) {
    (void)unused;
    take(7);
    atomic_store(&through, true);
    return NULL;
}

static void the_gate_stops_refills(void **state) {
    (void)state;
    pthread_t thread;
    assert_true(acre_gate_close());
    assert_int_equal(pthread_create(&thread, NULL, refill_once, NULL), 0);
    acre_os_sleep_us(50000);
    assert_false(atomic_load(&through));
    acre_gate_open();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&through));
}

static void who_is_inside_keeps_it_open(void **state) {
    (void)state;
    struct acre_heap *heap = acre_heap_mine();
    acre_gate_enter(heap);
    assert_false(acre_gate_close());
    assert_int_equal(atomic_load(&acre_gate_is_closed), 0);
    acre_gate_leave(heap);
    assert_true(acre_gate_close());
    acre_gate_open();
}

/* What goes wrong in the kernel (pages locked in memory, say) loses nothing, is not tried for ever, and is not
 * taken for done. */
static void a_failing_release_is_not_repeated(void **state) {
    (void)state;
    if (slab_pages() == 1) skip();
    bool waits = false;
    struct acre_slab *slab = full_slab(6);
    for (uint32_t number = 1; number < slab->total; number++) give(block[number]);
    unit_fault(ACRE_OS_MADVISE, 1, true);
    assert_int_equal(acre_slab_release_holes(slab, acre_recent_read, true), 0);
    assert_true(unit_fault_end());
    assert_int_equal(acre_slab_released_pages(slab), 0);
    assert_int_equal(acre_slab_look(slab, acre_recent_read, &waits), 0);
    assert_false(waits);
    assert_true(acre_slab_release_holes(slab, acre_recent_read, true) > 0);
    check_contents(slab);
}

/* When it is empty at last, what was released of it reads as zeros, and the rest does not. */
static void released_pages_stay_so_in_the_chunk(void **state) {
    (void)state;
    if (slab_pages() == 1) skip();
    struct acre_slab *slab = full_slab(6);
    struct acre_chunk *chunk = slab->chunk;
    uintptr_t base = slab->span.base;
    for (uint32_t number = 1; number < slab->total; number++) give(block[number]);
    uint64_t released = free_pages_by_hand(slab);
    assert_true(acre_slab_release_holes(slab, acre_recent_read, true) > 0);
    give(block[0]);
    acre_heap_give_kept(acre_heap_mine());
    assert_ptr_equal(acre_map_find(base), &chunk->span);
    uint32_t first = (uint32_t)((base - chunk->span.base) >> acre_page_shift());
    for (uint32_t page = 0; page < ACRE_GRANULE_BYTES >> acre_page_shift(); page++) {
        bool is_dirty = chunk->dirty[(first + page) / 64] >> (first + page) % 64 & 1;
        assert_int_equal(is_dirty, (released >> page & 1) == 0);
        if (!is_dirty) assert_int_equal(*(char *)acre_run_address(chunk, first + page), 0);
    }
    uint64_t before = atomic_load(&acre_released.again_bytes);
    do slab = slab_of(take(6));
    while (slab->span.base != base);
    assert_int_equal(atomic_load(&acre_released.again_bytes) - before,
                     count_pages(released) * acre_os_page_bytes());
}

static void all_that_is_free_goes(void **state) {
    (void)state;
    struct acre_slab *slab = full_slab(8);
    for (uint32_t number = 1; number < slab->total; number++) give(block[number]);
    assert_true(acre_scavenge_all(0).any);
    assert_int_equal(acre_slab_holes(slab)->released, free_pages_by_hand(slab));
    check_contents(slab);
    assert_false(acre_scavenge_all(0).any);
    assert_true(acre_page_heap_is_valid(&acre_default_arena.pages));
    assert_true(acre_heap_is_valid(acre_heap_mine()));
}

static int group_setup(void **state) {
    (void)state;
    unit_seed(8);
    unit_start("source:mmap");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_pages_of_every_class),
        cmocka_unit_test(pages_wait_for_the_second_look),
        cmocka_unit_test(recent_blocks_keep_their_pages),
        cmocka_unit_test(frees_by_others_beside_recent_blocks),
        cmocka_unit_test(the_gate_stops_refills),
        cmocka_unit_test(who_is_inside_keeps_it_open),
        cmocka_unit_test(a_failing_release_is_not_repeated),
        cmocka_unit_test(all_that_is_free_goes),
        cmocka_unit_test(released_pages_stay_so_in_the_chunk),
    };
    return cmocka_run_group_tests_name("holes", tests, group_setup, NULL);
}
