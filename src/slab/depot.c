#include "slab/depot.h"

#include "span/decay.h"

void acre_depot_start(struct acre_depot *depot, const char *name, struct acre_page_heap *pages,
                      struct acre_page_heap *lender) {
    depot->lock = (struct acre_lock)ACRE_LOCK(ACRE_RANK_DEPOT);
    depot->name = name;
    depot->pages = pages;
    depot->lender = lender;
    for (unsigned place = 0; place < ACRE_BORROWED_MOST; place++) depot->borrowed[place] = NULL;
    depot->borrowed_granules = 0;
    depot->is_default = depot->zeroes = false;
    atomic_store_explicit(&depot->had_extras, false, memory_order_relaxed);
    depot->place = NULL;
    depot->parked = (struct acre_arena_place){0, NULL, NULL};
    acre_list_start(&depot->idle);
    depot->leaving = 0;
    depot->count_all = 0;
    acre_list_start(&depot->heaps);
    for (unsigned size_class = 0; size_class < ACRE_CLASSES; size_class++) {
        acre_list_start(&depot->shared[size_class]);
        atomic_store_explicit(&depot->count[size_class], 0, memory_order_relaxed);
        atomic_store_explicit(&depot->touched[size_class], 0, memory_order_relaxed);
    }
}

/* The place of the slab among what is borrowed, or of none. */
static struct acre_slab **find_borrowed(struct acre_depot *depot, const struct acre_slab *slab) {
    unsigned place = 0;
    while (place < ACRE_BORROWED_MOST && depot->borrowed[place] != slab) place++;
    return place < ACRE_BORROWED_MOST ? &depot->borrowed[place] : NULL;
}

static bool may_borrow(struct acre_depot *depot, uint32_t granules) {
    acre_lock(&depot->lock);
    bool may = depot->borrowed_granules + granules <= ACRE_BORROWED_MOST &&
               acre_quota_charge(&depot->pages->supplier->quota, granules * ACRE_GRANULE_BYTES);
    if (may) depot->borrowed_granules += granules;
    acre_unlock(&depot->lock);
    return may;
}

static void note_borrowed(struct acre_depot *depot, struct acre_slab *slab) {
    acre_lock(&depot->lock);
    struct acre_slab **place = find_borrowed(depot, NULL);
    if (place != NULL) *place = slab;
    acre_quota_note_peak(&depot->pages->supplier->quota);
    acre_unlock(&depot->lock);
}

/* slab: NULL when it could not be had after all. */
static void forget_borrowed(struct acre_depot *depot, const struct acre_slab *slab, uint32_t granules) {
    acre_lock(&depot->lock);
    /* In the child of a fork that came between the two it is not there. */
    struct acre_slab **place = slab == NULL ? NULL : find_borrowed(depot, slab);
    if (place != NULL) *place = NULL;
    depot->borrowed_granules -= granules;
    acre_unlock(&depot->lock);
    acre_quota_discharge(&depot->pages->supplier->quota, granules * ACRE_GRANULE_BYTES);
}

static struct acre_slab *borrow(struct acre_depot *depot, unsigned size_class, struct acre_heap *heap,
                                uintptr_t owner) {
    uint32_t granules = acre_class_granules(size_class);
    if (!may_borrow(depot, granules)) return NULL;
    struct acre_slab *slab = acre_slab_create(depot->lender, size_class, depot, heap, owner);
    if (slab != NULL)
        note_borrowed(depot, slab);
    else
        forget_borrowed(depot, NULL, granules);
    return slab;
}

_Atomic uint32_t acre_depot_slabs[ACRE_SMALL_CLASSES];

static void count_slab(const struct acre_depot *depot, unsigned size_class, int more) {
    if (depot->is_default && acre_class_is_small(size_class))
        atomic_fetch_add_explicit(&acre_depot_slabs[size_class], (uint32_t)more, memory_order_relaxed);
}

struct acre_slab *acre_depot_make(struct acre_depot *depot, unsigned size_class, struct acre_heap *heap,
                                  uintptr_t owner) {
    struct acre_slab *slab = depot->lender == NULL ? NULL : borrow(depot, size_class, heap, owner);
    if (slab != NULL) return slab;
    count_slab(depot, size_class, 1); /* first: a fork that comes here is not to lose one */
    slab = acre_slab_create(depot->pages, size_class, depot, heap, owner);
    if (slab == NULL) count_slab(depot, size_class, -1);
    return slab;
}

void acre_depot_destroy(struct acre_slab *slab) {
    struct acre_depot *depot = slab->depot;
    unsigned size_class = slab->span.size_class;
    if (slab->chunk->heap != depot->pages) forget_borrowed(depot, slab, acre_class_granules(size_class));
    acre_slab_destroy(slab);
    count_slab(depot, size_class, -1);
}

void acre_depot_empty(struct acre_depot *depot) {
    acre_lock(&depot->lock);
    for (unsigned size_class = 0; size_class < ACRE_CLASSES && depot->count_all > 0; size_class++) {
        uint32_t count = atomic_load_explicit(&depot->count[size_class], memory_order_relaxed);
        if (count == 0) continue;
        depot->count_all -= count;
        acre_list_start(&depot->shared[size_class]);
        atomic_store_explicit(&depot->count[size_class], 0, memory_order_relaxed);
    }
    depot->count_all = 0;
    acre_unlock(&depot->lock);
}

void acre_depot_put(struct acre_depot *depot, struct acre_slab *slab, uint32_t free_blocks) {
    unsigned size_class = slab->span.size_class;
    acre_lock(&depot->lock);
    slab->span.state = ACRE_SLAB_SHARED;
    slab->span.flags = 0;
    acre_slab_arm(slab, free_blocks, ACRE_COUNTDOWN_FAR);
    depot->count_all++; /* first: in the child of a fork that comes here it may be too many, but not too few */
    acre_list_push_back(&depot->shared[size_class], &slab->node);
    atomic_fetch_add_explicit(&depot->count[size_class], 1, memory_order_relaxed);
    atomic_store(acre_slab_owner(slab), ACRE_OWNER_SHARED);
    acre_unlock(&depot->lock);
}

static void take_out(struct acre_depot *depot, struct acre_slab *slab, uintptr_t owner) {
    acre_list_remove(&slab->node);
    atomic_fetch_sub_explicit(&depot->count[slab->span.size_class], 1, memory_order_relaxed);
    depot->count_all--;
    slab->span.flags = 0;
    atomic_store(acre_slab_owner(slab), owner);
}

struct acre_slab *acre_depot_take(struct acre_depot *depot, unsigned size_class, uintptr_t owner) {
    struct acre_slab *slab = NULL;
    if (!acre_depot_has(depot, size_class)) return NULL;
    acre_lock(&depot->lock);
    if (!acre_list_is_empty(&depot->shared[size_class])) {
        slab = ACRE_CONTAINER_OF(depot->shared[size_class].next, struct acre_slab, node);
        take_out(depot, slab, owner);
    }
    acre_unlock(&depot->lock);
    return slab;
}

/* With the lock. A late look may come to the record of another slab. */
static bool is_here(const struct acre_depot *depot, struct acre_slab *slab) {
    return atomic_load_explicit(acre_slab_owner(slab), memory_order_relaxed) == ACRE_OWNER_SHARED &&
           ACRE_PEEK(&slab->depot) == depot;
}

/* One free more into the slab by `owner`, who takes it with a few in a row: then more are likely to follow. `flags`
 * of a SHARED slab has their number so far, and above that whose they were
 * (docs/decisions/0015-what-a-thread-keeps.md): two threads with one name among so few only make it one free too
 * many now and then. */
#define NAMES 61u /* a prime */
static bool is_due(struct acre_slab *slab, uintptr_t owner) {
    unsigned name = (unsigned)(owner / 64 % NAMES), last_name = slab->span.flags / ACRE_DEPOT_TAKEN_AT;
    unsigned count = last_name == name ? slab->span.flags % ACRE_DEPOT_TAKEN_AT : 0;
    if (count + 1 == ACRE_DEPOT_TAKEN_AT) return true;
    slab->span.flags = (uint8_t)(name * ACRE_DEPOT_TAKEN_AT + count + 1);
    return false;
}
_Static_assert(NAMES *ACRE_DEPOT_TAKEN_AT <= UINT8_MAX + 1, "they fit in a byte");

enum acre_depot_answer acre_depot_free(struct acre_depot *depot, struct acre_slab *slab, uint32_t number,
                                       uintptr_t owner, bool may_take) {
    enum acre_depot_answer answer = ACRE_DEPOT_NOT_SHARED;
    acre_lock(&depot->lock);
    if (is_here(depot, slab)) {
        if (number == ACRE_NO_BLOCK || acre_slab_is_queued(slab))
            slab->free_at_arm += (int32_t)acre_slab_collect(slab);
        if (number != ACRE_NO_BLOCK) slab->free_at_arm += acre_slab_set_free(slab, number);
        acre_decay_note();
        bool due = number != ACRE_NO_BLOCK && is_due(slab, owner);
        answer = slab->free_at_arm == slab->total ? ACRE_DEPOT_EMPTIED
                 : due && may_take                ? ACRE_DEPOT_TAKEN
                                                  : ACRE_DEPOT_DONE;
        if (answer != ACRE_DEPOT_DONE) take_out(depot, slab, owner);
    }
    acre_unlock(&depot->lock);
    return answer;
}
