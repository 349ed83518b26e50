/* Threads come and go, and often the next one does what the last one did. So a thread that ends leaves its record
 * as it is: slabs, cursors, recent blocks, lookaside. It rests, and the next thread that begins goes on with it,
 * without a look at any of it: the owner of a slab is the record, not the thread.
 *
 * What rests is free memory that nobody can use meanwhile. It is little: the heap of a thread that leaves much free
 * is given away as it ends, few rest at a time, one that others free into is given away when a few of its slabs
 * were freed into, and all are when they have rested for a while (by the scavenger) or memory is asked for. */
#include "heap/heap.h"

#include "os/os.h"
#include "span/decay.h"

#define RESTING_MOST 8u
#define FREE_MOST_BYTES ((size_t)1 << 20)
#define MESSAGES_MOST 64u
/* Where a thread's blocks live on and others free them, the next thread should have its slabs and not its record:
 * so many threads then end as if there was no rest, before it is tried again. */
#define ENDS_WITHOUT 64u

/* Guarded by the registry's lock. */
static struct acre_node resting;
static uint32_t resting_count, ends_without;

void acre_heap_none_rests(void) {
    acre_list_start(&resting);
    resting_count = 0;
}

bool acre_heap_rest(struct acre_thread *thread) {
    struct acre_heap *heap = &thread->heap;
    acre_remote_flush(thread);
    acre_remote_drain(heap);
    if (heap->partial_free_bytes > FREE_MOST_BYTES) return false;
    acre_lock(acre_heap_lock());
    bool rests = resting_count < RESTING_MOST && ends_without == 0;
    ends_without -= ends_without > 0;
    if (rests) {
        acre_thread_set(&acre_no_thread); /* before another can have it */
        thread->was_seen = false;
        atomic_store(&thread->messages, 0);
        atomic_store(&heap->thread, ACRE_HEAP_LEAVING);
        atomic_store(&thread->rests, true);
        acre_list_push_front(&resting, &thread->rest_node);
        resting_count++;
        acre_thread_count_out(thread);
    }
    acre_unlock(acre_heap_lock());
    if (rests) acre_decay_note();
    return rests;
}

static void take_off(struct acre_thread *thread) {
    acre_list_remove(&thread->rest_node);
    resting_count--;
    atomic_store(&thread->rests, false);
}

struct acre_thread *acre_heap_wake(void) {
    if (resting_count == 0) return NULL;
    struct acre_thread *thread = ACRE_CONTAINER_OF(resting.next, struct acre_thread, rest_node);
    take_off(thread);
    return thread;
}

/* The caller gives everything away in its name. No signal handler is to see that. */
static void end(struct acre_thread *thread) {
    struct acre_thread *this_thread = acre_this_thread;
    struct acre_heap *this_heap = acre_this_heap;
    sigset_t mask;
    acre_os_block_signals(&mask);
    acre_thread_set(thread);
    acre_heap_leave(&thread->heap);
    acre_this_thread = this_thread;
    acre_this_heap = this_heap;
    acre_lock(acre_heap_lock());
    acre_thread_retire(thread);
    acre_unlock(acre_heap_lock());
    acre_remote_drain(&thread->heap);
    acre_os_restore_signals(&mask);
}

void acre_heap_message(struct acre_heap *heap) {
    struct acre_thread *thread = ACRE_PEEK(&heap->home);
    if (thread == NULL || heap != &thread->heap || atomic_load(&thread->rests) == false) return;
    if (atomic_fetch_add(&thread->messages, 1) < MESSAGES_MOST) return;
    acre_lock(acre_heap_lock());
    bool is_mine = atomic_load(&thread->rests);
    if (is_mine) {
        take_off(thread);
        ends_without = ENDS_WITHOUT;
    }
    acre_unlock(acre_heap_lock());
    if (is_mine) end(thread);
}

/* The oldest is last. */
static struct acre_thread *take_due(bool all, bool *waits) {
    struct acre_thread *due = NULL;
    acre_lock(acre_heap_lock());
    for (struct acre_node *node = resting.prev; resting_count > 0 && node != &resting; node = node->prev) {
        struct acre_thread *thread = ACRE_CONTAINER_OF(node, struct acre_thread, rest_node);
        if (all || thread->was_seen) {
            due = thread;
            break;
        }
    }
    for (struct acre_node *node = resting.next; due == NULL && node != &resting; node = node->next)
        ACRE_CONTAINER_OF(node, struct acre_thread, rest_node)->was_seen = true;
    if (due != NULL) take_off(due);
    *waits |= resting_count > 0;
    acre_unlock(acre_heap_lock());
    return due;
}

bool acre_heap_end_rests(bool all, bool *waits) {
    bool any = false;
    for (struct acre_thread *thread; (thread = take_due(all, waits)) != NULL; any = true) end(thread);
    return any;
}
