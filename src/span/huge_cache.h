/* Freed mappings of huge blocks that wait to be used again, with what their pages hold.
 *
 * A page that is here need not be faulted in and cleared again. So a block is cut off the extent that fits it best,
 * freed neighbours of one mapping are joined, and an extent that is too short is handed out to be made longer.
 * Algebra: bytes is the sum over the extents; each has its map entry and no two of one mapping are neighbours.
 * All of it is guarded by the lock of the huge blocks. */
#ifndef ACRE_SPAN_HUGE_CACHE_H
#define ACRE_SPAN_HUGE_CACHE_H

#include "span/huge.h"

struct acre_huge_cache {
    struct acre_node extents; /* the last one freed first */
    unsigned count;
    size_t bytes;
};

void acre_huge_cache_start(struct acre_huge_cache *cache);
/* The block's mapping comes in at this time; the record is the cache's. */
void acre_huge_cache_put(struct acre_huge_cache *cache, struct acre_huge *huge, uint64_t now_ms);
/* An extent of at least size_bytes whose base is aligned, cut to size unless little would be left; NULL: none. */
struct acre_huge *acre_huge_cache_take(struct acre_huge_cache *cache, size_t size_bytes, size_t alignment);
/* Whether there is an extent of at least size_bytes. */
bool acre_huge_cache_has(const struct acre_huge_cache *cache, size_t size_bytes);
/* The longest extent that is shorter than size_bytes, if it is worth making it longer; NULL: none. */
struct acre_huge *acre_huge_cache_take_short(struct acre_huge_cache *cache, size_t size_bytes);
/* Makes a live block longer by what lies behind it, if that is here and enough; whether it did. */
bool acre_huge_cache_extend(struct acre_huge_cache *cache, struct acre_huge *huge, size_t size_bytes);
/* Takes out the extent that has waited longest; NULL when there is none, or none from before freed_ms. */
struct acre_huge *acre_huge_cache_oldest(struct acre_huge_cache *cache, uint64_t freed_ms);

bool acre_huge_cache_is_valid(const struct acre_huge_cache *cache);

#endif
