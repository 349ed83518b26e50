/* Layer 5: the holes of a slab: OS pages on which none of its blocks is live.
 *
 * A slab is looked at now and then, by one thread at a time, with the page heap locked, so that it can't go away.
 * Its owner may use it meanwhile; what such a look finds is a guess, and only decides what is looked at again.
 * Pages are released while no thread can hand out a block of the slab (heap/gate.h, and the depot's lock for a
 * shared one). Then a block that is seen free stays free: its owner's frees only clear bits, and nothing of acre's
 * lies in it.
 *
 * But for recent blocks (heap/recent.h), which have no bits and which the owner hands out all the same. In a
 * slab that keeps some, what others freed and the owner has not collected is free; and so are those without a bit
 * that are not on the owner's stack, if they are as many as the countdown, read before, says: it knows of no recent
 * one (tests/model/recent.py). That holds where the owner's stores arrive in their order.
 *
 * idle:     pages that were free at the last look, since when no block of the slab was handed out
 * due:      those of them that had been idle before it
 * released: those of them that were given back
 * All hold only while slab->was_looked_at, which a refill clears. */
#ifndef ACRE_SLAB_HOLES_H
#define ACRE_SLAB_HOLES_H

#include "slab/slab.h"

struct acre_holes {
    uint64_t idle, due, released; /* a bit for each page of the span */
    uint32_t free_blocks;         /* at the last look, by the slab's count */
};

/* Bytes of a slab's record, which ends with its holes. */
ACRE_INLINE size_t acre_slab_record_bytes(uint32_t words) {
    return sizeof(struct acre_slab) + words * sizeof(uint64_t) + sizeof(struct acre_holes);
}
ACRE_INLINE struct acre_holes *acre_slab_holes(struct acre_slab *slab) {
    return (struct acre_holes *)(void *)&slab->live[slab->words];
}

/* Reads which blocks of the slab are recent ones of its owner, while that goes on: their addresses, and how many.
 */
#define ACRE_SLAB_RECENT_MOST 32u
typedef uint32_t acre_slab_recent(const struct acre_slab *slab, uintptr_t block[ACRE_SLAB_RECENT_MOST]);

/* The pages that no live block lies on, as far as can be seen now. Fresh pages that were never touched are none. */
uint64_t acre_slab_free_pages(struct acre_slab *slab, acre_slab_recent *recent);

/* How many pages are free, as far as can be seen now, and not released. */
uint32_t acre_slab_unreleased(struct acre_slab *slab, acre_slab_recent *recent);
/* Looks: how many pages are due, being free now and at the last look; or else, through *waits, whether some are
 * free and may be due at the next one. */
uint32_t acre_slab_look(struct acre_slab *slab, acre_slab_recent *recent, bool *waits);

/* Nobody hands out blocks of it. Releases pages that are due, or, if `all`, every one that is free; how many bytes.
 */
size_t acre_slab_release_holes(struct acre_slab *slab, acre_slab_recent *recent, bool all);

/* The pages of it that were given back and not used since; with the page heap locked, or else as a guess. */
uint64_t acre_slab_released_pages(struct acre_slab *slab);

#endif
