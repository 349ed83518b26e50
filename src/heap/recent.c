#include "heap/recent.h"

#include "heap/gate.h"
#include "metadata/metadata.h"

struct acre_recent_entry acre_recent_floor;

/* A refill of a slab that keeps recent blocks notes what it finds, runs too. Whoever sees that it keeps none sees
 * also what was taken of them before. */
static void set_kept(struct acre_slab *slab, bool is_kept) {
    __atomic_store_n(&slab->keeps_recent, is_kept, __ATOMIC_RELEASE);
    slab->run_least_bits = is_kept ? ACRE_NO_RUN_IS_LONG_ENOUGH : acre_slab_run_least_bits(slab);
}

void acre_recent_start(struct acre_heap *heap, unsigned size_class) {
    if (size_class >= ACRE_SMALL_CLASSES || acre_recent_is_kept(heap, size_class) || !heap->depot->is_default)
        return;
    struct acre_recent *recent = &heap->recent[size_class];
    struct acre_recent_entry **entries = &heap->home->recent_entries[size_class];
    /* A new record is zero, and this kind is never given back. */
    if (*entries == NULL)
        *entries = acre_metadata_take(ACRE_RECORD_RECENT, (1 + ACRE_RECENT_MOST) * sizeof **entries);
    if (*entries == NULL) return;
    recent->top = *entries;
    recent->last = recent->top + ACRE_RECENT_MOST;
    struct acre_slab *slab = heap->supply[size_class].slab;
    if (slab != NULL && slab->span.flags == 0) acre_recent_admit(heap, slab);
}

void acre_recent_stop(struct acre_heap *heap, unsigned size_class) {
    if (!acre_recent_is_kept(heap, size_class)) return;
    heap->recent[size_class] = (struct acre_recent)ACRE_RECENT_NONE;
    struct acre_slab *current = heap->supply[size_class].slab; /* need not be in the lookaside */
    if (current != NULL) acre_recent_expel(heap, current);
    for (uintptr_t slot = 0; slot < ACRE_LOOKASIDE_SLOTS; slot++) {
        uintptr_t granule = ACRE_LOOKASIDE_RECENT(heap->home->lookaside.granule[slot]);
        if (granule % ACRE_LOOKASIDE_SLOTS != slot || granule >> (64 - ACRE_GRANULE_SHIFT) != 0) continue;
        struct acre_slab *slab = acre_slab_of_live(heap->home->lookaside.live[slot]);
        if (slab->span.size_class == size_class) acre_recent_expel(heap, slab);
    }
}

bool acre_recent_admit(struct acre_heap *heap, struct acre_slab *slab) {
    bool was_kept = slab->keeps_recent, is_kept = acre_recent_is_kept(heap, slab->span.size_class);
    if (!was_kept && !is_kept) return false;
    bool was_inside = acre_gate_is_inside(heap);
    if (!was_inside) acre_gate_enter(heap);
    set_kept(slab, is_kept);
    if (!was_inside) acre_gate_leave(heap);
    acre_heap_remember(slab);
    return is_kept;
}

_Static_assert(ACRE_RECENT_MOST <= ACRE_SLAB_RECENT_MOST, "who reads a stack has room for it");

static bool is_of(const struct acre_recent_entry *entry, const struct acre_slab *slab) {
    return entry->block - slab->span.base < slab->end_bytes;
}

uint32_t acre_recent_expel(struct acre_heap *heap, struct acre_slab *slab) {
    if (!slab->keeps_recent) return 0;
    set_kept(slab, false);
    acre_heap_remember(slab);
    if (!acre_recent_is_kept(heap, slab->span.size_class)) return 0; /* inherited by a fork from another's heap */
    struct acre_recent *recent = &heap->recent[slab->span.size_class];
    struct acre_recent_entry *to = heap->home->recent_entries[slab->span.size_class], *from = to + 1;
    uint32_t count = 0;
    for (; from <= recent->top; from++) {
        if (is_of(from, slab))
            count++;
        else
            *++to = *from;
    }
    recent->top = to;
    atomic_signal_fence(memory_order_release); /* what the countdown knows of is on the stack no more */
    slab->countdown -= (int32_t)count;
    return count;
}

uint32_t acre_recent_count(const struct acre_heap *heap, const struct acre_slab *slab) {
    const struct acre_recent *recent = &heap->recent[slab->span.size_class];
    uint32_t count = 0;
    for (const struct acre_recent_entry *entry = recent->top; entry->block != 0; entry--)
        count += is_of(entry, slab);
    return count;
}

/* Heaps and their stacks are never given back: what is read may be old, but it is there. */
uint32_t acre_recent_read(const struct acre_slab *slab, uintptr_t block[ACRE_SLAB_RECENT_MOST]) {
    const struct acre_heap *heap = atomic_load_explicit(&slab->heap, memory_order_relaxed);
    const struct acre_recent_entry *floor = ACRE_PEEK(&heap->home->recent_entries[slab->span.size_class]);
    const struct acre_recent_entry *top = ACRE_PEEK(&heap->recent[slab->span.size_class].top);
    uint32_t count = 0;
    if (floor == NULL || top == &acre_recent_floor) return 0;
    for (const struct acre_recent_entry *entry = floor + 1; entry <= top; entry++) {
        uintptr_t found = ACRE_PEEK(&entry->block);
        if (found - slab->span.base < slab->end_bytes) block[count++] = found;
    }
    return count;
}

void acre_recent_drop(struct acre_heap *heap) {
    for (unsigned size_class = 1; size_class < ACRE_SMALL_CLASSES; size_class++) {
        if (acre_recent_is_kept(heap, size_class))
            heap->recent[size_class].top = heap->home->recent_entries[size_class];
    }
}

bool acre_recent_is_valid(const struct acre_heap *heap) {
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        const struct acre_recent *recent = &heap->recent[size_class];
        if (!acre_recent_is_kept(heap, size_class)) {
            if (recent->top != &acre_recent_floor) return false;
            continue;
        }
        const struct acre_recent_entry *floor = heap->home->recent_entries[size_class];
        if (floor->block != 0 || recent->top < floor || recent->top > recent->last) return false;
        for (const struct acre_recent_entry *entry = floor + 1; entry <= recent->top; entry++) {
            if ((*entry->half >> entry->block / ACRE_ALIGNMENT % 16 & 1) != 0) return false;
        }
    }
    return true;
}
