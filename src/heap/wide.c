/* Few blocks of many sizes.
 *
 * A slab for each of 64 small classes, in each thread, is most of the memory of a program whose threads have few
 * blocks of many sizes. So a class gets the blocks of a wider one (acre_class_wider) until these fill several
 * slabs: then a slab of its own costs little beside the bytes that it saves in each block
 * (docs/decisions/0016-wide-classes.md).
 *
 * Which class serves which is in the heap's `served`, which malloc reads anyway instead of rounding the size. Any
 * class's blocks may serve for a smaller one at any time, since free goes by the block's slab. In an arena each
 * class has its own, by way of mixed slabs at first. */
#include "heap/heap.h"

/* Of the wider class there may be this many for each thread in use, those of heaps that rest included. */
#define SLABS_A_THREAD 8u

static void serve(struct acre_heap *heap, unsigned size_class, unsigned by) {
    heap->served[size_class] = (uint16_t)acre_class_bytes(by);
}

void acre_wide_start(struct acre_heap *heap) {
    bool is_default = heap->depot->is_default;
    for (unsigned size_class = 1; size_class < ACRE_SMALL_CLASSES; size_class++)
        serve(heap, size_class, size_class);
    for (unsigned size_class = ACRE_NEVER_WIDER; is_default && size_class < ACRE_SMALL_CLASSES; size_class++)
        serve(heap, size_class, acre_class_wider(size_class));
}

void acre_wide_end(struct acre_heap *heap, unsigned size_class) {
    if (acre_class_is_small(size_class)) serve(heap, size_class, size_class);
}

/* Blocks of its own that are free serve a class before more memory does. */
static bool has_some(const struct acre_heap *heap, unsigned size_class) {
    return heap->supply[size_class].stock > 0 || acre_depot_has(heap->depot, size_class);
}

void acre_wide_note_slab(struct acre_heap *heap, unsigned size_class) {
    if (!heap->depot->is_default || !acre_class_is_small(size_class)) return;
    uint32_t slabs = atomic_load_explicit(&acre_depot_slabs[size_class], memory_order_relaxed);
    bool many = slabs + 1 >= SLABS_A_THREAD * acre_heap_threads();
    for (unsigned narrow = size_class - 1; narrow > ACRE_NEVER_WIDER; narrow--) {
        if (acre_class_wider(narrow) != size_class) return;
        if (many || has_some(heap, narrow)) serve(heap, narrow, narrow);
    }
}
