/* Arenas, as acre/acre.h documents them. */
#include "acre/acre.h"
#include "api/api.h"
#include "arena/scavenge.h"
#include "inspect/count.h"
#include "inspect/figures.h"
#include "inspect/walk.h"
#include "metadata/map.h"
#include "os/misuse.h"
#include "os/os.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* NULL, and errno is EINVAL: there is none. */
static struct acre_arena *checked(const char *function, const acre_arena *place) {
    struct acre_arena *arena = place == NULL ? NULL : acre_arena_of_place(place);
    if (arena == NULL) {
        acre_misuse(ACRE_MISUSE_ARENA, function, (uintptr_t)place,
                    "not an arena: it was never created, or is destroyed");
        errno = EINVAL;
    }
    return arena;
}

/* Misuse: the registry cannot change under who goes through it. */
static bool is_in_each(const char *function) {
    if (!acre_lock_is_mine(acre_arena_registry_lock())) return false;
    acre_misuse(ACRE_MISUSE_ARENA_ORDER, function, 0, "called by what acre_arena_each calls");
    errno = EINVAL;
    return true;
}

/* The first thread to use an arena has the short way to its heap there; and keeps it until it ends. One that does
 * not say that it ends would keep it for ever. */
static void claim(acre_arena *place, struct acre_heap *heap) {
    uintptr_t nobody = 0;
    if (heap->home->is_late) return;
    if (atomic_compare_exchange_strong(&place->owner, &nobody, acre_thread_pointer())) place->heap = heap;
}

/* NULL, and errno says why: no such arena, or no memory. */
static ACRE_NOINLINE struct acre_heap *find_heap(const char *function, acre_arena *place) {
    struct acre_arena *arena = checked(function, place);
    if (arena == NULL) return NULL;
    struct acre_heap *heap = acre_is_ready() ? acre_heap_make_for(&arena->depot) : NULL;
    if (heap == NULL)
        acre_out_of_memory();
    else
        claim(place, heap);
    return heap;
}

ACRE_INLINE bool is_mine(const acre_arena *place) {
    return ACRE_LIKELY(place != NULL &&
                       atomic_load_explicit(&place->owner, memory_order_relaxed) == acre_thread_pointer());
}

static struct acre_heap *heap_in(const char *function, acre_arena *place) {
    /* A thread may have the pointer of one that ended late, and no record yet. */
    return is_mine(place) && acre_heap_is_made() ? place->heap : find_heap(function, place);
}

/* What the shortest way did not find: a block of a class whose size is to be reckoned, or anything. */
static ACRE_NOINLINE void *allocate_slowly(acre_arena *place, size_t size_bytes) {
    if (is_mine(place) && acre_heap_is_made() && size_bytes - 1 < ACRE_SMALL_MOST) {
        bool zero;
        void *block = acre_heap_take(place->heap, acre_class_of(size_bytes), &zero);
        if (ACRE_LIKELY(block != NULL)) return block;
    }
    struct acre_heap *heap = heap_in("acre_arena_malloc", place);
    return heap == NULL ? NULL : acre_allocate_in(heap, size_bytes);
}

ACRE_INLINE void *allocate(acre_arena *place, size_t size_bytes) {
    if (ACRE_LIKELY(size_bytes <= ACRE_EXACT_MOST && is_mine(place))) {
        void *block = acre_heap_take_ready(place->heap, acre_align_up(size_bytes, ACRE_ALIGNMENT));
        if (ACRE_LIKELY(block != NULL)) return block;
    }
    return allocate_slowly(place, size_bytes);
}

ACRE_PUBLIC void *acre_arena_malloc(acre_arena *arena, size_t size) {
    return acre_counted_in(arena, ACRE_COUNT_MALLOC, size, allocate(arena, size));
}

ACRE_PUBLIC void *acre_arena_calloc(acre_arena *arena, size_t count, size_t size) {
    struct acre_heap *heap = heap_in("acre_arena_calloc", arena);
    size_t size_bytes;
    void *block = NULL;
    if (__builtin_mul_overflow(count, size, &size_bytes)) size_bytes = SIZE_MAX;
    block = heap == NULL ? NULL : acre_allocate_zeroed_in(heap, size_bytes);
    return acre_counted_in(arena, ACRE_COUNT_CALLOC, size_bytes, block);
}

ACRE_PUBLIC void *acre_arena_realloc(acre_arena *arena, void *block, size_t size) {
    struct acre_heap *heap = heap_in("acre_arena_realloc", arena);
    struct acre_count_before before = acre_count_before(block);
    void *moved = heap == NULL ? NULL : acre_reallocate_in(heap, block, size);
    return acre_counted_again(arena, before, size, moved);
}

ACRE_PUBLIC void *acre_arena_aligned_alloc(acre_arena *arena, size_t alignment, size_t size) {
    struct acre_heap *heap = heap_in("acre_arena_aligned_alloc", arena);
    if (!acre_is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    void *block = heap == NULL ? NULL : acre_allocate_aligned_in(heap, size, alignment);
    return acre_counted_in(arena, ACRE_COUNT_ALIGNED, size, block);
}

ACRE_PUBLIC acre_arena *acre_arena_create(const struct acre_arena_options *options) {
    int error = EAGAIN;
    struct acre_arena *arena = NULL;
    if (is_in_each("acre_arena_create")) return NULL;
    if (acre_is_ready()) arena = acre_arena_new(options, &acre_options, &error);
    if (arena == NULL) {
        errno = error;
        return NULL;
    }
    acre_count_create(arena);
    return arena->depot.place;
}

ACRE_PUBLIC void acre_arena_reset(acre_arena *place) {
    struct acre_arena *arena = checked("acre_arena_reset", place);
    if (arena == NULL || is_in_each("acre_arena_reset")) return;
    acre_count_reset(arena);
    acre_arena_empty(arena);
}

ACRE_PUBLIC void acre_arena_destroy(acre_arena *place) {
    struct acre_arena *arena = checked("acre_arena_destroy", place);
    if (arena == NULL || is_in_each("acre_arena_destroy")) return;
    if (!acre_heap_check_not_entered(&arena->depot)) {
        errno = EINVAL;
        return;
    }
    acre_count_destroy(arena);
    if (!acre_arena_end(arena, place))
        acre_misuse(ACRE_MISUSE_ARENA, "acre_arena_destroy", (uintptr_t)place, "another thread destroys it");
}

ACRE_PUBLIC bool acre_arena_release(acre_arena *place) {
    struct acre_arena *arena = checked("acre_arena_release", place);
    if (arena == NULL) return false;
    struct acre_heap *heap = acre_is_ready() ? acre_heap_for(&arena->depot) : NULL;
    if (heap != NULL) {
        acre_remote_drain(heap);
        acre_heap_give_kept(heap);
        acre_heap_give_current(heap);
    }
    sigset_t mask;
    acre_os_block_signals(&mask);          /* no handler of this thread finds the gate of refills closed by it */
    bool released = acre_huge_decay(true); /* what it freed waits there among others' */
    released |= acre_scavenge_arena(arena);
    acre_os_restore_signals(&mask);
    return released;
}

static acre_arena *place_of(struct acre_arena *arena) { return arena == NULL ? NULL : arena->depot.place; }

ACRE_PUBLIC acre_arena *acre_arena_of(const void *block) {
    return place_of(acre_arena_of_span(acre_map_find((uintptr_t)block)));
}

ACRE_PUBLIC bool acre_arena_contains(acre_arena *place, const void *address) {
    struct acre_arena *arena = checked("acre_arena_contains", place);
    return arena != NULL && acre_walk_contains(arena, (uintptr_t)address);
}

ACRE_PUBLIC void acre_arena_stats(acre_arena *place, struct acre_arena_figures *stats) {
    struct acre_arena *arena = place == NULL ? &acre_default_arena : checked("acre_arena_stats", place);
    struct acre_figures figures;
    memset(stats, 0, sizeof *stats);
    if (arena == NULL || !acre_is_ready()) return;
    const struct acre_quota *quota = &arena->supplier.quota;
    acre_figures_of(arena, &figures);
    stats->live_bytes = figures.live_bytes;
    stats->live_blocks = figures.live_blocks;
    stats->held_bytes = acre_quota_held_bytes(quota);
    stats->held_peak_bytes = atomic_load_explicit(&quota->peak_bytes, memory_order_relaxed);
    stats->resident_bytes = acre_figures_resident(arena);
    stats->retained_bytes = figures.retained_bytes;
    stats->released_bytes = atomic_load_explicit(&arena->supplier.released_bytes, memory_order_relaxed);
    stats->limit_bytes = quota->limit_bytes == SIZE_MAX ? 0 : quota->limit_bytes;
    stats->source_calls = atomic_load_explicit(&arena->supplier.calls, memory_order_relaxed);
    stats->library_calls = atomic_load_explicit(&arena->counts.calls, memory_order_relaxed);
}

ACRE_PUBLIC bool acre_arena_walk(acre_arena *place, acre_visit_block *visit, void *context) {
    struct acre_arena *arena = checked("acre_arena_walk", place);
    return arena != NULL && acre_walk_blocks(arena, visit, context);
}

struct each {
    acre_visit_arena *visit;
    void *context;
};

static bool visit_one(struct acre_arena *arena, void *context) {
    const struct each *each = context;
    return each->visit(arena->depot.place, arena->name, each->context);
}

ACRE_PUBLIC bool acre_arena_each(acre_visit_arena *visit, void *context) {
    struct each each = {visit, context};
    return acre_arena_visit_made(visit_one, &each);
}

ACRE_PUBLIC bool acre_arena_enter(acre_arena *place) {
    struct acre_heap *heap = heap_in("acre_arena_enter", place);
    struct acre_thread *thread = acre_this_thread;
    if (heap == NULL) return false;
    if (thread->depth == ACRE_ENTERED_MOST) {
        errno = ENOMEM;
        return false;
    }
    /* Whoever ends an arena looks at these, the depth first. */
    __atomic_store_n(&thread->entered[thread->depth], heap, __ATOMIC_RELAXED);
    __atomic_store_n(&thread->depth, thread->depth + 1, __ATOMIC_RELEASE);
    acre_this_heap = heap;
    return true;
}

ACRE_PUBLIC void acre_arena_leave(void) {
    struct acre_thread *thread = acre_this_thread;
    if (thread->depth == 0) {
        acre_misuse(ACRE_MISUSE_ARENA_ORDER, "acre_arena_leave", 0, "this thread has entered no arena");
        return;
    }
    thread->depth--;
    acre_this_heap = thread->depth > 0 ? thread->entered[thread->depth - 1] : &thread->heap;
}
