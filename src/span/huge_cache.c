#include "span/huge_cache.h"

#include "metadata/map.h"
#include "metadata/metadata.h"

/* What is left of an extent stays with the block unless it is longer than this, or than that part of the block: a
 * mapping must be longer than a granule, and every extent is looked at each time. */
#define REST_LEAST (2 * ACRE_GRANULE_BYTES)
#define REST_PART 16
/* Making an extent longer moves its page tables, which pays from this many bytes on. */
#define SHORT_LEAST (4 * ACRE_GRANULE_BYTES)

static struct acre_huge *of_node(struct acre_node *node) { return ACRE_CONTAINER_OF(node, struct acre_huge, node); }

void acre_huge_cache_start(struct acre_huge_cache *cache) {
    acre_list_start(&cache->extents);
    cache->count = 0;
    cache->bytes = 0;
}

static void add(struct acre_huge_cache *cache, struct acre_huge *huge) {
    huge->span.state = ACRE_HUGE_CACHED;
    acre_list_push_front(&cache->extents, &huge->node);
    cache->count++;
    cache->bytes += huge->mapped_bytes;
}

static void take_out(struct acre_huge_cache *cache, struct acre_huge *huge) {
    acre_list_remove(&huge->node);
    cache->count--;
    cache->bytes -= huge->mapped_bytes;
}

static bool are_neighbours(const struct acre_huge *low, const struct acre_huge *high) {
    return low->mapping == high->mapping && low->span.base + low->mapped_bytes == high->span.base;
}

/* The extent next to this one, behind it or before it, or NULL. */
static struct acre_huge *find_neighbour(struct acre_huge_cache *cache, const struct acre_huge *huge, bool behind) {
    for (struct acre_node *node = cache->extents.next; node != &cache->extents; node = node->next) {
        struct acre_huge *other = of_node(node);
        if (behind ? are_neighbours(huge, other) : are_neighbours(other, huge)) return other;
    }
    return NULL;
}

/* `high` becomes part of `low`, which lies before it, and is no more. */
static void join(struct acre_huge *low, struct acre_huge *high) {
    acre_map_set(high->span.base, 1, NULL);
    low->mapped_bytes += high->mapped_bytes;
    low->freed_ms = acre_max(low->freed_ms, high->freed_ms);
    high->span.state = 0;
    acre_metadata_give(ACRE_RECORD_HUGE, high);
}

void acre_huge_cache_put(struct acre_huge_cache *cache, struct acre_huge *huge, uint64_t now_ms) {
    struct acre_huge *before = find_neighbour(cache, huge, false), *behind = find_neighbour(cache, huge, true);
    huge->freed_ms = now_ms;
    if (behind != NULL) {
        take_out(cache, behind);
        join(huge, behind);
    }
    if (before != NULL) {
        take_out(cache, before);
        join(before, huge);
        huge = before;
    }
    add(cache, huge);
}

/* Cuts the extent after size_bytes and keeps the rest here, if it is enough and there is memory to remember it. */
static void cut(struct acre_huge_cache *cache, struct acre_huge *huge, size_t size_bytes) {
    size_t rest_bytes = huge->mapped_bytes - size_bytes;
    uintptr_t rest = huge->span.base + size_bytes;
    if (rest_bytes <= REST_LEAST || rest_bytes <= size_bytes / REST_PART || !acre_map_reserve(rest, 1)) return;
    struct acre_huge *other = acre_metadata_take(ACRE_RECORD_HUGE, sizeof *other);
    if (other == NULL) return;
    acre_huge_describe(other, rest, rest_bytes, huge->mapping);
    other->huge_pages = huge->huge_pages;
    other->freed_ms = huge->freed_ms;
    huge->mapped_bytes = size_bytes;
    add(cache, other);
}

static struct acre_huge *find(const struct acre_huge_cache *cache, size_t size_bytes, size_t alignment) {
    struct acre_huge *best = NULL;
    for (struct acre_node *node = cache->extents.next; node != &cache->extents; node = node->next) {
        struct acre_huge *huge = of_node(node);
        if (huge->mapped_bytes < size_bytes || (huge->span.base & (alignment - 1)) != 0) continue;
        if (best == NULL || huge->mapped_bytes < best->mapped_bytes) best = huge;
    }
    return best;
}

bool acre_huge_cache_has(const struct acre_huge_cache *cache, size_t size_bytes) {
    return find(cache, size_bytes, 1) != NULL;
}

struct acre_huge *acre_huge_cache_take(struct acre_huge_cache *cache, size_t size_bytes, size_t alignment) {
    struct acre_huge *best = find(cache, size_bytes, alignment);
    if (best == NULL) return NULL;
    take_out(cache, best);
    cut(cache, best, size_bytes);
    return best;
}

struct acre_huge *acre_huge_cache_take_short(struct acre_huge_cache *cache, size_t size_bytes) {
    struct acre_huge *longest = NULL;
    for (struct acre_node *node = cache->extents.next; node != &cache->extents; node = node->next) {
        struct acre_huge *huge = of_node(node);
        if (huge->mapped_bytes < SHORT_LEAST || huge->mapped_bytes >= size_bytes) continue;
        if (longest == NULL || huge->mapped_bytes > longest->mapped_bytes) longest = huge;
    }
    if (longest != NULL) take_out(cache, longest);
    return longest;
}

bool acre_huge_cache_extend(struct acre_huge_cache *cache, struct acre_huge *huge, size_t size_bytes) {
    struct acre_huge *behind = find_neighbour(cache, huge, true);
    if (behind == NULL || huge->mapped_bytes + behind->mapped_bytes < size_bytes) return false;
    take_out(cache, behind);
    huge->freed_ms = behind->freed_ms;
    join(huge, behind);
    cut(cache, huge, size_bytes);
    return true;
}

struct acre_huge *acre_huge_cache_oldest(struct acre_huge_cache *cache, uint64_t freed_ms) {
    struct acre_huge *oldest = NULL;
    for (struct acre_node *node = cache->extents.prev; node != &cache->extents; node = node->prev) {
        struct acre_huge *huge = of_node(node);
        if (huge->freed_ms < freed_ms && (oldest == NULL || huge->freed_ms < oldest->freed_ms)) oldest = huge;
    }
    if (oldest != NULL) take_out(cache, oldest);
    return oldest;
}

bool acre_huge_cache_is_valid(const struct acre_huge_cache *cache) {
    size_t bytes = 0;
    unsigned count = 0;
    if (!acre_list_is_valid(&cache->extents)) return false;
    for (struct acre_node *node = cache->extents.next; node != &cache->extents; node = node->next) {
        struct acre_huge *huge = of_node(node);
        bytes += huge->mapped_bytes;
        count++;
        if (huge->span.state != ACRE_HUGE_CACHED || acre_map_find(huge->span.base) != &huge->span) return false;
        for (struct acre_node *other = cache->extents.next; other != &cache->extents; other = other->next) {
            if (are_neighbours(huge, of_node(other))) return false;
        }
    }
    return bytes == cache->bytes && count == cache->count;
}
