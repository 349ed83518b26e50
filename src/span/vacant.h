/* Extents of addresses that hold nothing: their pages were released, and they wait for another huge block. Ordered
 * by address and never neighbours. The records are those of the blocks that lay there; the map does not lead to
 * them.
 *
 * A treap (Seidel, Aragon: Randomized search trees, 1996) by address, with the longest extent below each node, so
 * that joining and the lowest extent that is long enough both take time in the logarithm of their number. Guarded
 * by the lock of the huge blocks. */
#ifndef ACRE_SPAN_VACANT_H
#define ACRE_SPAN_VACANT_H

#include "span/huge.h"

struct acre_vacant {
    struct acre_huge *root;
    size_t count, bytes;
};

/* What huge blocks left: holes in the break, and the others. */
extern struct acre_vacant acre_huge_break_holes, acre_huge_vacant;

/* Adds an extent, joined with its neighbours; returns what it became. */
struct acre_huge *acre_vacant_put(struct acre_vacant *vacant, struct acre_huge *huge);
/* The front of the lowest extent that is long enough, or 0. */
uintptr_t acre_vacant_take(struct acre_vacant *vacant, size_t size_bytes);
/* The one at the highest address, or NULL; and without it, which leaves the record to the caller. */
struct acre_huge *acre_vacant_highest(const struct acre_vacant *vacant);
void acre_vacant_remove(struct acre_vacant *vacant, struct acre_huge *huge);

bool acre_vacant_is_valid(const struct acre_vacant *vacant);

#endif
