#include "inspect/figures.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/os.h"
#include "slab/mixed.h"
#include "span/huge.h"

#include <string.h>

/* Live blocks of a slab, as far as can be seen from outside: what cursors hold counts as live here and is taken
 * off by count_cursors. */
static uint32_t slab_live(const struct acre_slab *slab) {
    ACRE_LOOK_AWAY();
    uint32_t not_live = acre_slab_count_free(slab);
    ACRE_LOOK_AGAIN();
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_acquire);
    for (uint32_t word = 0; remote != NULL && word < acre_slab_remote_words(slab); word++)
        not_live += acre_count_bits(atomic_load_explicit(&remote[word], memory_order_relaxed));
    return not_live < slab->total ? slab->total - not_live : 0;
}

static size_t mixed_live_bytes(const struct acre_slab *slab) {
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_acquire);
    uint32_t end = ACRE_PEEK(&slab->fresh_bytes) / ACRE_ALIGNMENT;
    size_t bytes = 0;
    for (uint32_t unit = 0, next; unit < end; unit = next) {
        next = acre_mixed_next(slab, unit);
        if (next <= unit) break; /* its owner has begun it anew meanwhile */
        bool is_remote =
            remote != NULL && (atomic_load_explicit(&remote[unit / 64], memory_order_relaxed) >> unit % 64 & 1);
        ACRE_LOOK_AWAY();
        bool is_free = acre_slab_is_free(slab, unit);
        ACRE_LOOK_AGAIN();
        if (!is_free && !is_remote) bytes += (next - unit) * ACRE_ALIGNMENT;
    }
    return bytes;
}

static size_t slab_live_bytes(const struct acre_slab *slab) {
    return acre_slab_is_mixed(slab) ? mixed_live_bytes(slab) : slab_live(slab) * acre_slab_block_bytes(slab);
}

static void add_slab(struct acre_figures *figures, struct acre_slab *slab) {
    uint32_t live = slab_live(slab);
    size_t live_bytes = slab_live_bytes(slab);
    figures->live_blocks += live;
    figures->live_bytes += live_bytes;
    size_t gone_bytes = live_bytes + (acre_count_bits(acre_slab_released_pages(slab)) << acre_page_shift());
    uint32_t fresh_bytes = ACRE_PEEK(&slab->fresh_bytes);
    if (fresh_bytes > gone_bytes) figures->free_slab_bytes += fresh_bytes - gone_bytes;
}

static void add_run(struct acre_chunk *chunk, uint32_t index, uint32_t pages, void *context) {
    struct acre_figures *figures = context;
    size_t run_bytes = (size_t)pages << acre_page_shift();
    if (acre_run_state(chunk, index) == ACRE_RUN_LARGE) {
        figures->large_bytes += run_bytes - acre_run_slack(chunk, index);
        figures->large_blocks++;
    } else if (acre_run_state(chunk, index) == ACRE_RUN_SLAB) {
        struct acre_span *span = acre_map_find(acre_run_address(chunk, index));
        if (span->kind != ACRE_SPAN_SMALL && span->kind != ACRE_SPAN_MEDIUM) return;
        add_slab(figures, (struct acre_slab *)span);
    }
}

static void count_cursors_of(struct acre_heap *heap, struct acre_figures *figures) {
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        size_t block_bytes = acre_class_bytes(size_class);
        ACRE_LOOK_AWAY();
        size_t blocks = acre_min(acre_cursor_blocks(&heap->cursor[size_class], size_class), figures->live_blocks);
        ACRE_LOOK_AGAIN();
        figures->live_blocks -= blocks;
        figures->live_bytes -= acre_min(blocks * block_bytes, figures->live_bytes);
        figures->free_slab_bytes += blocks * block_bytes;
    }
}

static void count_cursors(struct acre_thread *thread, void *context) { count_cursors_of(&thread->heap, context); }

/* Gives back the lock of the page heap. */
static void add_locked(struct acre_figures *figures, struct acre_page_heap *pages) {
    for (struct acre_node *node = pages->chunks.next; node != &pages->chunks; node = node->next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        size_t chunk_bytes = (size_t)chunk->pages << acre_page_shift();
        figures->chunks++;
        figures->held_bytes += chunk_bytes;
        if (chunk->from_break) figures->break_bytes += chunk_bytes;
        figures->free_page_bytes += (size_t)chunk->free_pages << acre_page_shift();
        figures->retained_bytes += (size_t)chunk->dirty_pages << acre_page_shift();
        if (chunk == pages->break_chunk && acre_chunk_last_free(chunk) != ACRE_NO_RUN)
            figures->top_bytes = (size_t)(chunk->pages - acre_chunk_last_free(chunk)) << acre_page_shift();
        acre_chunk_each_run(chunk, add_run, figures);
    }
    acre_unlock(&pages->lock);
}

static void add_chunks(struct acre_figures *figures, struct acre_page_heap *pages) {
    acre_lock(&pages->lock);
    add_locked(figures, pages);
}

/* An arena's own source is called with the lock, and may wait for whoever asks: then it is left out. */
static void add_chunks_of_all(struct acre_figures *figures, struct acre_page_heap *pages) {
    if (pages->lock.rank != ACRE_RANK_CUSTOM_PAGES)
        add_chunks(figures, pages);
    else if (acre_lock_briefly(&pages->lock))
        add_locked(figures, pages);
}

static void add_huge(struct acre_figures *figures, const struct acre_huge_space *space) {
    struct acre_huge_figures huge = acre_huge_figures(space);
    figures->huge_bytes += huge.asked_bytes;
    figures->huge_blocks += huge.live_blocks;
    figures->held_bytes += huge.live_bytes;
}

static void finish(struct acre_figures *figures) {
    figures->live_bytes += figures->large_bytes + figures->huge_bytes;
    figures->live_blocks += figures->large_blocks + figures->huge_blocks;
    figures->retained_bytes += figures->cached_bytes + figures->free_slab_bytes;
}

/* What an arena has to itself besides its chunks: its huge blocks; its heaps' cursors. */
static void add_rest(struct acre_figures *figures, struct acre_arena *arena) {
    add_huge(figures, &arena->huge);
    acre_lock(acre_heap_lock());
    for (struct acre_node *node = arena->depot.heaps.next; node != &arena->depot.heaps; node = node->next)
        count_cursors_of(ACRE_CONTAINER_OF(node, struct acre_heap, depot_node), figures);
    acre_unlock(acre_heap_lock());
}

static bool add_arena(struct acre_arena *arena, void *context) {
    add_chunks_of_all(context, &arena->pages);
    add_rest(context, arena);
    return true;
}

static void add_borrowed(struct acre_figures *figures, struct acre_depot *depot) {
    acre_lock(&depot->lock);
    for (unsigned place = 0; place < ACRE_BORROWED_MOST; place++) {
        if (depot->borrowed[place] != NULL) add_slab(figures, depot->borrowed[place]);
    }
    figures->held_bytes += depot->borrowed_granules * ACRE_GRANULE_BYTES;
    acre_unlock(&depot->lock);
}

/* Of the cursors, which are taken off, no more than there is: so these are last. */
static void add_default(struct acre_figures *figures) {
    add_huge(figures, &acre_default_arena.huge);
    figures->cached_bytes = acre_huge_cached_bytes();
    figures->held_bytes += figures->cached_bytes;
    acre_thread_each(count_cursors, figures);
}

void acre_figures_collect(struct acre_figures *figures) {
    struct acre_page_heap *shared = acre_arena_shared_pages();
    memset(figures, 0, sizeof *figures);
    figures->metadata_bytes = acre_metadata_bytes();
    if (acre_default_arena.name == NULL) return;
    add_chunks(figures, &acre_default_arena.pages);
    if (shared != NULL) add_chunks(figures, shared);
    acre_arena_visit_all(add_arena, figures);
    add_default(figures);
    finish(figures);
}

void acre_figures_of(struct acre_arena *arena, struct acre_figures *figures) {
    memset(figures, 0, sizeof *figures);
    if (arena == &acre_default_arena) {
        add_chunks(figures, &arena->pages);
        add_default(figures);
    } else {
        add_borrowed(figures, &arena->depot);
        add_chunks(figures, &arena->pages);
        add_rest(figures, arena);
    }
    finish(figures);
}

static size_t resident_bytes(struct acre_extent extent) {
    size_t step_bytes = (size_t)1024 << acre_page_shift(), sum_bytes = 0;
    for (size_t at = 0; at < extent.size_bytes; at += step_bytes)
        sum_bytes +=
            acre_os_resident_bytes((void *)(extent.base + at), acre_min(extent.size_bytes - at, step_bytes));
    return sum_bytes;
}

/* The kernel takes its time over a large heap: it is asked without a lock, for a few extents after the other. What
 * is unmapped meanwhile is not in memory, it says. */
#define BATCH_MOST 64u
struct batch {
    struct acre_extent extent[BATCH_MOST];
    unsigned count;
    size_t passed, before; /* those that were seen in this round; and that came in earlier ones */
};

static bool add_to_batch(struct batch *batch, uintptr_t base, size_t size_bytes) {
    if (batch->passed++ < batch->before) return true;
    batch->extent[batch->count++] = (struct acre_extent){base, size_bytes};
    return batch->count < BATCH_MOST;
}

/* Whether there may be more. */
static bool ask_of_batch(struct batch *batch, size_t *sum_bytes) {
    bool was_full = batch->count == BATCH_MOST;
    for (unsigned i = 0; i < batch->count; i++) *sum_bytes += resident_bytes(batch->extent[i]);
    batch->before += batch->count;
    batch->count = 0;
    batch->passed = 0;
    return was_full;
}

static bool add_huge_to_batch(struct acre_huge *huge, void *batch) {
    return add_to_batch(batch, huge->span.base, huge->mapped_bytes);
}

static size_t resident_of_huge(struct acre_huge_space *space) {
    struct batch batch = {.count = 0};
    size_t sum_bytes = 0;
    do acre_huge_space_each(space, add_huge_to_batch, &batch);
    while (ask_of_batch(&batch, &sum_bytes));
    return sum_bytes;
}

static size_t resident_of_chunks(struct acre_page_heap *pages) {
    struct batch batch = {.count = 0};
    size_t sum_bytes = 0;
    do {
        bool more = true;
        acre_lock(&pages->lock);
        for (struct acre_node *node = pages->chunks.next; more && node != &pages->chunks; node = node->next) {
            struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
            more = add_to_batch(&batch, chunk->span.base, (size_t)chunk->pages << acre_page_shift());
        }
        acre_unlock(&pages->lock);
    } while (ask_of_batch(&batch, &sum_bytes));
    return sum_bytes;
}

static size_t resident_of_borrowed(struct acre_depot *depot) {
    struct batch batch = {.count = 0};
    size_t sum_bytes = 0;
    _Static_assert(ACRE_BORROWED_MOST <= BATCH_MOST, "one batch has them all");
    acre_lock(&depot->lock);
    for (unsigned place = 0; place < ACRE_BORROWED_MOST; place++) {
        const struct acre_slab *slab = depot->borrowed[place];
        if (slab != NULL)
            add_to_batch(&batch, slab->span.base, acre_class_granules(slab->span.size_class) * ACRE_GRANULE_BYTES);
    }
    acre_unlock(&depot->lock);
    ask_of_batch(&batch, &sum_bytes);
    return sum_bytes;
}

size_t acre_figures_resident(struct acre_arena *arena) {
    return resident_of_chunks(&arena->pages) + resident_of_borrowed(&arena->depot) + resident_of_huge(&arena->huge);
}

struct picture {
    size_t cell_bytes, live[64], seen[64];
    size_t at_bytes; /* of the run in hand, from the first chunk on */
    unsigned cells;
};

/* Spreads a run's live bytes over the cells it lies in. */
static void draw_run(struct acre_chunk *chunk, uint32_t index, uint32_t pages, void *context) {
    struct picture *picture = context;
    size_t run_bytes = (size_t)pages << acre_page_shift(), live_bytes = 0;
    if (acre_run_state(chunk, index) == ACRE_RUN_LARGE) live_bytes = run_bytes - acre_run_slack(chunk, index);
    if (acre_run_state(chunk, index) == ACRE_RUN_SLAB) {
        struct acre_span *span = acre_map_find(acre_run_address(chunk, index));
        if (span->kind == ACRE_SPAN_SMALL || span->kind == ACRE_SPAN_MEDIUM)
            live_bytes = slab_live((struct acre_slab *)span) * acre_slab_block_bytes((struct acre_slab *)span);
    }
    for (size_t left_bytes = run_bytes; left_bytes > 0;) {
        unsigned cell = (unsigned)acre_min(picture->at_bytes / picture->cell_bytes, picture->cells - 1);
        size_t end_bytes = cell + 1 == picture->cells ? SIZE_MAX : (cell + 1) * picture->cell_bytes;
        size_t part_bytes = acre_min(left_bytes, end_bytes - picture->at_bytes);
        picture->seen[cell] += part_bytes;
        picture->live[cell] += (size_t)((double)live_bytes * (double)part_bytes / (double)run_bytes);
        picture->at_bytes += part_bytes;
        left_bytes -= part_bytes;
    }
}

/* The next chunk in address order; the list is in order of making. Chunks are few enough for this. */
static struct acre_chunk *next_above(struct acre_page_heap *pages, uintptr_t address) {
    struct acre_chunk *next = NULL;
    for (struct acre_node *node = pages->chunks.next; node != &pages->chunks; node = node->next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        if (chunk->span.base > address && (next == NULL || chunk->span.base < next->span.base)) next = chunk;
    }
    return next;
}

unsigned acre_figures_picture(uint8_t *cells, unsigned most) {
    struct acre_page_heap *pages = &acre_default_arena.pages;
    struct picture picture;
    memset(&picture, 0, sizeof picture);
    if (acre_default_arena.name == NULL) return 0;
    acre_lock(&pages->lock);
    picture.cells = acre_min(most, 64);
    picture.cell_bytes = acre_max(pages->chunk_bytes / picture.cells, 1);
    uintptr_t address = 0;
    for (struct acre_chunk *chunk; (chunk = next_above(pages, address)) != NULL; address = chunk->span.base)
        acre_chunk_each_run(chunk, draw_run, &picture);
    acre_unlock(&pages->lock);
    for (unsigned cell = 0; cell < picture.cells; cell++) {
        size_t percent = picture.seen[cell] == 0 ? 255 : picture.live[cell] * 100 / picture.seen[cell];
        cells[cell] = (uint8_t)percent;
    }
    return picture.cells;
}
