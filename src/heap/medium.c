/* Blocks of the medium classes. One at a time and straight out of the bitmap of the slab in use, which is a single
 * word: so a bit says whether a block is live, and nothing is ready in a cursor that a second free could not tell
 * from it (docs/decisions/0013-medium-blocks.md). */
#include "heap/gate.h"

#include "span/decay.h"

#include <string.h>

/* A free block of the slab, or NULL. */
ACRE_INLINE void *take_free(struct acre_slab *slab) {
    uint64_t blocks = slab->pattern ^ slab->live[0];
    if (ACRE_UNLIKELY(blocks == 0)) return NULL;
    slab->was_looked_at = false;
    slab->live[0] |= blocks & -blocks;
    return acre_not_null(slab->span.base + (uintptr_t)acre_lowest_bit(blocks) * slab->unit_bytes);
}

static void *take_fresh(struct acre_slab *slab, bool *zero) {
    void *block = (void *)(slab->span.base + slab->fresh_bytes);
    if (slab->fresh_bytes == slab->end_bytes) return NULL;
    slab->was_looked_at = false;
    acre_slab_carve(slab);
    *zero = slab->zero;
    return block;
}

/* A look that may come too early, for what costs less than to collect nothing. */
static bool others_freed(const struct acre_slab *slab) {
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_relaxed);
    return (remote != NULL && atomic_load_explicit(&remote[0], memory_order_relaxed) != 0) ||
           atomic_load_explicit(&slab->remote_list, memory_order_relaxed) != 0;
}

/* Of what others freed, too. */
static void *take_from(struct acre_slab *slab, bool *zero) {
    void *block = take_free(slab);
    if (block == NULL && acre_slab_collect(slab) > 0) block = take_free(slab);
    return block != NULL ? block : take_fresh(slab, zero);
}

/* Inside the gate. */
static void *take(struct acre_heap *heap, unsigned size_class, bool *zero) {
    struct acre_supply *supply = &heap->supply[size_class];
    struct acre_slab *slab = supply->slab;
    void *block = slab == NULL ? NULL : take_from(slab, zero);
    if (block != NULL) return block;
    supply->slab = NULL;
    if (slab != NULL) acre_heap_disown(slab);
    return acre_heap_find_slab(heap, size_class, slab) ? take_from(supply->slab, zero) : NULL;
}

static ACRE_NOINLINE void *take_slowly(struct acre_heap *heap, unsigned size_class, bool *zero) {
    if (heap == &acre_no_thread.heap) return NULL;
    *zero = false;
    acre_gate_enter(heap);
    void *block = take(heap, size_class, zero);
    acre_gate_leave(heap);
    acre_decay_answer();
    if (block != NULL && heap->depot->zeroes && !*zero) memset(block, 0, acre_class_bytes(size_class));
    *zero |= heap->depot->zeroes;
    return block;
}

void *acre_medium_take(struct acre_heap *heap, unsigned size_class, bool *zero) {
    struct acre_slab *slab = heap->supply[size_class].slab;
    if (ACRE_UNLIKELY(slab == NULL || slab->run_least_bits == ACRE_NO_RUN_IS_LONG_ENOUGH))
        return take_slowly(heap, size_class, zero); /* the latter: of an arena whose blocks come zeroed */
    acre_gate_knock(heap);
    ACRE_GO_IF_SET(acre_gate_is_closed, closed);
    *zero = false;
    void *block = take_free(slab);
    if (block == NULL && !others_freed(slab)) block = take_fresh(slab, zero);
    acre_gate_leave(heap);
    return block != NULL ? block : take_slowly(heap, size_class, zero);
closed:
    return take_slowly(heap, size_class, zero);
}
