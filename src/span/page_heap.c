#include "span/page_heap.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "options/options.h"
#include "os/os.h"
#include "span/decay.h"
#include "span/huge.h"
#include "span/page_heap_chunks.h"
#include "span/released.h"

/* Of free pages that hold old data there may be this part of what is in use, when untouched pages are taken and
 * when pages are freed, doubled a few times where that proves useful; a run of fewer pages is not worth a system
 * call. */
#define DIRTY_LEAST ((size_t)256 << 10)
#define DIRTY_PART 16
#define FREED_PART 4
#define DOUBLINGS_MOST 5
/* A page that was released too early costs about 2 microseconds, so at 4 pages a millisecond that is 0.8 % of the
 * time at the worst. Who did not release for a while may release a part of what is in use at once. */
#define RELEASE_BYTES_PER_MS ((size_t)16 << 10)
#define RELEASE_AT_ONCE_LEAST ((size_t)4 << 20)
#define RELEASE_AT_ONCE_PART 2
#define RELEASE_LEAST_PAGES 4
/* Free granules that are looked at for the best place of a slab: as many as this part of those in use. */
#define LOOKED_AT_PART 8
#define LOOKED_AT_LEAST 8u
#define LOOKED_AT_MOST 512u
/* A huge page is broken up for this part of a chunk at the least. */
#define HUGE_PART 4

void acre_page_heap_start(struct acre_page_heap *heap, const struct acre_page_policy *policy,
                          struct acre_supplier *supplier) {
    heap->lock = (struct acre_lock)ACRE_LOCK(ACRE_RANK_PAGES);
    heap->policy = *policy;
    heap->supplier = supplier;
    acre_list_start(&heap->chunks);
    acre_list_start(&heap->granules);
    for (unsigned bucket = 0; bucket < ACRE_RUN_BUCKETS; bucket++) acre_list_start(&heap->buckets[bucket]);
    heap->break_chunk = NULL;
    heap->chunk_bytes = 0;
    heap->free_pages = heap->dirty_pages = 0;
    heap->balance = (struct acre_balance){.allowed_bytes = RELEASE_AT_ONCE_LEAST};
    heap->keep_bytes = policy->keep_bytes;
    heap->gave_ms = 0;
    heap->huge_chunks_left = 0;
    heap->looked_ms = 0; /* a clock is not read before there is something to look at: programs may be tiny */
    heap->next_visit = &heap->chunks;
}

void acre_page_heap_stop_huge_pages(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    if (!chunk->advised) return;
    chunk->advised = false;
    acre_chunk_mark_dirty(chunk);
    acre_chunks_count(heap, chunk);
    acre_os_advise_huge_pages((void *)chunk->span.base, acre_chunk_bytes(chunk), false);
}

/* Releases the dirty pages in [page, end) of a free run. */
static bool release_pages(struct acre_page_heap *heap, struct acre_chunk *chunk, uint32_t page, uint32_t end) {
    bool released = false;
    if (heap->supplier->keeps_pages) return false;
    unsigned shift = acre_page_shift();
    while (page < end) {
        uint32_t from = page;
        while (page < end && (chunk->dirty[page / 64] >> page % 64 & 1) != 0) page++;
        if (page == from) {
            page++;
            continue;
        }
        acre_page_heap_stop_huge_pages(heap, chunk);
        size_t bytes = (size_t)(page - from) << shift;
        if (acre_os_release((void *)(chunk->span.base + ((uintptr_t)from << shift)), bytes)) {
            acre_chunk_note_released(chunk, from, page - from);
            acre_supplier_note_released(heap->supplier, ACRE_RELEASED_PAGES, bytes);
            released = true;
        }
    }
    return released;
}

/* Releases what is free behind the first keep_bytes of the chunk. */
static bool release_chunk(struct acre_page_heap *heap, struct acre_chunk *chunk, size_t keep_bytes) {
    bool released = false;
    uint32_t keep_pages = (uint32_t)(keep_bytes >> acre_page_shift());
    for (uint32_t index = 0; index < chunk->pages; index += acre_run_pages(chunk, index)) {
        if (acre_run_state(chunk, index) != ACRE_RUN_FREE) continue;
        uint32_t from = index > keep_pages ? index : keep_pages;
        released |= release_pages(heap, chunk, from, index + acre_run_pages(chunk, index));
    }
    acre_chunks_count(heap, chunk);
    return released;
}

/* Releases whole runs from the chunk's end on until no more than `most` pages of the heap are dirty. Runs are cut
 * off the front first, so these are the ones that would wait longest. */
static void release_until(struct acre_page_heap *heap, struct acre_chunk *chunk, size_t most) {
    for (uint32_t end = chunk->pages, index; end > 0 && heap->dirty_pages > most; end = index) {
        index = end - acre_run_pages(chunk, end - 1);
        if (acre_run_state(chunk, end - 1) != ACRE_RUN_FREE || end - index < RELEASE_LEAST_PAGES) continue;
        release_pages(heap, chunk, index, end);
        acre_chunks_count(heap, chunk);
    }
}

static void release_until_all(struct acre_page_heap *heap, size_t most) {
    for (struct acre_node *node = heap->chunks.prev; node != &heap->chunks; node = node->prev) {
        if (heap->dirty_pages <= most) return;
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        if (chunk->dirty_pages > 0) release_until(heap, chunk, most);
    }
}

static size_t huge_live_bytes(const struct acre_page_heap *heap) {
    return heap->policy.minds_huge_blocks ? acre_huge_live_bytes() : 0;
}
static size_t huge_cached_bytes(const struct acre_page_heap *heap) {
    return heap->policy.minds_huge_blocks ? acre_huge_cached_bytes() : 0;
}
static size_t huge_fresh_bytes(const struct acre_page_heap *heap) {
    return heap->policy.minds_huge_blocks ? acre_huge_fresh_bytes() : 0;
}
size_t acre_page_heap_used_bytes(const struct acre_page_heap *heap) {
    size_t chunk_bytes = ACRE_PEEK(&heap->chunk_bytes);
    return chunk_bytes - acre_min(chunk_bytes, ACRE_PEEK(&heap->free_pages) << acre_page_shift());
}
static size_t used_bytes(const struct acre_page_heap *heap) {
    return acre_page_heap_used_bytes(heap) + huge_live_bytes(heap);
}
size_t acre_page_heap_spare_bytes(const struct acre_page_heap *heap) {
    return (ACRE_PEEK(&heap->dirty_pages) << acre_page_shift()) + huge_cached_bytes(heap);
}

/* Whether the program had use for what was given back: it took more untouched pages since than its peak grew by.
 * Then twice as much may lie there from now on, else half as much. */
static void learn_from_release(struct acre_page_heap *heap) {
    struct acre_balance *state = &heap->balance;
    size_t untouched_bytes = state->untouched_bytes + huge_fresh_bytes(heap) - state->fresh_huge_bytes;
    untouched_bytes -= acre_min(untouched_bytes, state->waited_bytes);
    if (untouched_bytes == 0) return;
    if (state->released_bytes > 0 && untouched_bytes > state->grown_bytes + state->released_bytes / 2)
        state->doublings += state->doublings < DOUBLINGS_MOST;
    else
        state->doublings -= state->doublings > 0;
    state->released_bytes = state->untouched_bytes = state->grown_bytes = state->waited_bytes = 0;
    state->fresh_huge_bytes = huge_fresh_bytes(heap);
}

/* How much may be released now, of what lies between blocks. */
static size_t allowed_bytes(struct acre_page_heap *heap) {
    struct acre_balance *state = &heap->balance;
    uint64_t now_ms = acre_os_clock_ms();
    size_t most_bytes = acre_max(RELEASE_AT_ONCE_LEAST, used_bytes(heap) / RELEASE_AT_ONCE_PART);
    size_t passed_ms = acre_min(now_ms - state->allowed_ms, most_bytes / RELEASE_BYTES_PER_MS);
    state->allowed_ms = now_ms;
    state->allowed_bytes = acre_min(state->allowed_bytes + passed_ms * RELEASE_BYTES_PER_MS, most_bytes);
    return state->allowed_bytes;
}

/* Gives back half of the free pages that hold old data, the huge cache's among them, when they are more than
 * most_bytes. What could not be given back (short runs, locked pages) is not tried again until there is more. */
static void bound_spare(struct acre_page_heap *heap, size_t most_bytes) {
    size_t before_bytes = acre_page_heap_spare_bytes(heap);
    if (heap->supplier->keeps_pages) return;
    heap->balance.left_bytes = acre_min(heap->balance.left_bytes, before_bytes);
    if (before_bytes <= acre_max(most_bytes, heap->balance.left_bytes + DIRTY_LEAST)) return;
    most_bytes = acre_max(most_bytes / 2, before_bytes - acre_min(before_bytes, allowed_bytes(heap)));
    if (before_bytes - most_bytes < DIRTY_LEAST / 2) return;
    learn_from_release(heap);
    if (heap->policy.minds_huge_blocks) acre_huge_limit_cache(most_bytes / 2);
    release_until_all(heap, (most_bytes - acre_min(huge_cached_bytes(heap), most_bytes)) >> acre_page_shift());
    heap->balance.left_bytes = acre_page_heap_spare_bytes(heap);
    size_t released_bytes = before_bytes - acre_min(before_bytes, heap->balance.left_bytes);
    heap->balance.released_bytes += released_bytes;
    heap->balance.allowed_bytes -= acre_min(released_bytes, heap->balance.allowed_bytes);
}

/* After pages were taken: if some of them were untouched though others lie free with old data, these were of no
 * use, and they are not to add to the peak. */
static void balance(struct acre_page_heap *heap, const struct acre_span_place *place) {
    struct acre_balance *state = &heap->balance;
    size_t used = used_bytes(heap), grown_bytes = used - acre_min(used, state->peak_bytes);
    state->peak_bytes += grown_bytes;
    state->grown_bytes += grown_bytes - acre_min(grown_bytes, (size_t)place->unused << acre_page_shift());
    if (place->untouched == 0) return;
    state->untouched_bytes += (size_t)place->untouched << acre_page_shift();
    bound_spare(heap, acre_max(DIRTY_LEAST, used / DIRTY_PART) << state->doublings);
}

bool acre_page_heap_may_release(const struct acre_chunk *chunk, uint32_t pages) {
    return !chunk->advised || pages >= chunk->pages / HUGE_PART;
}

size_t acre_page_heap_look(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    uint32_t before_pages = chunk->dirty_pages;
    if (before_pages == 0 || !acre_page_heap_may_release(chunk, chunk->free_pages)) return 0;
    for (uint32_t index = 0, end; index < chunk->pages; index = end) {
        end = index + acre_run_pages(chunk, index);
        if (acre_run_state(chunk, index) != ACRE_RUN_FREE) continue;
        uint32_t page = index;
        for (uint32_t pages; (pages = acre_chunk_find_waited(chunk, &page, end)) > 0; page += pages)
            release_pages(heap, chunk, page, page + pages);
    }
    acre_chunk_look(chunk);
    acre_chunks_count(heap, chunk);
    size_t released_bytes = (size_t)(before_pages - chunk->dirty_pages) << acre_page_shift();
    heap->balance.waited_bytes += released_bytes;
    return released_bytes;
}

/* A program without a scavenger looks at its free pages itself, where it frees some. */
static void look_now_and_then(struct acre_page_heap *heap) {
    uint32_t decay_ms = heap->policy.decay_ms;
    if (decay_ms == ACRE_OPTION_NEVER) return;
    acre_decay_note();
    uint64_t now_ms = acre_os_clock_ms();
    if (now_ms - heap->looked_ms < acre_decay_shorten(decay_ms)) return;
    heap->looked_ms = now_ms;
    for (struct acre_node *node = heap->chunks.next; node != &heap->chunks; node = node->next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        if (decay_ms == 0)
            release_chunk(heap, chunk, 0);
        else
            acre_page_heap_look(heap, chunk);
    }
}

/* After a free: gives back what is not to be kept. */
static void after_free(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    size_t before_bytes = heap->chunk_bytes;
    acre_chunks_file(heap, chunk);
    if (chunk->from_break) {
        struct acre_chunk *top = heap->break_chunk;
        bool may_lower = chunk == top || (top != NULL && top->free_pages == top->pages);
        size_t enough_bytes = ACRE_TRIM_LEAST_BYTES + heap->keep_bytes;
        if (may_lower && acre_chunks_tail_bytes(heap, enough_bytes) >= enough_bytes)
            acre_chunks_lower_break(heap, heap->keep_bytes);
    } else if (chunk->free_pages == chunk->pages) {
        size_t free_bytes = acre_chunks_free_bytes(heap);
        if (free_bytes > acre_max(heap->keep_bytes, ACRE_CHUNK_BYTES))
            acre_chunks_unmap(heap, chunk);
        else if (free_bytes > heap->keep_bytes)
            release_chunk(heap, chunk, heap->keep_bytes);
    }
    if (heap->chunk_bytes < before_bytes) heap->gave_ms = acre_os_clock_ms();
    /* What lies between blocks in use is not to pile up either. */
    bound_spare(heap, huge_cached_bytes(heap) + heap->keep_bytes +
                          (used_bytes(heap) / FREED_PART << heap->balance.doublings));
    if (heap->dirty_pages > 0) look_now_and_then(heap);
}

/* The chunk of the best place for a slab, and its page there; or NULL. Of the lowest granules only, by how much is
 * in use: in a heap that shrinks the others are to become free. */
static struct acre_chunk *find_place(struct acre_page_heap *heap, uint32_t granules, uint32_t touched_pages,
                                     uint32_t *index) {
    struct acre_chunk *best = NULL;
    uint32_t best_price = UINT32_MAX, price;
    uint32_t left = (uint32_t)(acre_page_heap_used_bytes(heap) / ACRE_GRANULE_BYTES / LOOKED_AT_PART);
    left = (uint32_t)acre_max(LOOKED_AT_LEAST, acre_min(left, LOOKED_AT_MOST));
    for (struct acre_node *node = heap->granules.next; node != &heap->granules && left > 0; node = node->next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, granule_node);
        uint32_t found = acre_chunk_find_granules(chunk, granules, touched_pages, left, &price);
        if (found == ACRE_NO_RUN) continue;
        if (price < best_price) {
            best = chunk;
            best_price = price;
            *index = found;
        }
        if (best_price <= ACRE_PRICE_FINE) break;
        left -= (uint32_t)acre_min(left, acre_count_bits(chunk->free_granules));
    }
    return best;
}

static struct acre_span_place span_from(struct acre_page_heap *heap, uint32_t granules, uint32_t touched_pages) {
    uint32_t index = 0;
    struct acre_chunk *chunk = find_place(heap, granules, touched_pages, &index);
    if (chunk == NULL) return (struct acre_span_place){0};
    uint32_t pages = (uint32_t)(granules * ACRE_GRANULE_BYTES >> acre_page_shift());
    uint32_t expected = touched_pages == 0 ? pages : (uint32_t)acre_min(touched_pages, pages);
    struct acre_span_place place = {.base = chunk->span.base + ((uintptr_t)index << acre_page_shift()),
                                    .chunk = chunk,
                                    .pages = pages,
                                    .dirty = acre_chunk_count_dirty(chunk, index, pages),
                                    .unused = pages - expected,
                                    .untouched = expected - acre_chunk_count_dirty(chunk, index, expected)};
    acre_chunk_take_granules(chunk, index, granules);
    acre_chunks_file(heap, chunk);
    return place;
}

struct acre_span_place acre_page_heap_take_span(struct acre_page_heap *heap, uint32_t granules,
                                                uint32_t touched_pages, struct acre_span *span) {
    size_t size_bytes = granules * ACRE_GRANULE_BYTES;
    acre_lock(&heap->lock);
    struct acre_span_place place = span_from(heap, granules, touched_pages);
    if (place.base == 0 && acre_chunks_grow(heap, size_bytes)) place = span_from(heap, granules, touched_pages);
    if (place.base != 0) {
        span->base = place.base;
        acre_map_set(place.base, size_bytes, span);
        balance(heap, &place);
    }
    acre_unlock(&heap->lock);
    return place;
}

static uint32_t page_index(const struct acre_chunk *chunk, uintptr_t address) {
    return (uint32_t)((address - chunk->span.base) >> acre_page_shift());
}

void acre_page_heap_give_span(struct acre_page_heap *heap, struct acre_chunk *chunk, uintptr_t base,
                              uint32_t granules, size_t touched_bytes, uint64_t released_pages) {
    size_t size_bytes = granules * ACRE_GRANULE_BYTES, page_bytes = (size_t)1 << acre_page_shift();
    uint32_t index = page_index(chunk, base);
    acre_map_set(base, size_bytes, &chunk->span);
    acre_chunk_free(chunk, index, (uint32_t)(size_bytes / page_bytes),
                    (uint32_t)(acre_align_up(touched_bytes, page_bytes) / page_bytes));
    for (; released_pages != 0; released_pages &= released_pages - 1)
        acre_chunk_note_released(chunk, index + acre_lowest_bit(released_pages), 1);
    after_free(heap, chunk);
}

static struct acre_span_place large_from(struct acre_page_heap *heap, uint32_t pages, uint32_t alignment_pages) {
    struct acre_span_place place = {0};
    for (unsigned bucket = acre_log2_floor(pages); bucket < ACRE_RUN_BUCKETS; bucket++) {
        for (struct acre_node *node = heap->buckets[bucket].next; node != &heap->buckets[bucket];
             node = node->next) {
            struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, run_node);
            if (chunk->longest_run < pages) continue;
            uint32_t index = acre_chunk_take(chunk, pages, alignment_pages, ACRE_RUN_LARGE, &place.dirty);
            if (index == ACRE_NO_RUN) continue;
            place.base = chunk->span.base + ((uintptr_t)index << acre_page_shift());
            place.chunk = chunk;
            place.pages = pages;
            acre_chunks_file(heap, chunk);
            return place;
        }
    }
    return place;
}

struct acre_span_place acre_page_heap_take_large(struct acre_page_heap *heap, size_t size_bytes, size_t alignment) {
    size_t page_bytes = (size_t)1 << acre_page_shift(), run_bytes = acre_align_up(size_bytes, page_bytes);
    uint32_t pages = (uint32_t)(run_bytes / page_bytes);
    uint32_t alignment_pages = alignment > page_bytes ? (uint32_t)(alignment / page_bytes) : 1;
    acre_lock(&heap->lock);
    struct acre_span_place place = large_from(heap, pages, alignment_pages);
    if (place.base == 0) {
        size_t least_bytes = run_bytes + (alignment_pages > 1 ? alignment - page_bytes : 0);
        if (acre_chunks_grow(heap, least_bytes)) place = large_from(heap, pages, alignment_pages);
    }
    if (place.base != 0) {
        acre_run_set_slack(place.chunk, page_index(place.chunk, place.base), (uint32_t)(run_bytes - size_bytes));
        place.untouched = place.pages - place.dirty;
        balance(heap, &place);
    }
    acre_unlock(&heap->lock);
    return place;
}

/* Whether a live large block begins at this address; the lock is held. */
static enum acre_large_error check_large(struct acre_chunk *chunk, uintptr_t block) {
    uint32_t index = page_index(chunk, block);
    if ((block & (((uintptr_t)1 << acre_page_shift()) - 1)) != 0) return ACRE_LARGE_INSIDE;
    if (index >= chunk->pages || !acre_chunk_run_begins(chunk, index)) return ACRE_LARGE_INSIDE;
    return acre_run_state(chunk, index) == ACRE_RUN_LARGE ? ACRE_LARGE_FINE : ACRE_LARGE_FREED;
}

enum acre_large_error acre_page_heap_give_large(struct acre_page_heap *heap, struct acre_chunk *chunk,
                                                uintptr_t block) {
    acre_lock(&heap->lock);
    enum acre_large_error error = check_large(chunk, block);
    if (error == ACRE_LARGE_FINE) {
        uint32_t index = page_index(chunk, block), pages = acre_run_pages(chunk, index);
        acre_chunk_free(chunk, index, pages, pages);
        after_free(heap, chunk);
    }
    acre_unlock(&heap->lock);
    return error;
}

enum acre_large_error acre_page_heap_check_large(struct acre_page_heap *heap, struct acre_chunk *chunk,
                                                 uintptr_t block) {
    acre_lock(&heap->lock);
    enum acre_large_error error = check_large(chunk, block);
    acre_unlock(&heap->lock);
    return error;
}

size_t acre_page_heap_large_size(struct acre_page_heap *heap, struct acre_chunk *chunk, uintptr_t block,
                                 size_t *asked_bytes) {
    size_t usable_bytes = 0;
    acre_lock(&heap->lock);
    if (check_large(chunk, block) == ACRE_LARGE_FINE) {
        uint32_t index = page_index(chunk, block);
        usable_bytes = (size_t)acre_run_pages(chunk, index) << acre_page_shift();
        *asked_bytes = usable_bytes - acre_run_slack(chunk, index);
    }
    acre_unlock(&heap->lock);
    return usable_bytes;
}

bool acre_page_heap_resize_large(struct acre_page_heap *heap, struct acre_chunk *chunk, uintptr_t block,
                                 size_t size_bytes) {
    size_t run_bytes = acre_align_up(size_bytes, (size_t)1 << acre_page_shift());
    uint32_t pages = (uint32_t)(run_bytes >> acre_page_shift()), index = page_index(chunk, block);
    bool done = true;
    acre_lock(&heap->lock);
    if (check_large(chunk, block) != ACRE_LARGE_FINE) {
        done = false;
    } else if (pages > acre_run_pages(chunk, index)) {
        done = acre_chunk_grow_run(chunk, index, pages);
        if (done) acre_chunks_file(heap, chunk);
    } else if (pages < acre_run_pages(chunk, index)) {
        acre_chunk_shrink_run(chunk, index, pages);
        after_free(heap, chunk);
    }
    if (done) acre_run_set_slack(chunk, index, (uint32_t)(run_bytes - size_bytes));
    acre_unlock(&heap->lock);
    return done;
}

/* The chunk's free pages become the heir's, which gives back what memory is behind them. */
static void hand_over(struct acre_page_heap *heir, struct acre_chunk *chunk) {
    acre_lock(&heir->lock);
    acre_chunks_adopt(heir, chunk);
    release_chunk(heir, chunk, 0);
    acre_unlock(&heir->lock);
}

void acre_page_heap_reset(struct acre_page_heap *heap) {
    acre_lock(&heap->lock);
    for (struct acre_node *node = heap->chunks.next; node != &heap->chunks; node = node->next)
        acre_chunks_reset(heap, ACRE_CONTAINER_OF(node, struct acre_chunk, all_node));
    acre_unlock(&heap->lock);
}

void acre_page_heap_end(struct acre_page_heap *heap, struct acre_page_heap *heir) {
    acre_page_heap_reset(heap);
    acre_lock(&heap->lock);
    acre_chunks_lower_break(heap, 0);
    while (!acre_list_is_empty(&heap->chunks)) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(heap->chunks.next, struct acre_chunk, all_node);
        if (!chunk->from_break) {
            acre_chunks_unmap(heap, chunk);
            continue;
        }
        acre_chunks_disown(heap, chunk);
        acre_unlock(&heap->lock);
        hand_over(heir, chunk);
        acre_lock(&heap->lock);
    }
    acre_unlock(&heap->lock);
}

static bool shrink_locked(struct acre_page_heap *heap, size_t pad_bytes) {
    size_t before_bytes = heap->chunk_bytes;
    acre_chunks_lower_break(heap, pad_bytes);
    for (struct acre_node *node = heap->chunks.next, *next; node != &heap->chunks; node = next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        next = node->next;
        if (!chunk->from_break && chunk->free_pages == chunk->pages) acre_chunks_unmap(heap, chunk);
    }
    return heap->chunk_bytes != before_bytes;
}

bool acre_page_heap_shrink(struct acre_page_heap *heap) {
    acre_lock(&heap->lock);
    bool any = shrink_locked(heap, 0);
    acre_unlock(&heap->lock);
    return any;
}

bool acre_page_heap_release(struct acre_page_heap *heap, size_t pad_bytes) {
    acre_lock(&heap->lock);
    bool released = shrink_locked(heap, pad_bytes);
    for (struct acre_node *node = heap->chunks.next; node != &heap->chunks; node = node->next)
        released |= release_chunk(heap, ACRE_CONTAINER_OF(node, struct acre_chunk, all_node), 0);
    acre_unlock(&heap->lock);
    return released;
}

enum acre_visits acre_page_heap_begin_visits(struct acre_page_heap *heap) {
    if (!acre_lock_briefly(&heap->lock)) return ACRE_VISITS_BUSY;
    heap->looked_ms = acre_os_clock_ms(); /* others need not look as long as a visitor comes */
    heap->next_visit = heap->chunks.next;
    acre_unlock(&heap->lock);
    return ACRE_VISITS_GO_ON;
}

enum acre_visits acre_page_heap_visit_some(struct acre_page_heap *heap, acre_visit_chunk *visit, void *context) {
    bool was_long = false;
    if (!acre_lock_briefly(&heap->lock)) return ACRE_VISITS_BUSY;
    while (!was_long && heap->next_visit != &heap->chunks) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(heap->next_visit, struct acre_chunk, all_node);
        heap->next_visit = heap->next_visit->next;
        was_long = visit(heap, chunk, context);
    }
    bool more = heap->next_visit != &heap->chunks;
    acre_unlock(&heap->lock);
    return more ? ACRE_VISITS_GO_ON : ACRE_VISITS_END;
}

void acre_page_heap_each_run(struct acre_page_heap *heap, acre_visit_run *visit, void *context) {
    acre_lock(&heap->lock);
    for (struct acre_node *node = heap->chunks.next; node != &heap->chunks; node = node->next)
        acre_chunk_each_run(ACRE_CONTAINER_OF(node, struct acre_chunk, all_node), visit, context);
    acre_unlock(&heap->lock);
}

bool acre_page_heap_is_valid(struct acre_page_heap *heap) {
    size_t bytes = 0, free_pages = 0, dirty_pages = 0;
    bool valid = true;
    acre_lock(&heap->lock);
    valid = acre_list_is_valid(&heap->chunks) && acre_list_is_valid(&heap->granules);
    for (struct acre_node *node = heap->chunks.next; valid && node != &heap->chunks; node = node->next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        bytes += acre_chunk_bytes(chunk);
        free_pages += chunk->free_pages;
        dirty_pages += chunk->dirty_pages;
        valid = acre_chunk_is_valid(chunk) &&
                (chunk->free_granules != 0) == acre_list_holds(&chunk->granule_node) &&
                (chunk->longest_run != 0) == acre_list_holds(&chunk->run_node);
    }
    valid =
        valid && bytes == heap->chunk_bytes && free_pages == heap->free_pages && dirty_pages == heap->dirty_pages;
    acre_unlock(&heap->lock);
    return valid;
}
