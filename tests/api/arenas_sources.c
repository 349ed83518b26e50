/* Where an arena's memory comes from, each source with its promises, and the limit. */
#include "api/arenas.h"
#include "support/process.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

static const size_t step = 64 * KIB;

static acre_arena *create_with(struct acre_arena_options options) { return create(&options); }

/* At a multiple of 64 KiB, full of old data. */
static char *map(size_t size_bytes) {
    char *all = mmap(NULL, size_bytes + step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(all != MAP_FAILED);
    char *start = (char *)(((uintptr_t)all + step - 1) & ~(step - 1));
    memset(start, 0xcc, size_bytes);
    return start;
}

/* Blocks until there is no more, written to; their number. */
static size_t use_up(acre_arena *arena, size_t size) {
    size_t count = 0;
    void *block;
    while ((block = acre_arena_malloc(arena, size)) != NULL) {
        memset(block, 1, size);
        assert_true(++count < 10000000);
    }
    assert_int_equal(errno, ENOMEM);
    return count;
}

/* ---- the limit */

static void expect_limit(size_t limit_bytes, size_t size) {
    acre_arena *other = create_with((struct acre_arena_options){0});
    acre_arena *arena = create_with((struct acre_arena_options){.limit_bytes = limit_bytes});
    size_t rounded_bytes = limit_bytes / step * step;
    assert_int_equal(stats_of(arena).limit_bytes, rounded_bytes);
    size_t first = use_up(arena, size);
    assert_true(stats_of(arena).held_bytes <= rounded_bytes);
    assert_true(stats_of(arena).held_peak_bytes <= rounded_bytes);
    assert_non_null(acre_arena_malloc(other, size));
    void *block = malloc(size);
    assert_non_null(block);
    free(block);
    acre_arena_reset(arena);
    assert_true(use_up(arena, size) >= first);
    assert_true(stats_of(arena).held_peak_bytes <= rounded_bytes);
    acre_arena_destroy(arena);
    acre_arena_destroy(other);
}

static void limit_holds_for_small_blocks(void **state) {
    (void)state;
    expect_limit(64 * KIB, 100), expect_limit(200 * KIB, 16), expect_limit(MIB, 1000), expect_limit(7 * MIB, 48);
}
static void limit_holds_for_medium_blocks(void **state) {
    (void)state;
    expect_limit(MIB, 6000), expect_limit(3 * MIB + 1, 20000);
}
static void limit_holds_for_large_and_huge_blocks(void **state) {
    (void)state;
    expect_limit(MIB, 200000), expect_limit(9 * MIB, MIB), expect_limit(64 * MIB, 20 * MIB);
}

static void free_at_the_limit_makes_room(size_t size) {
    acre_arena *arena = create_with((struct acre_arena_options){.limit_bytes = 2 * MIB});
    void *last = NULL, *block;
    while ((block = acre_arena_malloc(arena, size)) != NULL) last = block;
    assert_non_null(last);
    for (int round = 0; round < 100; round++) {
        free(last);
        last = acre_arena_malloc(arena, size);
        assert_non_null(last);
    }
    acre_arena_destroy(arena);
}
static void frees_at_the_limit_make_room(void **state) {
    (void)state;
    free_at_the_limit_makes_room(48), free_at_the_limit_makes_room(6000), free_at_the_limit_makes_room(200000);
}

static struct {
    acre_arena *arena;
    size_t size, count;
    void *blocks[10000];
    pthread_barrier_t filled, end;
} producer;

static void *fill_and_sleep(void *unused) {
    while ((producer.blocks[producer.count] = acre_arena_malloc(producer.arena, producer.size)) != NULL)
        producer.count++;
    pthread_barrier_wait(&producer.filled);
    pthread_barrier_wait(&producer.end);
    return unused;
}

static void others_frees_make_room(size_t size) {
    pthread_t thread;
    producer.arena = create_with((struct acre_arena_options){.limit_bytes = 8 * MIB});
    producer.size = size, producer.count = 0;
    pthread_barrier_init(&producer.filled, NULL, 2), pthread_barrier_init(&producer.end, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, fill_and_sleep, NULL), 0);
    pthread_barrier_wait(&producer.filled);
    for (size_t block = 0; block < producer.count; block++) free(producer.blocks[block]);
    size_t count = 0;
    while (count < producer.count && acre_arena_malloc(producer.arena, size) != NULL) count++;
    assert_true(producer.count * size >= 6 * MIB);
    assert_in_range(count, producer.count * 3 / 4, producer.count);
    pthread_barrier_wait(&producer.end);
    pthread_join(thread, NULL);
    acre_arena_destroy(producer.arena);
}
/* The thread that filled the arena sleeps: what others free of its blocks is for them. */
static void others_frees_at_the_limit_make_room(void **state) {
    (void)state;
    others_frees_make_room(1000), others_frees_make_room(3000), others_frees_make_room(8000);
    others_frees_make_room(20000), others_frees_make_room(200000);
}

/* What small blocks had serves large ones, and the other way round. */
static void freed_memory_at_the_limit_serves_other_sizes(void **state) {
    (void)state;
    static void *blocks[100000];
    static const size_t sizes[] = {48, 300000, 1000, 1500000, 6000, 100};
    acre_arena *arena = create_with((struct acre_arena_options){.limit_bytes = 2 * MIB});
    for (int round = 0; round < 12; round++) {
        size_t count = 0, size = sizes[round % 6];
        while ((blocks[count] = acre_arena_malloc(arena, size)) != NULL) count++;
        assert_true(count * size >= MIB);
        while (count > 0) free(blocks[--count]);
    }
    acre_arena_destroy(arena);
}

/* A freed huge block of another arena is a little longer than what is asked for: it must not count for more. */
static void limit_holds_with_a_cached_huge_block(void **state) {
    (void)state;
    for (size_t more_bytes = 4 * KIB; more_bytes <= 512 * KIB; more_bytes *= 2) {
        free(malloc(16 * MIB + more_bytes));
        acre_arena *arena = create_with((struct acre_arena_options){.limit_bytes = 16 * MIB});
        acre_arena_malloc(arena, 16 * MIB);
        assert_true(stats_of(arena).held_bytes <= 16 * MIB);
        assert_true(stats_of(arena).held_peak_bytes <= 16 * MIB);
        acre_arena_destroy(arena);
    }
}

static void limit_holds_for_a_growing_huge_block(void **state) {
    (void)state;
    acre_arena *arena = create_with((struct acre_arena_options){.limit_bytes = 32 * MIB});
    char *block = acre_arena_malloc(arena, 16 * MIB);
    block[0] = 7;
    for (size_t size = 17 * MIB; block != NULL && size <= 32 * MIB; size += MIB) {
        char *grown = realloc(block, size);
        if (grown != NULL) block = grown;
        assert_true(stats_of(arena).held_peak_bytes <= 32 * MIB);
    }
    assert_null(realloc(block, 33 * MIB));
    assert_int_equal(block[0], 7);
    acre_arena_destroy(arena);
}

/* ---- a range */

static bool is_inside(const void *block, size_t size, const char *start, size_t size_bytes) {
    uintptr_t offset = (uintptr_t)block - (uintptr_t)start;
    return offset < size_bytes && size <= size_bytes - offset;
}

static struct acre_arena_options range(void *start, size_t size_bytes) {
    return (struct acre_arena_options){.source = ACRE_SOURCE_RANGE, .range = start, .range_bytes = size_bytes};
}

static void range_serves_blocks_inside_it_alone(void **state) {
    (void)state;
    char *memory = map(4 * MIB);
    static const size_t sizes[] = {16, 1000, 6000, 100000, 600000};
    for (int i = 0; i < 5; i++) {
        acre_arena *arena = create_with(range(memory, 4 * MIB));
        size_t count = 0;
        for (void *block; (block = acre_arena_malloc(arena, sizes[i])) != NULL; count++) {
            assert_true(is_inside(block, sizes[i], memory, 4 * MIB));
            memset(block, 1, sizes[i]);
        }
        assert_true(count * sizes[i] > 2 * MIB);
        assert_true(stats_of(arena).held_bytes <= 4 * MIB);
        acre_arena_destroy(arena);
    }
    munmap(memory, 4 * MIB);
}

static void misaligned_range_is_used_from_step_to_step(void **state) {
    (void)state;
    char *memory = map(MIB);
    acre_arena *arena = create_with(range(memory + 1, 3 * step));
    for (void *block; (block = acre_arena_malloc(arena, 100)) != NULL;)
        assert_true(is_inside(block, 100, memory + step, 2 * step));
    assert_int_equal(stats_of(arena).held_bytes, 2 * step);
    acre_arena_destroy(arena);
    for (size_t i = 0; i < step; i++) assert_int_equal((unsigned char)memory[i], 0xcc);
    for (size_t i = 3 * step; i < MIB; i++) assert_int_equal((unsigned char)memory[i], 0xcc);
    munmap(memory, MIB);
}

static void range_without_a_whole_step_is_refused(void **state) {
    (void)state;
    char *memory = map(MIB);
    refused(range(memory, 0), EINVAL);
    refused(range(memory, step - 1), EINVAL);
    refused(range(memory + 1, step), EINVAL);
    refused(range(memory + 1, 2 * step - 2), EINVAL);
    refused(range(memory, SIZE_MAX), EINVAL);
    refused(range((void *)(UINTPTR_MAX - 100), 50), EINVAL);
    refused(range((void *)(UINTPTR_MAX - 10 * step), 9 * step), EINVAL);
    acre_arena_destroy(create_with(range(memory, step)));
    acre_arena_destroy(create_with(range(memory + 1, 2 * step - 1)));
    munmap(memory, MIB);
}

static void range_in_use_is_refused(void **state) {
    (void)state;
    char *memory = map(MIB);
    acre_arena *arena = create_with(range(memory, MIB));
    refused(range(memory, MIB), EEXIST);
    refused(range(memory + MIB - step, step), EEXIST);
    refused(range(memory + 3 * step, step), EEXIST);
    acre_arena_destroy(arena);
    arena = create_with(range(memory, MIB / 2));
    acre_arena *other = create_with(range(memory + MIB / 2, MIB / 2));
    acre_arena_destroy(arena);
    acre_arena_destroy(other);
    munmap(memory, MIB);
}

static void range_within_blocks_is_refused(void **state) {
    (void)state;
    char *huge = malloc(20 * MIB), *large = malloc(700 * KIB);
    refused(range(huge, 20 * MIB), EEXIST);
    refused(range(huge + 10 * MIB, MIB), EEXIST);
    refused(range(large, 700 * KIB), EEXIST);
    acre_arena *arena = create_with((struct acre_arena_options){0});
    char *theirs = acre_arena_malloc(arena, 20 * MIB);
    refused(range(theirs + 10 * MIB, MIB), EEXIST);
    acre_arena_destroy(arena);
    free(huge), free(large);
}

static void range_stays_the_callers(void **state) {
    (void)state;
    char *memory = map(MIB);
    for (int round = 0; round < 50; round++) {
        acre_arena *arena = create_with(range(memory, MIB));
        assert_true(use_up(arena, 1000) > 700);
        acre_arena_reset(arena);
        assert_true(use_up(arena, 100000) > 7);
        acre_arena_release(arena);
        acre_arena_destroy(arena);
        memset(memory, 0xcc, MIB);
    }
    munmap(memory, MIB);
}

/* Old data is in it: nothing that is to be zero may be taken for fresh. */
static void zeroed_range_is_zero(void **state) {
    (void)state;
    char *memory = map(4 * MIB);
    struct acre_arena_options options = range(memory, 4 * MIB);
    static const size_t sizes[] = {16, 1000, 6000, 100000, 600000, 3 * MIB};
    for (int i = 0; i < 12; i++) {
        options.zeroed = i % 2 == 0;
        acre_arena *arena = create_with(options);
        size_t size = sizes[i / 2];
        for (int round = 0; round < 3; round++, acre_arena_reset(arena)) {
            for (char *block; (block = acre_arena_calloc(arena, 1, size)) != NULL; memset(block, 0xcc, size))
                assert_true(block[0] == 0 && memcmp(block, block + 1, size - 1) == 0);
        }
        acre_arena_destroy(arena);
    }
    munmap(memory, 4 * MIB);
}

/* ---- a reservation */

static void reservation_is_all_there_is(void **state) {
    (void)state;
    acre_arena *arena = create_with((struct acre_arena_options){.reserve_bytes = 8 * MIB, .zeroed = true});
    uintptr_t lowest = UINTPTR_MAX, highest = 0;
    for (int round = 0; round < 3; round++, acre_arena_reset(arena)) {
        size_t count = 0;
        for (char *block; (block = acre_arena_malloc(arena, 10000)) != NULL; count++) {
            assert_true(block[0] == 0 && memcmp(block, block + 1, 9999) == 0);
            memset(block, 1, 10000);
            lowest = (uintptr_t)block < lowest ? (uintptr_t)block : lowest;
            highest = (uintptr_t)block > highest ? (uintptr_t)block : highest;
        }
        assert_true(count * 10000 > 6 * MIB);
        assert_true(highest - lowest < 8 * MIB);
    }
    acre_arena_destroy(arena);
    assert_false(process_is_mapped((void *)lowest));
}

static void reservation_of_too_much_is_refused(void **state) {
    (void)state;
    refused((struct acre_arena_options){.reserve_bytes = (size_t)1 << 60}, ENOMEM);
    errno = 0;
    assert_null(acre_arena_create(&(struct acre_arena_options){.reserve_bytes = SIZE_MAX}));
    assert_true(errno == ENOMEM || errno == EINVAL);
}

static void reservation_costs_address_space_alone(void **state) {
    (void)state;
    size_t resident_bytes = process_resident_bytes(), mapped_bytes = process_address_space_bytes();
    acre_arena *arena = create_with((struct acre_arena_options){.reserve_bytes = (size_t)64 << 30});
    assert_true(process_resident_bytes() < resident_bytes + 2 * MIB);
    assert_non_null(acre_arena_malloc(arena, 100));
    assert_non_null(acre_arena_malloc(arena, 100 * MIB));
    acre_arena_destroy(arena);
    assert_true(process_address_space_bytes() < mapped_bytes + 4 * MIB);
}

/* ---- the caller's functions */

struct custom {
    size_t taken_bytes, takes, gives, fail_at, misalign_at, fixed_size;
    char *fixed;
    bool use_malloc;
    void *last_given;
    size_t last_given_bytes;
};

static void *take(void *context, size_t size_bytes, size_t alignment) {
    struct custom *custom = context;
    assert_true(size_bytes > 0 && size_bytes % step == 0);
    assert_true(alignment >= step && (alignment & (alignment - 1)) == 0);
    custom->takes++;
    if (custom->use_malloc) {
        void *volatile block = malloc(500 * custom->takes % 70000);
        free(block);
        free(malloc(20 * MIB));
    }
    if (custom->fail_at != 0 && custom->takes >= custom->fail_at) return NULL;
    if (custom->fixed != NULL) return custom->fixed;
    char *all = mmap(NULL, size_bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *start = (char *)(((uintptr_t)all + alignment - 1) & ~(alignment - 1));
    if (custom->misalign_at == custom->takes) start += 4096;
    custom->taken_bytes += size_bytes;
    return start;
}

static bool give(void *context, void *start, size_t size_bytes) {
    struct custom *custom = context;
    custom->gives++;
    custom->taken_bytes -= size_bytes;
    custom->last_given = start;
    custom->last_given_bytes = size_bytes;
    return custom->gives % 2 == 0;
}

static struct acre_arena_options custom_options(struct custom *custom) {
    return (struct acre_arena_options){.source = ACRE_SOURCE_CUSTOM, .functions = {take, give, custom}};
}

static void use_custom(acre_arena *arena) {
    static const size_t sizes[] = {16, 1000, 6000, 100000, 600000, 3 * MIB, 20 * MIB};
    for (int i = 0; i < 70; i++) {
        char *block = acre_arena_malloc(arena, sizes[i % 7]);
        if (block == NULL) continue;
        memset(block, 1, sizes[i % 7]);
        if (i % 3 == 0) free(block);
    }
    void *aligned = acre_arena_aligned_alloc(arena, 8 * MIB, 100000);
    if (aligned != NULL) assert_true(is_aligned(aligned, 8 * MIB));
}

static void custom_gets_back_all_that_it_gave(void **state) {
    (void)state;
    struct custom custom = {0};
    acre_arena *arena = create_with(custom_options(&custom));
    use_custom(arena);
    assert_true(custom.takes > 0);
    assert_int_equal(stats_of(arena).held_bytes, custom.taken_bytes);
    acre_arena_reset(arena);
    use_custom(arena);
    assert_int_equal(stats_of(arena).source_calls, custom.takes + custom.gives);
    acre_arena_destroy(arena);
    assert_int_equal(custom.taken_bytes, 0);
}

static void custom_that_fails_at_some_call(void **state) {
    (void)state;
    for (size_t fail_at = 1; fail_at < 12; fail_at++) {
        struct custom custom = {.fail_at = fail_at};
        acre_arena *arena = create_with(custom_options(&custom));
        use_custom(arena);
        errno = 0;
        assert_null(acre_arena_malloc(arena, 50 * MIB));
        assert_int_equal(errno, ENOMEM);
        custom.fail_at = 0;
        assert_non_null(acre_arena_malloc(arena, 100));
        assert_non_null(acre_arena_malloc(arena, 50 * MIB));
        acre_arena_destroy(arena);
        assert_int_equal(custom.taken_bytes, 0);
    }
}

static void custom_that_calls_malloc(void **state) {
    (void)state;
    struct custom custom = {.use_malloc = true};
    acre_arena *arena = create_with(custom_options(&custom));
    for (int round = 0; round < 10; round++, acre_arena_reset(arena)) use_custom(arena);
    acre_arena_destroy(arena);
    assert_int_equal(custom.taken_bytes, 0);
}

static void custom_that_gives_misaligned_memory(void **state) {
    (void)state;
    static const size_t sizes[] = {100, 300000, 20 * MIB};
    for (int i = 0; i < 3; i++) {
        struct custom custom = {.misalign_at = 1, .fail_at = 2};
        acre_arena *arena = create_with(custom_options(&custom));
        errno = 0;
        assert_null(acre_arena_malloc(arena, sizes[i]));
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(custom.gives, 1);
        assert_int_equal(custom.taken_bytes, 0);
        assert_int_equal(stats_of(arena).held_bytes, 0);
        acre_arena_destroy(arena);
    }
}

/* What take gives is at once given back, and no block lies there. */
static void expect_refusal_of(char *memory) {
    static const size_t sizes[] = {100, 300000, 2 * MIB};
    for (int i = 0; i < 3; i++) {
        struct custom custom = {.fixed = (char *)(((uintptr_t)memory + step - 1) & ~(step - 1))};
        acre_arena *arena = create_with(custom_options(&custom));
        assert_null(acre_arena_malloc(arena, sizes[i]));
        assert_int_equal(custom.gives, custom.takes);
        assert_int_equal(stats_of(arena).held_bytes, 0);
        acre_arena_destroy(arena);
    }
}
static void custom_that_gives_the_inside_of_a_large_block(void **state) {
    (void)state;
    char *large = malloc(400 * KIB);
    expect_refusal_of(large);
    free(large);
}
/* The last step of all addresses, and the first behind those of programs. */
static void custom_that_gives_what_no_program_has(void **state) {
    (void)state;
    expect_refusal_of((char *)(UINTPTR_MAX - step + 1));
    expect_refusal_of((char *)((uintptr_t)1 << 56));
}
static void custom_without_give_keeps_its_memory(void **state) {
    (void)state;
    struct custom custom = {0};
    struct acre_arena_options options = custom_options(&custom);
    options.functions.give = NULL;
    acre_arena *arena = create_with(options);
    use_custom(arena);
    size_t taken_bytes = custom.taken_bytes;
    acre_arena_release(arena);
    acre_arena_destroy(arena);
    assert_int_equal(custom.taken_bytes, taken_bytes);
    assert_int_equal(custom.gives, 0);
}

static void limit_holds_for_custom(void **state) {
    (void)state;
    struct custom custom = {0};
    struct acre_arena_options options = custom_options(&custom);
    options.limit_bytes = 3 * MIB;
    acre_arena *arena = create_with(options);
    for (size_t size = 100; size < 2 * MIB; size *= 3, acre_arena_reset(arena)) {
        use_up(arena, size);
        assert_true(custom.taken_bytes <= 3 * MIB);
    }
    acre_arena_destroy(arena);
}

/* ---- huge pages, the break */

static bool has_huge_pages(void) {
    FILE *file = fopen("/proc/sys/vm/nr_hugepages", "r");
    int pages = 0;
    if (file != NULL && fscanf(file, "%d", &pages) != 1) pages = 0;
    if (file != NULL) fclose(file);
    return pages > 0;
}

static void hugetlb_without_huge_pages_is_refused(void **state) {
    (void)state;
    if (has_huge_pages()) SKIP_CLAUSE("there are huge pages set aside");
    refused((struct acre_arena_options){.source = ACRE_SOURCE_HUGETLB}, ENOMEM);
}

static void hugetlb_serves_blocks(void **state) {
    (void)state;
    if (!has_huge_pages()) SKIP_CLAUSE("no huge pages are set aside");
    acre_arena *arena = create_with((struct acre_arena_options){.source = ACRE_SOURCE_HUGETLB});
    void *block = acre_arena_malloc(arena, 100000);
    assert_non_null(block);
    memset(block, 1, 100000);
    assert_int_equal(stats_of(arena).held_bytes % (2 * MIB), 0);
    acre_arena_destroy(arena);
}

static void break_serves_blocks(void **state) {
    (void)state;
    size_t mapped_bytes = process_address_space_bytes();
    for (int round = 0; round < 5; round++) {
        acre_arena *arena =
            create_with((struct acre_arena_options){.source = ACRE_SOURCE_BRK, .limit_bytes = 40 * MIB});
        assert_true(use_up(arena, 50000) > 500);
        assert_true(stats_of(arena).source_calls > 0);
        acre_arena_reset(arena);
        assert_true(use_up(arena, 100) > 50000);
        acre_arena_destroy(arena);
    }
    acre_release();
    assert_true(process_address_space_bytes() < mapped_bytes + 8 * MIB);
}

static void arenas_and_the_default_one_share_the_break(void **state) {
    (void)state;
    acre_arena *arenas[4];
    void *blocks[400];
    for (int i = 0; i < 4; i++) arenas[i] = create_with((struct acre_arena_options){.source = ACRE_SOURCE_BRK});
    for (int i = 0; i < 400; i++) {
        blocks[i] = i % 5 == 4 ? malloc(90000) : acre_arena_malloc(arenas[i % 5], 90000);
        assert_non_null(blocks[i]);
        memset(blocks[i], i, 90000);
    }
    for (int i = 0; i < 4; i++) acre_arena_destroy(arenas[(i + 2) % 4]);
    for (int i = 4; i < 400; i += 5) {
        assert_int_equal(((unsigned char *)blocks[i])[89999], (unsigned char)i);
        free(blocks[i]);
    }
    acre_release();
}

int main(void) {
    process_expect_malloc();
    process_watchdog(280);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_holds_for_small_blocks),
        cmocka_unit_test(limit_holds_for_medium_blocks),
        cmocka_unit_test(limit_holds_for_large_and_huge_blocks),
        cmocka_unit_test(frees_at_the_limit_make_room),
        cmocka_unit_test(others_frees_at_the_limit_make_room),
        cmocka_unit_test(freed_memory_at_the_limit_serves_other_sizes),
        cmocka_unit_test(limit_holds_with_a_cached_huge_block),
        cmocka_unit_test(limit_holds_for_a_growing_huge_block),
        cmocka_unit_test(range_serves_blocks_inside_it_alone),
        cmocka_unit_test(misaligned_range_is_used_from_step_to_step),
        cmocka_unit_test(range_without_a_whole_step_is_refused),
        cmocka_unit_test(range_in_use_is_refused),
        cmocka_unit_test(range_within_blocks_is_refused),
        cmocka_unit_test(range_stays_the_callers),
        cmocka_unit_test(zeroed_range_is_zero),
        cmocka_unit_test(reservation_is_all_there_is),
        cmocka_unit_test(reservation_of_too_much_is_refused),
        cmocka_unit_test(reservation_costs_address_space_alone),
        cmocka_unit_test(custom_gets_back_all_that_it_gave),
        cmocka_unit_test(custom_that_fails_at_some_call),
        cmocka_unit_test(custom_that_calls_malloc),
        cmocka_unit_test(custom_that_gives_misaligned_memory),
        cmocka_unit_test(custom_that_gives_the_inside_of_a_large_block),
        cmocka_unit_test(custom_that_gives_what_no_program_has),
        cmocka_unit_test(custom_without_give_keeps_its_memory),
        cmocka_unit_test(limit_holds_for_custom),
        cmocka_unit_test(hugetlb_without_huge_pages_is_refused),
        cmocka_unit_test(hugetlb_serves_blocks),
        cmocka_unit_test(break_serves_blocks),
        cmocka_unit_test(arenas_and_the_default_one_share_the_break),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
