/* What acre/acre.h promises of arenas: their blocks, books and end, and of who has entered them. Where their memory
 * comes from is in arenas_sources.c, threads are in arenas_threads.c, misuse is in arenas_misuse.c. */
#include "support/child.h"
#include "support/process.h"
#include "support/suite.h"

#include <acre/acre.h>

#include <malloc.h>
#include <pthread.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* One of each kind: small, medium, large, and huge ones. */
static const size_t sizes[] = {0,     1,     16,    100,    1000,   1024,    3000,
                               20000, 40000, 70000, 200000, 700000, 3 * MIB, 20 * MIB};
enum { size_count = sizeof sizes / sizeof sizes[0] };

static acre_arena *create(const struct acre_arena_options *options) {
    acre_arena *arena = acre_arena_create(options);
    assert_non_null(arena);
    return arena;
}

static acre_arena *create_zeroed(void) { return create(&(struct acre_arena_options){.zeroed = true}); }

static struct acre_arena_figures stats_of(acre_arena *arena) {
    struct acre_arena_figures stats;
    memset(&stats, 0xee, sizeof stats);
    acre_arena_stats(arena, &stats);
    return stats;
}

static void fill(void *block, size_t size_bytes, unsigned seed) {
    unsigned char *bytes = block;
    for (size_t i = 0; i < size_bytes; i++) bytes[i] = (unsigned char)(seed * 31 + i * 7 + (i >> 8));
}

static bool is_filled(const void *block, size_t size_bytes, unsigned seed) {
    const unsigned char *bytes = block;
    for (size_t i = 0; i < size_bytes; i++) {
        if (bytes[i] != (unsigned char)(seed * 31 + i * 7 + (i >> 8))) return false;
    }
    return true;
}

static bool is_zero(const void *block, size_t from, size_t to) {
    const unsigned char *bytes = block;
    for (size_t i = from; i < to; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

/* ---- creation */

static void null_options_are_the_defaults(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    assert_non_null(acre_arena_malloc(arena, 100));
    assert_int_equal(stats_of(arena).limit_bytes, 0);
    acre_arena_destroy(arena);
}

static void refused(struct acre_arena_options options, int error) {
    errno = 0;
    assert_null(acre_arena_create(&options));
    assert_int_equal(errno, error);
}

static void *take_nothing(void *context, size_t size_bytes, size_t alignment) {
    (void)context, (void)size_bytes, (void)alignment;
    return NULL;
}

static void options_out_of_range_are_refused(void **state) {
    (void)state;
    refused((struct acre_arena_options){.flags = 1}, EINVAL);
    refused((struct acre_arena_options){.flags = 1u << 31}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_CUSTOM + 1}, EINVAL);
    refused((struct acre_arena_options){.source = (enum acre_source) - 1}, EINVAL);
    refused((struct acre_arena_options){.thp = ACRE_THP_NEVER + 1}, EINVAL);
    refused((struct acre_arena_options){.thp = (enum acre_thp) - 1}, EINVAL);
    refused((struct acre_arena_options){.limit_bytes = 64 * KIB - 1}, EINVAL);
    refused((struct acre_arena_options){.limit_bytes = 1}, EINVAL);
}

static void combinations_without_meaning_are_refused(void **state) {
    (void)state;
    static char memory[4 * 64 << 10];
    struct acre_source_functions none = {take_nothing, NULL, NULL};
    refused((struct acre_arena_options){.source = ACRE_SOURCE_CUSTOM}, EINVAL);
    refused((struct acre_arena_options){.functions = none}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_MMAP, .functions = none}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_RANGE}, EINVAL);
    refused((struct acre_arena_options){.range = memory, .range_bytes = sizeof memory}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_CUSTOM, .functions = none, .reserve_bytes = MIB},
            EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_BRK, .reserve_bytes = MIB}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_HUGETLB, .reserve_bytes = MIB}, EINVAL);
    refused(
        (struct acre_arena_options){
            .source = ACRE_SOURCE_RANGE, .range = memory, .range_bytes = sizeof memory, .reserve_bytes = MIB},
        EINVAL);
}

/* Half of an option for another source is as meaningless as the whole. */
static void stray_halves_of_options_are_refused(void **state) {
    (void)state;
    struct acre_source_functions only_give = {NULL, (bool (*)(void *, void *, size_t))(uintptr_t)take_nothing,
                                              NULL};
    refused((struct acre_arena_options){.range_bytes = MIB}, EINVAL);
    refused((struct acre_arena_options){.functions = only_give}, EINVAL);
}

static bool note_name(acre_arena *arena, const char *name, void *context) {
    void **wanted = context;
    if (arena == wanted[0]) strcpy(wanted[1], name);
    return true;
}

static void expect_name(const char *given, const char *expected) {
    char name[100] = "not found";
    acre_arena *arena = create(&(struct acre_arena_options){.name = given});
    void *wanted[2] = {arena, name};
    assert_true(acre_arena_each(note_name, wanted));
    assert_string_equal(name, expected);
    acre_arena_destroy(arena);
}

static void names_are_copied_up_to_31_bytes(void **state) {
    (void)state;
    expect_name(NULL, "arena");
    expect_name("a", "a");
    expect_name("0123456789012345678901234567890", "0123456789012345678901234567890");
    expect_name("0123456789012345678901234567890123", "0123456789012345678901234567890");
}

static void thp_and_single_thread_are_taken(void **state) {
    (void)state;
    for (int thp = ACRE_THP_AUTO; thp <= ACRE_THP_NEVER; thp++) {
        acre_arena *arena = create(&(struct acre_arena_options){.thp = (enum acre_thp)thp, .single_thread = true});
        for (int i = 0; i < size_count; i++) {
            void *block = acre_arena_malloc(arena, sizes[i]);
            assert_non_null(block);
            memset(block, 1, sizes[i]);
        }
        acre_arena_destroy(arena);
    }
}

/* ---- blocks */

static void blocks_of_every_size_hold_what_is_written(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    void *blocks[size_count];
    for (unsigned i = 0; i < size_count; i++) {
        blocks[i] = acre_arena_malloc(arena, sizes[i]);
        assert_non_null(blocks[i]);
        assert_true(is_aligned(blocks[i], 16));
        assert_true(malloc_usable_size(blocks[i]) >= sizes[i]);
        fill(blocks[i], sizes[i], i);
    }
    for (unsigned i = 0; i < size_count; i++) {
        assert_true(is_filled(blocks[i], sizes[i], i));
        free(blocks[i]);
    }
    assert_int_equal(stats_of(arena).live_blocks, 0);
    acre_arena_destroy(arena);
}

static void malloc_of_zero_gives_blocks_of_their_own(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    void *one = acre_arena_malloc(arena, 0), *other = acre_arena_malloc(arena, 0);
    assert_non_null(one);
    assert_ptr_not_equal(one, other);
    acre_arena_destroy(arena);
}

static void calloc_is_zero_after_frees(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (unsigned i = 1; i < size_count; i++) {
        for (int round = 0; round < 20; round++) {
            unsigned char *block = acre_arena_calloc(arena, 1, sizes[i]);
            assert_non_null(block);
            assert_true(is_zero(block, 0, sizes[i]));
            memset(block, 0xee, malloc_usable_size(block));
            free(block);
        }
    }
    acre_arena_destroy(arena);
}

static void sizes_beyond_everything_are_refused(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    void *block = acre_arena_malloc(arena, 100);
    fill(block, 100, 1);
#define REFUSED(call)                                                                                              \
    do {                                                                                                           \
        errno = 0;                                                                                                 \
        assert_null(call);                                                                                         \
        assert_int_equal(errno, ENOMEM);                                                                           \
    } while (0)
    REFUSED(acre_arena_malloc(arena, SIZE_MAX));
    REFUSED(acre_arena_malloc(arena, (size_t)PTRDIFF_MAX + 1));
    REFUSED(acre_arena_malloc(arena, PTRDIFF_MAX));
    REFUSED(acre_arena_calloc(arena, SIZE_MAX, 2));
    REFUSED(acre_arena_calloc(arena, SIZE_MAX / 2 + 1, 2));
    REFUSED(acre_arena_calloc(arena, (size_t)1 << 32, (size_t)1 << 32));
    REFUSED(acre_arena_realloc(arena, block, SIZE_MAX));
    REFUSED(acre_arena_realloc(arena, NULL, SIZE_MAX));
    REFUSED(acre_arena_aligned_alloc(arena, 4096, SIZE_MAX));
    REFUSED(acre_arena_aligned_alloc(arena, 4096, SIZE_MAX - 4095));
    REFUSED(acre_arena_aligned_alloc(arena, (size_t)1 << 62, 100));
    REFUSED(acre_arena_aligned_alloc(arena, (size_t)1 << 63, 100));
#undef REFUSED
    assert_true(is_filled(block, 100, 1));
    assert_non_null(acre_arena_malloc(arena, 100));
    acre_arena_destroy(arena);
}

static void calloc_with_a_zero_count(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    assert_non_null(acre_arena_calloc(arena, 0, SIZE_MAX));
    assert_non_null(acre_arena_calloc(arena, SIZE_MAX, 0));
    acre_arena_destroy(arena);
}

static void aligned_blocks_of_every_size(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (size_t alignment = 1; alignment <= 16 * MIB; alignment *= 2) {
        for (unsigned i = 0; i < size_count; i++) {
            unsigned char *block = acre_arena_aligned_alloc(arena, alignment, sizes[i]);
            assert_non_null(block);
            assert_true(is_aligned(block, alignment));
            assert_true(acre_arena_of(block) == arena);
            if (sizes[i] > 0) block[0] = block[sizes[i] - 1] = 1;
            if (i % 2 == 0) free(block);
        }
        acre_arena_reset(arena);
    }
    acre_arena_destroy(arena);
}

static void alignments_that_are_no_power_of_two_are_refused(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    static const size_t wrong[] = {0, 3, 24, 4097, SIZE_MAX};
    for (int i = 0; i < 5; i++) {
        errno = 0;
        assert_null(acre_arena_aligned_alloc(arena, wrong[i], 100));
        assert_int_equal(errno, EINVAL);
    }
    acre_arena_destroy(arena);
}

/* ---- realloc */

static void realloc_leaves_a_block_in_its_arena(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (unsigned from = 0; from < size_count; from++) {
        for (unsigned to = 1; to < size_count; to++) {
            void *block = acre_arena_malloc(arena, sizes[from]);
            fill(block, sizes[from], from);
            void *moved = realloc(block, sizes[to]);
            assert_non_null(moved);
            assert_true(acre_arena_of(moved) == arena);
            assert_true(is_filled(moved, sizes[from] < sizes[to] ? sizes[from] : sizes[to], from));
            free(moved);
        }
    }
    assert_int_equal(stats_of(arena).live_blocks, 0);
    acre_arena_destroy(arena);
}

static void realloc_of_a_default_block_stays_there_though_entered(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (unsigned to = 1; to < size_count; to++) {
        void *block = malloc(100);
        fill(block, 100, to);
        assert_true(acre_arena_enter(arena));
        void *moved = realloc(block, sizes[to]);
        acre_arena_leave();
        assert_true(acre_arena_of(moved) == NULL);
        assert_true(is_filled(moved, sizes[to] < 100 ? sizes[to] : 100, to));
        free(moved);
    }
    acre_arena_destroy(arena);
}

static void arena_realloc_moves_between_arenas(void **state) {
    (void)state;
    acre_arena *here = create(NULL), *there = create(NULL);
    for (unsigned from = 0; from < size_count; from++) {
        for (unsigned to = 1; to < size_count; to++) {
            void *block = from % 2 == 0 ? acre_arena_malloc(there, sizes[from]) : malloc(sizes[from]);
            fill(block, sizes[from], from);
            void *moved = acre_arena_realloc(here, block, sizes[to]);
            assert_non_null(moved);
            assert_true(acre_arena_of(moved) == here);
            assert_true(is_filled(moved, sizes[from] < sizes[to] ? sizes[from] : sizes[to], from));
            free(moved);
        }
    }
    assert_int_equal(stats_of(here).live_blocks, 0);
    assert_int_equal(stats_of(there).live_blocks, 0);
    acre_arena_destroy(here);
    acre_arena_destroy(there);
}

static void arena_realloc_of_null_and_to_zero(void **state) {
    (void)state;
    acre_arena *here = create(NULL), *there = create(NULL);
    void *block = acre_arena_realloc(here, NULL, 100);
    assert_true(acre_arena_of(block) == here);
    assert_null(acre_arena_realloc(here, block, 0));
    assert_null(acre_arena_realloc(here, acre_arena_malloc(there, 100), 0));
    assert_null(acre_arena_realloc(here, acre_arena_malloc(there, 200000), 0));
    assert_int_equal(stats_of(here).live_blocks, 0);
    assert_int_equal(stats_of(there).live_blocks, 0);
    acre_arena_destroy(here);
    acre_arena_destroy(there);
}

/* At its limit the block stays where it was, and NULL says so: what is not NULL lies here. */
static void arena_realloc_into_a_full_arena_fails(void **state) {
    (void)state;
    acre_arena *full = create(&(struct acre_arena_options){.limit_bytes = 64 * KIB}), *there = create(NULL);
    while (acre_arena_malloc(full, 64) != NULL) {
    }
    static const size_t to[] = {400, 100, 50};
    for (int i = 0; i < 3; i++) {
        void *block = acre_arena_malloc(there, 100);
        fill(block, 50, 3);
        errno = 0;
        void *moved = acre_arena_realloc(full, block, to[i]);
        assert_true(is_filled(block, 50, 3));
        if (moved != NULL) assert_true(acre_arena_of(moved) == full);
        assert_int_equal(errno, ENOMEM);
    }
    acre_arena_destroy(full);
    acre_arena_destroy(there);
}

/* ---- zeroed */

static void *allocate_in_some_way(acre_arena *arena, unsigned way, size_t size) {
    void *block = NULL;
    switch (way % 7) {
    case 0:
        return acre_arena_malloc(arena, size);
    case 1:
        return acre_arena_calloc(arena, 1, size);
    case 2:
        return acre_arena_realloc(arena, NULL, size);
    case 3:
        return acre_arena_aligned_alloc(arena, 256, size);
    default:
        break;
    }
    assert_true(acre_arena_enter(arena));
    if (way % 7 == 4) block = malloc(size);
    if (way % 7 == 5) block = memalign(4096, size);
    if (way % 7 == 6) block = realloc(NULL, size);
    acre_arena_leave();
    return block;
}

/* Blocks in turn, some freed, with all that may be written overwritten. */
static void expect_zeroed(acre_arena *arena, size_t size) {
    enum { count = 24 };
    unsigned char *blocks[count];
    unsigned many = size > MIB ? 7 : count;
    for (unsigned i = 0; i < many; i++) {
        blocks[i] = allocate_in_some_way(arena, i, size);
        assert_non_null(blocks[i]);
        assert_true(acre_arena_of(blocks[i]) == arena);
        assert_true(is_zero(blocks[i], 0, size));
        memset(blocks[i], 0xee, malloc_usable_size(blocks[i]));
    }
    for (unsigned i = 0; i < many; i++) {
        if (i % 5 != 0) free(blocks[i]);
    }
}

static void zeroed_blocks_are_zero_after_frees_and_resets(void **state) {
    (void)state;
    acre_arena *arena = create_zeroed();
    for (int round = 0; round < 12; round++) {
        for (unsigned i = 1; i < size_count; i++) expect_zeroed(arena, sizes[i]);
        if (round % 3 == 2) acre_arena_reset(arena);
        if (round % 4 == 3) acre_arena_release(arena);
    }
    acre_arena_destroy(arena);
}

static void zeroed_after_another_arena_left_its_data(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        acre_arena *dirty = create(NULL);
        for (unsigned i = 1; i < size_count; i++) {
            for (int each = 0; each < 5; each++) {
                void *block = acre_arena_malloc(dirty, sizes[i]);
                memset(block, 0xee, malloc_usable_size(block));
            }
        }
        acre_arena_destroy(dirty);
        acre_arena *arena = create_zeroed();
        for (unsigned i = 1; i < size_count; i++) expect_zeroed(arena, sizes[i]);
        acre_arena_destroy(arena);
    }
}

/* Frees in a scattered order, so that blocks come again one by one as well as in runs. */
static void zeroed_after_scattered_frees(void **state) {
    (void)state;
    enum { count = 3000 };
    static unsigned char *blocks[count];
    acre_arena *arena = create_zeroed();
    uint64_t random = 7;
    memset(blocks, 0, sizeof blocks);
    for (int step = 0; step < 100000; step++) {
        unsigned slot = (unsigned)(process_random(&random) % count);
        size_t size = slot % 3 == 0 ? 48 : slot % 3 == 1 ? 400 : 5000;
        if (blocks[slot] != NULL) {
            free(blocks[slot]);
            blocks[slot] = NULL;
            continue;
        }
        blocks[slot] = acre_arena_malloc(arena, size);
        assert_true(is_zero(blocks[slot], 0, size));
        memset(blocks[slot], 0xee, malloc_usable_size(blocks[slot]));
    }
    acre_arena_destroy(arena);
}

/* What realloc adds has never been written by who holds the block: it comes zeroed like any other byte. */
static void expect_growth_is_zero(size_t size, size_t more_bytes) {
    acre_arena *arena = create_zeroed();
    for (int round = 0; round < 40; round++) {
        unsigned char *dirt[6];
        for (int i = 0; i < 6; i++) {
            dirt[i] = acre_arena_malloc(arena, i % 2 == 0 ? size : size + more_bytes);
            memset(dirt[i], 0xee, malloc_usable_size(dirt[i]));
        }
        for (int i = 1; i < 6; i++) free(dirt[i]);
        size_t had_bytes = malloc_usable_size(dirt[0]), has_bytes = had_bytes + more_bytes;
        unsigned char *grown = realloc(dirt[0], has_bytes);
        assert_non_null(grown);
        assert_true(is_zero(grown, had_bytes, has_bytes));
        memset(grown, 0xee, malloc_usable_size(grown));
        free(grown);
    }
    acre_arena_destroy(arena);
}

static void zeroed_growth_of_small_blocks(void **state) {
    (void)state;
    expect_growth_is_zero(100, 30), expect_growth_is_zero(1000, 2000), expect_growth_is_zero(5000, 5000);
}
static void zeroed_growth_of_large_blocks(void **state) {
    (void)state;
    expect_growth_is_zero(100000, 50000), expect_growth_is_zero(300000, 10000);
}
static void zeroed_growth_of_huge_blocks(void **state) {
    (void)state;
    expect_growth_is_zero(16 * MIB, 8 * MIB), expect_growth_is_zero(20 * MIB, 300 * KIB);
}

/* Bytes that malloc_usable_size counts are the block's too, and realloc within them is what hands them out. */
static void expect_usable_is_zero(size_t size) {
    acre_arena *arena = create_zeroed();
    for (int round = 0; round < 40; round++) {
        unsigned char *blocks[4];
        for (int i = 0; i < 4; i++) {
            blocks[i] = acre_arena_malloc(arena, size);
            assert_true(is_zero(blocks[i], 0, malloc_usable_size(blocks[i])));
            memset(blocks[i], 0xee, malloc_usable_size(blocks[i]));
        }
        for (int i = 0; i < 4; i++) free(blocks[i]);
    }
    acre_arena_destroy(arena);
}

static void zeroed_up_to_the_usable_size_small(void **state) {
    (void)state;
    expect_usable_is_zero(1), expect_usable_is_zero(100), expect_usable_is_zero(5000);
}
static void zeroed_up_to_the_usable_size_large(void **state) {
    (void)state;
    expect_usable_is_zero(50001), expect_usable_is_zero(300001);
}
static void zeroed_up_to_the_usable_size_huge(void **state) {
    (void)state;
    expect_usable_is_zero(16 * MIB + 1);
}

/* ---- the books against a ledger */

enum { ledger_most = 4000 };
struct ledger {
    acre_arena *arena;
    void *blocks[ledger_most];
    size_t asked_bytes[ledger_most];
    bool seen[ledger_most];
    unsigned count, visited;
    size_t visited_bytes, stop_after;
};

static bool tick_off(void *block, size_t size_bytes, void *context) {
    struct ledger *ledger = context;
    if (++ledger->visited == ledger->stop_after) return false;
    ledger->visited_bytes += size_bytes;
    for (unsigned i = 0; i < ledger->count; i++) {
        if (ledger->blocks[i] != block) continue;
        assert_false(ledger->seen[i]);
        assert_true(size_bytes >= ledger->asked_bytes[i]);
        assert_true(size_bytes <= malloc_usable_size(block));
        ledger->seen[i] = true;
        return true;
    }
    fail_msg("%p is no live block", block);
    return false;
}

static void expect_agreement(struct ledger *ledger) {
    struct acre_arena_figures stats = stats_of(ledger->arena);
    memset(ledger->seen, 0, sizeof ledger->seen);
    ledger->visited = 0;
    ledger->visited_bytes = ledger->stop_after = 0;
    assert_true(acre_arena_walk(ledger->arena, tick_off, ledger));
    assert_int_equal(ledger->visited, ledger->count);
    assert_int_equal(stats.live_blocks, ledger->count);
    assert_int_equal(stats.live_bytes, ledger->visited_bytes);
    assert_true(stats.held_bytes >= stats.live_bytes);
    assert_true(stats.held_peak_bytes >= stats.held_bytes);
    for (unsigned i = 0; i < ledger->count; i++) {
        assert_true(acre_arena_of(ledger->blocks[i]) == ledger->arena);
        assert_true(acre_arena_contains(ledger->arena, ledger->blocks[i]));
        if (ledger->asked_bytes[i] > 0)
            assert_true(acre_arena_contains(ledger->arena, (char *)ledger->blocks[i] + ledger->asked_bytes[i] - 1));
    }
}

static void ledger_add(struct ledger *ledger, size_t size) {
    void *block = acre_arena_malloc(ledger->arena, size);
    assert_non_null(block);
    ledger->blocks[ledger->count] = block;
    ledger->asked_bytes[ledger->count++] = size;
}

static void ledger_free(struct ledger *ledger, unsigned index) {
    free(ledger->blocks[index]);
    ledger->blocks[index] = ledger->blocks[--ledger->count];
    ledger->asked_bytes[index] = ledger->asked_bytes[ledger->count];
}

static void books_agree_with_a_ledger(void **state) {
    (void)state;
    static struct ledger ledger;
    memset(&ledger, 0, sizeof ledger);
    ledger.arena = create(NULL);
    uint64_t random = 11;
    expect_agreement(&ledger);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 150; i++) ledger_add(&ledger, sizes[process_random(&random) % 11] + round);
        ledger_add(&ledger, 20 * MIB + (size_t)round);
        expect_agreement(&ledger);
        for (int i = 0; i < 130; i++) ledger_free(&ledger, (unsigned)(process_random(&random) % ledger.count));
        expect_agreement(&ledger);
    }
    while (ledger.count > 0) ledger_free(&ledger, 0);
    expect_agreement(&ledger);
    acre_arena_destroy(ledger.arena);
}

static void *free_half(void *context) {
    struct ledger *ledger = context;
    for (unsigned i = ledger->count / 2; i > 0; i--) ledger_free(ledger, i * 2 - 1);
    for (int i = 0; i < 100; i++) ledger_add(ledger, 48);
    return NULL;
}

static void books_agree_after_frees_by_another_thread(void **state) {
    (void)state;
    static struct ledger ledger;
    pthread_t thread;
    memset(&ledger, 0, sizeof ledger);
    ledger.arena = create(NULL);
    for (int i = 0; i < 2000; i++) ledger_add(&ledger, sizes[i % 10]);
    assert_int_equal(pthread_create(&thread, NULL, free_half, &ledger), 0);
    pthread_join(thread, NULL);
    expect_agreement(&ledger);
    acre_arena_destroy(ledger.arena);
}

static void small_blocks_count_by_their_class_large_ones_as_asked(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    void *block = acre_arena_malloc(arena, 97);
    assert_int_equal(stats_of(arena).live_bytes, malloc_usable_size(block));
    free(block);
    static const size_t asked[] = {200001, 700001, 20000001};
    for (int i = 0; i < 3; i++) {
        block = acre_arena_malloc(arena, asked[i]);
        assert_int_equal(stats_of(arena).live_bytes, asked[i]);
        assert_int_equal(stats_of(arena).live_blocks, 1);
        free(block);
    }
    acre_arena_destroy(arena);
}

static void walk_ends_when_visit_says_so(void **state) {
    (void)state;
    static struct ledger ledger;
    memset(&ledger, 0, sizeof ledger);
    ledger.arena = create(NULL);
    for (int i = 0; i < 30; i++) ledger_add(&ledger, sizes[i % size_count]);
    for (size_t stop = 1; stop <= 30; stop++) {
        ledger.visited = 0;
        memset(ledger.seen, 0, sizeof ledger.seen);
        ledger.stop_after = stop;
        assert_false(acre_arena_walk(ledger.arena, tick_off, &ledger));
        assert_int_equal(ledger.visited, stop);
    }
    acre_arena_destroy(ledger.arena);
}

static void foreign_addresses_are_of_no_arena(void **state) {
    (void)state;
    acre_arena *arena = create(NULL), *other = create(NULL);
    void *mine = malloc(100), *huge = malloc(20 * MIB), *elsewhere = acre_arena_malloc(other, 100);
    void *here = acre_arena_malloc(arena, 100);
    char local;
    const void *foreign[] = {
        NULL,     &local, mine, huge, "text", (void *)1, (void *)UINTPTR_MAX, (void *)UINT64_C(0x0001000000000000),
        elsewhere};
    for (int i = 0; i < 9; i++) {
        if (foreign[i] != elsewhere) assert_null(acre_arena_of(foreign[i]));
        assert_false(acre_arena_contains(arena, foreign[i]));
    }
    assert_true(acre_arena_of(elsewhere) == other);
    assert_true(acre_arena_contains(arena, here));
    free(mine), free(huge);
    acre_arena_destroy(arena);
    assert_false(acre_arena_contains(other, here));
    acre_arena_destroy(other);
    assert_null(acre_arena_of(elsewhere));
}

static void contains_follows_a_huge_block(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    char *huge = acre_arena_malloc(arena, 20 * MIB);
    for (size_t offset = 0; offset < 20 * MIB; offset += 100000) {
        assert_true(acre_arena_contains(arena, huge + offset));
    }
    free(huge);
    assert_false(acre_arena_contains(arena, huge + 5 * MIB));
    acre_arena_destroy(arena);
}

static void stats_of_null_are_the_default_arenas(void **state) {
    (void)state;
    struct acre_arena_figures before = stats_of(NULL);
    void *block = malloc(20 * MIB);
    struct acre_arena_figures after = stats_of(NULL);
    assert_int_equal(after.live_blocks, before.live_blocks + 1);
    assert_int_equal(after.live_bytes, before.live_bytes + 20 * MIB);
    assert_true(after.held_bytes >= after.live_bytes);
    acre_arena *arena = create(NULL);
    acre_arena_malloc(arena, 20 * MIB);
    assert_int_equal(stats_of(NULL).live_bytes, after.live_bytes);
    acre_arena_destroy(arena);
    free(block);
}

struct visitor {
    FILE *stream;
    int visits;
};

static bool look_inside(acre_arena *arena, const char *name, void *context) {
    struct visitor *visitor = context;
    (void)name;
    assert_int_equal(stats_of(arena).live_blocks, 1);
    assert_true(mallinfo2().uordblks >= 1000);
    assert_int_equal(malloc_info(0, visitor->stream), 0);
    visitor->visits++;
    return true;
}

static void books_are_open_to_visitors(void **state) {
    (void)state;
    struct visitor visitor = {tmpfile(), 0};
    acre_arena *arena = create(NULL);
    assert_non_null(visitor.stream);
    assert_non_null(acre_arena_malloc(arena, 1000));
    assert_true(acre_arena_each(look_inside, &visitor));
    assert_int_equal(visitor.visits, 1);
    acre_arena_destroy(arena);
    fclose(visitor.stream);
}

static void source_calls_are_counted(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    uint64_t before = stats_of(arena).source_calls;
    for (int i = 0; i < 200; i++) acre_arena_malloc(arena, 200000);
    assert_true(stats_of(arena).source_calls > before);
    acre_arena_destroy(arena);
}

struct census {
    acre_arena *wanted[3];
    unsigned found[3], total, stop_after;
};

/* Books of the arena may be asked for, and the default arena used. */
static bool count_arena(acre_arena *arena, const char *name, void *context) {
    struct census *census = context;
    struct acre_arena_figures stats;
    acre_arena_stats(arena, &stats);
    free(malloc(100 + strlen(name)));
    for (int i = 0; i < 3; i++) census->found[i] += census->wanted[i] == arena;
    return ++census->total != census->stop_after;
}

static void each_visits_every_arena_once(void **state) {
    (void)state;
    struct census before = {{NULL}, {0}, 0, 0}, census = before;
    assert_true(acre_arena_each(count_arena, &before));
    for (int i = 0; i < 3; i++) census.wanted[i] = create(NULL);
    assert_true(acre_arena_each(count_arena, &census));
    for (int i = 0; i < 3; i++) assert_int_equal(census.found[i], 1);
    assert_int_equal(census.total, before.total + 3);
    acre_arena_destroy(census.wanted[1]);
    census.total = 0;
    assert_true(acre_arena_each(count_arena, &census));
    assert_int_equal(census.found[1], 1);
    assert_int_equal(census.total, before.total + 2);
    census.total = 0;
    census.stop_after = 1;
    assert_false(acre_arena_each(count_arena, &census));
    assert_int_equal(census.total, 1);
    acre_arena_destroy(census.wanted[0]);
    acre_arena_destroy(census.wanted[2]);
}

/* ---- reset, release, destroy */

static bool visit_none(void *block, size_t size_bytes, void *context) {
    (void)size_bytes, (void)context;
    fail_msg("%p is still live", block);
    return false;
}

static void reset_leaves_memory_and_no_blocks(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3000; i++) {
            void *block = acre_arena_malloc(arena, sizes[i % 11]);
            assert_non_null(block);
            memset(block, i, sizes[i % 11]);
            if (i % 4 == 0) free(block);
        }
        acre_arena_malloc(arena, 20 * MIB);
        acre_arena_reset(arena);
        struct acre_arena_figures stats = stats_of(arena);
        assert_int_equal(stats.live_blocks, 0);
        assert_int_equal(stats.live_bytes, 0);
        assert_true(stats.held_bytes > 0);
        assert_true(acre_arena_walk(arena, visit_none, NULL));
    }
    assert_true(acre_arena_release(arena));
    acre_arena_destroy(arena);
}

/* The same work after a reset needs no more from the source. */
static void reset_arena_uses_its_memory_again(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    size_t held_bytes = 0;
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 20000; i++) assert_non_null(acre_arena_malloc(arena, sizes[i % 8]));
        if (round == 1) held_bytes = stats_of(arena).held_bytes;
        acre_arena_reset(arena);
    }
    assert_true(stats_of(arena).held_peak_bytes <= held_bytes + held_bytes / 4);
    acre_arena_destroy(arena);
}

static void reset_of_an_untouched_arena(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    acre_arena_reset(arena);
    acre_arena_reset(arena);
    assert_non_null(acre_arena_malloc(arena, 10));
    acre_arena_destroy(arena);
}

/* Blocks of a class that this thread never took, of slabs that became its own by frees. */
static acre_arena *shared_arena;
static void *left_behind[2000];
static void *leave_blocks(void *unused) {
    for (int i = 0; i < 2000; i++) left_behind[i] = acre_arena_malloc(shared_arena, 512);
    return unused;
}
static void adopt_and_reset(void) {
    pthread_t thread;
    static unsigned char *blocks[4000];
    shared_arena = acre_arena_create(NULL);
    acre_arena_malloc(shared_arena, 32);
    if (pthread_create(&thread, NULL, leave_blocks, NULL) != 0) _Exit(2);
    pthread_join(thread, NULL);
    for (int i = 1; i < 2000; i += 2) free(left_behind[i]);
    acre_arena_reset(shared_arena);
    for (unsigned i = 0; i < 4000; i++) fill(blocks[i] = acre_arena_malloc(shared_arena, 512), 512, i);
    for (unsigned i = 0; i < 4000; i++) {
        if (!is_filled(blocks[i], 512, i)) _Exit(1);
    }
    acre_arena_destroy(shared_arena);
}
static void reset_forgets_slabs_adopted_by_frees(void **state) {
    (void)state;
    assert_true(child_ends_well(adopt_and_reset));
}

static void release_gives_free_memory_back(void **state) {
    (void)state;
    enum { count = 200 };
    acre_arena *arena = create(NULL);
    void *blocks[count];
    void *kept = acre_arena_malloc(arena, 1000);
    fill(kept, 1000, 1);
    for (int i = 0; i < count; i++) memset(blocks[i] = acre_arena_malloc(arena, 200000), 1, 200000);
    size_t full_bytes = process_resident_bytes();
    for (int i = 0; i < count; i++) free(blocks[i]);
    acre_arena_release(arena);
    assert_true(process_resident_bytes() + count * 200000 * 3 / 4 < full_bytes);
    assert_true(stats_of(arena).retained_bytes < MIB);
    assert_true(is_filled(kept, 1000, 1));
    assert_false(acre_arena_release(arena));
    acre_arena_destroy(arena);
}

static void use_all_sizes(acre_arena *arena, int times) {
    for (int i = 0; i < times; i++) {
        for (unsigned each = 0; each < size_count; each++) {
            void *block = acre_arena_malloc(arena, sizes[each]);
            assert_non_null(block);
            memset(block, 1, sizes[each]);
        }
    }
}

/* Huge blocks of any arena may wait in the cache that all share, which acre_release empties. */
static void destroy_gives_all_memory_back(void **state) {
    (void)state;
    use_all_sizes(shared_arena = create(NULL), 1);
    acre_arena_destroy(shared_arena);
    acre_release();
    size_t mapped_bytes = process_address_space_bytes(), resident_bytes = process_resident_bytes();
    for (int round = 0; round < 5; round++) {
        acre_arena *arena = create(NULL);
        use_all_sizes(arena, 4);
        acre_arena_destroy(arena);
    }
    acre_release();
    assert_true(process_address_space_bytes() <= mapped_bytes + 3 * MIB);
    assert_true(process_resident_bytes() <= resident_bytes + 3 * MIB);
}

static void many_lives_leak_nothing(void **state) {
    (void)state;
    size_t resident_bytes = 0;
    for (int life = 0; life < 20000; life++) {
        acre_arena *arena = create(NULL);
        for (int i = 0; i < 5; i++) memset(acre_arena_malloc(arena, 300), 1, 300);
        if (life % 7 == 0) memset(acre_arena_malloc(arena, 30000), 1, 30000);
        acre_arena_destroy(arena);
        if (life == 2000) resident_bytes = process_resident_bytes();
    }
    assert_true(process_resident_bytes() < resident_bytes + MIB);
}

static void destroy_leaves_others_undisturbed(void **state) {
    (void)state;
    enum { count = 60 };
    acre_arena *arenas[count];
    void *blocks[count][3];
    for (unsigned i = 0; i < count; i++) {
        arenas[i] = create(NULL);
        for (unsigned each = 0; each < 3; each++) {
            blocks[i][each] = acre_arena_malloc(arenas[i], 100 + 3000 * each);
            fill(blocks[i][each], 100 + 3000 * each, i);
        }
    }
    for (unsigned i = 0; i < count; i += 2) acre_arena_destroy(arenas[i]);
    for (unsigned i = 1; i < count; i += 2) {
        for (unsigned each = 0; each < 3; each++) assert_true(is_filled(blocks[i][each], 100 + 3000 * each, i));
        assert_int_equal(stats_of(arenas[i]).live_blocks, 3);
        acre_arena_destroy(arenas[i]);
    }
}

/* ---- enter and leave */

static void entered_arena_serves_every_function(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    void *blocks[9] = {NULL};
    assert_true(acre_arena_enter(arena));
    blocks[0] = malloc(100);
    blocks[1] = calloc(3, 100);
    blocks[2] = realloc(NULL, 100);
    blocks[3] = aligned_alloc(64, 128);
    blocks[4] = memalign(4096, 100);
    assert_int_equal(posix_memalign(&blocks[5], 256, 100), 0);
    blocks[6] = valloc(100);
    blocks[7] = malloc(300000);
    blocks[8] = malloc(20 * MIB);
    char *copy = strdup("some text"); /* from within libc */
    acre_arena_leave();
    for (int i = 0; i < 9; i++) assert_true(acre_arena_of(blocks[i]) == arena);
    assert_true(acre_arena_of(copy) == arena);
    void *outside = malloc(100);
    assert_null(acre_arena_of(outside));
    free(outside);
    for (int i = 0; i < 9; i++) free(blocks[i]);
    free(copy);
    assert_int_equal(stats_of(arena).live_blocks, 0);
    acre_arena_destroy(arena);
}

static void expect_malloc_from(acre_arena *arena) {
    void *block = malloc(100);
    assert_true(acre_arena_of(block) == arena);
    free(block);
}

static void enters_nest_32_deep(void **state) {
    (void)state;
    enum { depth = 32 };
    acre_arena *arenas[depth], *one_more = create(NULL);
    for (int i = 0; i < depth; i++) {
        arenas[i] = i % 3 == 2 ? arenas[i - 1] : create(NULL);
        assert_true(acre_arena_enter(arenas[i]));
        expect_malloc_from(arenas[i]);
    }
    errno = 0;
    assert_false(acre_arena_enter(one_more));
    assert_int_equal(errno, ENOMEM);
    expect_malloc_from(arenas[depth - 1]);
    for (int i = depth - 1; i >= 0; i--) {
        expect_malloc_from(arenas[i]);
        acre_arena_leave();
    }
    expect_malloc_from(NULL);
    assert_true(acre_arena_enter(one_more));
    acre_arena_leave();
    for (int i = 0; i < depth; i++) {
        if (i % 3 != 2) acre_arena_destroy(arenas[i]);
    }
    acre_arena_destroy(one_more);
}

static void *malloc_elsewhere(void *unused) {
    (void)unused;
    return malloc(100);
}
static void enter_is_for_the_calling_thread_alone(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    pthread_t thread;
    void *block;
    assert_true(acre_arena_enter(arena));
    assert_int_equal(pthread_create(&thread, NULL, malloc_elsewhere, NULL), 0);
    pthread_join(thread, &block);
    acre_arena_leave();
    assert_null(acre_arena_of(block));
    free(block);
    acre_arena_destroy(arena);
}

static void frees_of_other_arenas_while_entered(void **state) {
    (void)state;
    acre_arena *one = create(NULL), *other = create(NULL);
    void *blocks[3] = {acre_arena_malloc(one, 100), acre_arena_malloc(other, 100), malloc(100)};
    assert_true(acre_arena_enter(one));
    for (int i = 0; i < 3; i++) free(blocks[i]);
    acre_arena_leave();
    assert_int_equal(stats_of(one).live_blocks, 0);
    assert_int_equal(stats_of(other).live_blocks, 0);
    acre_arena_destroy(one);
    acre_arena_destroy(other);
}

static void malloc_at_the_limit_of_the_entered_arena_fails(void **state) {
    (void)state;
    acre_arena *arena = create(&(struct acre_arena_options){.limit_bytes = 256 * KIB});
    assert_true(acre_arena_enter(arena));
    void *too_large = malloc(MIB), *small = malloc(10);
    int error = errno;
    acre_arena_leave();
    assert_null(too_large);
    assert_int_equal(error, ENOMEM);
    assert_non_null(small);
    acre_arena_destroy(arena);
}

int main(void) {
    process_expect_malloc();
    process_watchdog(280);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_options_are_the_defaults),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(combinations_without_meaning_are_refused),
        cmocka_unit_test(stray_halves_of_options_are_refused),
        cmocka_unit_test(names_are_copied_up_to_31_bytes),
        cmocka_unit_test(thp_and_single_thread_are_taken),
        cmocka_unit_test(blocks_of_every_size_hold_what_is_written),
        cmocka_unit_test(malloc_of_zero_gives_blocks_of_their_own),
        cmocka_unit_test(calloc_is_zero_after_frees),
        cmocka_unit_test(sizes_beyond_everything_are_refused),
        cmocka_unit_test(calloc_with_a_zero_count),
        cmocka_unit_test(aligned_blocks_of_every_size),
        cmocka_unit_test(alignments_that_are_no_power_of_two_are_refused),
        cmocka_unit_test(realloc_leaves_a_block_in_its_arena),
        cmocka_unit_test(realloc_of_a_default_block_stays_there_though_entered),
        cmocka_unit_test(arena_realloc_moves_between_arenas),
        cmocka_unit_test(arena_realloc_of_null_and_to_zero),
        cmocka_unit_test(arena_realloc_into_a_full_arena_fails),
        cmocka_unit_test(zeroed_blocks_are_zero_after_frees_and_resets),
        cmocka_unit_test(zeroed_after_another_arena_left_its_data),
        cmocka_unit_test(zeroed_after_scattered_frees),
        cmocka_unit_test(zeroed_growth_of_small_blocks),
        cmocka_unit_test(zeroed_growth_of_large_blocks),
        cmocka_unit_test(zeroed_growth_of_huge_blocks),
        cmocka_unit_test(zeroed_up_to_the_usable_size_small),
        cmocka_unit_test(zeroed_up_to_the_usable_size_large),
        cmocka_unit_test(zeroed_up_to_the_usable_size_huge),
        cmocka_unit_test(books_agree_with_a_ledger),
        cmocka_unit_test(books_agree_after_frees_by_another_thread),
        cmocka_unit_test(small_blocks_count_by_their_class_large_ones_as_asked),
        cmocka_unit_test(walk_ends_when_visit_says_so),
        cmocka_unit_test(foreign_addresses_are_of_no_arena),
        cmocka_unit_test(contains_follows_a_huge_block),
        cmocka_unit_test(stats_of_null_are_the_default_arenas),
        cmocka_unit_test(books_are_open_to_visitors),
        cmocka_unit_test(source_calls_are_counted),
        cmocka_unit_test(each_visits_every_arena_once),
        cmocka_unit_test(reset_leaves_memory_and_no_blocks),
        cmocka_unit_test(reset_arena_uses_its_memory_again),
        cmocka_unit_test(reset_of_an_untouched_arena),
        cmocka_unit_test(reset_forgets_slabs_adopted_by_frees),
        cmocka_unit_test(release_gives_free_memory_back),
        cmocka_unit_test(destroy_gives_all_memory_back),
        cmocka_unit_test(many_lives_leak_nothing),
        cmocka_unit_test(destroy_leaves_others_undisturbed),
        cmocka_unit_test(entered_arena_serves_every_function),
        cmocka_unit_test(enters_nest_32_deep),
        cmocka_unit_test(enter_is_for_the_calling_thread_alone),
        cmocka_unit_test(frees_of_other_arenas_while_entered),
        cmocka_unit_test(malloc_at_the_limit_of_the_entered_arena_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
