#include "support.h"

#include "heap/heap.h"
#include "metadata/map.h"

#include <pthread.h>
#include <stdlib.h>

#define SIZE_CLASS 6u
#define LONG_CLASS 64u /* of 64 blocks a slab */
#define SLABS 80u
#define MANY (SLABS * 64)

static uintptr_t blocks[MANY];
static struct acre_thread *seen;

static uintptr_t take_of(unsigned size_class) {
    bool zero;
    void *block = acre_heap_take(acre_heap_mine(), size_class, &zero);
    if (block == NULL) abort();
    return (uintptr_t)block;
}
static uintptr_t take(void) { return take_of(SIZE_CLASS); }

static struct acre_slab *slab_of(uintptr_t block) { return (struct acre_slab *)acre_map_find(block); }

static void give(uintptr_t block) { acre_heap_free(slab_of(block), block); }

/* Runs a thread from its first block to its end; the record that it had is `seen`. */
static void *run(void *function) {
    blocks[0] = take();
    seen = acre_this_thread;
    if (function != NULL) ((void (*)(void))(uintptr_t)function)();
    return NULL;
}

static void thread(void (*function)(void)) {
    pthread_t id;
    pthread_create(&id, NULL, run, (void *)(uintptr_t)function);
    pthread_join(id, NULL);
}

static bool rests(void) { return atomic_load(&seen->rests); }
static bool end_all(void) {
    bool waits = false;
    return acre_heap_end_rests(true, &waits);
}

/* The next thread has the record, and with it the slab. */
static void goes_on(void **state) {
    (void)state;
    thread(NULL);
    struct acre_thread *first = seen;
    struct acre_slab *slab = slab_of(blocks[0]);
    uintptr_t block = blocks[0];
    assert_true(rests());
    assert_true(*acre_slab_owner(slab) == (uintptr_t)first);
    thread(NULL);
    assert_ptr_equal(seen, first);
    assert_ptr_equal(slab_of(blocks[0]), slab);
    assert_true(blocks[0] != block);
    assert_true(end_all());
    assert_false(rests());
    assert_true(*acre_slab_owner(slab) != (uintptr_t)first);
    give(block);
    give(blocks[0]);
}

/* After two looks it is over; a thread that comes between is not taken for one that rests. */
static void ends(void **state) {
    (void)state;
    bool waits = false;
    thread(NULL);
    give(blocks[0]);
    assert_false(acre_heap_end_rests(false, &waits));
    assert_true(waits && rests());
    thread(NULL);
    give(blocks[0]);
    assert_false(acre_heap_end_rests(false, &waits));
    waits = false;
    assert_true(acre_heap_end_rests(false, &waits));
    assert_false(waits || rests());
    assert_false(end_all());
}

/* Slabs that are full have no owner: so none is. */
static void take_many(void) {
    for (unsigned i = 1; i < MANY; i++) blocks[i] = take_of(LONG_CLASS);
    for (unsigned slab = 0; slab < SLABS; slab++) give(blocks[slab * 64 + 1]);
}

static void leave_much_free(void) {
    enum { COUNT = 50000, CLASSES = 10 };
    static uintptr_t much[COUNT];
    for (unsigned i = 0; i < COUNT; i++) much[i] = take_of(SIZE_CLASS + i % CLASSES);
    for (unsigned i = 0; i < COUNT; i++) {
        if (i % 21 != 0) give(much[i]);
    }
}

static void not_with_much(void **state) {
    (void)state;
    thread(leave_much_free);
    assert_false(rests());
    give(blocks[0]);
}

static pthread_barrier_t together;
static void *meet(void *unused) {
    take();
    pthread_barrier_wait(&together);
    return unused;
}

static void few(void **state) {
    (void)state;
    enum { THREADS = 12, MOST = 8 };
    pthread_t ids[THREADS];
    unsigned count = 0;
    pthread_barrier_init(&together, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) pthread_create(&ids[i], NULL, meet, NULL);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&together);
    for (struct acre_node *node = acre_thread_list.next; node != &acre_thread_list; node = node->next)
        count += atomic_load(&ACRE_CONTAINER_OF(node, struct acre_thread, all_node)->rests);
    assert_int_equal(count, MOST);
    assert_true(end_all());
}

/* In a child: where others free what a thread left, slab after slab, it does not rest for long, nor do the next. */
static void freed_into(void *unused) {
    (void)unused;
    unsigned slab = 0;
    thread(take_many);
    UNIT_CHECK(rests());
    for (; slab < SLABS && rests(); slab++) {
        give(blocks[slab * 64 + 32]);
        acre_remote_flush(acre_this_thread);
    }
    UNIT_CHECK(slab > 32 && slab < SLABS);
    thread(NULL);
    UNIT_CHECK(!rests());
}

static void not_when_freed_into(void **state) {
    (void)state;
    char text[500];
    assert_int_equal(unit_in_child(freed_into, NULL, text, sizeof text), 0);
}

static int group_setup(void **state) {
    (void)state;
    unit_start("source:mmap,scavenger:off");
    acre_heap_mine();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on),
        cmocka_unit_test(ends),
        cmocka_unit_test(not_with_much),
        cmocka_unit_test(few),
        cmocka_unit_test(not_when_freed_into),
    };
    return cmocka_run_group_tests_name("rest", tests, group_setup, NULL);
}
