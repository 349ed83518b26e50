/* Huge blocks: each a mapping of its own, with a small cache of freed ones.
 *
 * The map knows only the granule that the block begins in: no other block can begin in it, since the mapping is
 * longer than a granule. Algebra: cached_bytes is the sum over the cache, live_bytes that over live blocks, both
 * of mapped sizes. */
#ifndef ACRE_SPAN_HUGE_H
#define ACRE_SPAN_HUGE_H

#include "base/list.h"
#include "metadata/span.h"
#include "os/lock.h"

struct acre_huge {
    struct acre_span span; /* base: the block */
    size_t mapped_bytes;   /* from base to the end of the mapping */
    size_t asked_bytes;
    bool from_break;
    uint64_t freed_ms; /* when it came into the cache */
    struct acre_node node;
};

struct acre_huge_policy {
    bool cache;
    bool from_break;    /* source brk: blocks come from the break, as far as it can grow */
    size_t cache_bytes; /* the most that the cache may hold */
    uint32_t decay_ms;
};
void acre_huge_start(const struct acre_huge_policy *policy);

/* A block of size_bytes aligned to alignment (a power of two, at least a page); 0 when there is no memory.
 * *zero: it reads as zeros. */
uintptr_t acre_huge_take(size_t size_bytes, size_t alignment, bool *zero);
/* false: it is not live (a second free). */
bool acre_huge_give(struct acre_huge *huge);
/* The block with a new size, moved by the kernel if it must; 0 when that cannot be done (it is then as before). */
uintptr_t acre_huge_resize(struct acre_huge *huge, size_t size_bytes);
bool acre_huge_is_live(const struct acre_huge *huge);

/* Unmaps what has waited longer than decay_ms (all: everything); whether anything was. */
bool acre_huge_decay(bool all);

struct acre_huge_figures {
    size_t live_blocks, live_bytes, asked_bytes, cached_bytes;
};
struct acre_huge_figures acre_huge_figures(void);

struct acre_lock *acre_huge_lock(void); /* for fork */

#endif
