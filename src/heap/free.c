#include "heap/recent.h"

void acre_heap_adopted(struct acre_slab *slab) {
    /* A thread that is ending makes no heap any more. */
    struct acre_heap *heap = acre_heap_is_made() ? acre_heap_for(slab->depot) : NULL;
    if (heap == NULL) {
        acre_heap_hand_on(slab);
        return;
    }
    acre_recent_expel(heap, slab);
    atomic_store_explicit(&slab->heap, heap, memory_order_relaxed);
    if (acre_slab_is_mixed(slab)) heap->mixed_slabs++;
    bool was_shared = slab->span.state == ACRE_SLAB_SHARED;
    uint32_t collected = acre_slab_collect(slab);
    uint32_t free_blocks = was_shared ? (uint32_t)slab->free_at_arm + collected : acre_slab_count_free(slab);
    acre_heap_settle(heap, slab, free_blocks);
}

/* A remote free sets its bits, then queues the slab, then looks at the owner; here the owner goes first and the
 * queue is looked at afterwards. So one of the two sees the other, and the blocks are not stranded. */
void acre_heap_disown(struct acre_slab *slab) {
    uintptr_t nobody = ACRE_OWNER_NONE;
    _Atomic uintptr_t *owner = acre_slab_owner(slab);
    acre_heap_forget(slab);
    slab->span.state = ACRE_SLAB_FULL;
    atomic_store(owner, ACRE_OWNER_NONE);
    if (!acre_slab_is_queued(slab)) return;
    if (atomic_compare_exchange_strong(owner, &nobody, acre_heap_owner())) acre_heap_adopted(slab);
}

void acre_heap_countdown(struct acre_slab *slab) {
    /* The record is perhaps what a thread with our thread pointer left behind. */
    if (acre_heap_mine() == NULL) return;
    struct acre_heap *heap = slab->heap;
    if (heap->home != acre_this_thread) { /* left by a thread that a fork took away */
        acre_heap_adopted(slab);
        return;
    }
    if (slab->span.state == ACRE_SLAB_CURRENT) {
        acre_heap_watch_current(heap, slab, false);
        return;
    }
    uint32_t free_blocks = acre_slab_free_now(slab);
    if (acre_heap_stays_partial(slab, free_blocks)) return;
    acre_heap_unlist(heap, slab);
    acre_heap_settle(heap, slab, free_blocks);
}

/* The block's number, or, told, ACRE_NO_BLOCK: none begins there. */
ACRE_INLINE uint32_t checked_number(struct acre_slab *slab, uintptr_t address) {
    uint32_t number = acre_slab_find(slab, address);
    if (ACRE_UNLIKELY(number == ACRE_NO_BLOCK)) acre_slab_tell_no_block("free", slab, address);
    return number;
}

static void free_as_owner(struct acre_slab *slab, uintptr_t address) {
    uint32_t number = checked_number(slab, address);
    if (number == ACRE_NO_BLOCK || acre_heap_check_held(slab->heap, slab, address)) return;
    struct acre_heap *heap = &acre_this_thread->heap; /* alone keeps recent blocks */
    if (slab->keeps_recent && slab->heap == heap && address % ACRE_ALIGNMENT == 0 &&
        acre_recent_put(&heap->recent[slab->span.size_class], (acre_half *)slab->live, address,
                        address / ACRE_ALIGNMENT))
        return;
    if (ACRE_UNLIKELY(acre_slab_looks_free(slab, number))) {
        acre_slab_tell_free(ACRE_MISUSE_DOUBLE_FREE, "free", slab, address);
        return;
    }
    acre_slab_set_free(slab, number);
    atomic_signal_fence(memory_order_release); /* who reads the countdown and then bits finds those it knows of */
    if (--slab->countdown == 0) acre_heap_countdown(slab);
}

static bool adopt_full(struct acre_slab *slab) {
    uintptr_t nobody = ACRE_OWNER_NONE;
    if (!atomic_compare_exchange_strong(acre_slab_owner(slab), &nobody, acre_heap_owner())) return false;
    acre_heap_adopted(slab);
    return true;
}

/* A shared slab is for those who allocate in its class: one that frees into it then has it to itself, without the
 * lock. A thread that only frees would hoard it. */
static bool may_take(const struct acre_slab *slab, struct acre_depot *depot) {
    const struct acre_heap *heap = acre_heap_for(depot);
    if (heap == NULL) return false;
    const struct acre_supply *supply = &heap->supply[ACRE_PEEK(&slab->span.size_class)];
    return supply->slab != NULL && supply->stock < ACRE_STOCK_MOST;
}

/* The slab's record may be another's by now, or zeros. */
static bool free_shared(struct acre_slab *slab, uint32_t number) {
    struct acre_depot *depot = ACRE_PEEK(&slab->depot);
    if (depot == NULL) return false;
    bool takes = number != ACRE_NO_BLOCK && may_take(slab, depot);
    enum acre_depot_answer answer = acre_depot_free(depot, slab, number, acre_heap_owner(), takes);
    if (answer == ACRE_DEPOT_EMPTIED) acre_depot_destroy(slab);
    if (answer == ACRE_DEPOT_TAKEN) acre_heap_adopted(slab);
    return answer != ACRE_DEPOT_NOT_SHARED;
}

/* Into a full slab of an arena that this thread has no heap of: as its owner, who hands it on at once. */
static bool free_full_of_others(struct acre_slab *slab, uint32_t number) {
    uintptr_t nobody = ACRE_OWNER_NONE;
    if (slab->depot == NULL || acre_heap_for(slab->depot) != NULL) return false;
    if (!atomic_compare_exchange_strong(acre_slab_owner(slab), &nobody, acre_heap_owner())) return false;
    acre_slab_set_free(slab, number);
    acre_heap_hand_on(slab);
    return true;
}

void acre_heap_see_to(struct acre_slab *slab) {
    uintptr_t owner = atomic_load(acre_slab_owner(slab));
    if (owner == ACRE_OWNER_NONE) adopt_full(slab);
    if (owner == ACRE_OWNER_SHARED) free_shared(slab, ACRE_NO_BLOCK);
}

void acre_heap_free(struct acre_slab *slab, uintptr_t address) {
    uintptr_t owner = atomic_load_explicit(acre_slab_owner(slab), memory_order_relaxed);
    if (owner == acre_heap_owner()) {
        if (acre_heap_is_made()) acre_heap_remember(slab);
        free_as_owner(slab, address);
        return;
    }
    /* A thread that only frees needs a heap too: for its outbox, and to adopt. */
    struct acre_heap *heap = acre_heap_mine();
    uint32_t number = checked_number(slab, address);
    if (number == ACRE_NO_BLOCK) return;
    if (ACRE_UNLIKELY(acre_slab_looks_free(slab, number))) {
        acre_slab_tell_free(ACRE_MISUSE_DOUBLE_FREE, "free", slab, address);
        return;
    }
    if (heap != NULL && owner == ACRE_OWNER_NONE && free_full_of_others(slab, number)) return;
    if (heap != NULL && owner == ACRE_OWNER_NONE && adopt_full(slab)) {
        acre_heap_free(slab, address); /* ours now, unless it was handed on at once */
        return;
    }
    if (heap != NULL && owner == ACRE_OWNER_SHARED && free_shared(slab, number)) return;
    acre_remote_free(heap != NULL ? acre_this_thread : NULL, slab, number);
}
