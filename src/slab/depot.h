/* Where threads leave slabs for each other: by class, those that are partly used and have no owner. */
#ifndef ACRE_SLAB_DEPOT_H
#define ACRE_SLAB_DEPOT_H

#include "slab/slab.h"

struct acre_depot {
    struct acre_lock lock;
    struct acre_page_heap *pages;
    struct acre_node shared[ACRE_CLASSES];
    _Atomic uint32_t count[ACRE_CLASSES]; /* of shared; read without the lock to skip empty lists */
};

void acre_depot_start(struct acre_depot *depot, struct acre_page_heap *pages);
/* The caller's slab, with this many free blocks, becomes SHARED. */
void acre_depot_put(struct acre_depot *depot, struct acre_slab *slab, uint32_t free_blocks);
/* A slab of the class for the caller to own; NULL when there is none. */
struct acre_slab *acre_depot_take(struct acre_depot *depot, unsigned size_class);
/* If the slab is still SHARED, it is the caller's now. */
bool acre_depot_claim(struct acre_depot *depot, struct acre_slab *slab);
/* If the slab is still SHARED: frees the block of this number (ACRE_NO_BLOCK: none) where it is, and collects the
 * slab's remote frees if there may be any. EMPTIED: it has no live block left, is off the list, and is the caller's
 * to destroy. */
enum acre_depot_answer { ACRE_DEPOT_NOT_SHARED, ACRE_DEPOT_DONE, ACRE_DEPOT_EMPTIED };
enum acre_depot_answer acre_depot_free(struct acre_depot *depot, struct acre_slab *slab, uint32_t number);

#endif
