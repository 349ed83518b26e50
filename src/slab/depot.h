/* Where the threads of an arena leave slabs for each other: by class, those that are partly used and have no owner.
 *
 * It stands for its arena below the layer of arenas: slabs lead to it, and it knows the heaps that draw from it. */
#ifndef ACRE_SLAB_DEPOT_H
#define ACRE_SLAB_DEPOT_H

#include "slab/slab.h"

/* What a handle of an arena points to. Of its places in an arena's record one at a time is in use. */
struct acre_arena_place {
    _Atomic uintptr_t
        owner; /* the thread that uses the arena most, and its heap: that thread alone reads it; 0: none */
    struct acre_heap *heap;
    struct acre_arena *arena;
};

/* What an arena has of a page heap that it shares with others, before it takes chunks of its own. */
#define ACRE_BORROWED_MOST 16u

struct acre_depot {
    struct acre_lock lock;
    const char *name; /* the arena's */
    struct acre_page_heap *pages;
    struct acre_page_heap *lender; /* while it is small; or NULL */
    struct acre_slab *borrowed[ACRE_BORROWED_MOST];
    uint32_t borrowed_granules;
    bool is_default;
    bool zeroes;                    /* blocks are handed out zeroed */
    _Atomic bool had_extras;        /* its slabs may have more than their records; not known of the default arena */
    struct acre_arena_place *place; /* in use; NULL: of the default arena, or at its end */
    struct acre_arena_place parked; /* what was there, while no place is in use */
    struct acre_node heaps;         /* of threads, but in the default arena; guarded by the registry's lock */
    struct acre_node idle;          /* heaps whose thread has ended: slabs may name them; likewise */
    _Atomic uint32_t leaving;       /* those whose thread ends now, from before they are off the list */
    struct acre_node shared[ACRE_CLASSES];
    _Atomic uint32_t count[ACRE_CLASSES]; /* of shared; read without the lock to skip empty lists */
    uint32_t count_all;                   /* of them all; guarded by the lock */
    /* How many of their pages slabs had touched at their end, on average and in parts of a page (slab.c); 0: none
     * ended. It goes on to the arena's next life, which is often like the last. */
    _Atomic uint16_t touched[ACRE_CLASSES];
};

/* How many slabs of each small class the default arena has, or perhaps more in the child of a fork. */
extern _Atomic uint32_t acre_depot_slabs[ACRE_SMALL_CLASSES];

void acre_depot_start(struct acre_depot *depot, const char *name, struct acre_page_heap *pages,
                      struct acre_page_heap *lender);
ACRE_INLINE const char *acre_depot_name(const struct acre_depot *depot) {
    return depot == NULL ? "none" : depot->name;
}
/* Who uses the arena most, in its place or while it has none. */
ACRE_INLINE struct acre_arena_place *acre_depot_place(struct acre_depot *depot) {
    return depot->place != NULL ? depot->place : &depot->parked;
}
/* Here and below `owner` is what the caller is called as the owner of a slab.
 * A new slab for the caller's heap, from what is borrowed or its own; NULL when there is no memory. Its end. */
struct acre_slab *acre_depot_make(struct acre_depot *depot, unsigned size_class, struct acre_heap *heap,
                                  uintptr_t owner);
void acre_depot_destroy(struct acre_slab *slab);
/* The end of all blocks: no slab is shared any more, whatever becomes of these. */
void acre_depot_empty(struct acre_depot *depot);
/* The caller's slab, with this many free blocks, becomes SHARED. */
void acre_depot_put(struct acre_depot *depot, struct acre_slab *slab, uint32_t free_blocks);
/* Whether there is a SHARED slab of the class, at a look that may be late. */
ACRE_INLINE bool acre_depot_has(const struct acre_depot *depot, unsigned size_class) {
    return atomic_load_explicit(&depot->count[size_class], memory_order_relaxed) > 0;
}
/* A slab of the class for the caller to own; NULL when there is none. */
struct acre_slab *acre_depot_take(struct acre_depot *depot, unsigned size_class, uintptr_t owner);
/* If the slab is still SHARED: frees the block of this number (ACRE_NO_BLOCK: none) where it is, and collects the
 * slab's remote frees if there may be any. EMPTIED: it has no live block left, is off the list, and is the caller's
 * to destroy. TAKEN, only if the caller may take it: it is the caller's, with free_at_arm free blocks, since it was
 * the one to free into it that many times in a row. */
#define ACRE_DEPOT_TAKEN_AT 4u
enum acre_depot_answer { ACRE_DEPOT_NOT_SHARED, ACRE_DEPOT_DONE, ACRE_DEPOT_EMPTIED, ACRE_DEPOT_TAKEN };
enum acre_depot_answer acre_depot_free(struct acre_depot *depot, struct acre_slab *slab, uint32_t number,
                                       uintptr_t owner, bool may_take);

#endif
