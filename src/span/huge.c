#include "span/huge.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/os.h"
#include "source/source.h"
#include "span/decay.h"
#include "span/released.h"
#include "span/break_holes.h"
#include "span/huge_cache.h"
#include "span/huge_pages.h"
#include "span/supplier.h"

/* The cache is for a program that takes and frees blocks in turn, not a second heap. */
#define CACHE_MOST 64u
/* A program that takes and frees in turn may have more there, up to this many times the bound: what it frees it
 * takes again, and its peak is none the higher. One that frees so many blocks without taking any does not come back
 * soon. */
#define CACHE_TIMES 8
#define FREES_IN_ROW 4
/* A block that grows by more than this part of itself is copied into pages that are there already, instead of left
 * where it is to fault new ones in: a fault takes longer than the copy of a page (the loop `vectors` shows it). */
#define COPY_PART 3
/* Unmapping a block between two others makes one mapping two, of which the kernel allows 65,530 to a process
 * (vm.max_map_count). Where so many blocks are live, the pages of a freed one are released and its addresses wait
 * for another one; when there are fewer, they are unmapped by and by. */
#define LIVE_MANY 8192u
#define VACANT_AT_ONCE 64
struct acre_vacant acre_huge_break_holes, acre_huge_vacant;
static struct {
    struct acre_lock lock;
    struct acre_huge_policy policy;
    struct acre_huge_cache cache;
    uint32_t mappings; /* the number of the last one */
    unsigned frees_in_row;
    size_t fresh_bytes;
    size_t live_blocks, live_bytes; /* over all spaces */
} huge_blocks = {.lock = ACRE_LOCK(ACRE_RANK_HUGE)};

struct acre_lock *acre_huge_lock(void) {
    return &huge_blocks.lock;
}

void acre_huge_start(const struct acre_huge_policy *policy) {
    huge_blocks.policy = *policy;
    acre_huge_cache_start(&huge_blocks.cache);
    acre_huge_break_holes = acre_huge_vacant = (struct acre_vacant){NULL, 0, 0};
    acre_huge_pages_start();
}

bool acre_huge_is_live(const struct acre_huge *huge) { return huge->span.state == ACRE_HUGE_LIVE; }

void acre_huge_space_start(struct acre_huge_space *space, struct acre_supplier *supplier, enum acre_thp thp) {
    space->supplier = supplier;
    space->thp = thp;
    acre_list_start(&space->live);
    space->figures = (struct acre_huge_figures){0, 0, 0};
    space->zeroes = false;
}

static void note_live(struct acre_huge_space *space, struct acre_huge *huge, size_t asked_bytes) {
    huge->space = space;
    huge->asked_bytes = asked_bytes;
    huge->span.state = ACRE_HUGE_LIVE;
    acre_list_push_front(&space->live, &huge->node);
    space->figures.live_blocks++;
    space->figures.live_bytes += huge->mapped_bytes;
    space->figures.asked_bytes += asked_bytes;
    huge_blocks.live_blocks++;
    huge_blocks.live_bytes += huge->mapped_bytes;
}

static void forget_live(struct acre_huge *huge) {
    struct acre_huge_figures *figures = &huge->space->figures;
    acre_list_remove(&huge->node);
    figures->live_blocks--;
    figures->live_bytes -= huge->mapped_bytes;
    figures->asked_bytes -= huge->asked_bytes;
    huge_blocks.live_blocks--;
    huge_blocks.live_bytes -= huge->mapped_bytes;
}

void acre_huge_describe(struct acre_huge *huge, uintptr_t base, size_t mapped_bytes, uint32_t mapping) {
    atomic_store_explicit(&huge->span.owner, ACRE_OWNER_NONE, memory_order_relaxed);
    huge->span.kind = ACRE_SPAN_HUGE;
    huge->span.base = base;
    huge->mapped_bytes = huge->kept_bytes = mapped_bytes;
    huge->mapping = mapping;
    huge->from_break = huge->huge_pages = false;
    acre_map_set(base, 1, &huge->span);
}

static bool are_many_live(void) { return huge_blocks.live_blocks > LIVE_MANY; }

/* For blocks with huge pages. The kernel joins no mapping with one that is not next to it, so of many blocks each
 * would have its own. */
static size_t huge_page_alignment(size_t alignment) {
    return are_many_live() ? alignment : acre_max(alignment, ACRE_HUGE_PAGE_BYTES);
}

/* Whether it is gone; addresses that the kernel does not take back wait for another block. */
static bool unmap_or_keep(struct acre_huge *huge) {
    bool gone = acre_source_unmap(huge->span.base, huge->mapped_bytes);
    if (gone)
        acre_metadata_give(ACRE_RECORD_HUGE, huge);
    else
        acre_vacant_put(&acre_huge_vacant, huge);
    return gone;
}

static void unmap_vacant(size_t most) {
    bool gone = true;
    for (struct acre_huge *huge; gone && most > 0 && (huge = acre_vacant_highest(&acre_huge_vacant)) != NULL;
         most--) {
        acre_vacant_remove(&acre_huge_vacant, huge);
        acre_source_count_again(huge->mapped_bytes);
        gone = unmap_or_keep(huge);
    }
}

void acre_huge_keep_vacant(uintptr_t base, size_t size_bytes) {
    struct acre_huge *huge = acre_metadata_take(ACRE_RECORD_HUGE, sizeof *huge);
    if (huge == NULL) return;
    huge->span.base = base;
    huge->mapped_bytes = size_bytes;
    acre_lock(&huge_blocks.lock);
    acre_vacant_put(&acre_huge_vacant, huge);
    acre_unlock(&huge_blocks.lock);
}

/* The map's entry goes first: the address may be somebody else's as soon as it is unmapped. */
static void unmap(struct acre_huge *huge) {
    huge->span.state = 0;
    acre_map_set(huge->span.base, 1, NULL);
    acre_huge_pages_note_resized(huge, huge->mapped_bytes, 0);
    if (huge->from_break) {
        acre_break_hole_make(&acre_huge_break_holes, huge);
    } else if (are_many_live() && acre_os_release((void *)huge->span.base, huge->mapped_bytes)) {
        acre_released_note(ACRE_RELEASED_PAGES, huge->mapped_bytes);
        acre_source_rest(huge->mapped_bytes);
        acre_vacant_put(&acre_huge_vacant, huge);
    } else {
        acre_released_note(ACRE_RELEASED_MAPPINGS, huge->mapped_bytes);
        unmap_or_keep(huge);
    }
}

static bool decay_locked(bool all) {
    bool any = all && acre_break_hole_lower(&acre_huge_break_holes);
    if (all) acre_huge_pages_forget();
    uint64_t before_ms = UINT64_MAX, now_ms;
    if (!are_many_live()) unmap_vacant(all ? SIZE_MAX : VACANT_AT_ONCE);
    if (huge_blocks.cache.count == 0) return any;
    if (!all) {
        now_ms = acre_os_clock_ms();
        before_ms = now_ms - acre_min(now_ms, acre_decay_shorten(huge_blocks.policy.decay_ms));
    }
    for (struct acre_huge *oldest; (oldest = acre_huge_cache_oldest(&huge_blocks.cache, before_ms)) != NULL;
         any = true)
        unmap(oldest);
    return any;
}

bool acre_huge_decay(bool all) {
    acre_lock(&huge_blocks.lock);
    bool any = decay_locked(all);
    acre_unlock(&huge_blocks.lock);
    return any;
}

static void note_fresh(size_t size_bytes) {
    huge_blocks.fresh_bytes += size_bytes;
    acre_released_mapped_anew(size_bytes);
}

/* Elsewhere, in `mapped_bytes`, which is more. mremap moves pages, not bytes: the cost is that of page tables. The
 * place to move to is made ready first, so that nothing can fail after the move; the old address leaves the map
 * before the kernel may give it to another thread. */
static uintptr_t move(struct acre_huge *huge, size_t mapped_bytes, size_t alignment) {
    uintptr_t old = huge->span.base, base = acre_source_map_beside(mapped_bytes, huge->mapped_bytes, alignment);
    if (base == 0) base = acre_source_map_beside(mapped_bytes, huge->mapped_bytes, acre_os_page_bytes());
    if (base == 0) return 0;
    if (!acre_map_reserve(base, 1)) {
        acre_source_unmap_beside(base, mapped_bytes, huge->mapped_bytes);
        return 0;
    }
    acre_map_set(old, 1, NULL);
    if (!acre_os_move((void *)old, huge->mapped_bytes, (void *)base, mapped_bytes)) {
        acre_map_set(old, 1, &huge->span);
        acre_source_unmap_after_move(base, mapped_bytes, huge->mapped_bytes);
        return 0;
    }
    huge->mapping = ++huge_blocks.mappings;
    return base;
}

/* Gives a mapping of its own another length, where it lies or elsewhere; false when that cannot be done, and then
 * it is as before. */
static bool remap(const struct acre_huge_space *space, struct acre_huge *huge, size_t mapped_bytes) {
    uintptr_t base = huge->span.base;
    size_t old_bytes = huge->mapped_bytes;
    bool whole, had_huge_pages = huge->huge_pages;
    bool gets = !are_many_live() && acre_huge_pages_for_grown(huge, mapped_bytes, space->thp);
    if (!acre_source_resize(base, old_bytes, mapped_bytes, &whole)) {
        if (mapped_bytes < old_bytes || are_many_live() || !whole)
            return false; /* what was moved stays a mapping of its own */
        size_t alignment = acre_os_page_bytes();
        base = move(huge, mapped_bytes, had_huge_pages || gets ? huge_page_alignment(alignment) : alignment);
        if (base == 0) return false;
    }
    if (mapped_bytes > old_bytes)
        note_fresh(mapped_bytes - old_bytes);
    else
        acre_supplier_note_released(space->supplier, ACRE_RELEASED_MAPPINGS, old_bytes - mapped_bytes);
    acre_huge_describe(huge, base, mapped_bytes, huge->mapping);
    huge->huge_pages = had_huge_pages;
    acre_huge_pages_note_resized(huge, old_bytes, mapped_bytes);
    if (gets) {
        huge->mapping = ++huge_blocks.mappings; /* no part of another any more, which has not got them */
        acre_huge_pages_ask(huge);
    }
    return true;
}

/* From the cache: what fits, or else the longest of what is too short, made longer. */
static struct acre_huge *use_again(const struct acre_huge_space *space, size_t size_bytes, size_t alignment,
                                   size_t *dirty_bytes) {
    struct acre_huge *huge = acre_huge_cache_take(&huge_blocks.cache, size_bytes, alignment);
    bool is_short = huge == NULL;
    if (is_short && alignment <= acre_os_page_bytes())
        huge = acre_huge_cache_take_short(&huge_blocks.cache, size_bytes);
    if (huge == NULL) return NULL;
    *dirty_bytes = is_short ? huge->mapped_bytes : size_bytes;
    bool suits = !huge->huge_pages || space->thp != ACRE_THP_NEVER;
    if (suits && (!is_short || remap(space, huge, size_bytes))) return huge;
    acre_huge_cache_put(&huge_blocks.cache, huge, huge->freed_ms);
    return NULL;
}

/* Whether a place was found for the new record. It is NULL afterwards where the map has no memory to lead there:
 * then the record is that of the place again. */
static bool map_from_break(struct acre_huge **huge, size_t size_bytes) {
    uintptr_t base = acre_break_hole_take(&acre_huge_break_holes, size_bytes);
    if (base == 0) return false;
    if (acre_map_reserve(base, 1)) {
        acre_huge_describe(*huge, base, size_bytes, 0);
        (*huge)->from_break = true;
        return true;
    }
    (*huge)->span.base = base;
    (*huge)->mapped_bytes = size_bytes;
    acre_break_hole_make(&acre_huge_break_holes, *huge);
    *huge = NULL;
    return true;
}

/* Likewise. */
static bool map_vacant(struct acre_huge **huge, size_t size_bytes) {
    if (!acre_source_wake(size_bytes)) return false;
    uintptr_t base = acre_vacant_take(&acre_huge_vacant, size_bytes);
    if (base != 0 && acre_map_reserve(base, 1)) {
        acre_released_used_again(size_bytes);
        acre_huge_describe(*huge, base, size_bytes, ++huge_blocks.mappings);
        return true;
    }
    acre_source_rest(size_bytes);
    if (base == 0) return false;
    (*huge)->span.base = base;
    (*huge)->mapped_bytes = size_bytes;
    acre_vacant_put(&acre_huge_vacant, *huge);
    *huge = NULL;
    return true;
}

/* From memory that serves its arena alone; without the lock, since the caller's own functions may call malloc. */
static struct acre_huge *take_supplied(struct acre_supplier *supplier, size_t size_bytes, size_t alignment,
                                       size_t *dirty_bytes) {
    struct acre_huge *huge = acre_metadata_take(ACRE_RECORD_HUGE, sizeof *huge);
    if (huge == NULL) return NULL;
    uintptr_t base = acre_supplier_take(supplier, size_bytes, acre_max(alignment, supplier->unit_bytes));
    if (base != 0 && acre_map_reserve(base, 1)) {
        *dirty_bytes = supplier->keeps_pages ? size_bytes : 0;
        acre_huge_describe(huge, base, size_bytes, 0);
        return huge;
    }
    if (base != 0) acre_supplier_give(supplier, base, size_bytes);
    acre_metadata_give(ACRE_RECORD_HUGE, huge);
    return NULL;
}

static void give_supplied(struct acre_supplier *supplier, struct acre_huge *huge) {
    huge->span.state = 0;
    acre_map_set(huge->span.base, 1, NULL);
    acre_supplier_give(supplier, huge->span.base, huge->mapped_bytes);
    acre_metadata_give(ACRE_RECORD_HUGE, huge);
}

static struct acre_huge *map_new(const struct acre_huge_space *space, size_t size_bytes, size_t alignment,
                                 size_t *dirty_bytes) {
    struct acre_supplier *supplier = space->supplier;
    struct acre_huge *huge = acre_metadata_take(ACRE_RECORD_HUGE, sizeof *huge);
    if (huge == NULL) return NULL;
    if (supplier->source == ACRE_SOURCE_BRK && alignment <= ACRE_GRANULE_BYTES) {
        *dirty_bytes = size_bytes; /* a hole's pages may have stayed */
        acre_supplier_count_call(supplier);
        if (map_from_break(&huge, acre_align_up(size_bytes, ACRE_GRANULE_BYTES))) return huge;
    }
    *dirty_bytes = 0;
    if (alignment <= acre_os_page_bytes() && map_vacant(&huge, size_bytes)) return huge;
    bool many = are_many_live() && space->thp == ACRE_THP_AUTO;
    bool huge_pages = !many && acre_huge_pages_for_new(size_bytes, space->thp);
    uintptr_t base = huge_pages ? acre_source_map(size_bytes, huge_page_alignment(alignment)) : 0;
    if (base == 0) base = acre_source_map(size_bytes, alignment);
    acre_supplier_count_call(supplier);
    if (base != 0 && acre_map_reserve(base, 1)) {
        note_fresh(size_bytes);
        acre_decay_note_held(huge_blocks.live_bytes + size_bytes);
        acre_huge_describe(huge, base, size_bytes, ++huge_blocks.mappings);
        if (huge_pages) acre_huge_pages_ask(huge);
        if (size_bytes >= ACRE_HUGE_PAGE_BYTES && space->thp == ACRE_THP_NEVER)
            acre_source_advise_huge_pages(base, size_bytes, false);
        return huge;
    }
    huge->span.base = base;
    huge->mapped_bytes = size_bytes;
    if (base == 0)
        acre_metadata_give(ACRE_RECORD_HUGE, huge);
    else
        unmap_or_keep(huge);
    return NULL;
}

/* Whole units of its source, and longer than a granule: see the map's rule above. 0: too much. */
static size_t mapped_size(size_t size_bytes, size_t unit_bytes) {
    if (size_bytes > (size_t)PTRDIFF_MAX - unit_bytes) return 0;
    return acre_align_up(acre_max(size_bytes, ACRE_GRANULE_BYTES + 1), unit_bytes);
}

/* What is used again may be a little longer, for which there must be room in the quota; it is charged then. */
static struct acre_huge *use_again_within(const struct acre_huge_space *space, size_t size_bytes, size_t alignment,
                                          size_t *dirty_bytes) {
    struct acre_huge *huge = use_again(space, size_bytes, alignment, dirty_bytes);
    if (huge == NULL || acre_quota_charge(&space->supplier->quota, huge->mapped_bytes - size_bytes)) return huge;
    acre_huge_cache_put(&huge_blocks.cache, huge, acre_os_clock_ms());
    return NULL;
}

static struct acre_huge *take_shared(const struct acre_huge_space *space, size_t size_bytes, size_t alignment,
                                     bool anew, size_t *dirty_bytes) {
    struct acre_huge *huge = NULL;
    huge_blocks.frees_in_row = 0;
    if (!anew) huge = use_again_within(space, size_bytes, alignment, dirty_bytes);
    if (huge == NULL) huge = map_new(space, size_bytes, alignment, dirty_bytes);
    if (huge == NULL && decay_locked(true)) huge = map_new(space, size_bytes, alignment, dirty_bytes);
    return huge;
}

static uintptr_t take(struct acre_huge_space *space, size_t size_bytes, size_t alignment, bool anew,
                      size_t *dirty_bytes) {
    struct acre_supplier *supplier = space->supplier;
    size_t mapped_bytes = mapped_size(size_bytes, supplier->unit_bytes);
    struct acre_huge *huge = NULL;
    if (mapped_bytes == 0 || alignment > (size_t)PTRDIFF_MAX) return 0;
    if (!acre_quota_charge(&supplier->quota, mapped_bytes)) return 0;
    alignment = acre_max(alignment, acre_os_page_bytes());
    if (!supplier->is_shared) huge = take_supplied(supplier, mapped_bytes, alignment, dirty_bytes);
    acre_lock(&huge_blocks.lock);
    if (supplier->is_shared) huge = take_shared(space, mapped_bytes, alignment, anew, dirty_bytes);
    if (huge != NULL) {
        huge->kept_bytes = huge->mapped_bytes;
        note_live(space, huge, size_bytes);
    }
    if (huge == NULL) acre_quota_discharge(&supplier->quota, mapped_bytes);
    acre_quota_note_peak(&supplier->quota);
    acre_unlock(&huge_blocks.lock);
    return huge == NULL ? 0 : huge->span.base;
}

uintptr_t acre_huge_take(struct acre_huge_space *space, size_t size_bytes, size_t alignment, size_t *dirty_bytes) {
    return take(space, size_bytes, alignment, false, dirty_bytes);
}

uintptr_t acre_huge_take_anew(struct acre_huge_space *space, size_t size_bytes, size_t alignment,
                              size_t *dirty_bytes) {
    return take(space, size_bytes, alignment, true, dirty_bytes);
}

static void limit_cache(size_t most_bytes) {
    while (huge_blocks.cache.bytes > most_bytes) unmap(acre_huge_cache_oldest(&huge_blocks.cache, UINT64_MAX));
}

/* A freed block goes to the cache, where the oldest make room for it. */
static void put_in_cache(struct acre_huge *huge) {
    size_t most_bytes = huge_blocks.policy.cache_bytes;
    decay_locked(false);
    acre_huge_cache_put(&huge_blocks.cache, huge, acre_os_clock_ms());
    acre_decay_note();
    if (++huge_blocks.frees_in_row < FREES_IN_ROW) most_bytes *= CACHE_TIMES;
    if (huge_blocks.cache.count > CACHE_MOST) unmap(acre_huge_cache_oldest(&huge_blocks.cache, UINT64_MAX));
    limit_cache(most_bytes);
}

void acre_huge_limit_cache(size_t most_bytes) {
    acre_lock(&huge_blocks.lock);
    limit_cache(most_bytes);
    acre_unlock(&huge_blocks.lock);
}

size_t acre_huge_live_bytes(void) { return ACRE_PEEK(&huge_blocks.live_bytes); }
size_t acre_huge_fresh_bytes(void) { return ACRE_PEEK(&huge_blocks.fresh_bytes); }
size_t acre_huge_cached_bytes(void) { return ACRE_PEEK(&huge_blocks.cache.bytes); }

static void give_shared(struct acre_huge *huge) {
    const struct acre_huge_policy *policy = &huge_blocks.policy;
    if (policy->cache && policy->decay_ms > 0 && !huge->from_break && huge->mapped_bytes <= policy->cache_bytes)
        put_in_cache(huge);
    else
        unmap(huge);
}

/* The arena has it no more when its pages are gone, and not before: others charge their own at that time. */
bool acre_huge_give(struct acre_huge *huge, uintptr_t block) {
    acre_lock(&huge_blocks.lock);
    bool live = acre_huge_is_live(huge) && huge->span.base == block;
    struct acre_supplier *supplier = live ? huge->space->supplier : NULL;
    size_t mapped_bytes = huge->mapped_bytes;
    if (live) {
        forget_live(huge);
        huge->span.state = 0;
        if (supplier->is_shared) acre_huge_pages_note_freed(huge, huge->space->thp);
        if (supplier->is_shared) give_shared(huge);
    }
    acre_unlock(&huge_blocks.lock);
    if (!live) return false;
    if (!supplier->is_shared) give_supplied(supplier, huge);
    acre_supplier_count_released(supplier, mapped_bytes);
    acre_quota_discharge(&supplier->quota, mapped_bytes);
    return true;
}

void acre_huge_space_empty(struct acre_huge_space *space) {
    while (!acre_list_is_empty(&space->live)) {
        struct acre_huge *huge = ACRE_CONTAINER_OF(space->live.next, struct acre_huge, node);
        acre_huge_give(huge, huge->span.base);
    }
}

bool acre_huge_space_each(struct acre_huge_space *space, bool (*visit)(struct acre_huge *huge, void *context),
                          void *context) {
    bool more = true;
    acre_lock(&huge_blocks.lock);
    for (struct acre_node *node = space->live.next; more && node != &space->live; node = node->next)
        more = visit(ACRE_CONTAINER_OF(node, struct acre_huge, node), context);
    acre_unlock(&huge_blocks.lock);
    return more;
}

/* Keeps the addresses, which would leave a gap. */
static bool keep(struct acre_huge *huge, size_t kept_bytes) {
    size_t tail_bytes = huge->kept_bytes - acre_min(huge->kept_bytes, kept_bytes);
    if (tail_bytes > 0 && acre_os_release((void *)(huge->span.base + kept_bytes), tail_bytes))
        acre_supplier_note_released(huge->space->supplier, ACRE_RELEASED_PAGES, tail_bytes);
    huge->kept_bytes = kept_bytes;
    return true;
}

static bool resize_locked(struct acre_huge *huge, size_t mapped_bytes) {
    /* Moving the break's pages would leave a hole in its mapping; others have their place. */
    if (huge->from_break || !huge->space->supplier->is_shared)
        return mapped_bytes <= huge->mapped_bytes && mapped_bytes >= huge->mapped_bytes / 2;
    if (mapped_bytes == huge->mapped_bytes) return keep(huge, mapped_bytes);
    if (mapped_bytes < huge->mapped_bytes && are_many_live()) return keep(huge, mapped_bytes);
    if (mapped_bytes > huge->mapped_bytes + huge->mapped_bytes / COPY_PART &&
        acre_huge_cache_has(&huge_blocks.cache, mapped_bytes))
        return false;
    /* What lies behind it may be a little more than is wanted, and holds anything. */
    bool may_extend = huge->space->supplier->quota.limit_bytes == SIZE_MAX && !huge->space->zeroes;
    if (mapped_bytes > huge->mapped_bytes && may_extend &&
        acre_huge_cache_extend(&huge_blocks.cache, huge, mapped_bytes))
        return keep(huge, mapped_bytes);
    return remap(huge->space, huge, mapped_bytes);
}

/* The quota allows for it. */
static uintptr_t resize_live(struct acre_huge *huge, size_t size_bytes, size_t mapped_bytes) {
    struct acre_huge_space *space = huge->space;
    forget_live(huge);
    bool done = resize_locked(huge, mapped_bytes);
    note_live(space, huge, done ? size_bytes : huge->asked_bytes);
    return done ? huge->span.base : 0;
}

uintptr_t acre_huge_resize(struct acre_huge *huge, uintptr_t block, size_t size_bytes) {
    uintptr_t resized = 0;
    acre_lock(&huge_blocks.lock);
    if (acre_huge_is_live(huge) && huge->span.base == block) {
        struct acre_supplier *supplier = huge->space->supplier;
        size_t mapped_bytes = mapped_size(size_bytes, supplier->unit_bytes), old_bytes = huge->mapped_bytes;
        size_t more_bytes = mapped_bytes - acre_min(mapped_bytes, old_bytes);
        if (mapped_bytes != 0 && acre_quota_charge(&supplier->quota, more_bytes)) {
            resized = resize_live(huge, size_bytes, mapped_bytes);
            acre_quota_correct(&supplier->quota, old_bytes + more_bytes, huge->mapped_bytes);
            acre_quota_note_peak(&supplier->quota);
        }
    }
    acre_unlock(&huge_blocks.lock);
    return resized;
}

struct acre_huge_figures acre_huge_figures(const struct acre_huge_space *space) {
    acre_lock(&huge_blocks.lock);
    struct acre_huge_figures figures = space->figures;
    acre_unlock(&huge_blocks.lock);
    return figures;
}

bool acre_huge_is_valid(const struct acre_huge_space *space) {
    size_t bytes = 0;
    acre_lock(&huge_blocks.lock);
    for (struct acre_node *node = space->live.next; node != &space->live; node = node->next)
        bytes += ACRE_CONTAINER_OF(node, struct acre_huge, node)->mapped_bytes;
    bool valid = bytes == space->figures.live_bytes && acre_huge_cache_is_valid(&huge_blocks.cache);
    acre_unlock(&huge_blocks.lock);
    return valid;
}
