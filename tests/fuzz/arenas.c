/* Arenas, and what the model knows of them. */
#include "fuzz/fuzz.h"

#include "support/check.h"

#include "arena/arena.h"
#include "span/huge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

struct fuzz_place fuzz_place[fuzz_places];
static const size_t range_bytes = 3 * MIB, too_much_bytes = (size_t)1 << 36;

/* ---- the caller's own source */

static bool has_entered_none(void) { return acre_this_heap == &acre_this_thread->heap; }

/* Sources may call malloc; but for the arena itself, which the thread may have entered. */
static void use_malloc(const struct fuzz_place *place) {
    if (!place->custom.allocates || !has_entered_none()) return;
    void *block = malloc(48);
    CHECK(block != NULL);
    memset(block, 0xee, 48);
    free(block);
}

/* What the arena does not give back goes after its end. */
static void keep(struct fuzz_place *place, void *start, size_t size_bytes) {
    unsigned at = atomic_fetch_add(&place->custom.kept_count, 1);
    CHECK(at < fuzz_kept_most);
    place->custom.kept[at].start = start;
    place->custom.kept[at].size_bytes = size_bytes;
}

static void unmap_kept(struct fuzz_place *place) {
    for (unsigned at = 0; at < atomic_load(&place->custom.kept_count); at++)
        CHECK(munmap(place->custom.kept[at].start, place->custom.kept[at].size_bytes) == 0);
}

static void *take(void *context, size_t size_bytes, size_t alignment) {
    struct fuzz_place *place = context;
    CHECK(size_bytes > 0 && size_bytes % (64 * KIB) == 0);
    CHECK(alignment >= 64 * KIB && (alignment & (alignment - 1)) == 0);
    use_malloc(place);
    if (size_bytes > too_much_bytes) return NULL;
    if (place->custom.fails && atomic_fetch_add(&place->custom.calls, 1) % 3 == 2) return NULL;
    char *all = mmap(NULL, size_bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECKF(all != MAP_FAILED, "%zu bytes aligned to %zu, errno %d", size_bytes, alignment, errno);
    char *start = (char *)(((uintptr_t)all + alignment - 1) & ~(alignment - 1));
    if (start > all) munmap(all, (size_t)(start - all));
    munmap(start + size_bytes, (size_t)(all + alignment - start));
    memset(start, 0xcc, size_bytes < 128 * KIB ? size_bytes : 128 * KIB);
    atomic_fetch_add(&place->custom.taken_bytes, size_bytes);
    if (!place->custom.gives) keep(place, start, size_bytes);
    return start;
}

static bool give(void *context, void *start, size_t size_bytes) {
    struct fuzz_place *place = context;
    use_malloc(place);
    CHECK(atomic_fetch_sub(&place->custom.taken_bytes, size_bytes) >= size_bytes);
    CHECK(munmap(start, size_bytes) == 0);
    return true;
}

/* ---- beginning and end */

static char *range_of(int place) {
    static char *ranges;
    if (ranges == NULL) {
        ranges = mmap(NULL, fuzz_places * range_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(ranges != MAP_FAILED);
    }
    memset(ranges + (size_t)place * range_bytes, 0xcc, 256 * KIB);
    return ranges + (size_t)place * range_bytes;
}

static void choose_source(unsigned kind, unsigned value, int number, struct acre_arena_options *options) {
    struct fuzz_place *place = &fuzz_place[number];
    switch (kind % 8) {
    case 0:
        options->source = ACRE_SOURCE_BRK;
        break;
    case 1:
        options->source = ACRE_SOURCE_MMAP;
        break;
    case 2:
        options->source = ACRE_SOURCE_RANGE;
        options->range = range_of(number) + value * 16;
        options->range_bytes = 160 * KIB + value * 8 * KIB;
        place->may_fail = true;
        break;
    case 3:
        options->reserve_bytes = 64 * KIB + value * 32 * KIB;
        place->may_fail = true;
        break;
    case 4:
    case 5:
        options->source = ACRE_SOURCE_CUSTOM;
        place->custom.fails = value % 2 != 0;
        place->custom.gives = value / 2 % 4 != 0;
        place->custom.allocates = value / 8 % 2 != 0;
        atomic_store(&place->custom.taken_bytes, 0);
        atomic_store(&place->custom.calls, 0);
        options->functions = (struct acre_source_functions){take, place->custom.gives ? give : NULL, place};
        place->may_fail |= place->custom.fails;
        break;
    default:
        break;
    }
}

void fuzz_create(struct fuzz_thread *self, int number) {
    struct fuzz_place *place = &fuzz_place[number];
    unsigned kind = input_byte(&self->input), value = input_byte(&self->input), limit = input_byte(&self->input);
    struct acre_arena_options options;
    if (place->arena != NULL) return;
    memset(&options, 0, sizeof options);
    place->may_fail = limit < 90;
    place->zeroed = options.zeroed = kind >= 128;
    options.limit_bytes = limit < 90 ? 64 * KIB * (1 + limit) : 0;
    place->limit_bytes = options.limit_bytes;
    options.thp = (enum acre_thp)(limit % 3);
    options.name = "fuzz";
    memset(&place->custom, 0, sizeof place->custom);
    choose_source(kind, value, number, &options);
    atomic_store(&place->live_blocks, 0);
    place->arena = acre_arena_create(&options);
    CHECKF(place->arena != NULL, "source %d, errno %d", (int)options.source, errno);
}

static bool is_entered(int place) {
    for (int thread = 0; thread < fuzz_threads; thread++)
        for (int depth = 0; depth < fuzz_thread[thread].depth; depth++)
            if (fuzz_thread[thread].entered[depth] == place) return true;
    return false;
}

void fuzz_end_arena(struct fuzz_thread *self, int number, bool destroy) {
    struct fuzz_place *place = &fuzz_place[number];
    (void)self;
    if (place->arena == NULL || (destroy && is_entered(number))) return;
    fuzz_forget_blocks_of(number);
    if (!destroy) {
        acre_arena_reset(place->arena);
        fuzz_check_books(number);
        return;
    }
    acre_arena_destroy(place->arena);
    place->arena = NULL;
    if (place->custom.gives) CHECK(atomic_load(&place->custom.taken_bytes) == 0);
    unmap_kept(place);
}

void fuzz_destroy_all(struct fuzz_thread *self) {
    while (self->depth > 0) fuzz_leave(self);
    for (int place = 0; place < fuzz_places; place++) {
        fuzz_check_books(place);
        fuzz_end_arena(self, place, true);
    }
}

/* ---- a thread's own malloc */

void fuzz_enter(struct fuzz_thread *self, int place) {
    if (fuzz_place[place].arena == NULL || self->depth == fuzz_entered_most) return;
    if (acre_arena_enter(fuzz_place[place].arena)) self->entered[self->depth++] = place;
}

void fuzz_leave(struct fuzz_thread *self) {
    if (self->depth == 0) return;
    acre_arena_leave();
    self->depth--;
}

/* ---- the books */

static bool count_block(void *block, size_t size_bytes, void *context) {
    CHECK(size_bytes > 0 || block != NULL);
    ++*(long *)context;
    return true;
}

/* In the child of a fork a few blocks are lost, which were on their way: they count as live there. */
void fuzz_check_books(int number) {
    struct fuzz_place *place = &fuzz_place[number];
    struct acre_arena_figures stats;
    long live = atomic_load(&place->live_blocks), walked = 0;
    if (place->arena == NULL) return;
    acre_arena_stats(place->arena, &stats);
    CHECK(acre_arena_walk(place->arena, count_block, &walked));
    CHECKF((long)stats.live_blocks == live || (fuzz_is_alone && (long)stats.live_blocks > live),
           "stats %zu, model %ld", stats.live_blocks, live);
    CHECKF(walked == live || (fuzz_is_alone && walked > live), "walked %ld, model %ld", walked, live);
    CHECKF(place->limit_bytes == 0 || stats.held_peak_bytes <= place->limit_bytes, "peak %zu, limit %zu",
           stats.held_peak_bytes, place->limit_bytes);
}

static bool count_arena(acre_arena *arena, const char *name, void *context) {
    CHECK(strcmp(name, "fuzz") == 0);
    for (int place = 0; place < fuzz_places; place++)
        if (fuzz_place[place].arena == arena) ++*(int *)context;
    return true;
}

void fuzz_each_arena(void) {
    int seen = 0, made = 0;
    for (int place = 0; place < fuzz_places; place++) made += fuzz_place[place].arena != NULL;
    CHECK(acre_arena_each(count_arena, &seen));
    CHECKF(seen == made, "seen %d, made %d", seen, made);
}

void fuzz_validate(void) {
    if (!acre_heap_is_made()) return;
    CHECK(acre_heap_is_valid(&acre_this_thread->heap));
    CHECK(acre_page_heap_is_valid(&acre_default_arena.pages));
    CHECK(acre_huge_is_valid(&acre_default_arena.huge));
    for (int place = 0; place < fuzz_places; place++) {
        if (fuzz_place[place].arena == NULL) continue;
        struct acre_arena *arena = acre_arena_of_place(fuzz_place[place].arena);
        CHECK(arena != NULL);
        CHECK(acre_page_heap_is_valid(&arena->pages));
        CHECK(acre_huge_is_valid(&arena->huge));
        struct acre_heap *heap = acre_heap_for(&arena->depot);
        if (heap != NULL) CHECK(acre_heap_is_valid(heap));
    }
}
