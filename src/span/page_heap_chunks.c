#include "span/page_heap_chunks.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
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
 * stops faulting its pages in each time. It goes no further than half of the heap's peak, or a little; and time
 * takes it away like all that is free. */
#define KEEP_MOST ((size_t)8 << 20)
#define KEEP_MOST_SMALL_HEAP ((size_t)1 << 20)
#define SOON_MS 1000
/* A heap that grows past this gets huge pages: a fault for 512 pages instead of one each, and fewer misses of the
 * TLB in a big heap. The last one is half full on the average, and the first block in it makes all of it resident:
 * a sixteenth of this at the most. Where much is taken and little touched it would cost more. So in a heap of a few
 * hundred MiB one chunk in eight has small pages, and the next get huge ones if most of it is resident when it has
 * all been taken: so many, or an eighth of the heap (docs/decisions/0005-huge-pages.md). */
#define HUGE_PAGES_FROM ((size_t)32 << 20)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define HUGE_CHUNKS_IN_A_ROW 7
#define HUGE_CHUNKS_PART 8
#define DENSE_PARTS 3 /* of four */

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
void acre_chunks_count(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    heap->free_pages += chunk->free_pages - (size_t)chunk->filed_free_pages;
    heap->dirty_pages += chunk->dirty_pages - (size_t)chunk->filed_dirty_pages;
    chunk->filed_free_pages = chunk->free_pages;
    chunk->filed_dirty_pages = chunk->dirty_pages;
    acre_released_used_again((size_t)chunk->again_pages << acre_page_shift());
    chunk->again_pages = 0;
}

/* Puts the chunk where its free runs say. */
void acre_chunks_file(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    acre_chunks_count(heap, chunk);
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

static void forget(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    heap->free_pages -= chunk->filed_free_pages;
    heap->dirty_pages -= chunk->filed_dirty_pages;
    chunk->filed_free_pages = chunk->filed_dirty_pages = 0;
    if (acre_list_holds(&chunk->run_node)) acre_list_remove(&chunk->run_node);
    if (acre_list_holds(&chunk->granule_node)) acre_list_remove(&chunk->granule_node);
    if (heap->next_visit == &chunk->all_node) heap->next_visit = chunk->all_node.next;
    acre_list_remove(&chunk->all_node);
    if (heap->break_chunk == chunk) heap->break_chunk = NULL;
}

/* Out of every list and sum; its address space is still there. */
void acre_chunks_disown(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    heap->chunk_bytes -= acre_chunk_bytes(chunk);
    acre_quota_discharge(&heap->supplier->quota, acre_chunk_bytes(chunk));
    forget(heap, chunk);
}

/* A chunk without pages, or whose address space is somebody else's now. */
static void drop_chunk(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    forget(heap, chunk);
    acre_metadata_give(ACRE_RECORD_CHUNK, chunk);
}

void acre_chunks_adopt(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    chunk->heap = heap;
    heap->chunk_bytes += acre_chunk_bytes(chunk);
    acre_quota_correct(&heap->supplier->quota, 0, acre_chunk_bytes(chunk));
    acre_list_push_back(&heap->chunks, &chunk->all_node);
    struct acre_chunk *top = heap->break_chunk;
    if (chunk->from_break && (top == NULL || top->span.base < chunk->span.base)) heap->break_chunk = chunk;
    acre_chunks_file(heap, chunk);
}

void acre_chunks_reset(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    acre_map_set(chunk->span.base, acre_chunk_bytes(chunk), &chunk->span);
    acre_chunk_free_all(chunk);
    acre_chunks_file(heap, chunk);
}

static void add_pages(struct acre_page_heap *heap, struct acre_chunk *chunk, uintptr_t base, size_t size_bytes) {
    acre_map_set(base, size_bytes, &chunk->span);
    acre_released_mapped_anew(size_bytes);
    acre_chunk_extend(chunk, (uint32_t)(size_bytes >> acre_page_shift()));
    heap->chunk_bytes += size_bytes;
    acre_quota_note_peak(&heap->supplier->quota);
    acre_decay_note_held(acre_source_held_bytes());
    acre_chunks_file(heap, chunk);
}

static void give_to_break(struct acre_page_heap *heap, struct acre_extent extent) {
    acre_source_lower_break(extent.base + extent.size_bytes, extent.size_bytes);
    acre_quota_discharge(&heap->supplier->quota, extent.size_bytes);
}

static bool may_have_huge_pages(const struct acre_page_heap *heap) {
    enum acre_thp thp = heap->policy.thp;
    return thp == ACRE_THP_ALWAYS || (thp == ACRE_THP_AUTO && heap->chunk_bytes >= HUGE_PAGES_FROM);
}

static bool is_dense(const struct acre_chunk *chunk) {
    size_t bytes = acre_chunk_bytes(chunk);
    return acre_os_resident_bytes((void *)chunk->span.base, bytes) >= bytes / 4 * DENSE_PARTS;
}

/* Called when what there is has been taken. */
static bool wants_huge_pages(struct acre_page_heap *heap) {
    if (heap->policy.thp == ACRE_THP_ALWAYS) return true;
    /* Of a heap that was bigger, fewer are left. */
    size_t part = heap->chunk_bytes / ACRE_CHUNK_BYTES / HUGE_CHUNKS_PART;
    unsigned most = may_have_huge_pages(heap) ? (unsigned)acre_max(HUGE_CHUNKS_IN_A_ROW, part) : 0;
    heap->huge_chunks_left = (unsigned)acre_min(heap->huge_chunks_left, most);
    if (most == 0) return false;
    if (heap->huge_chunks_left > 0) return --heap->huge_chunks_left > 0;
    const struct acre_chunk *last = ACRE_CONTAINER_OF(heap->chunks.prev, struct acre_chunk, all_node);
    if (last->huge_pages || !is_dense(last)) return false;
    heap->huge_chunks_left = most;
    return true;
}

/* Where a chunk of the break that begins here is to end: in a heap that may have huge pages, where one ends. */
static uintptr_t break_chunk_end(const struct acre_page_heap *heap, uintptr_t base) {
    uintptr_t end = base + ACRE_CHUNK_BYTES;
    return may_have_huge_pages(heap) ? acre_align_down(end, HUGE_PAGE_BYTES) : end;
}

static uintptr_t top_of(const struct acre_chunk *chunk) { return chunk->span.base + acre_chunk_bytes(chunk); }

static size_t break_room(const struct acre_page_heap *heap, const struct acre_chunk *chunk) {
    uintptr_t end = break_chunk_end(heap, chunk->span.base);
    return end - acre_min(end, top_of(chunk));
}

/* Where the break is too short for a huge page, the system is not asked what it would do. */
static void advise_break(const struct acre_page_heap *heap, const struct acre_chunk *chunk) {
    if (heap->chunk_bytes >= HUGE_PAGE_BYTES)
        acre_source_advise_huge_pages(chunk->span.base, acre_chunk_bytes(chunk), chunk->advised);
}

/* Spreads an extent of the break over the last chunk and new ones; what finds no record is given back or lost to
 * address space alone (it was never touched). */
static bool add_extent(struct acre_page_heap *heap, struct acre_extent extent) {
    bool added = false;
    while (extent.size_bytes > 0) {
        struct acre_chunk *last = heap->break_chunk;
        size_t room = 0;
        if (last != NULL && top_of(last) == extent.base) room = break_room(heap, last);
        if (room == 0) {
            bool huge_pages = wants_huge_pages(heap);
            last = new_chunk(heap, extent.base, true);
            if (last == NULL) {
                give_to_break(heap, extent);
                return added;
            }
            last->huge_pages = last->advised = huge_pages;
            heap->break_chunk = last;
            room = ACRE_CHUNK_BYTES;
        }
        size_t part_bytes = acre_min(room, extent.size_bytes);
        add_pages(heap, last, extent.base, part_bytes);
        advise_break(heap, last);
        extent.base += part_bytes;
        extent.size_bytes -= part_bytes;
        added = true;
    }
    return added;
}

/* What must be asked of the break so that `least_bytes` of it come to lie in one chunk. */
static size_t break_need(const struct acre_page_heap *heap, size_t least_bytes) {
    if (heap->break_chunk == NULL) return least_bytes;
    size_t room_bytes = break_room(heap, heap->break_chunk);
    return room_bytes < least_bytes ? room_bytes + least_bytes : least_bytes;
}

/* A huge page comes at the first touch of its 2 MiB, if these are all there then; and a chunk is looked at when it
 * has all been taken. So it grows by whole chunks where there may be some. */
static size_t break_step(const struct acre_page_heap *heap, size_t held_bytes) {
    size_t step_bytes = acre_align_down(held_bytes / 4, ACRE_GRANULE_BYTES);
    const struct acre_chunk *last = heap->break_chunk;
    step_bytes = acre_max(BREAK_STEP_LEAST, acre_min(step_bytes, BREAK_STEP_MOST));
    if (last == NULL || !may_have_huge_pages(heap)) return step_bytes;
    size_t room_bytes = break_room(heap, last);
    return room_bytes > 0 ? room_bytes : break_chunk_end(heap, top_of(last)) - top_of(last);
}

static bool grow_by_break(struct acre_page_heap *heap, size_t least_bytes, size_t limit_bytes) {
    size_t held_bytes = acre_source_break_bytes(), step_bytes = break_step(heap, held_bytes);
    least_bytes = break_need(heap, least_bytes);
    if (limit_bytes < held_bytes || limit_bytes - held_bytes < least_bytes) return false;
    step_bytes = acre_max(acre_min(step_bytes, limit_bytes - held_bytes), least_bytes);
    step_bytes = acre_quota_charge_some(&heap->supplier->quota, least_bytes, step_bytes);
    if (step_bytes == 0) return false;
    acre_supplier_count_call(heap->supplier);
    struct acre_extent extent = acre_source_grow_break(least_bytes, step_bytes);
    acre_quota_correct(&heap->supplier->quota, step_bytes, extent.size_bytes);
    if (extent.size_bytes == 0) return false;
    if (!acre_map_reserve(extent.base, extent.size_bytes)) {
        give_to_break(heap, extent);
        return false;
    }
    return add_extent(heap, extent);
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
    acre_chunks_count(heap, chunk);
    return true;
}

static size_t keep_most(const struct acre_page_heap *heap) {
    return acre_max(KEEP_MOST_SMALL_HEAP, acre_min(heap->balance.peak_bytes / 2, KEEP_MOST));
}

static void learn_to_keep(struct acre_page_heap *heap) {
    if (heap->gave_ms == 0) return;
    if (acre_os_clock_ms() - heap->gave_ms < SOON_MS)
        heap->keep_bytes = acre_max(heap->keep_bytes, acre_min(2 * heap->keep_bytes, keep_most(heap)));
    else if (heap->keep_bytes > heap->policy.keep_bytes)
        heap->keep_bytes /= 2;
    heap->gave_ms = 0;
}

bool acre_chunks_grow(struct acre_page_heap *heap, size_t least_bytes) {
    const size_t no_limit_bytes = (size_t)PTRDIFF_MAX & ~(ACRE_GRANULE_BYTES - 1);
    least_bytes = acre_align_up(least_bytes, ACRE_GRANULE_BYTES);
    if (least_bytes > ACRE_CHUNK_BYTES) return false; /* no chunk is longer */
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
    if (start_bytes >= acre_chunk_bytes(last)) return;
    size_t cut_bytes = acre_chunk_bytes(last) - start_bytes;
    uintptr_t top = top_of(last);
    /* The entries go first: another thread's huge block may lie there as soon as the break is lower. */
    acre_map_set(top - cut_bytes, cut_bytes, NULL);
    acre_supplier_count_call(heap->supplier);
    if (!acre_source_lower_break(top, cut_bytes)) {
        acre_map_set(top - cut_bytes, cut_bytes, &last->span);
        return;
    }
    uint32_t before_pages = last->dirty_pages;
    acre_chunk_cut(last, (uint32_t)(cut_bytes >> acre_page_shift()));
    acre_supplier_note_released(heap->supplier, ACRE_RELEASED_BREAK,
                                (size_t)(before_pages - last->dirty_pages) << acre_page_shift());
    heap->chunk_bytes -= cut_bytes;
    acre_quota_discharge(&heap->supplier->quota, cut_bytes);
    acre_chunks_file(heap, last);
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
size_t acre_chunks_tail_bytes(const struct acre_page_heap *heap, size_t enough_bytes) {
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
void acre_chunks_lower_break(struct acre_page_heap *heap, size_t keep_bytes) {
    for (size_t before_bytes = SIZE_MAX; heap->chunk_bytes < before_bytes;) {
        struct acre_chunk *top = heap->break_chunk;
        before_bytes = heap->chunk_bytes;
        if (top == NULL) return;
        /* A wholly free chunk goes if what is below it is free enough to keep. */
        bool whole = top->free_pages == top->pages;
        size_t below_bytes = whole ? acre_chunks_tail_bytes(heap, SIZE_MAX) - acre_chunk_bytes(top) : 0;
        trim_break(heap, below_bytes >= keep_bytes ? 0 : keep_bytes - below_bytes);
        if (heap->break_chunk == NULL) heap->break_chunk = find_break_chunk(heap);
        if (!whole) return;
    }
}

void acre_chunks_unmap(struct acre_page_heap *heap, struct acre_chunk *chunk) {
    uintptr_t base = chunk->span.base;
    size_t size_bytes = acre_chunk_bytes(chunk);
    acre_map_set(base, size_bytes, NULL);
    heap->chunk_bytes -= size_bytes;
    acre_supplier_note_released(heap->supplier, ACRE_RELEASED_MAPPINGS,
                                (size_t)chunk->dirty_pages << acre_page_shift());
    drop_chunk(heap, chunk);
    give_supplied(heap, base, size_bytes);
}

/* Wholly free chunks from mmap. Looked at when one becomes free, which is once for many blocks. */
size_t acre_chunks_free_bytes(const struct acre_page_heap *heap) {
    size_t bytes = 0;
    for (struct acre_node *node = heap->chunks.next; node != &heap->chunks; node = node->next) {
        const struct acre_chunk *chunk = ACRE_CONTAINER_OF(node, struct acre_chunk, all_node);
        if (!chunk->from_break && chunk->free_pages == chunk->pages) bytes += acre_chunk_bytes(chunk);
    }
    return bytes;
}
