/* A thread's heaps of other arenas than the default one.
 *
 * They are on two lists, their arena's and their thread's, since either may end first; both under the registry's
 * lock. The lists name a heap only to who has that lock or is its thread. */
#include "heap/recent.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/misuse.h"
#include "os/os.h"

#define PAUSE_US 100

static struct acre_heap **found_slot(const struct acre_depot *depot) {
    return &acre_this_thread->found[((uintptr_t)depot >> 6) * UINT64_C(0x9e3779b97f4a7c15) >> 61];
}
_Static_assert(ACRE_FOUND_SLOTS == 8, "the top three bits");

static struct acre_heap *find(struct acre_depot *depot) {
    struct acre_heap *found = NULL;
    acre_lock(acre_heap_lock());
    for (struct acre_node *node = depot->heaps.next; found == NULL && node != &depot->heaps; node = node->next) {
        struct acre_heap *heap = ACRE_CONTAINER_OF(node, struct acre_heap, depot_node);
        if (heap->home == acre_this_thread) found = heap;
    }
    acre_unlock(acre_heap_lock());
    return found;
}

/* A heap that ended may be another thread's by now, but then it names that one. */
struct acre_heap *acre_heap_for(struct acre_depot *depot) {
    struct acre_heap *mine = acre_heap_mine();
    if (mine == NULL || mine->depot == depot) return mine;
    struct acre_heap **slot = found_slot(depot), *found = *slot;
    if (found != NULL && ACRE_PEEK(&found->depot) == depot && ACRE_PEEK(&found->home) == acre_this_thread)
        return found;
    found = find(depot);
    if (found != NULL) *slot = found;
    return found;
}

/* One of the arena's whose thread has ended, or a new record. */
static struct acre_heap *take_record(struct acre_depot *depot) {
    struct acre_heap *heap = NULL;
    acre_lock(acre_heap_lock());
    if (!acre_list_is_empty(&depot->idle)) {
        heap = ACRE_CONTAINER_OF(depot->idle.next, struct acre_heap, depot_node);
        acre_list_remove(&heap->depot_node);
    }
    acre_unlock(acre_heap_lock());
    return heap != NULL ? heap : acre_metadata_take(ACRE_RECORD_HEAP, sizeof *heap);
}

struct acre_heap *acre_heap_make_for(struct acre_depot *depot) {
    struct acre_heap *heap = acre_heap_for(depot);
    if (heap != NULL || !acre_heap_is_made()) return heap;
    heap = take_record(depot);
    if (heap == NULL) return NULL;
    acre_heap_prepare(heap, acre_this_thread, depot);
    atomic_store(&heap->thread, acre_thread_pointer());
    acre_lock(acre_heap_lock());
    acre_list_push_front(&acre_this_thread->others, &heap->home_node);
    acre_list_push_front(&depot->heaps, &heap->depot_node);
    acre_unlock(acre_heap_lock());
    *found_slot(depot) = heap;
    return heap;
}

/* With the registry locked. */
static void unlist(struct acre_heap *heap) {
    struct acre_arena_place *place = acre_depot_place(heap->depot);
    acre_list_remove(&heap->home_node);
    acre_list_remove(&heap->depot_node);
    if (ACRE_PEEK(&place->heap) != heap) return;
    place->heap = NULL;
    atomic_store(&place->owner, 0);
}

/* Its slabs are handed on without the lock. The arena may come to its end as well meanwhile, and waits for that.
 * Slabs of the arena may still name the heap: who pushes one on its queue finds it without a thread, and sees to
 * the slab. */
static void leave(struct acre_heap *heap) {
    struct acre_depot *depot = heap->depot;
    *found_slot(depot) = NULL;
    acre_heap_leave(heap);
    atomic_store(&heap->thread, ACRE_HEAP_UNUSED);
    acre_remote_drain(heap);
    acre_lock(acre_heap_lock());
    heap->home = NULL;
    acre_list_push_front(&depot->idle, &heap->depot_node);
    /* In the child of a fork that came meanwhile it was begun anew. */
    if (atomic_load(&depot->leaving) > 0) atomic_fetch_sub(&depot->leaving, 1);
    acre_unlock(acre_heap_lock());
}

static struct acre_heap *take_first(struct acre_thread *thread) {
    struct acre_heap *heap = NULL;
    acre_lock(acre_heap_lock());
    if (!acre_list_is_empty(&thread->others)) {
        heap = ACRE_CONTAINER_OF(thread->others.next, struct acre_heap, home_node);
        atomic_fetch_add(&heap->depot->leaving, 1);
        atomic_thread_fence(memory_order_release); /* whoever finds it off the list sees this */
        unlist(heap);
    }
    acre_unlock(acre_heap_lock());
    return heap;
}

void acre_heap_leave_others(struct acre_thread *thread) {
    for (struct acre_heap *heap; (heap = take_first(thread)) != NULL;) leave(heap);
}

/* Only classes that were used have anything to clear. */
static void clear(struct acre_heap *heap) {
    for (unsigned word = 0; word < 2; word++) {
        for (uint64_t classes = heap->used[word]; classes != 0; classes &= classes - 1) {
            unsigned size_class = word * 64 + acre_lowest_bit(classes);
            acre_mixed_note_end(heap, size_class);
            heap->cursor[size_class] = (struct acre_cursor){0, 0, 0, 0, 0};
            heap->supply[size_class].slab = NULL;
            heap->supply[size_class].stock = 0;
        }
        heap->used[word] = 0;
    }
    acre_list_start(&heap->waiting);
    heap->kept_bytes = heap->partial_free_bytes = 0;
}

/* Of the slab that the slot names, or NULL. */
static struct acre_depot *depot_in(const struct acre_lookaside *lookaside, uintptr_t slot) {
    uintptr_t granule = ACRE_PEEK(&lookaside->granule[slot]) & ~ACRE_LOOKASIDE_MEDIUM(0);
    if (granule % ACRE_LOOKASIDE_SLOTS != slot) return NULL; /* empty, or one of the default arena's with recents */
    struct acre_span *span = acre_map_find(granule << ACRE_GRANULE_SHIFT);
    bool is_slab = span->kind == ACRE_SPAN_SMALL || span->kind == ACRE_SPAN_MEDIUM;
    return is_slab ? ((struct acre_slab *)span)->depot : NULL;
}

/* The thread may be at work elsewhere, and may put another slab into the place meanwhile: that is lost to the
 * lookaside, and comes in again. Which slots to look at is for the thread alone to write. */
static void forget_slabs(struct acre_thread *home, const struct acre_depot *depot) {
    struct acre_lookaside *lookaside = &home->lookaside;
    for (uintptr_t word = 0; word < ACRE_LOOKASIDE_SLOTS / 64; word++) {
        uint64_t slots = ACRE_PEEK(&lookaside->others[word]), left = slots;
        for (; slots != 0; slots &= slots - 1) {
            uintptr_t slot = word * 64 + acre_lowest_bit(slots);
            const struct acre_depot *found = depot_in(lookaside, slot);
            if (found == depot) ACRE_POKE(&lookaside->granule[slot], slot == 0 ? ACRE_LOOKASIDE_EMPTY : 0);
            if (found == depot || found == NULL) left &= ~(slots & -slots);
        }
        if (home == acre_this_thread) ACRE_POKE(&lookaside->others[word], left);
    }
}

/* With the registry locked, when no thread is on its way out of the arena. */
static void lock_when_none_leaves(struct acre_depot *depot) {
    for (;;) {
        acre_lock(acre_heap_lock());
        if (atomic_load(&depot->leaving) == 0) return;
        acre_unlock(acre_heap_lock());
        acre_os_sleep_us(PAUSE_US);
    }
}

/* Its malloc would take from what is gone. */
static bool check_not_entered(const struct acre_heap *heap) {
    const struct acre_thread *home = heap->home;
    uint32_t most = ACRE_PEEK(&home->depth);
    if (most > 0 && !acre_os_is_thread(ACRE_PEEK(&home->thread_id))) return true; /* it entered as it ended */
    for (uint32_t depth = 0; depth < most; depth++) {
        if (ACRE_PEEK(&home->entered[depth]) != heap) continue;
        acre_misuse(ACRE_MISUSE_ARENA_ORDER, "acre_arena_destroy", 0,
                    "a thread has entered the arena %s and not left it", heap->depot->name);
        return false;
    }
    return true;
}

bool acre_heap_check_not_entered(struct acre_depot *depot) {
    const struct acre_heap *alone = acre_heap_alone_in(depot);
    if (alone != NULL) return check_not_entered(alone);
    bool none = true;
    acre_lock(acre_heap_lock());
    for (struct acre_node *node = depot->heaps.next; none && node != &depot->heaps; node = node->next)
        none = check_not_entered(ACRE_CONTAINER_OF(node, struct acre_heap, depot_node));
    acre_unlock(acre_heap_lock());
    return none;
}

/* With the registry locked, at the end of its arena: nobody names it any more. */
static void end(struct acre_heap *heap) {
    heap->depot = NULL;
    heap->home = NULL;
    atomic_store(&heap->thread, ACRE_HEAP_UNUSED);
    acre_metadata_give(ACRE_RECORD_HEAP, heap);
}

static void end_idle(struct acre_depot *depot) {
    while (!acre_list_is_empty(&depot->idle)) {
        struct acre_heap *heap = ACRE_CONTAINER_OF(depot->idle.next, struct acre_heap, depot_node);
        acre_list_remove(&heap->depot_node);
        end(heap);
    }
}

static void empty(struct acre_heap *heap, bool may_keep) {
    forget_slabs(heap->home, heap->depot);
    acre_remote_drop(heap);
    clear(heap);
    acre_mixed_empty(heap, may_keep);
}

struct acre_heap *acre_heap_alone_in(struct acre_depot *depot) {
    struct acre_node *first = ACRE_PEEK(&depot->heaps.next);
    if (first == &depot->heaps || first != ACRE_PEEK(&depot->heaps.prev)) return NULL;
    struct acre_heap *heap = ACRE_CONTAINER_OF(first, struct acre_heap, depot_node);
    if (ACRE_PEEK(&heap->home) != acre_this_thread) return NULL;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load(&depot->leaving) == 0 ? heap : NULL;
}

void acre_heap_empty_all(struct acre_depot *depot, bool end_them) {
    struct acre_heap *alone = end_them ? NULL : acre_heap_alone_in(depot);
    if (alone != NULL) {
        empty(alone, true);
        return;
    }
    lock_when_none_leaves(depot);
    for (struct acre_node *node = depot->heaps.next, *next; node != &depot->heaps; node = next) {
        struct acre_heap *heap = ACRE_CONTAINER_OF(node, struct acre_heap, depot_node);
        next = node->next;
        empty(heap, !end_them);
        if (!end_them) continue;
        unlist(heap);
        end(heap);
    }
    if (end_them) end_idle(depot);
    acre_unlock(acre_heap_lock());
}
