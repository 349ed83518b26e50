/* Slabs of mixed sizes, for arenas that may stay small: blocks of all small classes lie one behind the other, in
 * the order in which they were carved.
 *
 * Such a slab is a small one whose blocks have 16 bytes, so to say. Of a longer block only the first unit has a bit
 * while it is live; the others count as free. So whether a block is live, a second free, frees by others, and how
 * many blocks are live are as in any small slab. Where blocks begin, and so how long they are, stands in a second
 * bitmap behind the slab's record. What is freed is not handed out again until the whole slab is free, or until
 * there is no memory for another one. */
#ifndef ACRE_SLAB_MIXED_H
#define ACRE_SLAB_MIXED_H

#include "slab/holes.h"

ACRE_INLINE uint64_t *acre_mixed_begins(const struct acre_slab *slab) {
    return (uint64_t *)(void *)(acre_slab_holes((struct acre_slab *)slab) + 1);
}
#define ACRE_MIXED_RECORD_BYTES (acre_slab_record_bytes(ACRE_SMALL_WORDS) + ACRE_SMALL_WORDS * sizeof(uint64_t))

ACRE_INLINE bool acre_mixed_begins_at(const struct acre_slab *slab, uint32_t unit) {
    return (ACRE_PEEK(&acre_mixed_begins(slab)[unit / 64]) >> unit % 64 & 1) != 0;
}
/* The unit where the block begins that this one is part of; and where the next block begins, or what was not
 * carved. */
uint32_t acre_mixed_begin(const struct acre_slab *slab, uint32_t unit);
uint32_t acre_mixed_next(const struct acre_slab *slab, uint32_t unit);

/* The bytes of the block that begins at this number, in a slab of any kind. */
ACRE_INLINE size_t acre_slab_bytes_of(const struct acre_slab *slab, uint32_t number) {
    if (!acre_slab_is_mixed(slab)) return acre_slab_block_bytes(slab);
    return (acre_mixed_next(slab, number) - number) * ACRE_ALIGNMENT;
}
/* Whether a block begins at this number, which is one of the slab's. */
ACRE_INLINE bool acre_slab_is_block(const struct acre_slab *slab, uint32_t number) {
    return !acre_slab_is_mixed(slab) || acre_mixed_begins_at(slab, number);
}

/* Owner: carves blocks of the class, as many as there is room for and not more than `most`; how many. The first is
 * where `fresh` was. */
uint32_t acre_mixed_carve(struct acre_slab *slab, unsigned size_class, uint32_t most);
/* The same where blocks were freed, in one place, which begins at *unit. Frees by others were collected. */
uint32_t acre_mixed_carve_freed(struct acre_slab *slab, unsigned size_class, uint32_t most, uint32_t *unit);
/* Owner, when nobody has a block of it: nothing was carved. */
void acre_mixed_restart(struct acre_slab *slab);

#endif
