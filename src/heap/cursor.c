/* Free of a block that a cursor holds: it was freed before, or never handed out. Such blocks have their bits set,
 * as live ones do, so free cannot tell the two by them, and a comparison there would cost every free. It
 * is seen where something else is looked at anyway: by frees that take the slow way, and before a slab is taken for
 * empty or a thread ends (docs/decisions/0009-misuse.md). */
#include "heap/heap.h"

#include "slab/mixed.h"

static void tell_held(const struct acre_slab *slab, uintptr_t address, bool was_handed_out) {
    if (was_handed_out)
        acre_slab_tell_free(ACRE_MISUSE_DOUBLE_FREE, "free", slab, address);
    else
        acre_misuse(ACRE_MISUSE_NOT_A_BLOCK, "free", address,
                    "not a block: nothing was handed out there yet (arena %s)", acre_depot_name(slab->depot));
}

/* A block in the cursor is not free as well. */
static void check_held(struct acre_slab *slab, uint32_t bit, bool was_handed_out) {
    uint64_t mask = UINT64_C(1) << bit % 64;
    if ((slab->live[bit / 64] & mask) != 0) return;
    slab->live[bit / 64] |= mask;
    tell_held(slab, slab->span.base + (uintptr_t)bit * slab->unit_bytes, was_handed_out);
}

void acre_heap_check_cursor(struct acre_heap *heap, struct acre_slab *slab) {
    unsigned size_class = slab->span.size_class;
    const struct acre_cursor *cursor = &heap->cursor[size_class];
    bool was_handed_out = !heap->supply[size_class].fresh;
    for (uintptr_t block = cursor->next; block != cursor->end; block += acre_slab_block_bytes(slab))
        check_held(slab, (uint32_t)((block - slab->span.base) / slab->unit_bytes), was_handed_out);
    for (uint32_t place = cursor->bottom; place < cursor->top; place++)
        check_held(slab, heap->ready[size_class][place], true);
}

void acre_heap_check_mixed_cursors(struct acre_heap *heap, struct acre_slab *slab) {
    for (unsigned size_class = 1; size_class < ACRE_SMALL_CLASSES; size_class++) {
        const struct acre_cursor *cursor = &heap->cursor[size_class];
        if (heap->supply[size_class].slab != NULL || cursor->next - slab->span.base >= slab->end_bytes) continue;
        for (uintptr_t block = cursor->next; block != cursor->end; block += acre_class_bytes(size_class))
            check_held(slab, (uint32_t)((block - slab->span.base) / ACRE_ALIGNMENT),
                       !heap->supply[size_class].fresh);
    }
}

bool acre_heap_check_held(const struct acre_heap *heap, const struct acre_slab *slab, uintptr_t address) {
    if (slab->span.state != ACRE_SLAB_CURRENT || acre_slab_is_mixed(slab)) return false;
    unsigned size_class = slab->span.size_class;
    const struct acre_cursor *cursor = &heap->cursor[size_class];
    bool in_run = address - cursor->next < cursor->end - cursor->next, held = in_run;
    uint32_t bit = (uint32_t)((address - slab->span.base) / slab->unit_bytes);
    for (uint32_t place = cursor->bottom; !held && place < cursor->top; place++)
        held = heap->ready[size_class][place] == bit;
    if (held) tell_held(slab, address, !in_run || !heap->supply[size_class].fresh);
    return held;
}
