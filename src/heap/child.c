/* In the child of a fork there is one thread, and the slabs of all others must find a new place.
 *
 * Their heaps' lists are no guide to them: a thread may have been anywhere in its code, with a slab in its hands or
 * a list half walked. The page heap is, whose lock the fork held: so every slab is looked at, and what belongs to a
 * thread that is not there is handed on. Lost to the child are blocks that were on their way: in an outbox (64 a
 * thread at the most), in a cursor that was being filled, or between the slab and the caller. */
#include "heap/recent.h"

#include "metadata/map.h"

#include <string.h>

/* All queues are emptied: what hung on them is looked at anyway, but for the heir's own slabs. */
static void open_queue(struct acre_heap *heap, struct acre_inheritance *left) {
    for (struct acre_slab *slab = atomic_exchange(&heap->queue, NULL), *next; slab != NULL; slab = next) {
        next = slab->queue_next;
        if (!acre_slab_unqueue(slab) || atomic_load(acre_slab_owner(slab)) != acre_heap_owner()) continue;
        slab->queue_next = left->messages;
        left->messages = slab;
    }
}

/* A cursor that was being filled may have the beginning of one run and the end of another, with live blocks
 * between.
 */
static void drop_cursors(struct acre_heap *heap) { memset(heap->cursor, 0, sizeof heap->cursor); }

/* What the heap had ready goes back to its slabs, and it has none of them any more. */
static void empty(struct acre_heap *heap) {
    if (heap->home->was_inside) drop_cursors(heap);
    acre_mixed_leave(heap);
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        struct acre_supply *supply = &heap->supply[size_class];
        if (supply->slab != NULL) acre_heap_empty_cursor(heap, supply->slab);
        heap->cursor[size_class] = (struct acre_cursor){0, 0, 0, 0, 0};
        supply->slab = NULL;
        supply->stock = 0;
    }
    acre_list_start(&heap->waiting);
    heap->kept_bytes = heap->partial_free_bytes = 0;
}

static void abandon(struct acre_thread *thread, void *context) {
    struct acre_inheritance *left = context;
    struct acre_heap *heap = &thread->heap;
    open_queue(heap, left);
    if (heap == left->heir || atomic_load(&heap->thread) == ACRE_HEAP_UNUSED) return;
    empty(heap);
    acre_list_start(&thread->others);
    thread->outbox = (struct acre_outbox){0};
    thread->lookaside = (struct acre_lookaside)ACRE_LOOKASIDE_NONE;
    acre_recent_drop(heap);
    for (unsigned slot = 0; slot < ACRE_FOUND_SLOTS; slot++) thread->found[slot] = NULL;
    atomic_store(&thread->rests, false);
    acre_thread_retire(thread);
}

/* The records of heaps of other arenas stay as they are: they are few, and their threads may have been about to
 * list them, or to take them off. */
void acre_heap_inherit_others(struct acre_inheritance *left, struct acre_depot *depot) {
    struct acre_node *mine = NULL;
    depot->leaving = 0;
    acre_list_start(&depot->idle);
    for (struct acre_node *node = depot->heaps.next, *next; node != &depot->heaps; node = next) {
        struct acre_heap *heap = ACRE_CONTAINER_OF(node, struct acre_heap, depot_node);
        next = node->next;
        open_queue(heap, left);
        if (heap->home == left->heir->home) {
            mine = node;
            continue;
        }
        empty(heap);
        heap->home = NULL; /* whose record the next thread may come to have */
        atomic_store(&heap->thread, ACRE_HEAP_UNUSED);
    }
    acre_list_start(&depot->heaps);
    if (mine != NULL) acre_list_push_front(&depot->heaps, mine);
}

void acre_heap_forget_place(struct acre_depot *depot) {
    struct acre_arena_place *place = acre_depot_place(depot);
    if (atomic_load(&place->owner) == acre_thread_pointer()) return;
    place->heap = NULL;
    atomic_store(&place->owner, 0);
}

static bool is_orphan(struct acre_slab *slab) {
    uintptr_t owner = atomic_load(acre_slab_owner(slab));
    if (owner == ACRE_OWNER_SHARED || owner == acre_heap_owner()) return false;
    return owner != ACRE_OWNER_NONE || slab->span.state != ACRE_SLAB_FULL; /* else it was just being made */
}

static void find_orphan(struct acre_chunk *chunk, uint32_t index, uint32_t pages, void *context) {
    (void)pages;
    struct acre_inheritance *left = context;
    if (acre_run_state(chunk, index) != ACRE_RUN_SLAB) return;
    struct acre_span *span = acre_map_find(acre_run_address(chunk, index));
    if (span->kind != ACRE_SPAN_SMALL && span->kind != ACRE_SPAN_MEDIUM) return;
    struct acre_slab *slab = (struct acre_slab *)span;
    atomic_store(&slab->queued, ACRE_ALIVE); /* somebody may have been about to put it on a queue */
    if (!is_orphan(slab)) return;
    slab->chunk = chunk;
    acre_list_push_back(&left->orphans, &slab->node);
}

/* The record's pages were copied one after the other while its thread went on: bits may be newer than `fresh`. */
static void forget_bits_behind_fresh(struct acre_slab *slab) {
    uint32_t fresh_bit = slab->fresh_bytes / slab->unit_bytes, word = fresh_bit / 64;
    if (word < slab->words) slab->live[word] &= (UINT64_C(1) << fresh_bit % 64) - 1;
    for (word++; word < slab->words; word++) slab->live[word] = 0;
    if (slab->words == 1) slab->pattern = fresh_bit < 64 ? (UINT64_C(1) << fresh_bit) - 1 : ~UINT64_C(0);
}

static void hand_on_orphans(struct acre_inheritance *left) {
    for (struct acre_node *node = left->orphans.next, *next; node != &left->orphans; node = next) {
        struct acre_slab *slab = ACRE_CONTAINER_OF(node, struct acre_slab, node);
        next = node->next;
        forget_bits_behind_fresh(slab);
        atomic_store(acre_slab_owner(slab), acre_heap_owner());
        acre_heap_hand_on(slab);
    }
}

static void deliver_messages(struct acre_inheritance *left) {
    for (struct acre_slab *slab = left->messages, *next; slab != NULL; slab = next) {
        struct acre_heap *heap = atomic_load(&slab->heap);
        next = slab->queue_next;
        if (!acre_slab_must_queue(slab)) continue;
        slab->queue_next = atomic_load(&heap->queue);
        atomic_store(&heap->queue, slab);
    }
}

bool acre_heap_inherit(struct acre_inheritance *left) {
    struct acre_heap *heir = acre_heap_mine();
    if (heir == NULL) return false;
    left->heir = heir;
    left->messages = NULL;
    acre_list_start(&left->orphans);
    acre_heap_none_rests();
    acre_thread_each(abandon, left);
    return true;
}

void acre_heap_inherit_slabs(struct acre_inheritance *left, struct acre_page_heap *pages) {
    acre_page_heap_each_run(pages, find_orphan, left);
}

void acre_heap_inherited(struct acre_inheritance *left) {
    hand_on_orphans(left);
    deliver_messages(left);
}
