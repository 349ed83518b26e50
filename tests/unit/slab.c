#include "support.h"

#include "arena/arena.h"
#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/os.h"

#include <pthread.h>
#include <string.h>

static struct acre_page_heap *pages(void) { return &acre_default_arena.pages; }

/* A slab whose blocks are all handed out. */
static struct acre_slab *full_slab(unsigned size_class) {
    struct acre_heap *heap = acre_heap_mine();
    struct acre_slab *slab =
        acre_slab_create(pages(), size_class, &acre_default_arena.depot, heap, acre_heap_owner());
    assert_non_null(slab);
    slab->span.state = ACRE_SLAB_CURRENT;
    assert_int_equal(acre_slab_count_free(slab), slab->total);
    while (slab->fresh_bytes < slab->end_bytes) acre_slab_carve(slab);
    assert_int_equal(acre_slab_count_free(slab), 0);
    return slab;
}

static uint32_t bit_of(const struct acre_slab *slab, uint32_t block) { return block * slab->stride; }

static void create(void **state) {
    (void)state;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        struct acre_slab *slab = full_slab(size_class);
        uintptr_t base = slab->span.base;
        size_t block_bytes = acre_slab_block_bytes(slab);
        assert_int_equal(block_bytes, acre_class_bytes(size_class));
        assert_ptr_equal(acre_map_find(base + slab->end_bytes - 1), &slab->span);
        assert_true(*acre_slab_owner(slab) == acre_heap_owner());
        for (uint32_t bit = 0; acre_slab_is_small(slab) && bit < ACRE_SMALL_WORDS * 64; bit++)
            assert_int_equal(acre_slab_number(slab, bit), bit / slab->stride);
        for (uint32_t offset = 0; offset < slab->end_bytes + 64; offset += 8) {
            uint32_t number = acre_slab_find(slab, base + offset);
            bool begins = offset % block_bytes == 0 && offset < slab->end_bytes;
            assert_int_equal(number, begins ? offset / block_bytes : ACRE_NO_BLOCK);
            if (!begins) continue;
            assert_int_equal(acre_slab_block(slab, number), base + offset);
            if (acre_slab_is_small(slab)) assert_int_equal(acre_slab_number(slab, bit_of(slab, number)), number);
            assert_true((acre_slab_begins(slab, number * slab->stride / 64) >> number * slab->stride % 64 & 1) !=
                        0);
        }
        acre_slab_destroy(slab);
        assert_int_equal(acre_map_find(base)->kind == ACRE_SPAN_SMALL, 0);
    }
    assert_true(acre_page_heap_is_valid(pages()));
}

static uint32_t fresh_number(const struct acre_slab *slab) {
    return slab->fresh_bytes / (uint32_t)acre_slab_block_bytes(slab);
}

/* Which of the blocks that were carved are free, block by block. */
static void check_free_bits(const struct acre_slab *slab) {
    uint64_t free_bits[ACRE_SMALL_WORDS] = {0}, with_free = 0;
    for (uint32_t number = 0; number < fresh_number(slab); number++) {
        uint32_t bit = bit_of(slab, number);
        if (acre_slab_is_free(slab, number)) free_bits[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    uint64_t carved = acre_slab_words_carved(slab);
    for (uint32_t word = 0; word < slab->words; word++) {
        with_free |= (uint64_t)(free_bits[word] != 0) << word;
        if (carved >> word & 1) assert_true((acre_slab_begins(slab, word) ^ slab->live[word]) == free_bits[word]);
    }
    assert_true(!acre_slab_is_small(slab) || acre_small_words_with_free(slab) == with_free);
    assert_true((with_free & ~carved) == 0);
    assert_true(acre_slab_is_valid((struct acre_slab *)slab, 0));
}

/* Carving and taking it back, with some blocks free; a block behind `fresh` has never been handed out. */
static void carve(void **state) {
    (void)state;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        struct acre_slab *slab =
            acre_slab_create(pages(), size_class, &acre_default_arena.depot, acre_heap_mine(), acre_heap_owner());
        uint32_t freed = 0;
        slab->span.state = ACRE_SLAB_CURRENT;
        while (slab->fresh_bytes < slab->end_bytes) {
            uint32_t before = slab->fresh_bytes, number = fresh_number(slab), run_bytes = acre_slab_carve(slab);
            assert_true(run_bytes > 0 && slab->fresh_bytes == before + run_bytes);
            uint32_t end = fresh_number(slab), keep = number + unit_below(end - number);
            if (acre_slab_is_small(slab) && unit_below(3) == 0) {
                for (uint32_t block = keep; block < end; block++) acre_slab_set_free(slab, block);
                acre_small_uncarve(slab, keep * (uint32_t)acre_slab_block_bytes(slab));
                assert_true(fresh_number(slab) >= keep && fresh_number(slab) <= end);
                freed += fresh_number(slab) - keep;
            } else if (keep > number) {
                acre_slab_set_free(slab, keep);
                freed++;
            }
            check_free_bits(slab);
            assert_int_equal(acre_slab_count_free(slab), slab->total - fresh_number(slab) + freed);
        }
        acre_slab_destroy(slab);
    }
}

static struct acre_slab *touched_slab(unsigned size_class, bool all) {
    struct acre_slab *slab =
        acre_slab_create(pages(), size_class, &acre_default_arena.depot, acre_heap_mine(), acre_heap_owner());
    assert_non_null(slab);
    slab->span.state = ACRE_SLAB_CURRENT;
    do acre_slab_carve(slab);
    while (all && slab->fresh_bytes < slab->end_bytes);
    return slab;
}

/* Slabs of one class touch all of their pages, those of another a page: both come again to where such a one was, in
 * whatever order. */
static void place(void **state) {
    (void)state;
    const unsigned many = 3, few = 60;
    uintptr_t many_base = 0, few_base = 0;
    if (acre_os_page_bytes() > 4096) skip();
    for (unsigned round = 0; round < 30; round++) {
        bool few_first = round % 2 == 0;
        if (round == 20) acre_page_heap_release(pages(), 0);
        struct acre_slab *first = touched_slab(few_first ? few : many, !few_first);
        struct acre_slab *second = touched_slab(few_first ? many : few, few_first);
        struct acre_slab *many_slab = few_first ? second : first, *few_slab = few_first ? first : second;
        /* Other tests' slabs of these classes touched what they did: that has to be forgotten first. */
        if (round > 20) assert_true(many_slab->span.base == many_base && few_slab->span.base == few_base);
        many_base = many_slab->span.base;
        few_base = few_slab->span.base;
        acre_slab_destroy(first);
        acre_slab_destroy(second);
    }
    assert_true(acre_page_heap_is_valid(pages()));
}

/* A slab that touched all its pages, now and then, is soon forgotten; a class is known by what its slabs do. */
static void place_is_learned(void **state) {
    (void)state;
    const unsigned size_class = 64;
    _Atomic uint16_t *touched = &acre_default_arena.depot.touched[size_class];
    *touched = 0;
    acre_slab_destroy(touched_slab(size_class, false));
    uint16_t one = *touched;
    if (acre_page_shift() > 12) skip();
    assert_int_not_equal(one, 0);
    acre_slab_destroy(touched_slab(size_class, true));
    assert_true(*touched > one);
    for (unsigned round = 0; round < 40; round++) acre_slab_destroy(touched_slab(size_class, false));
    assert_int_equal(*touched, one);
    for (unsigned round = 0; round < 40; round++) acre_slab_destroy(touched_slab(size_class, true));
    assert_int_equal(*touched, one * (ACRE_GRANULE_BYTES >> acre_page_shift()));
}

static void *free_every_block(void *context) {
    struct acre_slab *slab = context;
    for (uint32_t block = 0; block < slab->total; block++)
        acre_slab_free_remote(slab, block / 64, UINT64_C(1) << block % 64);
    return NULL;
}

static void remote_collect(void **state) {
    (void)state;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class += 5) {
        struct acre_slab *slab = full_slab(size_class);
        pthread_t thread;
        pthread_create(&thread, NULL, free_every_block, slab);
        pthread_join(thread, NULL);
        assert_int_equal(acre_slab_count_free(slab), 0);
        assert_int_equal(acre_slab_collect(slab), slab->total);
        assert_int_equal(acre_slab_collect(slab), 0);
        assert_int_equal(acre_slab_count_free(slab), slab->total);
        assert_true(acre_slab_is_valid(slab, 0));
        acre_slab_destroy(slab);
    }
}

/* The owner collects while the other thread frees: every block comes in once. */
static void collect_meanwhile(void **state) {
    (void)state;
    struct acre_slab *slab = full_slab(1);
    uint32_t collected = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, free_every_block, slab);
    while (collected < slab->total) collected += acre_slab_collect(slab);
    pthread_join(thread, NULL);
    assert_int_equal(collected, slab->total);
    assert_int_equal(acre_slab_collect(slab), 0);
    acre_slab_destroy(slab);
}

static void without_memory(void *unused) {
    (void)unused;
    struct acre_slab *slab = full_slab(3);
    unit_fault(ACRE_OS_MMAP, 1, true);
    while (acre_metadata_take(ACRE_RECORD_ASKED, 64) != NULL) continue;
    while (acre_metadata_take(ACRE_RECORD_REMOTE_BITS, ACRE_SMALL_WORDS * 8) != NULL) continue;
    free_every_block(slab);
    UNIT_CHECK(slab->remote == NULL && slab->remote_list != 0);
    UNIT_CHECK(acre_slab_collect(slab) == slab->total);
    UNIT_CHECK(acre_slab_count_free(slab) == slab->total && slab->remote_list == 0);
}

static unsigned damaged, freed_twice;
static void count_misuse(const struct acre_misuse *misuse) {
    damaged += misuse->kind == ACRE_MISUSE_DAMAGED;
    freed_twice += misuse->kind == ACRE_MISUSE_DOUBLE_FREE;
}

static void free_remote(struct acre_slab *slab, uint32_t number) {
    acre_slab_free_remote(slab, number / 64, UINT64_C(1) << number % 64);
}

/* What a program writes over a link is not followed, and a list that a double free has made a circle ends. */
static void damaged_links(void *unused) {
    (void)unused;
    struct acre_slab *slab = full_slab(3);
    const uintptr_t words[] = {0, 1, ~(uintptr_t)0, acre_slab_block(slab, 9), (uintptr_t)&slab, 0x4141414141414141};
    unit_fault(ACRE_OS_MMAP, 1, true);
    while (acre_metadata_take(ACRE_RECORD_ASKED, 64) != NULL) continue;
    while (acre_metadata_take(ACRE_RECORD_REMOTE_BITS, ACRE_SMALL_WORDS * 8) != NULL) continue;
    acre_misuse_start(ACRE_ON_MISUSE_IGNORE);
    acre_misuse_set_handler(count_misuse);
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (uint32_t number = 1; number <= 3; number++) free_remote(slab, i * 100 + number);
        *(uintptr_t *)acre_slab_block(slab, i * 100 + 2) = words[i];
        UNIT_CHECK(acre_slab_collect(slab) == 2 && damaged == i + 1 && slab->remote_list == 0);
        UNIT_CHECK(!acre_slab_is_free(slab, i * 100 + 1) && !acre_slab_is_free(slab, 9));
    }
    UNIT_CHECK(freed_twice == 0);
    free_remote(slab, 1000), free_remote(slab, 1001), free_remote(slab, 1000);
    UNIT_CHECK(acre_slab_collect(slab) == 2 && freed_twice == 1 && slab->remote_list == 0);
}

static void links_are_looked_at(void **state) {
    (void)state;
    char text[500];
    if (unit_in_child(damaged_links, NULL, text, sizeof text) != 0) fail_msg("%s", text);
}

static void remote_without_memory(void **state) {
    (void)state;
    char text[500];
    assert_int_equal(unit_in_child(without_memory, NULL, text, sizeof text), 0);
}

/* A record that is queued outlives its slab until it is taken off the queue. */
static void buried_when_unqueued(void **state) {
    (void)state;
    struct acre_slab *slab = full_slab(40);
    assert_true(acre_slab_must_queue(slab));
    assert_false(acre_slab_must_queue(slab));
    assert_true(acre_slab_unqueue(slab));
    assert_true(acre_slab_must_queue(slab));
    slab->fresh_bytes = 0;
    acre_slab_destroy(slab);
    struct acre_slab *other = full_slab(40);
    assert_ptr_not_equal(other, slab);
    assert_true(*acre_slab_owner(slab) == ACRE_OWNER_GONE);
    assert_false(acre_slab_unqueue(slab));
    struct acre_slab *again = full_slab(40);
    assert_ptr_equal(again, slab);
    acre_slab_destroy(again);
    acre_slab_destroy(other);
}

/* By way of the heap: the blocks of a slab are distinct, in it, and come again when they are free. */
static void refill(void **state) {
    (void)state;
    struct acre_heap *heap = acre_heap_mine();
    static uintptr_t block[5000];
    bool zero;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class += 7) {
        uintptr_t first = (uintptr_t)acre_heap_take(heap, size_class, &zero);
        struct acre_slab *slab = (struct acre_slab *)acre_map_find(first);
        uint32_t count = 1;
        for (block[0] = first; count < slab->total; count++) {
            block[count] = (uintptr_t)acre_heap_take(heap, size_class, &zero);
            assert_ptr_equal(acre_map_find(block[count]), &slab->span);
            assert_true(acre_slab_find(slab, block[count]) != ACRE_NO_BLOCK);
            memset((void *)block[count], 0xee, acre_class_bytes(size_class));
        }
        assert_int_equal(acre_slab_count_free(slab), 0);
        for (uint32_t i = 0; i < count; i++) acre_heap_free(slab, block[i]);
        assert_true(acre_heap_is_valid(heap));
    }
}

struct misuse {
    struct acre_slab *slab;
    uintptr_t block;
};

static void free_twice(void *context) {
    struct misuse *misuse = context;
    acre_heap_free(misuse->slab, misuse->block);
    acre_heap_free(misuse->slab, misuse->block);
}

static void free_inside(void *context) {
    struct misuse *misuse = context;
    acre_heap_free(misuse->slab, misuse->block + 16);
}

static void *free_remotely_twice(void *context) {
    free_twice(context);
    return NULL;
}

static void other_thread_frees_twice(void *context) {
    pthread_t thread;
    pthread_create(&thread, NULL, free_remotely_twice, context);
    pthread_join(thread, NULL);
}

static void free_here_and_there(void *context) {
    struct misuse *misuse = context;
    uint32_t number = acre_slab_find(misuse->slab, misuse->block);
    acre_slab_free_remote(misuse->slab, number / 64, UINT64_C(1) << number % 64);
    acre_heap_free(misuse->slab, misuse->block);
    acre_slab_collect(misuse->slab);
}

static void misuse_aborts(void **state) {
    (void)state;
    static const struct {
        void (*run)(void *);
        const char *says;
    } rows[] = {{free_twice, "double free"},
                {other_thread_frees_twice, "double free"},
                {free_here_and_there, "double free"},
                {free_inside, "not a block"}};
    for (unsigned size_class = 2; size_class < ACRE_CLASSES; size_class += 35) {
        bool zero;
        uintptr_t block = (uintptr_t)acre_heap_take(acre_heap_mine(), size_class, &zero);
        struct misuse misuse = {(struct acre_slab *)acre_map_find(block), block};
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            char text[500];
            assert_true(unit_aborted(unit_in_child(rows[i].run, &misuse, text, sizeof text)));
            if (strstr(text, rows[i].says) == NULL) fail_msg("%s", text);
            assert_int_equal(strncmp(text, "acre: ", 6), 0); /* qemu adds a line of its own */
            assert_null(strstr(text + 6, "acre: "));
        }
        acre_heap_free(misuse.slab, block);
    }
}

static int group_setup(void **state) {
    (void)state;
    unit_start(NULL);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create),
        cmocka_unit_test(carve),
        cmocka_unit_test(place),
        cmocka_unit_test(place_is_learned),
        cmocka_unit_test(remote_collect),
        cmocka_unit_test(collect_meanwhile),
        cmocka_unit_test(remote_without_memory),
        cmocka_unit_test(links_are_looked_at),
        cmocka_unit_test(buried_when_unqueued),
        cmocka_unit_test(refill),
        cmocka_unit_test(misuse_aborts),
    };
    return cmocka_run_group_tests_name("slab", tests, group_setup, NULL);
}
