#include "support.h"

#include "inspect/figures.h"
#include "metadata/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 600
#define STEPS 8000

struct slot {
    unsigned char *block; /* NULL: none */
    size_t bytes;
    unsigned char mark;
};

static void take(struct slot *slot, unsigned size_class) {
    bool zero = false;
    slot->bytes = acre_class_bytes(size_class);
    slot->block = acre_heap_take(acre_heap_mine(), size_class, &zero);
    if (slot->block == NULL || (uintptr_t)slot->block % ACRE_ALIGNMENT != 0) abort();
    if (zero && !unit_is_zero(slot->block, slot->bytes)) abort();
    slot->mark = (unsigned char)((uintptr_t)slot->block >> 4 | 1);
    memset(slot->block, slot->mark, slot->bytes);
}

/* The block is as it was filled: nobody else was given any byte of it. */
static void give(struct slot *slot) {
    if (slot->block[0] != slot->mark || memcmp(slot->block, slot->block + 1, slot->bytes - 1) != 0) abort();
    acre_heap_free((struct acre_slab *)acre_map_find((uintptr_t)slot->block), (uintptr_t)slot->block);
    slot->block = NULL;
}

static size_t live_blocks(void) {
    struct acre_figures figures;
    acre_figures_collect(&figures);
    return figures.live_blocks;
}

/* A few classes at a time, so that slabs fill up and become empty. */
static void random_steps(void **state) {
    (void)state;
    static struct slot slots[SLOTS];
    size_t live = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        struct slot *slot = &slots[unit_below(SLOTS)];
        unsigned size_class = 1 + (step / 2000 * 20 + unit_below(4) * 4) % (ACRE_CLASSES - 1);
        if (slot->block != NULL)
            give(slot), live--;
        else
            take(slot, size_class), live++;
        assert_true(acre_heap_is_valid(acre_heap_mine()));
        if (step % 500 == 0) assert_int_equal(live_blocks(), live);
    }
    for (struct slot *slot = slots; slot < slots + SLOTS; slot++) {
        if (slot->block != NULL) give(slot);
    }
    assert_true(acre_heap_is_valid(acre_heap_mine()));
    assert_int_equal(live_blocks(), 0);
}

/* Two threads give each other every second block. */
static struct box {
    pthread_mutex_t mutex;
    struct slot slots[64];
    unsigned count;
} boxes[2] = {{.mutex = PTHREAD_MUTEX_INITIALIZER}, {.mutex = PTHREAD_MUTEX_INITIALIZER}};

static bool post(struct box *box, struct slot *slot) {
    pthread_mutex_lock(&box->mutex);
    bool fits = box->count < 64;
    if (fits) {
        box->slots[box->count++] = *slot;
        slot->block = NULL;
    }
    pthread_mutex_unlock(&box->mutex);
    return fits;
}

static void empty(struct box *box) {
    struct slot got[64];
    pthread_mutex_lock(&box->mutex);
    unsigned count = box->count;
    memcpy(got, box->slots, count * sizeof got[0]);
    box->count = 0;
    pthread_mutex_unlock(&box->mutex);
    while (count > 0) give(&got[--count]);
}

struct worker {
    pthread_t thread;
    struct box *mine, *other;
    uint64_t random;
    bool was_valid;
};

static void *exchange(void *context) {
    struct worker *worker = context;
    struct slot slots[100] = {{NULL, 0, 0}};
    worker->was_valid = true;
    for (unsigned step = 0; step < 20000; step++) {
        worker->random = worker->random * UINT64_C(6364136223846793005) + 1;
        unsigned number = (unsigned)(worker->random >> 40);
        struct slot *slot = &slots[number % 100];
        if (slot->block == NULL)
            take(slot, 1 + number / 100 % 3 * 25);
        else if (step % 2 == 0 || !post(worker->other, slot))
            give(slot);
        if (step % 50 == 0) empty(worker->mine);
        if (step % 200 == 0) worker->was_valid &= acre_heap_is_valid(acre_heap_mine());
    }
    for (struct slot *slot = slots; slot < slots + 100; slot++) {
        if (slot->block != NULL) give(slot);
    }
    return NULL;
}

static void *empty_both(void *unused) {
    empty(&boxes[0]);
    empty(&boxes[1]);
    return unused;
}

static void two_threads(void **state) {
    (void)state;
    struct worker workers[2] = {{.mine = &boxes[0], .other = &boxes[1], .random = 5},
                                {.mine = &boxes[1], .other = &boxes[0], .random = 6}};
    pthread_t last;
    for (int i = 0; i < 2; i++) pthread_create(&workers[i].thread, NULL, exchange, &workers[i]);
    for (int i = 0; i < 2; i++) pthread_join(workers[i].thread, NULL);
    assert_true(workers[0].was_valid && workers[1].was_valid);
    assert_int_equal(live_blocks(), boxes[0].count + boxes[1].count);
    pthread_create(&last, NULL, empty_both, NULL); /* blocks of threads that are gone */
    pthread_join(last, NULL);
    assert_int_equal(live_blocks(), 0);
    assert_true(acre_page_heap_is_valid(&acre_default_arena.pages));
}

static struct slot left_behind[3000];

static void *take_and_leave(void *unused) {
    for (unsigned i = 0; i < 3000; i++) take(&left_behind[i], 1 + i % 40);
    return unused;
}

/* What a thread leaves behind is freed by another, and its slabs are adopted and go. */
static void orphans(void **state) {
    (void)state;
    pthread_t thread;
    size_t before = live_blocks();
    pthread_create(&thread, NULL, take_and_leave, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(live_blocks(), before + 3000);
    for (unsigned i = 0; i < 3000; i++) {
        give(&left_behind[i * 7 % 3000]);
        if (i % 100 == 0) assert_true(acre_heap_is_valid(acre_heap_mine()));
    }
    acre_remote_flush(acre_this_thread);
    assert_true(acre_heap_is_valid(acre_heap_mine()));
    assert_int_equal(live_blocks(), before);
}

/* After everything is free, everything can go back. */
static void nothing_is_kept(void **state) {
    (void)state;
    acre_heap_recover(acre_heap_mine());
    struct acre_figures figures;
    acre_figures_collect(&figures);
    assert_int_equal(figures.live_blocks, 0);
    assert_int_equal(figures.live_bytes, 0);
    assert_int_equal(figures.held_bytes, 0);
    assert_true(acre_heap_is_valid(acre_heap_mine()));
}

static void starve(void *unused) {
    struct slot slot;
    (void)unused;
    take(&slot, 20);
    unit_fault(ACRE_OS_MMAP, 1, true);
    bool zero;
    unsigned count = 0;
    while (acre_heap_take(acre_heap_mine(), 72, &zero) != NULL) UNIT_CHECK(++count < 100000);
    UNIT_CHECK(acre_heap_is_valid(acre_heap_mine()));
    UNIT_CHECK(unit_fault_end());
    UNIT_CHECK(acre_heap_take(acre_heap_mine(), 72, &zero) != NULL);
    give(&slot);
    UNIT_CHECK(acre_heap_is_valid(acre_heap_mine()));
}

static void out_of_memory(void **state) {
    (void)state;
    char text[500];
    assert_int_equal(unit_in_child(starve, NULL, text, sizeof text), 0);
}

static int group_setup(void **state) {
    (void)state;
    unit_start("source:mmap");
    return 0;
}

/* Few blocks of many sizes share slabs; where there are many, each size has its own. */
static void wide(void **state) {
    (void)state;
    enum { most = 20000 };
    static void *blocks[most];
    struct acre_heap *heap = acre_heap_mine();
    unsigned size_class = acre_class_of(130), count = 0;
    size_t wide_bytes = acre_class_bytes(acre_class_wider(size_class)), narrow_bytes = acre_class_bytes(size_class);
    bool zero;
    acre_heap_recover(heap);
    acre_wide_start(heap); /* as of a new thread */
    assert_true(wide_bytes > narrow_bytes);
    for (size_t bytes = wide_bytes; bytes == wide_bytes; count++) {
        assert_true(count < most);
        blocks[count] = acre_heap_take(heap, size_class, &zero);
        assert_non_null(blocks[count]);
        struct acre_slab *slab = (struct acre_slab *)acre_map_find((uintptr_t)blocks[count]);
        bytes = acre_slab_block_bytes(slab);
        assert_true(bytes == wide_bytes || bytes == narrow_bytes);
    }
    assert_in_range(count * wide_bytes, 6 * ACRE_GRANULE_BYTES, 10 * ACRE_GRANULE_BYTES);
    assert_true(acre_heap_is_valid(heap));
    while (count-- > 0)
        acre_heap_free((struct acre_slab *)acre_map_find((uintptr_t)blocks[count]), (uintptr_t)blocks[count]);
    assert_true(acre_heap_is_valid(heap));
    assert_int_equal(live_blocks(), 0);
}

/* Thousands, of which most are free when the thread ends. */
#define LEFT 30000
static void *left[LEFT];
static void *leave_some(void *size_class) {
    bool zero;
    acre_wide_end(acre_heap_mine(), *(unsigned *)size_class);
    for (unsigned i = 0; i < LEFT; i++)
        if ((left[i] = acre_heap_take(acre_heap_mine(), *(unsigned *)size_class, &zero)) == NULL) abort();
    for (unsigned i = 0; i < LEFT; i++) {
        if (i % 8 == 0) continue;
        acre_heap_free((struct acre_slab *)acre_map_find((uintptr_t)left[i]), (uintptr_t)left[i]);
        left[i] = NULL;
    }
    return NULL;
}

/* Free blocks of just the size go out before there are more of a wider one. */
static void wide_after_narrow(void **state) {
    (void)state;
    struct acre_heap *heap = acre_heap_mine();
    unsigned size_class = acre_class_of(130), by = acre_class_wider(size_class);
    pthread_t thread;
    bool zero;
    pthread_create(&thread, NULL, leave_some, &size_class);
    pthread_join(thread, NULL);
    acre_heap_recover(heap); /* the thread's heap does not rest */
    acre_wide_start(heap);
    uint32_t slabs = acre_depot_slabs[by], own_slabs = acre_depot_slabs[size_class];
    assert_true(own_slabs > 20);
    for (unsigned i = 0; i < LEFT / 2; i++) {
        if (left[i] != NULL) continue;
        left[i] = acre_heap_take(heap, size_class, &zero);
        assert_non_null(left[i]);
    }
    assert_true(acre_depot_slabs[by] <= slabs + 1);
    assert_in_range(acre_depot_slabs[size_class], 1, own_slabs);
    for (unsigned i = 0; i < LEFT; i++) {
        if (left[i] != NULL)
            acre_heap_free((struct acre_slab *)acre_map_find((uintptr_t)left[i]), (uintptr_t)left[i]);
    }
    assert_true(acre_heap_is_valid(heap));
    nothing_is_kept(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps),      cmocka_unit_test(two_threads),   cmocka_unit_test(orphans),
        cmocka_unit_test(nothing_is_kept),   cmocka_unit_test(out_of_memory), cmocka_unit_test(wide),
        cmocka_unit_test(wide_after_narrow),
    };
    return cmocka_run_group_tests_name("heap", tests, group_setup, NULL);
}
