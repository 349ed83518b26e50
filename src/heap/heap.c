#include "heap/recent.h"

#include "metadata/metadata.h"
#include "os/os.h"
#include "span/decay.h"

#include <pthread.h>

struct acre_thread acre_no_thread = {
    .heap = {.recent = {[0 ... ACRE_CLASSES - 1] = ACRE_RECENT_NONE}, .home = &acre_no_thread},
    .lookaside = ACRE_LOOKASIDE_NONE};
__thread struct acre_thread *acre_this_thread __attribute__((tls_model("initial-exec"))) = &acre_no_thread;
__thread struct acre_heap *acre_this_heap __attribute__((tls_model("initial-exec"))) = &acre_no_thread.heap;

struct acre_node acre_thread_list;
static struct {
    struct acre_lock lock;
    struct acre_depot *depot;
    pthread_key_t key;
    _Atomic uint32_t in_use;
    uint32_t peak;
    _Atomic uint32_t without_first;
} heaps = {.lock = ACRE_LOCK(ACRE_RANK_HEAPS)};

struct acre_lock *acre_heap_lock(void) {
    return &heaps.lock;
}
uint32_t acre_heap_threads_peak(void) { return heaps.peak; }

uint32_t acre_heap_threads(void) { return atomic_load_explicit(&heaps.in_use, memory_order_relaxed); }
bool acre_heap_is_alone(void) { return atomic_load_explicit(&heaps.in_use, memory_order_relaxed) == 1; }
bool acre_heap_is_without_first(void) { return atomic_load(&heaps.without_first) != 0; }

/* libc frees some of a thread's memory after its last destructors: that makes a heap again, which nobody retires.
 * So it does not count: a process whose threads have all ended must be seen as such. Its record is marked as late,
 * and serves again when the thread of its number is gone. */
static __thread bool has_left __attribute__((tls_model("initial-exec")));

static void count_in(struct acre_thread *thread) {
    if (thread->is_counted || has_left) return;
    thread->is_counted = true;
    heaps.in_use++;
}

void acre_heap_never_count(void) { has_left = true; }

void acre_thread_count_out(struct acre_thread *thread) {
    thread->depth = 0;
    ACRE_POKE(&thread->thread_id, 0);
    thread->is_late = false;
    /* In the child of a fork at any price it may have been about to be counted. */
    if (thread->is_counted && heaps.in_use > 0) heaps.in_use--;
    thread->is_counted = false;
}

/* A thread whose first malloc was in its last round of destructors is counted, and never says that it ends. */
static void count_out_gone(void) {
    acre_lock(&heaps.lock);
    for (struct acre_node *node = acre_thread_list.next; node != &acre_thread_list; node = node->next) {
        struct acre_thread *thread = ACRE_CONTAINER_OF(node, struct acre_thread, all_node);
        if (!thread->is_counted) continue;
        if (acre_os_is_thread(thread->thread_id)) break; /* one is enough */
        acre_thread_count_out(thread);
    }
    acre_unlock(&heaps.lock);
}

/* It matters whether they are there when the process's first thread is not: with the last of them the process ends.
 */
bool acre_heap_is_any(void) {
    if (atomic_load(&heaps.in_use) != 0 && acre_heap_is_without_first()) count_out_gone();
    return atomic_load(&heaps.in_use) != 0;
}

void acre_thread_retire(struct acre_thread *thread) {
    atomic_store(&thread->heap.thread, ACRE_HEAP_UNUSED);
    acre_thread_count_out(thread);
}

void acre_thread_set(struct acre_thread *thread) {
    acre_this_thread = thread;
    acre_this_heap = &thread->heap;
}

static void thread_exits(void *record) {
    struct acre_thread *thread = record;
    if (acre_this_thread != thread) return;
    has_left = true;
    if (acre_os_thread_id() == acre_os_process_id()) {
        atomic_store(&heaps.without_first, 1);
        acre_decay_note(); /* the scavenger sleeps no more without a timer */
    }
    acre_heap_leave_others(thread);
    if (!acre_heap_rest(thread)) {
        acre_heap_leave(&thread->heap);
        acre_thread_set(&acre_no_thread);
        acre_lock(&heaps.lock);
        acre_thread_retire(thread);
        acre_unlock(&heaps.lock);
        acre_remote_drain(&thread->heap);
    }
    /* The scavenger is not to be what keeps the process from ending, nor the thread on which it ends. */
    if (!acre_heap_is_any() && acre_decay.last_leaves != NULL) acre_decay.last_leaves();
}

void acre_heap_start(struct acre_depot *depot) {
    heaps.depot = depot;
    acre_list_start(&acre_thread_list);
    acre_heap_none_rests();
    pthread_key_create(&heaps.key, thread_exits);
}

/* A new record, which is zero: its pages are touched only where there is something to write. */
void acre_heap_prepare(struct acre_heap *heap, struct acre_thread *home, struct acre_depot *depot) {
    heap->home = home;
    heap->inside = &home->inside;
    heap->depot = depot;
    acre_list_start(&heap->waiting);
    for (unsigned size_class = 0; size_class < ACRE_CLASSES; size_class++) {
        heap->recent[size_class] = (struct acre_recent)ACRE_RECENT_NONE;
    }
    acre_wide_start(heap);
}

static struct acre_thread *find(uintptr_t thread_pointer) {
    for (struct acre_node *node = acre_thread_list.next; node != &acre_thread_list; node = node->next) {
        struct acre_thread *thread = ACRE_CONTAINER_OF(node, struct acre_thread, all_node);
        if (atomic_load_explicit(&thread->heap.thread, memory_order_relaxed) == thread_pointer) return thread;
    }
    return NULL;
}

/* One whose thread freed or allocated after its last destructors and is gone. It is as that thread left it, heaps
 * of other arenas included: it has the short way to none (api/arenas.c), which a thread with its thread pointer
 * would take, too. */
static struct acre_thread *find_late(void) {
    for (struct acre_node *node = acre_thread_list.next; node != &acre_thread_list; node = node->next) {
        struct acre_thread *thread = ACRE_CONTAINER_OF(node, struct acre_thread, all_node);
        if (thread->is_late && !acre_os_is_thread(thread->thread_id)) return thread;
    }
    return NULL;
}

/* With the registry locked. */
static struct acre_thread *new_thread(void) {
    struct acre_thread *thread = acre_metadata_take(ACRE_RECORD_THREAD, sizeof *thread);
    if (thread == NULL) return NULL;
    acre_heap_prepare(&thread->heap, thread, heaps.depot);
    acre_list_start(&thread->others);
    thread->lookaside.granule[0] = ACRE_LOOKASIDE_EMPTY;
    acre_list_push_front(&acre_thread_list, &thread->all_node);
    return thread;
}

struct acre_heap *acre_heap_make(void) {
    if (heaps.depot == NULL) return NULL;
    acre_lock(&heaps.lock);
    /* Before any other the one that a thread with our thread pointer left behind: it allocated after its last
     * destructors had run, and our slabs may be among what it holds. Or a fork in a signal handler came just behind
     * this function's end. */
    struct acre_thread *thread = find(acre_thread_pointer());
    if (thread == NULL && !has_left) thread = acre_heap_wake();
    if (thread == NULL) thread = find(ACRE_HEAP_UNUSED);
    if (thread == NULL) thread = find_late();
    if (thread == NULL) thread = new_thread();
    if (thread != NULL) {
        /* In vfork's child the number is not that of the thread that will have the record. */
        ACRE_POKE(&thread->thread_id, acre_os_is_unnoted_process() ? 0 : acre_os_thread_id());
        thread->is_late = has_left;
        thread->depth = 0;
        atomic_store(&thread->heap.thread, acre_thread_pointer());
        count_in(thread);
        if (atomic_load_explicit(&acre_decay.enough, memory_order_relaxed) != 0) acre_decay_ask();
        if (heaps.in_use > heaps.peak) heaps.peak = heaps.in_use;
    }
    acre_unlock(&heaps.lock);
    if (thread == NULL) return NULL;
    acre_thread_set(thread);
    pthread_setspecific(heaps.key, thread); /* may itself allocate: the heap is usable by now */
    return &thread->heap;
}

static uintptr_t granule_of(const struct acre_slab *slab) { return slab->span.base >> ACRE_GRANULE_SHIFT; }

void acre_heap_remember(struct acre_slab *slab) {
    uintptr_t granule = granule_of(slab), end = granule + acre_class_granules(slab->span.size_class);
    for (; granule < end; granule++) acre_heap_remember_granule(slab, granule);
}

void acre_heap_forget(struct acre_slab *slab) {
    struct acre_thread *thread = acre_this_thread;
    acre_recent_expel(&thread->heap, slab);
    uintptr_t granule = granule_of(slab), end = granule + acre_class_granules(slab->span.size_class);
    for (; granule < end; granule++) {
        uintptr_t slot = granule % ACRE_LOOKASIDE_SLOTS, *found = &thread->lookaside.granule[slot];
        if (*found == acre_lookaside_name(slab, granule)) *found = slot == 0 ? ACRE_LOOKASIDE_EMPTY : 0;
    }
}

void acre_heap_destroy(struct acre_slab *slab) {
    acre_heap_forget(slab);
    acre_depot_destroy(slab);
}

void acre_heap_share(struct acre_slab *slab, uint32_t free_blocks) {
    acre_heap_forget(slab);
    acre_depot_put(slab->depot, slab, free_blocks);
}

static void visit_each(acre_visit_thread *visit, void *context) {
    for (struct acre_node *node = acre_thread_list.next; node != &acre_thread_list; node = node->next)
        visit(ACRE_CONTAINER_OF(node, struct acre_thread, all_node), context);
    acre_unlock(&heaps.lock);
}

void acre_thread_each(acre_visit_thread *visit, void *context) {
    if (heaps.depot == NULL) return;
    acre_lock(&heaps.lock);
    visit_each(visit, context);
}

bool acre_thread_each_briefly(acre_visit_thread *visit, void *context) {
    if (heaps.depot == NULL || !acre_lock_briefly(&heaps.lock)) return false;
    visit_each(visit, context);
    return true;
}

void acre_heap_others_left(void) {
    atomic_store(&heaps.without_first, 0);
    if (heaps.depot == NULL) return;
    for (struct acre_node *node = acre_thread_list.next; node != &acre_thread_list; node = node->next) {
        struct acre_thread *thread = ACRE_CONTAINER_OF(node, struct acre_thread, all_node);
        /* Whose number is another one here. */
        if (thread->thread_id != 0 && atomic_load(&thread->heap.thread) == acre_thread_pointer())
            ACRE_POKE(&thread->thread_id, acre_os_thread_id());
        if (thread == acre_this_thread) continue;
        thread->was_inside = atomic_exchange(&thread->inside, 0) != 0;
        /* A new thread may get the thread pointer of one that is not there, and must not take its record for its
         * own. A record with ours is: this thread may have been about to enter it. */
        uintptr_t pointer = atomic_load(&thread->heap.thread);
        if (pointer == ACRE_HEAP_UNUSED || pointer == acre_thread_pointer()) continue;
        atomic_store(&thread->heap.thread, ACRE_HEAP_LEAVING);
        acre_thread_count_out(thread);
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

static bool lookaside_is_valid(struct acre_thread *home) {
    uintptr_t owner = (uintptr_t)home;
    for (uintptr_t slot = 0; slot < ACRE_LOOKASIDE_SLOTS; slot++) {
        uintptr_t granule = home->lookaside.granule[slot];
        if (granule == (slot == 0 ? ACRE_LOOKASIDE_EMPTY : 0)) continue;
        const struct acre_slab *slab = acre_slab_of_live(home->lookaside.live[slot]);
        uintptr_t first = granule_of(slab), number = first;
        while (number % ACRE_LOOKASIDE_SLOTS != slot) number++;
        if (number >= first + acre_class_granules(slab->span.size_class) ||
            granule != acre_lookaside_name(slab, number) ||
            atomic_load(acre_slab_owner((struct acre_slab *)slab)) != owner)
            return false;
    }
    return true;
}

bool acre_heap_is_valid(struct acre_heap *heap) {
    if (heap == &acre_no_thread.heap) return true;
    size_t partial_bytes = 0, waiting_bytes = 0;
    if (!lookaside_is_valid(heap->home) || !acre_recent_is_valid(heap)) return false;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        struct acre_supply *supply = &heap->supply[size_class];
        if (supply->slab != NULL &&
            (supply->slab->span.state != ACRE_SLAB_CURRENT || !acre_slab_is_valid(supply->slab, 0)))
            return false;
        if (supply->stock > 0 && (!list_is_valid(heap, &supply->partial, ACRE_SLAB_PARTIAL, &partial_bytes) ||
                                  acre_list_length(&supply->partial) != supply->stock))
            return false;
    }
    return partial_bytes == heap->partial_free_bytes &&
           list_is_valid(heap, &heap->waiting, ACRE_SLAB_WAITING, &waiting_bytes);
}
