/* What an arena says of itself: figures, the walk over its blocks, whose an address is, all arenas. */
#include "api/arenas.h"
#include "support/process.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>

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

static bool release_all(acre_arena *arena, const char *name, void *context) {
    (void)name, (void)context;
    for (int i = 0; i < 10; i++) free(acre_arena_malloc(arena, 300000));
    acre_arena_release(arena);
    acre_release();
    return true;
}

/* Also with some that were destroyed, whose memory acre keeps for others. */
static void visitors_may_release(void **state) {
    (void)state;
    acre_arena *arenas[4];
    for (int i = 0; i < 4; i++) assert_non_null(acre_arena_malloc(arenas[i] = create(NULL), 1000));
    for (int i = 0; i < 2; i++) acre_arena_destroy(arenas[i]);
    assert_true(acre_arena_each(release_all, NULL));
    for (int i = 2; i < 4; i++) {
        assert_int_equal(stats_of(arenas[i]).live_blocks, 1);
        acre_arena_destroy(arenas[i]);
    }
}

static void source_calls_are_counted(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    uint64_t before = stats_of(arena).source_calls;
    for (int i = 0; i < 200; i++) acre_arena_malloc(arena, 200000);
    assert_true(stats_of(arena).source_calls > before);
    acre_arena_destroy(arena);
}

/* What the kernel says, and what went back since. Before the frees the scavenger may have given back what another
 * arena had left in the pages that this one got. */
static void resident_memory_is_the_kernels(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    char *blocks[100];
    for (int i = 0; i < 100; i++) {
        assert_non_null(blocks[i] = acre_arena_malloc(arena, i % 4 == 0 ? 100000 : 3 * MIB));
        memset(blocks[i], 1, 100000);
    }
    struct acre_arena_figures stats = stats_of(arena);
    assert_true(stats.resident_bytes >= 10 * MIB - MIB / 2 && stats.resident_bytes <= 12 * MIB);
    assert_int_equal(stats.library_calls, 0);
    uint64_t released_bytes = stats.released_bytes;
    for (int i = 0; i < 100; i++) free(blocks[i]);
    acre_arena_release(arena);
    stats = stats_of(arena);
    assert_true(stats.resident_bytes < MIB / 2);
    assert_true(stats.released_bytes - released_bytes >= 10 * MIB - MIB / 2);
    acre_arena_destroy(arena);
}

static int take_until_null(acre_arena *arena, size_t size_bytes, char **blocks, int most) {
    int count = 0;
    errno = 0;
    while (count < most && (blocks[count] = acre_arena_malloc(arena, size_bytes)) != NULL)
        memset(blocks[count++], 1, size_bytes);
    assert_true(count < most && errno == ENOMEM);
    return count;
}

/* Slabs of one size, each with free blocks, take all that the arena may have; other sizes find their place in them.
 */
static void at_the_limit_other_sizes_do(void **state) {
    (void)state;
    static char *blocks[4000], *others[8000];
    acre_arena *arena = create(&(struct acre_arena_options){.limit_bytes = MIB});
    int count = take_until_null(arena, 512, blocks, 4000), freed = 0;
    assert_true(count > 1500);
    for (int i = 0; i < count; i += 2, freed++) free(blocks[i]);
    int other_count = take_until_null(arena, 100, others, 8000);
    assert_true(other_count >= freed * (512 / 112) * 9 / 10);
    for (int i = 0; i < other_count; i++) free(others[i]);
    char *aligned = acre_arena_aligned_alloc(arena, 128, 384);
    assert_true(aligned != NULL && (uintptr_t)aligned % 128 == 0);
    assert_true(acre_arena_malloc(arena, 2000) == NULL && errno == ENOMEM);
    for (int i = 1; i < count; i += 2) assert_true(blocks[i][0] == 1 && memcmp(blocks[i], blocks[i] + 1, 511) == 0);
    assert_true(stats_of(arena).held_peak_bytes <= MIB);
    acre_arena_destroy(arena);
}

static void *fill_and_free_most(void *arena) {
    static char *blocks[20000];
    int count = take_until_null(arena, 100, blocks, 20000);
    assert_true(count > 8000);
    for (int i = 0; i < count; i++) {
        if (i % 10 != 0) free(blocks[i]);
    }
    return NULL;
}

static char *handed_over[20000];
static int handed_over_count;

static void *free_handed_over(void *unused) {
    for (int i = 0; i < handed_over_count; i++) free(handed_over[i]);
    return unused;
}

static void at_the_limit_what_others_freed_is_used(void **state) {
    (void)state;
    static char *blocks[20000];
    pthread_t thread;
    acre_arena *arena = create(&(struct acre_arena_options){.limit_bytes = MIB});
    handed_over_count = take_until_null(arena, 100, handed_over, 20000);
    pthread_create(&thread, NULL, free_handed_over, NULL);
    pthread_join(thread, NULL);
    int count = take_until_null(arena, 120, blocks, 20000);
    assert_true(count * 128 > (int)MIB * 9 / 10);
    for (int i = 0; i < count; i++) free(blocks[i]);
    assert_int_equal(stats_of(arena).live_blocks, 0);
    acre_arena_destroy(arena);
}

static void at_the_limit_what_threads_left_is_used(void **state) {
    (void)state;
    static char *blocks[20000];
    pthread_t thread;
    acre_arena *arena = create(&(struct acre_arena_options){.limit_bytes = MIB});
    pthread_create(&thread, NULL, fill_and_free_most, arena);
    pthread_join(thread, NULL);
    assert_true(take_until_null(arena, 120, blocks, 20000) > 5000);
    acre_arena_destroy(arena);
}

/* 41 sizes, 26 KiB in all. */
static int take_one_of_each(acre_arena *arena) {
    int taken = 0;
    for (size_t steps = 20; steps <= 60; steps++) taken += acre_arena_malloc(arena, steps * 16) != NULL;
    return taken;
}

/* What was refused in one life is no reason for carving more at a time in the next. */
static void what_was_refused_leaves_no_trace(void **state) {
    (void)state;
    acre_arena *arena = create(&(struct acre_arena_options){.limit_bytes = 64 * KIB});
    for (int life = 0; life < 5; life++) {
        assert_int_equal(take_one_of_each(arena), 41);
        while (acre_arena_malloc(arena, 16) != NULL) {
        }
        for (int refusals = 0; refusals < 5; refusals++) assert_null(acre_arena_malloc(arena, 16));
        if (life % 2 == 0) {
            acre_arena_reset(arena);
        } else {
            acre_arena_destroy(arena);
            arena = create(&(struct acre_arena_options){.limit_bytes = 64 * KIB});
        }
    }
    acre_arena_destroy(arena);
}

/* A new arena may get the records of one that had no limit, and that took many blocks of each size. */
static void under_a_low_limit_runs_are_short(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    for (size_t steps = 20; steps <= 60; steps++) {
        for (size_t bytes = 0; bytes < 9 * KIB; bytes += steps * 16) acre_arena_malloc(arena, steps * 16);
        acre_arena_reset(arena);
    }
    acre_arena_destroy(arena);
    arena = create(&(struct acre_arena_options){.limit_bytes = 64 * KIB});
    assert_int_equal(take_one_of_each(arena), 41);
    acre_arena_destroy(arena);
}

static void under_a_low_limit_realloc_stays(void **state) {
    (void)state;
    acre_arena *arena = create(&(struct acre_arena_options){.limit_bytes = MIB});
    char *block = acre_arena_malloc(arena, 20000);
    size_t usable_bytes = malloc_usable_size(block);
    assert_true(usable_bytes >= 20000 && realloc(block, usable_bytes) == block);
    assert_true(realloc(block, 20000) == block && realloc(block, 12000) == block);
    char *moved = realloc(block, 500);
    assert_true(moved != block && malloc_usable_size(moved) < 1000);
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

int arenas_books(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(books_agree_with_a_ledger),
        cmocka_unit_test(books_agree_after_frees_by_another_thread),
        cmocka_unit_test(small_blocks_count_by_their_class_large_ones_as_asked),
        cmocka_unit_test(walk_ends_when_visit_says_so),
        cmocka_unit_test(foreign_addresses_are_of_no_arena),
        cmocka_unit_test(contains_follows_a_huge_block),
        cmocka_unit_test(stats_of_null_are_the_default_arenas),
        cmocka_unit_test(books_are_open_to_visitors),
        cmocka_unit_test(visitors_may_release),
        cmocka_unit_test(source_calls_are_counted),
        cmocka_unit_test(resident_memory_is_the_kernels),
        cmocka_unit_test(at_the_limit_other_sizes_do),
        cmocka_unit_test(at_the_limit_what_others_freed_is_used),
        cmocka_unit_test(at_the_limit_what_threads_left_is_used),
        cmocka_unit_test(what_was_refused_leaves_no_trace),
        cmocka_unit_test(under_a_low_limit_runs_are_short),
        cmocka_unit_test(under_a_low_limit_realloc_stays),
        cmocka_unit_test(each_visits_every_arena_once),
    };
    return cmocka_run_group_tests_name("books", tests, NULL, NULL);
}
