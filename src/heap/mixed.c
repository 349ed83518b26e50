/* What a heap of an arena that may stay small hands out first: blocks of mixed sizes (slab/mixed.h).
 *
 * A class that has no slab of its own gets a few blocks at a time from the heap's mixed slab, more each time. When
 * a few such slabs are full, its classes get slabs of their own. */
#include "heap/heap.h"

#include "metadata/map.h"
#include "slab/mixed.h"
#include "span/decay.h"

#include <string.h>

#define SLABS_MOST 16
/* The first run of a class, doubled with each. The next life of the heap begins where this one came to, or with
 * less where the only run of a class was too much by half. */
#define RUN_BYTES 256u
#define DOUBLINGS_MOST 4
/* Fewer frees are not worth another look at a slab. */
#define LOOK_LEAST 16u

/* Blocks in cursors count as live. Where the slab seems to be empty all the same, they were freed. */
static uint32_t checked_free(struct acre_heap *heap, struct acre_slab *slab, uint32_t free_blocks) {
    if (free_blocks < slab->total) return free_blocks;
    acre_heap_check_mixed_cursors(heap, slab);
    return acre_slab_count_free(slab);
}

static void arm(struct acre_slab *slab, uint32_t free_blocks) {
    uint32_t live = slab->total - free_blocks;
    acre_slab_arm(slab, free_blocks, (int32_t)acre_min(live, acre_max(live / 2, LOOK_LEAST)));
}

void acre_mixed_settle(struct acre_heap *heap, struct acre_slab *slab, uint32_t free_blocks) {
    free_blocks = checked_free(heap, slab, free_blocks);
    uint32_t live = slab->total - free_blocks;
    if (live == 0) {
        if (heap->mixed_slabs > 0) heap->mixed_slabs--;
        acre_heap_destroy(slab);
        return;
    }
    slab->span.state = ACRE_SLAB_WAITING;
    arm(slab, free_blocks);
    acre_list_push_back(&heap->waiting, &slab->node);
    acre_decay_note();
}

/* Where none was freed, no bitmap need be counted. */
static uint32_t count_free(const struct acre_heap *heap, struct acre_slab *slab) {
    bool had_remote = atomic_load_explicit(&slab->remote, memory_order_relaxed) != NULL ||
                      atomic_load_explicit(&slab->remote_list, memory_order_relaxed) != 0;
    if (!had_remote && slab->countdown == slab->armed) return slab->total - heap->mixed_blocks;
    acre_slab_collect(slab);
    return acre_slab_count_free(slab);
}

static void retire(struct acre_heap *heap) {
    struct acre_slab *slab = heap->mixed;
    heap->mixed = NULL;
    if (slab == NULL) return;
    uint32_t free_blocks = checked_free(heap, slab, count_free(heap, slab));
    if (free_blocks == slab->total) {
        acre_mixed_restart(slab);
        heap->mixed_blocks = 0;
        slab->span.state = ACRE_SLAB_CURRENT;
        heap->mixed = slab;
    } else {
        acre_mixed_settle(heap, slab, free_blocks);
    }
}

/* Another mixed slab, as the heap's; false: there is to be none. */
static bool find_another(struct acre_heap *heap) {
    if (heap->makes_none) return false;
    retire(heap);
    if (heap->mixed != NULL) return true;
    if (heap->mixed_slabs >= SLABS_MOST) return false;
    struct acre_slab *slab = acre_depot_make(heap->depot, ACRE_CLASS_MIXED, heap, acre_heap_owner());
    if (slab == NULL) return false;
    slab->span.state = ACRE_SLAB_CURRENT;
    acre_slab_arm(slab, slab->total, ACRE_COUNTDOWN_FAR);
    acre_heap_remember(slab);
    heap->mixed = slab;
    heap->mixed_blocks = 0;
    heap->mixed_slabs++;
    return true;
}

/* Blocks of the slab come into the class's cursor, which is empty, but for the first. */
static void *hand_out(struct acre_heap *heap, struct acre_slab *slab, unsigned size_class, size_t offset_bytes,
                      uint32_t count, bool is_fresh) {
    struct acre_supply *supply = &heap->supply[size_class];
    struct acre_cursor *cursor = &heap->cursor[size_class];
    uintptr_t first = slab->span.base + offset_bytes;
    size_t run_bytes = count * acre_class_bytes(size_class);
    slab->was_looked_at = false;
    supply->zero = (is_fresh && slab->zero) || heap->depot->zeroes;
    supply->fresh = is_fresh;
    if (supply->zero && !(is_fresh && slab->zero)) memset((void *)first, 0, run_bytes);
    heap->used[size_class / 64] |= UINT64_C(1) << size_class % 64;
    cursor->next = first + acre_class_bytes(size_class);
    cursor->end = first + run_bytes;
    return (void *)first;
}

/* Under a limit all classes together carve no more than a quarter of it at a time. */
static uint32_t run_most(const struct acre_heap *heap, unsigned size_class, unsigned doublings) {
    size_t share_bytes = heap->depot->pages->supplier->quota.limit_bytes / (4 * ACRE_SMALL_CLASSES);
    uint32_t run_bytes = (uint32_t)acre_min(RUN_BYTES << doublings, acre_max(share_bytes, RUN_BYTES));
    return acre_max(run_bytes / (uint32_t)acre_class_bytes(size_class), 1);
}

static bool is_served(const struct acre_heap *heap, unsigned size_class) {
    return !heap->depot->is_default && size_class < ACRE_SMALL_CLASSES;
}

void *acre_mixed_take(struct acre_heap *heap, unsigned size_class) {
    struct acre_supply *supply = &heap->supply[size_class];
    if (!is_served(heap, size_class)) return NULL;
    bool again = (heap->used[size_class / 64] >> size_class % 64 & 1) != 0;
    uint8_t doublings = (uint8_t)(supply->mixed_runs + (again && supply->mixed_runs < DOUBLINGS_MOST));
    uint32_t most = run_most(heap, size_class, doublings), count = 0;
    if (heap->mixed != NULL) count = acre_mixed_carve(heap->mixed, size_class, most);
    if (count == 0) {
        if (!find_another(heap)) return NULL;
        count = acre_mixed_carve(heap->mixed, size_class, most);
    }
    heap->mixed_blocks += count;
    supply->mixed_again = again;
    supply->mixed_runs = doublings;
    size_t offset_bytes = heap->mixed->fresh_bytes - count * acre_class_bytes(size_class);
    return hand_out(heap, heap->mixed, size_class, offset_bytes, count, true);
}

/* Of the heap's mixed slabs that are not in use. */
static size_t count_waiting_free(const struct acre_heap *heap) {
    size_t free_blocks = 0;
    for (struct acre_node *node = heap->waiting.next; node != &heap->waiting; node = node->next) {
        struct acre_slab *slab = ACRE_CONTAINER_OF(node, struct acre_slab, node);
        if (acre_slab_is_mixed(slab)) free_blocks += acre_slab_free_now(slab) + acre_slab_has_remote(slab);
    }
    return free_blocks;
}

/* A smaller block, or one whose place is less strict, did not fit, and nothing was freed since. The search left no
 * mixed slab in the depot. */
static bool is_vain(const struct acre_heap *heap, unsigned size_class) {
    if (heap->vain.size_class == 0 || heap->vain.size_class > size_class) return false;
    if (acre_depot_has(heap->depot, ACRE_CLASS_MIXED)) return false;
    size_t bytes = acre_class_bytes(size_class), vain_bytes = acre_class_bytes(heap->vain.size_class);
    return (bytes & -bytes) >= (vain_bytes & -vain_bytes) && count_waiting_free(heap) == heap->vain.free_blocks;
}

/* Others may have freed all that there was. */
static uint32_t carve_freed(struct acre_heap *heap, struct acre_slab *slab, unsigned size_class, uint32_t *unit) {
    uint32_t most = run_most(heap, size_class, heap->supply[size_class].mixed_runs), count;
    acre_slab_collect(slab);
    acre_heap_check_mixed_cursors(heap, slab);
    if (acre_slab_count_free(slab) == slab->total) {
        acre_mixed_restart(slab);
        slab->span.state = ACRE_SLAB_WAITING;
        count = acre_mixed_carve(slab, size_class, most);
        *unit = 0;
    } else {
        count = acre_mixed_carve_freed(slab, size_class, most, unit);
    }
    arm(slab, acre_slab_count_free(slab));
    return count;
}

static void *take_from(struct acre_heap *heap, struct acre_slab *slab, unsigned size_class) {
    uint32_t unit, count = carve_freed(heap, slab, size_class, &unit);
    return count == 0 ? NULL : hand_out(heap, slab, size_class, unit * ACRE_ALIGNMENT, count, false);
}

/* In the slabs that threads have left, too. */
static void *find_freed(struct acre_heap *heap, unsigned size_class) {
    struct acre_slab *slab;
    void *block = NULL;
    for (struct acre_node *node = heap->waiting.next; block == NULL && node != &heap->waiting; node = node->next) {
        slab = ACRE_CONTAINER_OF(node, struct acre_slab, node);
        if (acre_slab_is_mixed(slab)) block = take_from(heap, slab, size_class);
    }
    while (block == NULL && (slab = acre_depot_take(heap->depot, ACRE_CLASS_MIXED, acre_heap_owner())) != NULL) {
        acre_heap_adopted(slab); /* it is the last one now, or is gone since it was empty */
        if (heap->waiting.prev == &slab->node) block = take_from(heap, slab, size_class);
    }
    return block;
}

void *acre_mixed_take_freed(struct acre_heap *heap, unsigned size_class) {
    if (!is_served(heap, size_class) || heap->makes_none || is_vain(heap, size_class)) return NULL;
    heap->vain.size_class = 0;
    void *block = find_freed(heap, size_class);
    if (block != NULL) return block;
    heap->vain.size_class = size_class;
    heap->vain.free_blocks = count_waiting_free(heap);
    return NULL;
}

/* The cursor of a class without a slab of its own. In the child of a fork it may be in the middle of a change. */
static void empty_cursor(struct acre_cursor *cursor, size_t block_bytes) {
    for (; cursor->next < cursor->end; cursor->next += block_bytes) {
        struct acre_slab *slab = (struct acre_slab *)acre_map_find(cursor->next);
        uint32_t unit = (uint32_t)(cursor->next % ACRE_GRANULE_BYTES / ACRE_ALIGNMENT);
        if (slab->span.kind != ACRE_SPAN_SMALL || !acre_slab_is_mixed(slab) || !acre_mixed_begins_at(slab, unit))
            break;
        slab->live[unit / 64] &= ~(UINT64_C(1) << unit % 64);
    }
    *cursor = (struct acre_cursor){0, 0, 0, 0, 0};
}

struct acre_slab *acre_mixed_leave(struct acre_heap *heap) {
    struct acre_slab *slab = heap->mixed;
    if (heap->depot->is_default) return NULL;
    for (unsigned size_class = 1; size_class < ACRE_SMALL_CLASSES; size_class++) {
        if (heap->supply[size_class].slab == NULL && heap->cursor[size_class].next != heap->cursor[size_class].end)
            empty_cursor(&heap->cursor[size_class], acre_class_bytes(size_class));
    }
    heap->mixed = NULL;
    heap->mixed_slabs = 0;
    heap->vain.size_class = 0;
    return slab;
}

void acre_mixed_note_end(struct acre_heap *heap, unsigned size_class) {
    struct acre_supply *supply = &heap->supply[size_class];
    size_t left_bytes = heap->cursor[size_class].end - heap->cursor[size_class].next;
    if (supply->mixed_runs > 0 && !supply->mixed_again && left_bytes >= (RUN_BYTES << supply->mixed_runs) / 2)
        supply->mixed_runs--;
}

void acre_mixed_empty(struct acre_heap *heap, bool may_keep) {
    struct acre_slab *slab = heap->mixed;
    bool keep = may_keep && slab != NULL && slab->chunk->heap != heap->depot->pages;
    heap->mixed = keep ? slab : NULL;
    heap->mixed_slabs = keep;
    heap->vain.size_class = 0;
    if (!keep) {
        if (slab != NULL) slab->span.state = 0;
        return;
    }
    acre_mixed_restart(slab);
    heap->mixed_blocks = 0;
    slab->span.state = ACRE_SLAB_CURRENT;
}
