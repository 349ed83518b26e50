#include "span/huge.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/lock.h"
#include "os/os.h"
#include "source/source.h"

enum { STATE_LIVE = 1, STATE_CACHED = 2 };

/* The cache is for a program that takes and frees blocks in turn, not a second heap. */
#define CACHE_MOST 64u

static struct {
    struct acre_lock lock;
    struct acre_huge_policy policy;
    struct acre_node live;
    struct acre_node cache; /* newest first */
    struct acre_node holes; /* source brk: free extents below the break's top, by address, never neighbours */
    unsigned cached;
    struct acre_huge_figures figures;
} huge_blocks = {.lock = ACRE_LOCK(ACRE_RANK_HUGE)};

struct acre_lock *acre_huge_lock(void) { return &huge_blocks.lock; }

void acre_huge_start(const struct acre_huge_policy *policy) {
    huge_blocks.policy = *policy;
    acre_list_start(&huge_blocks.live);
    acre_list_start(&huge_blocks.cache);
    acre_list_start(&huge_blocks.holes);
}

bool acre_huge_is_live(const struct acre_huge *huge) { return huge->span.state == STATE_LIVE; }


static struct acre_huge *of_node(struct acre_node *node) { return ACRE_CONTAINER_OF(node, struct acre_huge, node); }

static void note_live(struct acre_huge *huge, size_t asked_bytes) {
    huge->asked_bytes = asked_bytes;
    huge->span.state = STATE_LIVE;
    acre_list_push_front(&huge_blocks.live, &huge->node);
    huge_blocks.figures.live_blocks++;
    huge_blocks.figures.live_bytes += huge->mapped_bytes;
    huge_blocks.figures.asked_bytes += asked_bytes;
}

static void forget_live(struct acre_huge *huge) {
    acre_list_remove(&huge->node);
    huge_blocks.figures.live_blocks--;
    huge_blocks.figures.live_bytes -= huge->mapped_bytes;
    huge_blocks.figures.asked_bytes -= huge->asked_bytes;
}

static void forget_cached(struct acre_huge *huge) {
    acre_list_remove(&huge->node);
    huge_blocks.cached--;
    huge_blocks.figures.cached_bytes -= huge->mapped_bytes;
}

static uintptr_t end_of(const struct acre_huge *huge) { return huge->span.base + huge->mapped_bytes; }

static void drop_hole(struct acre_huge *hole) {
    acre_list_remove(&hole->node);
    acre_metadata_give(ACRE_RECORD_HUGE, hole);
}

/* A freed block of the break becomes a hole, joined with its neighbours; one at the top lowers the break. */
static void make_hole(struct acre_huge *huge) {
    struct acre_node *node = huge_blocks.holes.next;
    while (node != &huge_blocks.holes && of_node(node)->span.base < huge->span.base) node = node->next;
    acre_list_insert(node->prev, &huge->node);
    struct acre_node *before = huge->node.prev, *after = huge->node.next;
    acre_os_release((void *)huge->span.base, huge->mapped_bytes);
    if (after != &huge_blocks.holes && of_node(after)->span.base == end_of(huge)) {
        huge->mapped_bytes += of_node(after)->mapped_bytes;
        drop_hole(of_node(after));
    }
    if (before != &huge_blocks.holes && end_of(of_node(before)) == huge->span.base) {
        huge->span.base = of_node(before)->span.base;
        huge->mapped_bytes += of_node(before)->mapped_bytes;
        drop_hole(of_node(before));
    }
    if (acre_source_lower_break(end_of(huge), huge->mapped_bytes)) drop_hole(huge);
}

/* The smallest hole that is long enough, its front cut off; else the break grows. 0: neither. */
static uintptr_t take_from_break(size_t size_bytes) {
    struct acre_huge *best = NULL;
    for (struct acre_node *node = huge_blocks.holes.next; node != &huge_blocks.holes; node = node->next) {
        struct acre_huge *hole = of_node(node);
        if (hole->mapped_bytes >= size_bytes && (best == NULL || hole->mapped_bytes < best->mapped_bytes)) best = hole;
    }
    if (best == NULL) return acre_source_grow_break(size_bytes, size_bytes).base;
    uintptr_t base = best->span.base;
    best->span.base += size_bytes;
    best->mapped_bytes -= size_bytes;
    if (best->mapped_bytes == 0) drop_hole(best);
    return base;
}

/* The map's entry goes first: the address may be somebody else's as soon as it is unmapped. */
static void unmap(struct acre_huge *huge) {
    huge->span.state = 0;
    acre_map_set(huge->span.base, 1, NULL);
    if (huge->from_break) {
        make_hole(huge);
        return;
    }
    acre_os_unmap((void *)huge->span.base, huge->mapped_bytes);
    acre_metadata_give(ACRE_RECORD_HUGE, huge);
}

/* Holes that have come to lie at the break's top. */
static bool lower_holes(void) {
    bool any = false;
    while (!acre_list_is_empty(&huge_blocks.holes)) {
        struct acre_huge *highest = of_node(huge_blocks.holes.prev);
        if (!acre_source_lower_break(end_of(highest), highest->mapped_bytes)) break;
        drop_hole(highest);
        any = true;
    }
    return any;
}

static bool decay_locked(bool all) {
    bool any = all && lower_holes();
    uint64_t now_ms = all || huge_blocks.cached == 0 ? 0 : acre_os_clock_ms();
    while (huge_blocks.cached > 0) {
        struct acre_huge *oldest = of_node(huge_blocks.cache.prev);
        if (!all && now_ms - oldest->freed_ms < huge_blocks.policy.decay_ms) break;
        forget_cached(oldest);
        unmap(oldest);
        any = true;
    }
    return any;
}

bool acre_huge_decay(bool all) {
    acre_lock(&huge_blocks.lock);
    bool any = decay_locked(all);
    acre_unlock(&huge_blocks.lock);
    return any;
}

/* The cached mapping that fits best: at least as long, and not over a quarter longer. */
static struct acre_huge *find_cached(size_t size_bytes, size_t alignment) {
    struct acre_huge *best = NULL;
    for (struct acre_node *node = huge_blocks.cache.next; node != &huge_blocks.cache; node = node->next) {
        struct acre_huge *huge = of_node(node);
        if (huge->mapped_bytes < size_bytes || huge->mapped_bytes - size_bytes > size_bytes / 4) continue;
        if ((huge->span.base & (alignment - 1)) != 0) continue;
        if (best == NULL || huge->mapped_bytes < best->mapped_bytes) best = huge;
    }
    if (best != NULL) forget_cached(best);
    return best;
}

/* What waits in the cache and does not fit is dropped once it is large beside what lives, so that the peak of a
 * growing program is not raised by sizes that it has outgrown. */
static void shrink_cache(void) {
    size_t bearable_bytes = huge_blocks.policy.cache_bytes / 2 + huge_blocks.figures.live_bytes / 16;
    while (huge_blocks.cached > 0 && huge_blocks.figures.cached_bytes > bearable_bytes) {
        struct acre_huge *oldest = of_node(huge_blocks.cache.prev);
        forget_cached(oldest);
        unmap(oldest);
    }
}

static struct acre_huge *map_new(size_t size_bytes, size_t alignment) {
    struct acre_huge *huge = acre_metadata_take(ACRE_RECORD_HUGE, sizeof *huge);
    if (huge == NULL) return NULL;
    uintptr_t base = 0;
    if (huge_blocks.policy.from_break && alignment <= ACRE_GRANULE_BYTES)
        base = take_from_break(acre_align_up(size_bytes, ACRE_GRANULE_BYTES));
    huge->from_break = base != 0;
    if (huge->from_break) size_bytes = acre_align_up(size_bytes, ACRE_GRANULE_BYTES);
    if (base == 0) base = acre_source_map(size_bytes, alignment);
    huge->span.base = base;
    huge->mapped_bytes = size_bytes;
    if (base != 0 && !acre_map_reserve(base, 1)) {
        if (huge->from_break) {
            make_hole(huge);
            return NULL;
        }
        acre_os_unmap((void *)base, size_bytes);
        base = 0;
    }
    if (base == 0) {
        acre_metadata_give(ACRE_RECORD_HUGE, huge);
        return NULL;
    }
    atomic_store_explicit(&huge->span.owner, ACRE_OWNER_NONE, memory_order_relaxed);
    huge->span.kind = ACRE_SPAN_HUGE;
    acre_map_set(base, 1, &huge->span);
    return huge;
}

uintptr_t acre_huge_take(size_t size_bytes, size_t alignment, bool *zero) {
    size_t page_bytes = acre_os_page_bytes();
    if (size_bytes > (size_t)PTRDIFF_MAX - page_bytes || alignment > (size_t)PTRDIFF_MAX) return 0;
    /* A mapping longer than a granule: see the map's rule above. */
    size_t mapped_bytes = acre_align_up(acre_max(size_bytes, ACRE_GRANULE_BYTES + 1), page_bytes);
    uintptr_t block = 0;
    acre_lock(&huge_blocks.lock);
    struct acre_huge *huge = find_cached(mapped_bytes, acre_max(alignment, page_bytes));
    *zero = huge == NULL && !huge_blocks.policy.from_break; /* a hole's pages may have stayed */
    if (huge == NULL) {
        shrink_cache();
        huge = map_new(mapped_bytes, acre_max(alignment, page_bytes));
    }
    if (huge == NULL && decay_locked(true)) huge = map_new(mapped_bytes, acre_max(alignment, page_bytes));
    if (huge != NULL) {
        note_live(huge, size_bytes);
        block = huge->span.base;
    }
    acre_unlock(&huge_blocks.lock);
    return block;
}

bool acre_huge_give(struct acre_huge *huge) {
    acre_lock(&huge_blocks.lock);
    bool live = huge->span.state == STATE_LIVE;
    if (live) {
        forget_live(huge);
        decay_locked(false);
        bool fits = huge_blocks.policy.cache && !huge->from_break && huge_blocks.policy.decay_ms > 0 && huge_blocks.cached < CACHE_MOST &&
                    huge->mapped_bytes + huge_blocks.figures.cached_bytes <= huge_blocks.policy.cache_bytes;
        if (fits) {
            huge->span.state = STATE_CACHED;
            huge->freed_ms = acre_os_clock_ms();
            acre_list_push_front(&huge_blocks.cache, &huge->node);
            huge_blocks.cached++;
            huge_blocks.figures.cached_bytes += huge->mapped_bytes;
        } else {
            unmap(huge);
        }
    }
    acre_unlock(&huge_blocks.lock);
    return live;
}

/* mremap moves pages, not bytes: the cost is that of page tables. The old address leaves the map before the
 * kernel may give it to another thread. */
uintptr_t acre_huge_resize(struct acre_huge *huge, size_t size_bytes) {
    size_t page_bytes = acre_os_page_bytes();
    if (size_bytes > (size_t)PTRDIFF_MAX - page_bytes) return 0;
    size_t mapped_bytes = acre_align_up(acre_max(size_bytes, ACRE_GRANULE_BYTES + 1), page_bytes);
    uintptr_t block = 0;
    if (huge->from_break && (mapped_bytes > huge->mapped_bytes || mapped_bytes < huge->mapped_bytes / 2))
        return 0; /* moving its pages would leave a hole in the break's mapping */
    acre_lock(&huge_blocks.lock);
    forget_live(huge);
    if (huge->from_break) mapped_bytes = huge->mapped_bytes;
    uintptr_t old = huge->span.base;
    acre_map_set(old, 1, NULL);
    uintptr_t moved = mapped_bytes == huge->mapped_bytes
                          ? old
                          : (uintptr_t)acre_os_remap((void *)old, huge->mapped_bytes, mapped_bytes);
    if (moved != 0 && moved != old && !acre_map_reserve(moved, 1)) {
        /* No memory for the map's own pages: put it back, which cannot need more. */
        moved = (uintptr_t)acre_os_remap((void *)moved, mapped_bytes, huge->mapped_bytes);
        if (moved != 0 && acre_map_reserve(moved, 1)) huge->span.base = moved;
        moved = 0;
    }
    if (moved != 0) {
        huge->span.base = moved;
        huge->mapped_bytes = mapped_bytes;
        block = moved;
    }
    acre_map_set(huge->span.base, 1, &huge->span);
    note_live(huge, block != 0 ? size_bytes : huge->asked_bytes);
    acre_unlock(&huge_blocks.lock);
    return block;
}

struct acre_huge_figures acre_huge_figures(void) {
    acre_lock(&huge_blocks.lock);
    struct acre_huge_figures figures = huge_blocks.figures;
    acre_unlock(&huge_blocks.lock);
    return figures;
}
