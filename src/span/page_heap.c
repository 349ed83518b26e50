#include "span/page_heap.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "options/options.h"
#include "os/os.h"
#include "span/decay.h"
#include "span/huge.h"
#include "span/released.h"

/* The break grows by a quarter of what it is, within these; one system call then serves many slabs, and untouched
 * pages cost nothing but address space. */
#define BREAK_STEP_LEAST ((size_t)1 << 20)
#define BREAK_STEP_MOST ((size_t)4 << 20)
/* The break is lowered when this much more than what is kept is free at its top, and wholly free chunks from mmap
 * beyond what is kept are unmapped. What is kept begins small, so that a program that is done with its memory shows
 * it, and doubles each time that memory is taken again soon after it was given back: a program that breathes then
 * stops faulting its pages in each time. */
#define TRIM_LEAST ((size_t)768 << 10)
#define KEEP_LEAST ((size_t)256 << 10)
#define KEEP_MOST ((size_t)1 << 20)
#define SOON_MS 1000
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
/* A heap that grows past this gets huge pages: a fault for 512 pages instead of one each, and fewer misses of the
 * TLB in a big heap. Below, a page that holds one block would cost 2 MiB in a program that is small; and above,
 * where much is taken and little touched. So one chunk in eight has small pages, and the next seven get huge ones
 * if half of it is resident when it has all been taken. */
#define HUGE_PAGES_FROM ((size_t)64 << 20)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define HUGE_PART 4
#define HUGE_CHUNKS_IN_A_ROW 7

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
    heap->keep_bytes = KEEP_LEAST;
    heap->gave_ms = 0;
    heap->huge_chunks_left = 0;
    heap->looked_ms = acre_os_clock_ms();
    heap->next_visit = &heap->chunks;
}

static void unfile(struct acre_chunk *chunk) {
    if (acre_list_holds(&chunk->run_node)) acre_list_remove(&chunk->run_node);
    if (chunk->free_granules == 0 && acre_list_holds(&chunk->granule_node)) acre_list_remove(&chunk->granule_node);
}

/* Behind which node of `granules` the chunk belongs: those from the break first, the lowest in front, since only
 * free memory at the top lets the break come down. */
static struct acre_node *place_of(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    if (!chunk->from_break) return heap->granules.prev;
    struct acre_node *node = heap->granules.next;
    for (; node != &heap->granules; node = node->next) {
        struct acre_chunk *other = ACRE_CONTAINER_OF(node, struct acre_chunk, granule_node);
        if (!other->from_break || other->span.base > chunk->span.base) break;
    }
    return node->prev;
}

/* Brings the sums over all chunks up to date. */
static void count(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    heap->free_pages += chunk->free_pages - (size_t)chunk->filed_free_pages;
    heap->dirty_pages += chunk->dirty_pages - (size_t)chunk->filed_dirty_pages;
    chunk->filed_free_pages = chunk->free_pages;
    chunk->filed_dirty_pages = chunk->dirty_pages;
    acre_released_used_again((size_t)chunk->again_pages << acre_page_shift());
    chunk->again_pages = 0;
}

/* Puts the chunk where its free runs say. */
static void file(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    count(heap, chunk);
    unfile(chunk);
    if (chunk->longest_run > 0)
        acre_list_push_front(&heap->buckets[acre_log2_floor(chunk->longest_run)], &chunk->run_node);
    if (chunk->free_granules != 0 && !acre_list_holds(&chunk->granule_node)) {
        acre_list_insert(place_of(heap, chunk), &chunk->granule_node);
    }
}

static struct acre_chunk *new_chunk(struct acre_page_heap *heap, uintptr_t base, bool from_break) {
    struct acre_chunk *chunk = acre_metadata_take(ACRE_RECORD_CHUNK, sizeof *chunk);
    if (chunk == NULL) return NULL;
    acre_chunk_start(chunk, base, from_break);
    chunk->heap = heap;
    acre_list_push_back(&heap->chunks, &chunk->all_node);
    return chunk;
}

static void drop_chunk(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    chunk->free_pages = chunk->dirty_pages = 0;
    chunk->free_granules = 0;
    count(heap, chunk);
    unfile(chunk);
    if (heap->next_visit == &chunk->all_node) heap->next_visit = chunk->all_node.next;
    acre_list_remove(&chunk->all_node);
    if (heap->break_chunk == chunk) heap->break_chunk = NULL;
    acre_metadata_give(ACRE_RECORD_CHUNK, chunk);
}

static void add_pages(struct acre_page_heap *heap, struct acre_chunk *chunk, uintptr_t base, size_t size_bytes) {
    acre_map_set(base, size_bytes, &chunk->span);
    acre_released_mapped_anew(size_bytes);
    acre_chunk_extend(chunk, (uint32_t)(size_bytes >> acre_page_shift()));
    heap->chunk_bytes += size_bytes;
    acre_decay_note_held(acre_source_held_bytes());
    file(heap, chunk);
}

static size_t chunk_bytes(const struct acre_chunk *chunk) { return (size_t)chunk->pages << acre_page_shift(); }

static void give_to_break(struct acre_page_heap *heap, struct acre_extent extent) {
    acre_source_lower_break(extent.base + extent.size_bytes, extent.size_bytes);
    acre_quota_discharge(&heap->supplier->quota, extent.size_bytes);
}

/* Spreads an extent of the break over the last chunk and new ones; what finds no record is given back or lost to
 * address space alone (it was never touched). */
static bool add_extent(struct acre_page_heap *heap, struct acre_extent extent) {
    bool added = false;
    while (extent.size_bytes > 0) {
        struct acre_chunk *last = heap->break_chunk;
        size_t room = 0;
        if (last != NULL && last->span.base + chunk_bytes(last) == extent.base)
            room = ACRE_CHUNK_BYTES - chunk_bytes(last);
        if (room == 0) {
            last = new_chunk(heap, extent.base, true);
            if (last == NULL) {
                give_to_break(heap, extent);
                return added;
            }
            heap->break_chunk = last;
            room = ACRE_CHUNK_BYTES;
        }
        size_t part_bytes = acre_min(room, extent.size_bytes);
        add_pages(heap, last, extent.base, part_bytes);
        extent.base += part_bytes;
        extent.size_bytes -= part_bytes;
        added = true;
    }
    return added;
}

/* What must be asked of the break so that `least_bytes` of it come to lie in one chunk. */
static size_t break_need(const struct acre_page_heap *heap, size_t least_bytes) {
    if (heap->break_chunk == NULL) return least_bytes;
    size_t room_bytes = ACRE_CHUNK_BYTES - chunk_bytes(heap->break_chunk);
    return room_bytes < least_bytes ? room_bytes + least_bytes : least_bytes;
}

/* Where the break is too short for a huge page, the system is not asked what it would do. */
static void advise_break(const struct acre_page_heap *heap, struct acre_extent extent) {
    const struct acre_chunk *last = heap->break_chunk;
    if (heap->chunk_bytes < HUGE_PAGE_BYTES || last == NULL) return;
    uintptr_t base = acre_min(extent.base, last->span.base);
    acre_source_advise_huge_pages(base, extent.base + extent.size_bytes - base,
                                  heap->policy.thp == ACRE_THP_ALWAYS);
}

/* A huge page comes at the first touch of its 2 MiB, if these are all there then. */
static size_t break_step(const struct acre_page_heap *heap, size_t held_bytes) {
    size_t step_bytes = acre_align_down(held_bytes / 4, ACRE_GRANULE_BYTES);
    const struct acre_chunk *last = heap->break_chunk;
    step_bytes = acre_max(BREAK_STEP_LEAST, acre_min(step_bytes, BREAK_STEP_MOST));
    if (heap->policy.thp != ACRE_THP_ALWAYS || last == NULL) return step_bytes;
    uintptr_t top = last->span.base + chunk_bytes(last);
    return acre_align_up(top + BREAK_STEP_MOST, HUGE_PAGE_BYTES) - top;
}

static bool grow_by_break(struct acre_page_heap *heap, size_t least_bytes, size_t limit_bytes) {
    size_t held_bytes = acre_source_break_bytes(), step_bytes = break_step(heap, held_bytes);
    least_bytes = break_need(heap, least_bytes);
    if (limit_bytes < held_bytes || limit_bytes - held_bytes < least_bytes) return false;
    step_bytes = acre_max(acre_min(step_bytes, limit_bytes - held_bytes), least_bytes);
    step_bytes = acre_quota_charge_some(&heap->supplier->quota, least_bytes, step_bytes);
    if (step_bytes == 0) return false;
    struct acre_extent extent = acre_source_grow_break(least_bytes, step_bytes);
    acre_quota_correct(&heap->supplier->quota, step_bytes, extent.size_bytes);
    if (extent.size_bytes == 0) return false;
    if (!acre_map_reserve(extent.base, extent.size_bytes)) {
        give_to_break(heap, extent);
        return false;
    }
    bool added = add_extent(heap, extent);
    advise_break(heap, extent);
    return added;
}

/* Called when what there is has been taken. */
static bool wants_huge_pages(struct acre_page_heap *heap) {
    if (heap->policy.thp == ACRE_THP_ALWAYS) return true;
    if (heap->policy.thp == ACRE_THP_NEVER || heap->chunk_bytes < HUGE_PAGES_FROM) return false;
    if (heap->huge_chunks_left == 0) {
        const struct acre_chunk *probe = ACRE_CONTAINER_OF(heap->chunks.prev, struct acre_chunk, all_node);
        bool dense = !probe->huge_pages &&
                     acre_os_resident_bytes((void *)probe->span.base, chunk_bytes(probe)) >= chunk_bytes(probe) / 2;
        heap->huge_chunks_left = dense ? HUGE_CHUNKS_IN_A_ROW : 0;
        return dense;
    }
    return --heap->huge_chunks_left > 0;
}

static uintptr_t take_supplied(struct acre_page_heap *heap, size_t size_bytes, size_t alignment) {
    struct acre_supplier *supplier = heap->supplier;
    if (!acre_quota_charge(&supplier->quota, size_bytes)) return 0;
    uintptr_t base = acre_supplier_take(supplier, size_bytes, acre_max(alignment, supplier->unit_bytes));
    if (base == 0) acre_quota_discharge(&supplier->quota, size_bytes);
    return base;
}

static void give_supplied(struct acre_page_heap *heap, uintptr_t base, size_t size_bytes) {
    acre_supplier_give(heap->supplier, base, size_bytes);
    acre_quota_discharge(&heap->supplier->quota, size_bytes);
}

/* Small at first, where the policy says so: for many heaps of which most stay small. */
static size_t map_step(const struct acre_page_heap *heap, size_t least_bytes) {
    size_t step_bytes = acre_max(heap->policy.first_chunk_bytes, heap->chunk_bytes);
    step_bytes = acre_max(least_bytes, acre_min(step_bytes, ACRE_CHUNK_BYTES));
    return acre_align_up(step_bytes, acre_max(heap->supplier->unit_bytes, ACRE_GRANULE_BYTES));
}

static bool grow_by_map(struct acre_page_heap *heap, size_t least_bytes) {
    size_t size_bytes = map_step(heap, least_bytes);
    bool huge_pages = size_bytes == ACRE_CHUNK_BYTES && wants_huge_pages(heap);
    uintptr_t base = take_supplied(heap, size_bytes, huge_pages ? HUGE_PAGE_BYTES : ACRE_GRANULE_BYTES);
    if (base == 0 && huge_pages) {
        huge_pages = false;
        base = take_supplied(heap, size_bytes, ACRE_GRANULE_BYTES);
    }
    if (base == 0) { /* near a limit: as little as will do */
        size_bytes = acre_align_up(least_bytes, acre_max(heap->supplier->unit_bytes, ACRE_GRANULE_BYTES));
        base = take_supplied(heap, size_bytes, ACRE_GRANULE_BYTES);
    }
    if (base == 0) return false;
    struct acre_chunk *chunk = acre_map_reserve(base, size_bytes) ? new_chunk(heap, base, false) : NULL;
    if (chunk == NULL) {
        give_supplied(heap, base, size_bytes);
        return false;
    }
    chunk->huge_pages = huge_pages && size_bytes == ACRE_CHUNK_BYTES;
    chunk->advised = chunk->huge_pages;
    if (!heap->supplier->keeps_pages) acre_source_advise_huge_pages(base, size_bytes, chunk->advised);
    add_pages(heap, chunk, base, size_bytes);
    if (heap->supplier->keeps_pages) acre_chunk_mark_dirty(chunk);
    count(heap, chunk);
    return true;
}

static void learn_to_keep(struct acre_page_heap *heap) {
    if (heap->gave_ms == 0) return;
    if (acre_os_clock_ms() - heap->gave_ms < SOON_MS)
        heap->keep_bytes = acre_min(2 * heap->keep_bytes, KEEP_MOST);
    else if (heap->keep_bytes > KEEP_LEAST)
        heap->keep_bytes /= 2;
    heap->gave_ms = 0;
}

static bool grow(struct acre_page_heap *heap, size_t least_bytes) {
    const size_t no_limit_bytes = (size_t)PTRDIFF_MAX & ~(ACRE_GRANULE_BYTES - 1);
    least_bytes = acre_align_up(least_bytes, ACRE_GRANULE_BYTES);
    learn_to_keep(heap);
    acre_huge_decay(false); /* before more is taken, what waits too long goes */
    switch (heap->supplier->source) {
    case ACRE_SOURCE_BRK:
        return grow_by_break(heap, least_bytes, no_limit_bytes) || grow_by_map(heap, least_bytes);
    case ACRE_SOURCE_AUTO: /* past its limit the break is still better than nothing */
        return grow_by_break(heap, least_bytes,
                             acre_align_down(heap->policy.brk_limit_bytes, ACRE_GRANULE_BYTES)) ||
               grow_by_map(heap, least_bytes) || grow_by_break(heap, least_bytes, no_limit_bytes);
    default:
        return grow_by_map(heap, least_bytes);
    }
}

/* Takes pages at the break's top away, chunk by chunk, as long as they are free. */
static void trim_break(struct acre_page_heap *heap, size_t keep_bytes) {
    struct acre_chunk *last = heap->break_chunk;
    uint32_t free_at = last == NULL ? ACRE_NO_RUN : acre_chunk_last_free(last);
    if (free_at == ACRE_NO_RUN) return;
    size_t start_bytes = acre_align_up(((size_t)free_at << acre_page_shift()) + keep_bytes, ACRE_GRANULE_BYTES);
    if (start_bytes >= chunk_bytes(last)) return;
    size_t cut_bytes = chunk_bytes(last) - start_bytes;
    uintptr_t top = last->span.base + chunk_bytes(last);
    /* The entries go first: another thread's huge block may lie there as soon as the break is lower. */
    acre_map_set(top - cut_bytes, cut_bytes, NULL);
    if (!acre_source_lower_break(top, cut_bytes)) {
        acre_map_set(top - cut_bytes, cut_bytes, &last->span);
        return;
    }
    uint32_t before_pages = last->dirty_pages;
    acre_chunk_cut(last, (uint32_t)(cut_bytes >> acre_page_shift()));
    acre_released_note(ACRE_RELEASED_BREAK, (size_t)(before_pages - last->dirty_pages) << acre_page_shift());
    heap->chunk_bytes -= cut_bytes;
    acre_quota_discharge(&heap->supplier->quota, cut_bytes);
    file(heap, last);
    if (last->pages == 0) drop_chunk(heap, last);
}

/* The chunk that now ends the break, after one above it is gone. */
static struct acre_chunk *find_break_chunk(struct acre_page_heap *heap) {
    struct acre_chunk *highest = NULL;
    for (struct acre_node *node = heap->chunks.next; node != &heap->chunks; node = node->next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        if (chunk->from_break && (highest == NULL || chunk->span.base > highest->span.base)) highest = chunk;
    }
    return highest;
}

/* What is free at the break's top, over as many chunks as are wholly free there, counted until it is enough. */
static size_t break_tail_bytes(const struct acre_page_heap *heap, size_t enough_bytes) {
    size_t tail_bytes = 0;
    if (heap->break_chunk == NULL) return 0;
    for (struct acre_node *node = &heap->break_chunk->all_node; node != &heap->chunks; node = node->prev) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        if (!chunk->from_break) continue;
        uint32_t free_at = acre_chunk_last_free(chunk);
        if (free_at != ACRE_NO_RUN) tail_bytes += (size_t)(chunk->pages - free_at) << acre_page_shift();
        if (chunk->free_pages != chunk->pages || tail_bytes >= enough_bytes) break;
    }
    return tail_bytes;
}

/* Cuts free memory off the break's top, but for keep_bytes of it. */
static void lower_break(struct acre_page_heap *heap, size_t keep_bytes) {
    for (size_t before_bytes = SIZE_MAX; heap->chunk_bytes < before_bytes;) {
        struct acre_chunk *top = heap->break_chunk;
        before_bytes = heap->chunk_bytes;
        if (top == NULL) return;
        /* A wholly free chunk goes if what is below it is free enough to keep. */
        bool whole = top->free_pages == top->pages;
        size_t below_bytes = whole ? break_tail_bytes(heap, SIZE_MAX) - chunk_bytes(top) : 0;
        trim_break(heap, below_bytes >= keep_bytes ? 0 : keep_bytes - below_bytes);
        if (heap->break_chunk == NULL) heap->break_chunk = find_break_chunk(heap);
        if (!whole) return;
    }
}

void acre_page_heap_stop_huge_pages(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    if (!chunk->advised) return;
    chunk->advised = false;
    acre_chunk_mark_dirty(chunk);
    count(heap, chunk);
    acre_os_advise_huge_pages((void *)chunk->span.base, chunk_bytes(chunk), false);
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
            acre_released_note(ACRE_RELEASED_PAGES, bytes);
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
    count(heap, chunk);
    return released;
}

/* Releases whole runs from the chunk's end on until no more than `most` pages of the heap are dirty. Runs are cut
 * off the front first, so these are the ones that would wait longest. */
static void release_until(struct acre_page_heap *heap, struct acre_chunk *chunk, size_t most) {
    for (uint32_t end = chunk->pages, index; end > 0 && heap->dirty_pages > most; end = index) {
        index = end - acre_run_pages(chunk, end - 1);
        if (acre_run_state(chunk, end - 1) != ACRE_RUN_FREE || end - index < RELEASE_LEAST_PAGES) continue;
        release_pages(heap, chunk, index, end);
        count(heap, chunk);
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
static size_t used_bytes(const struct acre_page_heap *heap) {
    return heap->chunk_bytes - (heap->free_pages << acre_page_shift()) + huge_live_bytes(heap);
}
size_t acre_page_heap_spare_bytes(const struct acre_page_heap *heap) {
    return (__atomic_load_n(&heap->dirty_pages, __ATOMIC_RELAXED) << acre_page_shift()) + huge_cached_bytes(heap);
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

/* After pages were taken: if some were untouched though others lie free with old data, these were of no use, and
 * they are not to add to the peak. */
static void balance(struct acre_page_heap *heap, const struct acre_span_place *place) {
    struct acre_balance *state = &heap->balance;
    size_t used = used_bytes(heap), grown_bytes = used - acre_min(used, state->peak_bytes);
    state->peak_bytes += grown_bytes;
    state->grown_bytes += grown_bytes;
    if (place->dirty == place->pages) return;
    state->untouched_bytes += (size_t)(place->pages - place->dirty) << acre_page_shift();
    bound_spare(heap, acre_max(DIRTY_LEAST, used / DIRTY_PART) << state->doublings);
}

static void unmap_chunk(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    uintptr_t base = chunk->span.base;
    size_t size_bytes = chunk_bytes(chunk);
    acre_map_set(base, size_bytes, NULL);
    heap->chunk_bytes -= size_bytes;
    acre_released_note(ACRE_RELEASED_MAPPINGS, (size_t)chunk->dirty_pages << acre_page_shift());
    drop_chunk(heap, chunk);
    give_supplied(heap, base, size_bytes);
}

/* Wholly free chunks from mmap. Looked at when one becomes free, which is once for many blocks. */
static size_t free_chunk_bytes(const struct acre_page_heap *heap) {
    size_t bytes = 0;
    for (struct acre_node *node = heap->chunks.next; node != &heap->chunks; node = node->next) {
        const struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        if (!chunk->from_break && chunk->free_pages == chunk->pages) bytes += chunk_bytes(chunk);
    }
    return bytes;
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
    count(heap, chunk);
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
    file(heap, chunk);
    if (chunk->from_break) {
        struct acre_chunk *top = heap->break_chunk;
        bool may_lower = chunk == top || (top != NULL && top->free_pages == top->pages);
        size_t enough_bytes = TRIM_LEAST + heap->keep_bytes;
        if (may_lower && break_tail_bytes(heap, enough_bytes) >= enough_bytes) lower_break(heap, heap->keep_bytes);
    } else if (chunk->free_pages == chunk->pages) {
        size_t free_bytes = free_chunk_bytes(heap);
        if (free_bytes > acre_max(heap->keep_bytes, ACRE_CHUNK_BYTES))
            unmap_chunk(heap, chunk);
        else if (free_bytes > heap->keep_bytes)
            release_chunk(heap, chunk, heap->keep_bytes);
    }
    if (heap->chunk_bytes < before_bytes) heap->gave_ms = acre_os_clock_ms();
    /* What lies between blocks in use is not to pile up either. */
    bound_spare(heap, huge_cached_bytes(heap) + heap->keep_bytes +
                          (used_bytes(heap) / FREED_PART << heap->balance.doublings));
    if (heap->dirty_pages > 0) look_now_and_then(heap);
}

static struct acre_span_place span_from(struct acre_page_heap *heap, uint32_t granules) {
    struct acre_span_place place = {0, NULL, 0, 0};
    for (struct acre_node *node = heap->granules.next; node != &heap->granules; node = node->next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, granule_node);
        uint32_t index = acre_chunk_take_granules(chunk, granules, &place.dirty);
        if (index == ACRE_NO_RUN) continue;
        place.base = chunk->span.base + ((uintptr_t)index << acre_page_shift());
        place.chunk = chunk;
        place.pages = acre_run_pages(chunk, index);
        file(heap, chunk);
        break;
    }
    return place;
}

struct acre_span_place acre_page_heap_take_span(struct acre_page_heap *heap, uint32_t granules,
                                                struct acre_span *span) {
    size_t size_bytes = granules * ACRE_GRANULE_BYTES;
    acre_lock(&heap->lock);
    struct acre_span_place place = span_from(heap, granules);
    if (place.base == 0 && grow(heap, size_bytes)) place = span_from(heap, granules);
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
    struct acre_span_place place = {0, NULL, 0, 0};
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
            file(heap, chunk);
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
        if (grow(heap, least_bytes)) place = large_from(heap, pages, alignment_pages);
    }
    if (place.base != 0) {
        acre_run_set_slack(place.chunk, page_index(place.chunk, place.base), (uint32_t)(run_bytes - size_bytes));
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
        if (done) file(heap, chunk);
    } else if (pages < acre_run_pages(chunk, index)) {
        acre_chunk_shrink_run(chunk, index, pages);
        after_free(heap, chunk);
    }
    if (done) acre_run_set_slack(chunk, index, (uint32_t)(run_bytes - size_bytes));
    acre_unlock(&heap->lock);
    return done;
}

static bool shrink_locked(struct acre_page_heap *heap, size_t pad_bytes) {
    size_t before_bytes = heap->chunk_bytes;
    lower_break(heap, pad_bytes);
    for (struct acre_node *node = heap->chunks.next, *next; node != &heap->chunks; node = next) {
        struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        next = node->next;
        if (!chunk->from_break && chunk->free_pages == chunk->pages) unmap_chunk(heap, chunk);
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
        bytes += chunk_bytes(chunk);
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
