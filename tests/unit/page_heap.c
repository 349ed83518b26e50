/* Spans and large blocks of each source, with and without failing system calls. Each test runs in a child, which
 * starts with no address map, no break and no records: so every call can be made to fail. */
#include "support.h"

#include "metadata/map.h"
#include "options/options.h"
#include "span/page_heap.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 48
#define STEPS 1500
#define NOT_REACHED 3

static struct acre_supplier supplier;
static struct acre_page_heap heap;
static struct slot {
    uintptr_t base; /* 0: none */
    size_t bytes, held_bytes, touched_bytes;
    struct acre_chunk *chunk;
    struct acre_span span;
    bool is_span;
} slots[SLOTS];

static void start(enum acre_source source) {
    struct acre_page_policy policy = {(size_t)6 << 20, ACRE_KEEP_LEAST_BYTES, ACRE_CHUNK_BYTES, true,
                                      ACRE_THP_ALWAYS, ACRE_OPTION_NEVER};
    acre_supplier_start(&supplier, source, SIZE_MAX);
    acre_page_heap_start(&heap, &policy, &supplier);
}

static bool is_valid(void) {
    return acre_page_heap_is_valid(&heap) && acre_quota_held_bytes(&supplier.quota) == heap.chunk_bytes;
}

/* No two places share a byte, and the map leads where it must. */
static void check_place(const struct slot *slot) {
    for (const struct slot *other = slots; other < slots + SLOTS; other++) {
        if (other == slot || other->base == 0) continue;
        UNIT_CHECK(slot->base + slot->held_bytes <= other->base || other->base + other->held_bytes <= slot->base);
    }
    const struct acre_span *wanted = slot->is_span ? &slot->span : &slot->chunk->span;
    UNIT_CHECK(acre_map_find(slot->base) == wanted);
    UNIT_CHECK(acre_map_find(slot->base + slot->held_bytes - 1) == wanted);
}

static void mark(const struct slot *slot) {
    if (slot->touched_bytes < sizeof slot) return;
    memcpy((void *)slot->base, &slot, sizeof slot);
    memcpy((char *)slot->base + slot->touched_bytes - sizeof slot, &slot, sizeof slot);
}

static void check_mark(const struct slot *slot) {
    if (slot->touched_bytes < sizeof slot) return;
    UNIT_CHECK(memcmp((char *)slot->base + slot->touched_bytes - sizeof slot, &slot, sizeof slot) == 0);
    if (slot->touched_bytes >= 2 * sizeof slot) UNIT_CHECK(memcmp((void *)slot->base, &slot, sizeof slot) == 0);
}

static bool take(struct slot *slot) {
    size_t alignment = (size_t)4096 << unit_below(8);
    struct acre_span_place place;
    slot->span.kind = ACRE_SPAN_MEDIUM;
    slot->is_span = unit_below(2) == 0;
    slot->bytes = slot->is_span ? (1 + unit_below(4)) * ACRE_GRANULE_BYTES : 32769 + unit_below(600000);
    if (slot->is_span)
        place = acre_page_heap_take_span(&heap, (uint32_t)(slot->bytes / ACRE_GRANULE_BYTES), unit_below(18),
                                         &slot->span);
    else
        place = acre_page_heap_take_large(&heap, slot->bytes, alignment);
    slot->base = place.base;
    if (place.base == 0) return false;
    slot->chunk = place.chunk;
    slot->held_bytes = acre_align_up(slot->bytes, (size_t)1 << acre_page_shift());
    UNIT_CHECK(place.base % (slot->is_span ? ACRE_GRANULE_BYTES : alignment) == 0);
    UNIT_CHECK(place.dirty > 0 || unit_is_zero((void *)place.base, slot->held_bytes));
    check_place(slot);
    slot->touched_bytes = slot->is_span ? unit_below((uint32_t)slot->bytes + 1) : slot->bytes;
    mark(slot);
    return true;
}

static void check_large(struct slot *slot) {
    size_t asked_bytes = 0;
    UNIT_CHECK(acre_page_heap_large_size(&heap, slot->chunk, slot->base, &asked_bytes) == slot->held_bytes);
    UNIT_CHECK(asked_bytes == slot->bytes);
    UNIT_CHECK(acre_page_heap_large_size(&heap, slot->chunk, slot->base + 16, &asked_bytes) == 0);
    UNIT_CHECK(acre_page_heap_give_large(&heap, slot->chunk, slot->base + 4096) != ACRE_LARGE_FINE);
}

static void give(struct slot *slot) {
    check_mark(slot);
    if (slot->is_span) {
        acre_lock(&heap.lock);
        acre_page_heap_give_span(&heap, slot->chunk, slot->base, (uint32_t)(slot->bytes / ACRE_GRANULE_BYTES),
                                 slot->touched_bytes, 0);
        acre_unlock(&heap.lock);
    } else {
        check_large(slot);
        UNIT_CHECK(acre_page_heap_give_large(&heap, slot->chunk, slot->base) == ACRE_LARGE_FINE);
    }
    slot->base = 0;
}

static void resize(struct slot *slot) {
    size_t bytes = 32769 + unit_below(600000);
    check_mark(slot);
    bool done = acre_page_heap_resize_large(&heap, slot->chunk, slot->base, bytes);
    UNIT_CHECK(done || bytes > slot->held_bytes);
    if (!done) return;
    slot->bytes = slot->touched_bytes = bytes;
    slot->held_bytes = acre_align_up(bytes, (size_t)1 << acre_page_shift());
    check_large(slot);
    check_place(slot);
    mark(slot);
}

/* The books, and that the break holds what the chunks hold. */
static void check_books(void) {
    size_t break_bytes = 0;
    UNIT_CHECK(is_valid());
    for (struct acre_node *node = heap.chunks.next; node != &heap.chunks; node = node->next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        UNIT_CHECK(acre_map_find(chunk->span.base)->kind != ACRE_SPAN_NONE);
        if (chunk->from_break) break_bytes += (size_t)chunk->pages << acre_page_shift();
    }
    UNIT_CHECK(break_bytes == acre_source_break_bytes());
}

static void step(void) {
    struct slot *slot = &slots[unit_below(SLOTS)];
    if (slot->base == 0)
        take(slot);
    else if (!slot->is_span && unit_below(3) == 0)
        resize(slot);
    else
        give(slot);
    check_books();
}

static void give_everything(void) {
    for (struct slot *slot = slots; slot < slots + SLOTS; slot++) {
        if (slot->base == 0) continue;
        give(slot);
        check_books();
    }
    acre_page_heap_shrink(&heap);
    check_books();
    UNIT_CHECK(heap.chunk_bytes == 0);
    UNIT_CHECK(acre_source_break_bytes() == 0);
}

static void run_random(void *context) {
    enum acre_source source = *(enum acre_source *)context;
    start(source);
    unit_seed(source);
    for (unsigned round = 0; round < STEPS; round++) {
        step();
        if (round % 300 == 299) acre_page_heap_release(&heap, round);
        if (round == STEPS / 2) {
            bool any_break = acre_source_break_bytes() > 0;
            UNIT_CHECK(any_break == (source != ACRE_SOURCE_MMAP));
        }
    }
    check_books();
    give_everything();
}

static void random_steps(void **state) {
    (void)state;
    char text[500];
    for (enum acre_source source = ACRE_SOURCE_AUTO; source <= ACRE_SOURCE_MMAP; source++)
        assert_int_equal(unit_in_child(run_random, &source, text, sizeof text), 0);
}

struct fault_case {
    enum acre_source source;
    enum acre_os_call call;
    unsigned nth;
    bool and_later;
};

static void run_fault(void *context) {
    const struct fault_case *fault = context;
    unsigned taken = 0;
    start(fault->source);
    unit_seed(7);
    unit_fault(fault->call, fault->nth, fault->and_later);
    for (struct slot *slot = slots; slot < slots + SLOTS; slot++) {
        taken += take(slot);
        check_books();
    }
    bool hit = unit_fault_end();
    /* One call that fails leaves another way: the smaller piece, the other source, or the next try. */
    UNIT_CHECK(fault->and_later || taken >= SLOTS - 1);
    for (struct slot *slot = slots; slot < slots + SLOTS; slot++) UNIT_CHECK(slot->base != 0 || take(slot));
    check_books();
    give_everything();
    if (!hit) _exit(NOT_REACHED);
}

/* Every N up to the first that is not reached. */
static void fail_every(struct fault_case fault, bool must_be_reached) {
    char text[500];
    int status = 0;
    for (fault.nth = 1; status == 0; fault.nth++) {
        status = unit_in_child(run_fault, &fault, text, sizeof text);
        if (status != 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != NOT_REACHED))
            fail_msg("source %d, call %d, nth %u, and later %d: status %#x: %s", fault.source, fault.call,
                     fault.nth, fault.and_later, status, text);
        assert_true(fault.nth < 500);
    }
    if (must_be_reached) assert_true(fault.nth > 2);
}

static void faults(void **state) {
    (void)state;
    for (enum acre_source source = ACRE_SOURCE_AUTO; source <= ACRE_SOURCE_MMAP; source++) {
        for (int and_later = 0; and_later <= 1; and_later++) {
            fail_every((struct fault_case){source, ACRE_OS_BRK, 0, and_later}, source != ACRE_SOURCE_MMAP);
            fail_every((struct fault_case){source, ACRE_OS_MMAP, 0, and_later}, true);
        }
    }
}

static void fill_break(void *unused) {
    (void)unused;
    start(ACRE_SOURCE_AUTO);
    for (struct slot *slot = slots; slot < slots + SLOTS; slot++) {
        UNIT_CHECK(take(slot));
        UNIT_CHECK(acre_source_break_bytes() <= heap.policy.brk_limit_bytes);
    }
    UNIT_CHECK(heap.chunk_bytes > heap.policy.brk_limit_bytes);
}

static void break_limit(void **state) {
    (void)state;
    char text[500];
    assert_int_equal(unit_in_child(fill_break, NULL, text, sizeof text), 0);
}

/* The longest that there is, and what its place would be too long for. */
static void run_longest(void *source) {
    start(*(enum acre_source *)source);
    for (unsigned tries = 0; tries < 3; tries++) {
        struct acre_span_place place = acre_page_heap_take_large(&heap, ACRE_CHUNK_BYTES, ACRE_GRANULE_BYTES);
        UNIT_CHECK(place.base == 0 || place.base % ACRE_GRANULE_BYTES == 0);
        place = acre_page_heap_take_large(&heap, ACRE_CHUNK_BYTES, 16);
        UNIT_CHECK(place.base != 0);
        UNIT_CHECK(is_valid());
    }
}

static void longest(void **state) {
    (void)state;
    for (enum acre_source source = ACRE_SOURCE_AUTO; source <= ACRE_SOURCE_BRK; source++) {
        char text[500];
        int status = unit_in_child(run_longest, &source, text, sizeof text);
        if (status != 0) fail_msg("%s", text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps),
        cmocka_unit_test(longest),
        cmocka_unit_test(faults),
        cmocka_unit_test(break_limit),
    };
    return cmocka_run_group_tests_name("page heap", tests, NULL, NULL);
}
