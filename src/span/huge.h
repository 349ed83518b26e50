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

struct acre_supplier;
struct acre_huge_space;

enum acre_huge_state { ACRE_HUGE_LIVE = 1, ACRE_HUGE_CACHED = 2 }; /* span.state */

struct acre_huge {
    struct acre_span span; /* base: the block */
    size_t mapped_bytes;   /* from base to the end of its part of the mapping */
    size_t asked_bytes;
    size_t kept_bytes;             /* from base; what lies behind was released */
    uint64_t freed_ms;             /* when it came into the cache */
    struct acre_huge_space *space; /* of a live one */
    uint32_t mapping; /* the same number: parts of what one call of mmap gave, which mremap takes as one */
    bool from_break;
    bool huge_pages; /* were asked for, for all of the mapping */
    union {
        struct acre_node node; /* of a live one, or of one in the cache */
        struct {               /* of a vacant one: vacant.h */
            struct acre_huge *low, *high;
            size_t longest_bytes;
        };
    };
};

struct acre_huge_figures {
    size_t live_blocks, live_bytes, asked_bytes;
};

/* The huge blocks of one arena. */
struct acre_huge_space {
    struct acre_supplier *supplier;
    struct acre_node live;
    struct acre_huge_figures figures;
    enum acre_thp thp;
    bool zeroes; /* what a block grows by is zeros */
};

struct acre_huge_policy {
    bool cache;
    size_t cache_bytes; /* the most that the cache may hold */
    uint32_t decay_ms;
};
void acre_huge_start(const struct acre_huge_policy *policy);
void acre_huge_space_start(struct acre_huge_space *space, struct acre_supplier *supplier, enum acre_thp thp);
/* Frees all of its blocks. */
void acre_huge_space_empty(struct acre_huge_space *space);
/* Calls visit for each of its live blocks, with the lock held, until it returns false; whether it did not. */
bool acre_huge_space_each(struct acre_huge_space *space, bool (*visit)(struct acre_huge *huge, void *context),
                          void *context);

/* A block of size_bytes aligned to alignment (a power of two, at least a page); 0 when there is no memory. Behind
 * its first *dirty_bytes it reads as zeros. */
uintptr_t acre_huge_take(struct acre_huge_space *space, size_t size_bytes, size_t alignment, size_t *dirty_bytes);
/* The same, never from the cache. */
uintptr_t acre_huge_take_anew(struct acre_huge_space *space, size_t size_bytes, size_t alignment,
                              size_t *dirty_bytes);
/* false: the record is not, or by now not, that of a live block there (a second free). */
bool acre_huge_give(struct acre_huge *huge, uintptr_t block);
/* The block with a new size, moved by the kernel if it must; 0 when that cannot be done (it is then as before), or
 * when the record is not, or by now not, that of a live block there. */
uintptr_t acre_huge_resize(struct acre_huge *huge, uintptr_t block, size_t size_bytes);
bool acre_huge_is_live(const struct acre_huge *huge);

/* Unmaps what has waited longer than decay_ms (all: everything); whether anything was. */
bool acre_huge_decay(bool all);

/* Addresses from acre_source_map, without pages, that could not be unmapped: they wait for a huge block. */
void acre_huge_keep_vacant(uintptr_t base, size_t size_bytes);

/* Unmaps the oldest of the cache beyond so many bytes. */
void acre_huge_limit_cache(size_t most_bytes);
/* As they stand, without the lock, over all arenas. */
size_t acre_huge_live_bytes(void);
size_t acre_huge_cached_bytes(void);
size_t acre_huge_fresh_bytes(void); /* newly mapped so far, in all */

struct acre_huge_figures acre_huge_figures(const struct acre_huge_space *space);
bool acre_huge_is_valid(const struct acre_huge_space *space);

/* For the parts of this layer: makes the record describe part of a mapping, and the map lead to it. */
void acre_huge_describe(struct acre_huge *huge, uintptr_t base, size_t mapped_bytes, uint32_t mapping);

struct acre_lock *acre_huge_lock(void); /* for fork */

#endif
