#include "slab/depot.h"

#include "span/decay.h"

void acre_depot_start(struct acre_depot *depot, struct acre_page_heap *pages) {
    depot->lock = (struct acre_lock)ACRE_LOCK(ACRE_RANK_DEPOT);
    depot->pages = pages;
    for (unsigned size_class = 0; size_class < ACRE_CLASSES; size_class++) {
        acre_list_start(&depot->shared[size_class]);
        atomic_store_explicit(&depot->count[size_class], 0, memory_order_relaxed);
    }
}

void acre_depot_put(struct acre_depot *depot, struct acre_slab *slab, uint32_t free_blocks) {
    unsigned size_class = slab->span.size_class;
    acre_lock(&depot->lock);
    slab->span.state = ACRE_SLAB_SHARED;
    acre_slab_arm(slab, free_blocks, ACRE_COUNTDOWN_FAR);
    acre_list_push_back(&depot->shared[size_class], &slab->node);
    atomic_fetch_add_explicit(&depot->count[size_class], 1, memory_order_relaxed);
    atomic_store(acre_slab_owner(slab), ACRE_OWNER_SHARED);
    acre_unlock(&depot->lock);
}

static void take_out(struct acre_depot *depot, struct acre_slab *slab) {
    acre_list_remove(&slab->node);
    atomic_fetch_sub_explicit(&depot->count[slab->span.size_class], 1, memory_order_relaxed);
    slab->span.state = 0;
    atomic_store(acre_slab_owner(slab), acre_thread_pointer());
}

struct acre_slab *acre_depot_take(struct acre_depot *depot, unsigned size_class) {
    struct acre_slab *slab = NULL;
    if (atomic_load_explicit(&depot->count[size_class], memory_order_relaxed) == 0) return NULL;
    acre_lock(&depot->lock);
    if (!acre_list_is_empty(&depot->shared[size_class])) {
        slab = ACRE_CONTAINER_OF(depot->shared[size_class].next, struct acre_slab, node);
        take_out(depot, slab);
    }
    acre_unlock(&depot->lock);
    return slab;
}

/* With the lock. A late look may come to the record of another slab. */
static bool is_here(const struct acre_depot *depot, struct acre_slab *slab) {
    return atomic_load_explicit(acre_slab_owner(slab), memory_order_relaxed) == ACRE_OWNER_SHARED &&
           slab->depot == depot;
}

bool acre_depot_claim(struct acre_depot *depot, struct acre_slab *slab) {
    acre_lock(&depot->lock);
    bool shared = is_here(depot, slab);
    if (shared) take_out(depot, slab);
    acre_unlock(&depot->lock);
    return shared;
}

enum acre_depot_answer acre_depot_free(struct acre_depot *depot, struct acre_slab *slab, uint32_t number) {
    enum acre_depot_answer answer = ACRE_DEPOT_NOT_SHARED;
    acre_lock(&depot->lock);
    if (is_here(depot, slab)) {
        if (number == ACRE_NO_BLOCK || acre_slab_is_queued(slab))
            slab->free_at_arm += (int32_t)acre_slab_collect(slab);
        if (number != ACRE_NO_BLOCK) {
            acre_slab_set_free(slab, number);
            slab->free_at_arm++;
        }
        acre_decay_note();
        answer = slab->free_at_arm == slab->total ? ACRE_DEPOT_EMPTIED : ACRE_DEPOT_DONE;
        if (answer == ACRE_DEPOT_EMPTIED) take_out(depot, slab);
    }
    acre_unlock(&depot->lock);
    return answer;
}
