/* Huge blocks: each a mapping of its own, or a part of one; freed ones wait in a bounded cache for a while.
 *
 * The map knows only the granule that the block begins in: no other block can begin in it, since every block is
 * longer than a granule. Algebra: live_bytes is the sum of the mapped sizes of the live blocks, asked_bytes that of
 * what was asked for. */
#ifndef ACRE_SPAN_HUGE_H
#define ACRE_SPAN_HUGE_H

#include "base/list.h"
#include "metadata/span.h"
#include "source/source.h"

enum acre_huge_state { ACRE_HUGE_LIVE = 1, ACRE_HUGE_CACHED = 2 }; /* span.state */

struct acre_huge {
    struct acre_span span; /* base: the block */
    size_t mapped_bytes;   /* from base to the end of its part of the mapping */
    size_t asked_bytes;
    uint64_t freed_ms; /* when it came into the cache */
    uint32_t mapping;  /* the same number: parts of what one call of mmap gave, which mremap takes as one */
    bool from_break;
    union {
        struct acre_node node; /* of a live one, or of one in the cache */
        struct {               /* of a vacant one: vacant.h */
            struct acre_huge *low, *high;
            size_t longest_bytes;
        };
    };
};

struct acre_huge_policy {
    bool cache;
    bool from_break;    /* source brk: blocks come from the break, as far as it can grow */
    size_t cache_bytes; /* the most that the cache may hold */
    uint32_t decay_ms;
    enum acre_thp thp;
};
void acre_huge_start(const struct acre_huge_policy *policy);

/* A block of size_bytes aligned to alignment (a power of two, at least a page); 0 when there is no memory. Behind
 * its first *dirty_bytes it reads as zeros. */
uintptr_t acre_huge_take(size_t size_bytes, size_t alignment, size_t *dirty_bytes);
/* false: it is not live (a second free). */
bool acre_huge_give(struct acre_huge *huge);
/* The block with a new size, moved by the kernel if it must; 0 when that cannot be done (it is then as before). */
uintptr_t acre_huge_resize(struct acre_huge *huge, size_t size_bytes);
bool acre_huge_is_live(const struct acre_huge *huge);

/* Unmaps what has waited longer than decay_ms (all: everything); whether anything was. */
bool acre_huge_decay(bool all);

/* Unmaps the oldest of the cache beyond so many bytes. */
void acre_huge_limit_cache(size_t most_bytes);
/* As they stand, without the lock. */
size_t acre_huge_live_bytes(void);
size_t acre_huge_cached_bytes(void);
size_t acre_huge_fresh_bytes(void); /* newly mapped so far, in all */

struct acre_huge_figures {
    size_t live_blocks, live_bytes, asked_bytes, cached_bytes;
};
struct acre_huge_figures acre_huge_figures(void);
bool acre_huge_is_valid(void);

/* For the parts of this layer: makes the record describe part of a mapping, and the map lead to it. */
void acre_huge_describe(struct acre_huge *huge, uintptr_t base, size_t mapped_bytes, uint32_t mapping);

struct acre_lock *acre_huge_lock(void); /* for fork */

#endif
