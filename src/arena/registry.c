/* The arenas that programs make: their registry, their beginning and their end. */
#include "arena/arena.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/os.h"
#include "span/decay.h"

#include <errno.h>
#include <string.h>

#define PAUSE_US 100
/* An arena's first chunk of its own, where it could borrow before, and where it could not. */
#define FIRST_CHUNK_BYTES ((size_t)1 << 20)
#define FIRST_CHUNK_ALONE_BYTES ((size_t)256 << 10)
/* Arenas that come and go find their memory warm: those that have ended are parked, if they had one thread's blocks
 * and little memory, until another one is wanted. Their pages decay as all free pages do. */
#define PARKED_MOST 16u
#define PARKED_BYTES_EACH ((size_t)8 << 20)
#define PARKED_BYTES ((size_t)32 << 20)

struct acre_node acre_arena_list;
struct acre_page_heap acre_arena_shared;
static struct {
    struct acre_lock lock;
    struct acre_node parking;      /* the parked ones are on both lists */
    _Atomic bool started;          /* last, in everybody's eyes: what looks without the lock sees all of it */
    struct acre_supplier supplier; /* of the shared pages */
    struct acre_node *next_visit;
    struct acre_arena *held; /* by the visitor: it must not end */
    unsigned parked;
    size_t parked_bytes;
} arenas = {.lock = ACRE_LOCK(ACRE_RANK_ARENAS)};

static bool is_started(void) { return atomic_load_explicit(&arenas.started, memory_order_acquire); }

struct acre_lock *acre_arena_registry_lock(void) {
    return &arenas.lock;
}
struct acre_node *acre_arena_registry(void) {
    return is_started() ? &acre_arena_list : NULL;
}
struct acre_page_heap *acre_arena_shared_pages(void) {
    return is_started() ? &acre_arena_shared : NULL;
}

static struct acre_page_policy policy_of(const struct acre_arena_options *wanted,
                                         const struct acre_options *options, size_t first_chunk_bytes) {
    enum acre_thp thp = wanted->thp == ACRE_THP_AUTO ? (enum acre_thp)options->thp : wanted->thp;
    return (struct acre_page_policy){.brk_limit_bytes = options->brk_limit_bytes,
                                     .keep_bytes = ACRE_KEEP_LEAST_BYTES,
                                     .first_chunk_bytes = first_chunk_bytes,
                                     .thp = thp,
                                     .decay_ms = options->decay_ms};
}

/* With the lock. */
static void start(const struct acre_options *options) {
    if (is_started()) return;
    struct acre_arena_options none;
    memset(&none, 0, sizeof none);
    struct acre_page_policy policy = policy_of(&none, options, ACRE_CHUNK_BYTES);
    policy.keep_bytes = ACRE_CHUNK_BYTES; /* arenas come and go: time alone takes it away */
    acre_list_start(&acre_arena_list);
    acre_list_start(&arenas.parking);
    arenas.next_visit = &acre_arena_list;
    acre_supplier_start(&arenas.supplier, ACRE_SOURCE_MMAP, SIZE_MAX);
    acre_page_heap_start(&acre_arena_shared, &policy, &arenas.supplier);
    atomic_store_explicit(&arenas.started, true, memory_order_release);
}

static struct acre_extent range_of(const struct acre_arena_options *wanted) {
    uintptr_t start = (uintptr_t)wanted->range;
    if (wanted->range_bytes > UINTPTR_MAX - start || start > UINTPTR_MAX - ACRE_GRANULE_BYTES)
        return (struct acre_extent){0, 0};
    uintptr_t base = acre_align_up(start, ACRE_GRANULE_BYTES);
    uintptr_t end = acre_align_down(start + wanted->range_bytes, ACRE_GRANULE_BYTES);
    return (struct acre_extent){base, end > base ? end - base : 0};
}

static bool is_reasonable(const struct acre_arena_options *wanted) {
    bool custom = wanted->source == ACRE_SOURCE_CUSTOM, range = wanted->source == ACRE_SOURCE_RANGE;
    bool maps = wanted->source == ACRE_SOURCE_AUTO || wanted->source == ACRE_SOURCE_MMAP;
    if (wanted->flags != 0 || wanted->source > ACRE_SOURCE_CUSTOM || wanted->thp > ACRE_THP_NEVER) return false;
    if (custom != (wanted->functions.take != NULL)) return false;
    if (!custom && (wanted->functions.give != NULL || wanted->functions.context != NULL)) return false;
    if (!range && wanted->range_bytes != 0) return false;
    if (range != (wanted->range != NULL) || (range && range_of(wanted).size_bytes == 0)) return false;
    if (wanted->reserve_bytes != 0 && !maps) return false;
    if (wanted->reserve_bytes > SIZE_MAX / 2) return false;
    return wanted->limit_bytes == 0 || wanted->limit_bytes >= ACRE_GRANULE_BYTES;
}

static bool overlaps(const struct acre_extent *range, uintptr_t base, size_t size_bytes) {
    return base < range->base + range->size_bytes && range->base < base + size_bytes;
}

/* Goes on while the block lies elsewhere. */
static bool is_block_elsewhere(struct acre_huge *huge, void *range) {
    return !overlaps(range, huge->span.base, huge->mapped_bytes);
}

/* With the lock. */
static bool is_range_free(const struct acre_extent *range) {
    if (!acre_huge_space_each(&acre_default_arena.huge, is_block_elsewhere, (void *)range)) return false;
    for (struct acre_node *node = acre_arena_list.next; node != &acre_arena_list; node = node->next) {
        struct acre_arena *arena = ACRE_CONTAINER_OF(node, struct acre_arena, all_node);
        struct acre_extent *other = &arena->supplier.given;
        if (other->size_bytes != 0 && overlaps(range, other->base, other->size_bytes)) return false;
        if (!acre_huge_space_each(&arena->huge, is_block_elsewhere, (void *)range)) return false;
    }
    for (size_t offset = 0; offset < range->size_bytes; offset += ACRE_GRANULE_BYTES) {
        if (acre_map_find(range->base + offset)->kind != ACRE_SPAN_NONE) return false;
    }
    return true;
}

/* With the lock: what the source needs; 0 or an error. */
static int start_supplier(struct acre_supplier *supplier, const struct acre_arena_options *wanted) {
    size_t limit_bytes = acre_align_down(wanted->limit_bytes, ACRE_GRANULE_BYTES);
    acre_supplier_start(supplier, wanted->source == ACRE_SOURCE_AUTO ? ACRE_SOURCE_MMAP : wanted->source,
                        limit_bytes == 0 ? SIZE_MAX : limit_bytes);
    supplier->functions = wanted->functions;
    if (wanted->source == ACRE_SOURCE_RANGE) {
        struct acre_extent range = range_of(wanted);
        if (range.base + range.size_bytes > (uintptr_t)1 << ACRE_ADDRESS_BITS) return EINVAL;
        if (!is_range_free(&range)) return EEXIST;
        return acre_supplier_start_range(supplier, range.base, range.size_bytes) ? 0 : ENOMEM;
    }
    if (wanted->reserve_bytes != 0) {
        size_t reserve_bytes = acre_align_up(wanted->reserve_bytes, ACRE_GRANULE_BYTES);
        return acre_supplier_reserve(supplier, reserve_bytes) ? 0 : ENOMEM;
    }
    if (wanted->source == ACRE_SOURCE_HUGETLB) { /* whether there are any */
        uintptr_t base = acre_supplier_take(supplier, supplier->unit_bytes, supplier->unit_bytes);
        if (base == 0) return ENOMEM;
        acre_supplier_give(supplier, base, supplier->unit_bytes);
    }
    return 0;
}

static void set_name(struct acre_arena *arena, const char *name) {
    size_t length = 0;
    if (name == NULL) name = "arena";
    for (; length < ACRE_ARENA_NAME_MOST - 1 && name[length] != 0; length++)
        arena->name_text[length] = name[length];
    arena->name_text[length] = 0;
    arena->name = arena->depot.name = arena->name_text;
}

/* With the lock: what differs from life to life. */
static void begin_life(struct acre_arena *arena, const struct acre_arena_options *wanted) {
    set_name(arena, wanted->name);
    arena->depot.zeroes = arena->huge.zeroes = wanted->zeroed;
    arena->life = (arena->life + 1) % ACRE_ARENA_LIVES;
    struct acre_arena_place *place = &arena->places[arena->life];
    *place = (struct acre_arena_place){atomic_load(&arena->depot.parked.owner), arena->depot.parked.heap, arena};
    arena->depot.place = place;
}

static bool is_plain(const struct acre_supplier *supplier) {
    return supplier->is_shared && supplier->source == ACRE_SOURCE_MMAP;
}

/* With the lock. */
static int start_arena(struct acre_arena *arena, const struct acre_arena_options *wanted,
                       const struct acre_options *options) {
    int error = start_supplier(&arena->supplier, wanted);
    if (error != 0) return error;
    bool borrows = is_plain(&arena->supplier);
    struct acre_page_policy policy =
        policy_of(wanted, options, borrows ? FIRST_CHUNK_BYTES : FIRST_CHUNK_ALONE_BYTES);
    acre_page_heap_start(&arena->pages, &policy, &arena->supplier);
    acre_huge_space_start(&arena->huge, &arena->supplier, policy.thp);
    acre_depot_start(&arena->depot, NULL, &arena->pages, borrows ? &acre_arena_shared : NULL);
    if (wanted->source == ACRE_SOURCE_CUSTOM) {
        arena->pages.lock.rank = ACRE_RANK_CUSTOM_PAGES;
        arena->depot.lock.rank = ACRE_RANK_CUSTOM_DEPOT;
    }
    for (unsigned life = 0; life < ACRE_ARENA_LIVES; life++)
        arena->places[life] = (struct acre_arena_place){0, NULL, arena};
    arena->is_parked = arena->is_busy = false;
    begin_life(arena, wanted);
    acre_list_push_back(&acre_arena_list, &arena->all_node);
    return 0;
}

/* With the lock: it is among the parked no more. */
static void unpark(struct acre_arena *arena) {
    arena->is_parked = false;
    arenas.parked--;
    arenas.parked_bytes -= arena->parked_bytes;
    acre_list_remove(&arena->parked_node);
}

/* With the lock: one that this thread parked and that is as wanted; or NULL. */
static struct acre_arena *take_parked(const struct acre_arena_options *wanted, const struct acre_options *options) {
    bool plain =
        (wanted->source == ACRE_SOURCE_AUTO || wanted->source == ACRE_SOURCE_MMAP) && wanted->reserve_bytes == 0;
    enum acre_thp thp = policy_of(wanted, options, 0).thp;
    size_t limit_bytes =
        wanted->limit_bytes == 0 ? SIZE_MAX : acre_align_down(wanted->limit_bytes, ACRE_GRANULE_BYTES);
    for (struct acre_node *node = arenas.parking.next; plain && node != &arenas.parking; node = node->next) {
        struct acre_arena *arena = ACRE_CONTAINER_OF(node, struct acre_arena, parked_node);
        struct acre_quota *quota = &arena->supplier.quota;
        if (atomic_load(&arena->depot.parked.owner) != acre_thread_pointer() || arena->pages.policy.thp != thp ||
            acre_quota_held_bytes(quota) > limit_bytes)
            continue;
        unpark(arena);
        *quota = (struct acre_quota){acre_quota_held_bytes(quota), acre_quota_held_bytes(quota), limit_bytes};
        atomic_store_explicit(&arena->supplier.calls, 0, memory_order_relaxed);
        atomic_store_explicit(&arena->supplier.released_bytes, 0, memory_order_relaxed);
        begin_life(arena, wanted);
        return arena;
    }
    return NULL;
}

static struct acre_arena *make(const struct acre_arena_options *wanted, const struct acre_options *options,
                               int *error) {
    *error = ENOMEM;
    struct acre_arena *arena = acre_metadata_take(ACRE_RECORD_ARENA, sizeof *arena);
    if (arena == NULL) return NULL;
    *error = start_arena(arena, wanted, options);
    if (*error == 0) return arena;
    acre_metadata_give(ACRE_RECORD_ARENA, arena);
    return NULL;
}

struct acre_arena *acre_arena_new(const struct acre_arena_options *wanted, const struct acre_options *options,
                                  int *error) {
    struct acre_arena_options none;
    if (wanted == NULL) {
        memset(&none, 0, sizeof none);
        wanted = &none;
    }
    *error = EINVAL;
    if (!is_reasonable(wanted)) return NULL;
    acre_lock(&arenas.lock);
    start(options);
    struct acre_arena *arena = take_parked(wanted, options);
    if (arena == NULL) arena = make(wanted, options, error);
    acre_unlock(&arenas.lock);
    return arena;
}

struct acre_arena *acre_arena_of_place(const struct acre_arena_place *place) {
    struct acre_arena *arena = place->arena;
    return arena != NULL && arena->depot.place == place ? arena : NULL;
}

struct acre_arena *acre_arena_of_span(struct acre_span *span) {
    switch (span->kind) {
    case ACRE_SPAN_SMALL:
    case ACRE_SPAN_MEDIUM:
        return acre_arena_of_depot(((struct acre_slab *)span)->depot);
    case ACRE_SPAN_CHUNK: {
        struct acre_page_heap *pages = ((struct acre_chunk *)span)->heap;
        return pages == &acre_arena_shared ? NULL : acre_arena_of_pages(pages);
    }
    case ACRE_SPAN_HUGE:
        return acre_huge_is_live((struct acre_huge *)span) ? acre_arena_of_huge(((struct acre_huge *)span)->space)
                                                           : NULL;
    default:
        return NULL;
    }
}

/* A slab of the arena's own chunks, whose pages go with these. The map leads to it still. */
static void end_slab(struct acre_chunk *chunk, uint32_t index, uint32_t pages, void *context) {
    (void)pages;
    const struct acre_arena *arena = context;
    if (acre_run_state(chunk, index) != ACRE_RUN_SLAB) return;
    struct acre_slab *slab = (struct acre_slab *)acre_map_find(acre_run_address(chunk, index));
    bool has_extras = atomic_load_explicit(&arena->depot.had_extras, memory_order_relaxed);
    acre_slab_forget(slab, has_extras);
}

/* But for slabs that heaps keep for the arena's next blocks. */
static void end_borrowed(struct acre_depot *depot) {
    for (unsigned place = 0; place < ACRE_BORROWED_MOST; place++) {
        struct acre_slab *slab = depot->borrowed[place];
        bool is_kept = slab != NULL && acre_slab_is_mixed(slab) && slab->span.state == ACRE_SLAB_CURRENT;
        if (slab != NULL && !is_kept) acre_depot_destroy(slab);
    }
}

static void end_blocks(struct acre_arena *arena, bool end) {
    acre_heap_empty_all(&arena->depot, end);
    acre_depot_empty(&arena->depot);
    end_borrowed(&arena->depot);
    acre_huge_space_empty(&arena->huge);
    acre_page_heap_each_run(&arena->pages, end_slab, arena);
    atomic_store_explicit(&arena->depot.had_extras, false, memory_order_relaxed);
}

/* While its blocks end nobody else looks at it; but a fork, which sees it all the time. The lock is given back
 * meanwhile.
 */
static void be_busy(struct acre_arena *arena) {
    arena->is_busy = true;
    while (__atomic_load_n(&arenas.held, __ATOMIC_ACQUIRE) == arena) {
        acre_unlock(&arenas.lock);
        acre_os_sleep_us(PAUSE_US);
        acre_lock(&arenas.lock);
    }
}

/* Likewise, if this is its handle still. */
static bool begin_end(struct acre_arena *arena, const struct acre_arena_place *place) {
    acre_lock(&arenas.lock);
    bool is_there = arena->depot.place == place && !arena->is_busy;
    if (is_there) be_busy(arena);
    acre_unlock(&arenas.lock);
    return is_there;
}

static void stop_being_busy(struct acre_arena *arena) {
    acre_lock(&arenas.lock);
    arena->is_busy = false;
    acre_unlock(&arenas.lock);
}

void acre_arena_empty(struct acre_arena *arena) {
    begin_end(arena, arena->depot.place);
    end_blocks(arena, false);
    acre_page_heap_reset(&arena->pages);
    stop_being_busy(arena);
}

/* Whether it is worth it: one heap, of this thread, and little memory. */
static bool may_park(struct acre_arena *arena) {
    return is_plain(&arena->supplier) && atomic_load(&arena->depot.place->owner) == acre_thread_pointer() &&
           arena->depot.place->heap != NULL && acre_heap_alone_in(&arena->depot) == arena->depot.place->heap &&
           acre_quota_held_bytes(&arena->supplier.quota) <= PARKED_BYTES_EACH;
}

/* With the lock: one that no thread will take again, or the oldest when there is no room. */
static struct acre_arena *take_victim(void) {
    struct acre_arena *victim = NULL;
    for (struct acre_node *node = arenas.parking.next; node != &arenas.parking; node = node->next) {
        struct acre_arena *arena = ACRE_CONTAINER_OF(node, struct acre_arena, parked_node);
        if (arenas.parked >= PARKED_MOST || atomic_load(&arena->depot.parked.owner) == 0) victim = arena;
    }
    if (victim == NULL) return NULL;
    unpark(victim);
    be_busy(victim);
    return victim;
}

/* The rest of the way. It stays listed until its blocks are gone. */
static void finish(struct acre_arena *arena) {
    end_blocks(arena, true);
    acre_page_heap_end(&arena->pages, &acre_default_arena.pages);
    acre_supplier_end(&arena->supplier);
    acre_lock(&arenas.lock);
    if (arenas.next_visit == &arena->all_node) arenas.next_visit = arena->all_node.next;
    acre_list_remove(&arena->all_node);
    acre_unlock(&arenas.lock);
    acre_metadata_give(ACRE_RECORD_ARENA, arena);
}

/* After all blocks have ended. false: there is no room. */
static bool park(struct acre_arena *arena) {
    acre_lock(&arenas.lock);
    struct acre_arena *victim = take_victim();
    size_t held_bytes = acre_quota_held_bytes(&arena->supplier.quota);
    bool fits = held_bytes <= PARKED_BYTES - arenas.parked_bytes;
    if (fits) {
        arena->is_parked = true;
        arena->is_busy = false;
        arena->parked_bytes = held_bytes;
        arenas.parked++;
        arenas.parked_bytes += held_bytes;
        acre_list_push_front(&arenas.parking, &arena->parked_node);
    }
    acre_unlock(&arenas.lock);
    if (victim != NULL) finish(victim);
    if (fits) acre_decay_note();
    return fits;
}

/* The handle is none any more, and nothing is found there. */
static void leave_place(struct acre_arena *arena) {
    struct acre_arena_place *place = arena->depot.place;
    arena->depot.parked = (struct acre_arena_place){atomic_load(&place->owner), place->heap, arena};
    *place = (struct acre_arena_place){0, NULL, arena};
    arena->depot.place = NULL;
}

bool acre_arena_end(struct acre_arena *arena, const struct acre_arena_place *place) {
    bool parks = may_park(arena);
    if (!begin_end(arena, place)) return false;
    leave_place(arena);
    if (parks) {
        end_blocks(arena, false);
        acre_page_heap_reset(&arena->pages);
        if (park(arena)) return true;
    }
    finish(arena);
    return true;
}

static struct acre_arena *take_first_parked(void) {
    struct acre_arena *arena = NULL;
    acre_lock(&arenas.lock);
    if (!acre_list_is_empty(&arenas.parking)) {
        arena = ACRE_CONTAINER_OF(arenas.parking.next, struct acre_arena, parked_node);
        unpark(arena);
        be_busy(arena);
    }
    acre_unlock(&arenas.lock);
    return arena;
}

void acre_arena_end_parked(void) {
    if (!is_started() || acre_lock_is_mine(&arenas.lock)) return; /* what acre_arena_each calls may release */
    for (struct acre_arena *arena; (arena = take_first_parked()) != NULL;) finish(arena);
}

static bool visit_each(acre_arena_visit *visit, void *context, bool parked) {
    bool more = true, is_visitor = acre_lock_is_mine(&arenas.lock);
    if (!is_started()) return true;
    if (!is_visitor) acre_lock(&arenas.lock);
    for (struct acre_node *node = acre_arena_list.next; more && node != &acre_arena_list; node = node->next) {
        struct acre_arena *arena = ACRE_CONTAINER_OF(node, struct acre_arena, all_node);
        bool is_wanted = !arena->is_busy && (parked || !arena->is_parked);
        more = !is_wanted || visit(arena, context);
    }
    if (!is_visitor) acre_unlock(&arenas.lock);
    return more;
}

bool acre_arena_visit_all(acre_arena_visit *visit, void *context) { return visit_each(visit, context, true); }

bool acre_arena_visit_made(acre_arena_visit *visit, void *context) { return visit_each(visit, context, false); }

struct acre_arena *acre_arena_hold(bool first, bool *busy) {
    struct acre_arena *arena = NULL;
    *busy = false;
    if (!is_started()) return NULL;
    if (!acre_lock_briefly(&arenas.lock)) {
        *busy = true;
        return NULL;
    }
    if (first) arenas.next_visit = acre_arena_list.next;
    while (arena == NULL && arenas.next_visit != &acre_arena_list) {
        arena = ACRE_CONTAINER_OF(arenas.next_visit, struct acre_arena, all_node);
        arenas.next_visit = arenas.next_visit->next;
        if (arena->is_busy) arena = NULL;
    }
    __atomic_store_n(&arenas.held, arena, __ATOMIC_RELAXED);
    acre_unlock(&arenas.lock);
    return arena;
}

/* Without the lock, for which who lets go need not wait. */
void acre_arena_let_go(void) { __atomic_store_n(&arenas.held, NULL, __ATOMIC_RELEASE); }
