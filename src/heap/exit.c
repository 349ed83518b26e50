#include "heap/heap.h"

/* Puts a block back, unless it cannot be one that was taken out. */
static void put_back(struct acre_slab *slab, uint32_t bit) {
    if (bit * slab->unit_bytes < slab->fresh_bytes) slab->live[bit / 64] &= ~(UINT64_C(1) << bit % 64);
}

void acre_heap_empty_cursor(struct acre_heap *heap, struct acre_slab *slab) {
    unsigned size_class = slab->span.size_class;
    struct acre_cursor *cursor = &heap->cursor[size_class];
    if (heap->home == acre_this_thread) acre_heap_check_cursor(heap, slab);
    size_t block_bytes = acre_slab_block_bytes(slab);
    uintptr_t base = slab->span.base, end = base + slab->fresh_bytes;
    if (cursor->base == base && cursor->top <= ACRE_READY_MOST) {
        while (cursor->top > cursor->bottom) put_back(slab, heap->ready[size_class][--cursor->top]);
    }
    bool whole = cursor->next >= base && cursor->next < cursor->end && cursor->end <= end &&
                 (cursor->next - base) % block_bytes == 0 && (cursor->end - base) % block_bytes == 0;
    for (uintptr_t block = cursor->next; whole && block != cursor->end; block += block_bytes)
        put_back(slab, (uint32_t)((block - base) / slab->unit_bytes));
    /* The last of the slab, never handed out, are fresh again. A thread that a fork took away went on while its
     * pages were copied one after the other, so its slab may know more than its heap. */
    if (whole && cursor->end == end && heap->supply[size_class].fresh && heap->home == acre_this_thread)
        acre_small_uncarve(slab, (uint32_t)(cursor->next - base));
    *cursor = (struct acre_cursor){0, 0, 0, 0, 0};
}

/* Gives up a full slab. false: remote frees came in meanwhile, and it is the caller's again with free blocks. If it
 * stays queued it is perhaps with a thread that sleeps; and who frees into it then relies on the message, if it
 * still saw the caller as the owner. */
static bool give_up_full(struct acre_slab *slab) {
    _Atomic uintptr_t *owner = acre_slab_owner(slab);
    acre_heap_forget(slab);
    slab->span.state = ACRE_SLAB_FULL;
    atomic_store(owner, ACRE_OWNER_NONE);
    for (bool missed = acre_slab_is_queued(slab); missed; missed = acre_slab_has_remote(slab)) {
        uintptr_t nobody = ACRE_OWNER_NONE;
        if (!atomic_compare_exchange_strong(owner, &nobody, acre_heap_owner())) return true;
        if (acre_slab_collect(slab) != 0) return false;
        atomic_store(owner, ACRE_OWNER_NONE);
    }
    return true;
}

void acre_heap_hand_on(struct acre_slab *slab) {
    slab->node = (struct acre_node){NULL, NULL};
    acre_slab_collect(slab);
    uint32_t free_blocks = acre_slab_count_free(slab);
    if (free_blocks == 0) {
        if (give_up_full(slab)) return;
        free_blocks = acre_slab_count_free(slab);
    }
    if (free_blocks == slab->total)
        acre_heap_destroy(slab);
    else
        acre_heap_share(slab, free_blocks);
}

static bool hand_on_list(struct acre_node *list) {
    struct acre_node *node = list->next;
    bool any = node != list;
    acre_list_start(list);
    for (struct acre_node *next; node != list; node = next) {
        next = node->next;
        acre_heap_hand_on(ACRE_CONTAINER_OF(node, struct acre_slab, node));
    }
    return any;
}

/* Whether there was anything. */
static bool hand_on_everything(struct acre_heap *heap) {
    bool any = false;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        struct acre_supply *supply = &heap->supply[size_class];
        struct acre_slab *current = supply->slab;
        supply->slab = NULL;
        if (current != NULL) {
            acre_heap_empty_cursor(heap, current);
            acre_heap_hand_on(current);
            any = true;
        }
        if (supply->stock > 0) any |= hand_on_list(&supply->partial);
        supply->stock = 0;
    }
    acre_wide_start(heap);
    struct acre_slab *mixed = acre_mixed_leave(heap);
    if (mixed != NULL) acre_heap_hand_on(mixed);
    any |= mixed != NULL;
    any |= hand_on_list(&heap->waiting);
    heap->kept_bytes = heap->partial_free_bytes = 0;
    return any;
}

/* Draining may bring slabs back to this heap, hence the loop. */
void acre_heap_leave(struct acre_heap *heap) {
    acre_remote_flush(heap->home);
    atomic_store(&heap->thread, ACRE_HEAP_LEAVING);
    for (unsigned round = 0;; acre_remote_pause(round++)) {
        acre_remote_drain(heap);
        if (!hand_on_everything(heap) && atomic_load(&heap->queue) == NULL) return;
    }
}
