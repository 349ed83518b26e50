#include "heap/recent.h"

#include "metadata/metadata.h"
#include "span/decay.h"

#include <pthread.h>

struct acre_heap acre_no_heap = {.lookaside = ACRE_LOOKASIDE_NONE,
                                 .recent = {[0 ... ACRE_CLASSES - 1] = ACRE_RECENT_NONE}};
__thread struct acre_heap *acre_this_heap __attribute__((tls_model("initial-exec"))) = &acre_no_heap;

static struct {
    struct acre_lock lock;
    struct acre_node all;
    struct acre_depot *depot;
    pthread_key_t key;
    _Atomic uint32_t in_use;
    uint32_t peak;
} heaps = {.lock = ACRE_LOCK(ACRE_RANK_HEAPS)};

struct acre_lock *acre_heap_lock(void) {
    return &heaps.lock;
}
uint32_t acre_heap_threads_peak(void) { return heaps.peak; }

bool acre_heap_is_alone(void) { return atomic_load_explicit(&heaps.in_use, memory_order_relaxed) == 1; }
bool acre_heap_is_any(void) { return atomic_load(&heaps.in_use) != 0; }

/* libc frees some of a thread's memory after its last destructors: that makes a heap again, which nobody retires.
 * So it does not count: a process whose threads have all ended must be seen as such. */
static __thread bool has_left __attribute__((tls_model("initial-exec")));

static void count_in(struct acre_heap *heap) {
    if (heap->is_counted || has_left) return;
    heap->is_counted = true;
    heaps.in_use++;
}

void acre_heap_retire(struct acre_heap *heap) {
    atomic_store(&heap->thread, ACRE_HEAP_UNUSED);
    if (heap->is_counted) heaps.in_use--;
    heap->is_counted = false;
}

static void thread_exits(void *heap) {
    if (acre_this_heap != heap) return;
    has_left = true;
    acre_heap_leave(heap);
    acre_this_heap = &acre_no_heap;
    acre_lock(&heaps.lock);
    acre_heap_retire(heap);
    acre_unlock(&heaps.lock);
    acre_remote_drain(heap);
    if (!acre_heap_is_any()) acre_decay_hurry(); /* the scavenger is not to be what keeps the process from ending */
}

void acre_heap_start(struct acre_depot *depot) {
    heaps.depot = depot;
    acre_list_start(&heaps.all);
    pthread_key_create(&heaps.key, thread_exits);
}

/* A new record, which is zero: its pages are touched only where there is something to write. */
static void prepare(struct acre_heap *heap) {
    heap->lookaside.granule[0] = ACRE_LOOKASIDE_EMPTY;
    heap->depot = heaps.depot;
    acre_list_start(&heap->waiting);
    for (unsigned size_class = 0; size_class < ACRE_CLASSES; size_class++) {
        acre_list_start(&heap->supply[size_class].partial);
        heap->recent[size_class] = (struct acre_recent)ACRE_RECENT_NONE;
    }
}

/* A heap that nobody uses, or the one that a thread with our thread pointer left behind: it allocated after its
 * last destructors had run, and our slabs may be among what it holds. */
static struct acre_heap *find_unused(uintptr_t self) {
    struct acre_heap *unused = NULL;
    for (struct acre_node *node = heaps.all.next; node != &heaps.all; node = node->next) {
        struct acre_heap *heap = ACRE_CONTAINER_OF(node, struct acre_heap, all_node);
        uintptr_t thread = atomic_load_explicit(&heap->thread, memory_order_relaxed);
        if (thread == self) return heap;
        if (thread == ACRE_HEAP_UNUSED && unused == NULL) unused = heap;
    }
    return unused;
}

struct acre_heap *acre_heap_make(void) {
    if (heaps.depot == NULL) return NULL;
    acre_lock(&heaps.lock);
    struct acre_heap *heap = find_unused(acre_thread_pointer());
    if (heap == NULL) {
        heap = acre_metadata_take(ACRE_RECORD_HEAP, sizeof *heap);
        if (heap != NULL) {
            prepare(heap);
            acre_list_push_front(&heaps.all, &heap->all_node);
        }
    }
    if (heap != NULL) {
        atomic_store(&heap->thread, acre_thread_pointer());
        count_in(heap);
        if (heaps.in_use > heaps.peak) heaps.peak = heaps.in_use;
    }
    acre_unlock(&heaps.lock);
    if (heap == NULL) return NULL;
    acre_this_heap = heap;
    pthread_setspecific(heaps.key, heap); /* may itself allocate: the heap is usable by now */
    return heap;
}

static uintptr_t granule_of(const struct acre_slab *slab) { return slab->span.base >> ACRE_GRANULE_SHIFT; }

void acre_heap_remember(struct acre_heap *heap, struct acre_slab *slab) {
    uintptr_t granule = granule_of(slab), slot = granule % ACRE_LOOKASIDE_SLOTS;
    if (!acre_slab_is_small(slab)) return;
    heap->lookaside.granule[slot] = slab->keeps_recent ? ACRE_LOOKASIDE_RECENT(granule) : granule;
    heap->lookaside.bits[slot] = (acre_half *)slab->bits;
}

void acre_heap_forget(struct acre_heap *heap, struct acre_slab *slab) {
    uintptr_t granule = granule_of(slab), slot = granule % ACRE_LOOKASIDE_SLOTS;
    acre_recent_expel(heap, slab);
    uintptr_t found = heap->lookaside.granule[slot];
    if (found == granule || found == ACRE_LOOKASIDE_RECENT(granule))
        heap->lookaside.granule[slot] = slot == 0 ? ACRE_LOOKASIDE_EMPTY : 0;
}

void acre_heap_destroy(struct acre_heap *heap, struct acre_slab *slab) {
    acre_heap_forget(heap, slab);
    acre_slab_destroy(heap->depot->pages, slab);
}

void acre_heap_share(struct acre_heap *heap, struct acre_slab *slab, uint32_t free_blocks) {
    acre_heap_forget(heap, slab);
    acre_depot_put(heap->depot, slab, free_blocks);
}

static void visit_each(void (*visit)(struct acre_heap *heap, void *context), void *context) {
    for (struct acre_node *node = heaps.all.next; node != &heaps.all; node = node->next)
        visit(ACRE_CONTAINER_OF(node, struct acre_heap, all_node), context);
    acre_unlock(&heaps.lock);
}

void acre_heap_each(void (*visit)(struct acre_heap *heap, void *context), void *context) {
    if (heaps.depot == NULL) return;
    acre_lock(&heaps.lock);
    visit_each(visit, context);
}

bool acre_heap_each_briefly(void (*visit)(struct acre_heap *heap, void *context), void *context) {
    if (heaps.depot == NULL || !acre_lock_briefly(&heaps.lock)) return false;
    visit_each(visit, context);
    return true;
}

void acre_heap_others_left(void) {
    if (heaps.depot == NULL) return;
    for (struct acre_node *node = heaps.all.next; node != &heaps.all; node = node->next) {
        struct acre_heap *heap = ACRE_CONTAINER_OF(node, struct acre_heap, all_node);
        if (heap != acre_this_heap) atomic_store(&heap->inside, 0);
    }
}

static bool list_is_valid(struct acre_heap *heap, struct acre_node *list, enum acre_slab_state state,
                          size_t *free_bytes) {
    if (!acre_list_is_valid(list)) return false;
    for (struct acre_node *node = list->next; node != list; node = node->next) {
        struct acre_slab *slab = ACRE_CONTAINER_OF(node, struct acre_slab, node);
        if (slab->span.state != state || slab->heap != heap ||
            !acre_slab_is_valid(slab, acre_recent_count(heap, slab)))
            return false;
        *free_bytes += (uint32_t)slab->free_at_arm * acre_slab_block_bytes(slab);
    }
    return true;
}

static bool lookaside_is_valid(struct acre_heap *heap) {
    uintptr_t thread = atomic_load(&heap->thread);
    for (uintptr_t slot = 0; slot < ACRE_LOOKASIDE_SLOTS; slot++) {
        uintptr_t granule = heap->lookaside.granule[slot];
        if (granule == (slot == 0 ? ACRE_LOOKASIDE_EMPTY : 0)) continue;
        struct acre_slab *slab = acre_slab_of_bits(heap->lookaside.bits[slot]);
        if (slab->keeps_recent) granule = ACRE_LOOKASIDE_RECENT(granule);
        if (granule % ACRE_LOOKASIDE_SLOTS != slot || granule_of(slab) != granule || !acre_slab_is_small(slab) ||
            atomic_load(acre_slab_owner(slab)) != thread)
            return false;
    }
    return true;
}

bool acre_heap_is_valid(struct acre_heap *heap) {
    if (heap == &acre_no_heap) return true;
    size_t partial_bytes = 0, waiting_bytes = 0;
    if (!lookaside_is_valid(heap) || !acre_recent_is_valid(heap)) return false;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        struct acre_supply *supply = &heap->supply[size_class];
        if (supply->slab != NULL &&
            (supply->slab->span.state != ACRE_SLAB_CURRENT || !acre_slab_is_valid(supply->slab, 0)))
            return false;
        if (!list_is_valid(heap, &supply->partial, ACRE_SLAB_PARTIAL, &partial_bytes)) return false;
        if (acre_list_length(&supply->partial) != supply->stock) return false;
    }
    return partial_bytes == heap->partial_free_bytes &&
           list_is_valid(heap, &heap->waiting, ACRE_SLAB_WAITING, &waiting_bytes);
}
