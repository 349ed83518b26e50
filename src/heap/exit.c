#include "heap/heap.h"

/* Blocks that the cursor holds go back to their slab. */
static void empty_cursor(struct acre_cursor *cursor, struct acre_slab *slab) {
    size_t block_bytes = acre_slab_block_bytes(slab);
    if (cursor->word != 0) slab->bits[(cursor->base - slab->span.base) / slab->unit_bytes / 64] |= cursor->word;
    for (uintptr_t block = cursor->next; block != cursor->end; block += block_bytes) {
        uint32_t bit = (uint32_t)((block - slab->span.base) / slab->unit_bytes);
        slab->bits[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    *cursor = (struct acre_cursor){0, 0, 0, 0};
}

/* A slab that its heap no longer lists: to the page heap, to the depot, or nobody's. */
static void hand_on(struct acre_heap *heap, struct acre_slab *slab) {
    acre_slab_collect(slab);
    uint32_t free_blocks = acre_slab_count_free(slab);
    slab->node = (struct acre_node){NULL, NULL};
    if (free_blocks == slab->total)
        acre_slab_destroy(heap->depot->pages, slab);
    else if (free_blocks == 0)
        acre_heap_disown(heap, slab);
    else
        acre_depot_put(heap->depot, slab);
}

static void hand_on_list(struct acre_heap *heap, struct acre_node *list) {
    struct acre_node *node = list->next;
    acre_list_start(list);
    for (struct acre_node *next; node != list; node = next) {
        next = node->next;
        hand_on(heap, ACRE_CONTAINER_OF(node, struct acre_slab, node));
    }
}

static void hand_on_everything(struct acre_heap *heap) {
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        struct acre_supply *supply = &heap->supply[size_class];
        struct acre_slab *current = supply->slab;
        supply->slab = NULL;
        if (current != NULL) {
            empty_cursor(&heap->cursor[size_class], current);
            hand_on(heap, current);
        }
        hand_on_list(heap, &supply->partial);
    }
    hand_on_list(heap, &heap->waiting);
    heap->kept_bytes = 0;
}

/* A remote free that comes in meanwhile may bring a slab back to this heap (acre_heap_disown), hence the loop; once
 * `thread` is 0 those who push see it and drain the queue themselves. */
void acre_heap_leave(struct acre_heap *heap) {
    acre_remote_flush(heap);
    acre_remote_drain(heap);
    hand_on_everything(heap);
    atomic_store(&heap->thread, 0);
    acre_remote_drain(heap);
    hand_on_everything(heap);
}

static void take_over(struct acre_heap *heap, void *self) {
    if (heap == self || atomic_load(&heap->thread) == 0) return;
    /* What was in its outbox stays live for ever in this child: at most 64 blocks. */
    heap->outbox = (struct acre_outbox){0};
    hand_on_everything(heap);
    atomic_store(&heap->thread, 0);
}

void acre_heap_after_fork(void) { acre_heap_each(take_over, acre_this_heap); }
