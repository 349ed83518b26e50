/* Frees of blocks in slabs that another thread owns.
 *
 * They gather in the outbox by words of the remote bitmap, since neighbours are often freed together, and leave by
 * one atomic OR for each word. Then the slab is put on its owner's queue unless it is there already. */
#include "heap/heap.h"

#include "metadata/map.h"
#include "os/os.h"
#include "span/decay.h"

static void push(struct acre_heap *to, struct acre_slab *slab) {
    struct acre_slab *first = atomic_load(&to->queue);
    do slab->queue_next = first;
    while (!atomic_compare_exchange_weak(&to->queue, &first, slab));
}

/* A thread that leaves takes its last look at the queue after it has made the heap UNUSED; who pushes later than
 * that sees it UNUSED and drains it. */
static void queue_slab(struct acre_heap *to, struct acre_slab *slab) {
    push(to, slab);
    uintptr_t thread = atomic_load(&to->thread);
    if (thread == ACRE_HEAP_UNUSED)
        acre_remote_drain(to);
    else if (thread == ACRE_HEAP_LEAVING)
        acre_heap_message(to);
}

/* The slab's owner may have given it up before it was queued, and it may have been queued already, by a message
 * that somebody else is just taking off: so both sides see to it, with a heap or (the thread is ending) without. */
static void send(struct acre_slab *slab, uint32_t word, uint64_t bits) {
    if (!slab->depot->is_default) atomic_store_explicit(&slab->depot->had_extras, true, memory_order_relaxed);
    acre_slab_free_remote(slab, word, bits);
    acre_decay_note(); /* the owner may sleep for good */
    if (acre_slab_must_queue(slab)) queue_slab(atomic_load(&slab->heap), slab);
    acre_heap_see_to(slab);
}

/* A block on its way keeps its slab, unless it is freed again meanwhile: then the record may be another slab's. */
static bool is_still(const struct acre_outbox_slot *slot) {
    return ACRE_PEEK(&slot->slab->span.base) == slot->base &&
           ACRE_PEEK(&slot->slab->span.size_class) == slot->size_class &&
           acre_map_find(slot->base) == &slot->slab->span;
}

static void tell_slot(const struct acre_outbox_slot *slot) {
    for (uint64_t bits = slot->bits; bits != 0; bits &= bits - 1) {
        uint32_t number = slot->word * 64 + acre_lowest_bit(bits);
        size_t block_bytes =
            slot->size_class == ACRE_CLASS_MIXED ? ACRE_ALIGNMENT : acre_class_bytes(slot->size_class);
        acre_misuse(ACRE_MISUSE_DOUBLE_FREE, "free", slot->base + number * block_bytes,
                    "double free of a block whose memory went to other use meanwhile");
    }
}

static void send_slot(struct acre_outbox *outbox, unsigned at) {
    struct acre_outbox_slot slot = outbox->slot[at];
    if (slot.slab == NULL) return;
    outbox->slot[at].slab = NULL;
    outbox->unsent -= acre_count_bits(slot.bits);
    if (ACRE_LIKELY(is_still(&slot)))
        send(slot.slab, slot.word, slot.bits);
    else
        tell_slot(&slot);
}

static unsigned slot_of(const struct acre_slab *slab, uint32_t word) {
    return (unsigned)(((uintptr_t)slab >> 7) + word) % ACRE_OUTBOX_SLOTS;
}

bool acre_remote_holds(const struct acre_thread *thread, const struct acre_slab *slab, uint32_t number) {
    const struct acre_outbox_slot *slot = &thread->outbox.slot[slot_of(slab, number / 64)];
    return slot->slab == slab && slot->word == number / 64 && (slot->bits >> number % 64 & 1) != 0;
}

void acre_remote_flush(struct acre_thread *thread) {
    for (unsigned slot = 0; slot < ACRE_OUTBOX_SLOTS && thread->outbox.unsent > 0; slot++)
        send_slot(&thread->outbox, slot);
}

void acre_remote_free(struct acre_thread *thread, struct acre_slab *slab, uint32_t number) {
    uint32_t word = number / 64;
    uint64_t mask = UINT64_C(1) << number % 64;
    if (thread == NULL || !slab->depot->is_default) { /* an outbox may outlive the arena */
        send(slab, word, mask);
        return;
    }
    struct acre_outbox *outbox = &thread->outbox;
    struct acre_outbox_slot *slot = &outbox->slot[slot_of(slab, word)];
    if (slot->slab != slab || slot->word != word) {
        send_slot(outbox, slot_of(slab, word));
        *slot = (struct acre_outbox_slot){slab, slab->span.base, slab->span.size_class, word, 0};
    }
    if ((slot->bits & mask) != 0) {
        acre_slab_tell_free(ACRE_MISUSE_DOUBLE_FREE, "free", slab, acre_slab_block(slab, number));
        return;
    }
    slot->bits |= mask;
    if (++outbox->unsent < ACRE_OUTBOX_MOST) return;
    acre_remote_flush(thread);
    /* A thread that frees and seldom allocates looks at what others freed of its slabs here. */
    if (atomic_load_explicit(&thread->heap.queue, memory_order_relaxed) != NULL) acre_remote_drain(&thread->heap);
}

static void collect_mine(struct acre_heap *heap, struct acre_slab *slab) {
    if (slab->span.state == ACRE_SLAB_CURRENT) return; /* collected at the end of its pass */
    uint32_t free_blocks = acre_slab_free_now(slab), collected = acre_slab_collect(slab);
    if (collected == 0) return;
    acre_heap_unlist(heap, slab);
    acre_heap_settle(heap, slab, free_blocks + collected);
}

/* One slab taken off the queue of `heap`, which need not be the caller's. */
static void deliver(struct acre_heap *heap, struct acre_slab *slab) {
    if (!acre_slab_unqueue(slab)) return;
    uintptr_t owner = atomic_load(acre_slab_owner(slab));
    struct acre_heap *to = atomic_load(&slab->heap);
    if (owner == acre_heap_owner() && to->home == acre_this_thread) {
        collect_mine(to, slab);
    } else if (owner != ACRE_OWNER_NONE && owner != ACRE_OWNER_SHARED && owner != ACRE_OWNER_GONE) {
        /* It moved on, and so does the message. Its new owner may not have written its heap yet: then it goes
         * round once more. */
        if (!acre_slab_must_queue(slab)) return;
        to = atomic_load(&slab->heap); /* now that it cannot be buried */
        if (to == heap)
            push(to, slab);
        else
            queue_slab(to, slab);
    }
    acre_heap_see_to(slab);
}

#define ROUNDS_BEFORE_SLEEP 1000
void acre_remote_pause(unsigned round) {
    static _Atomic uint32_t nothing;
    if (round < ROUNDS_BEFORE_SLEEP)
        acre_cpu_relax();
    else
        acre_os_wait_ms(&nothing, 0, 1);
}

void acre_remote_drain(struct acre_heap *heap) {
    for (unsigned round = 0;; acre_remote_pause(round++)) {
        struct acre_slab *slab = atomic_exchange(&heap->queue, NULL), *next;
        for (; slab != NULL; slab = next) {
            next = slab->queue_next;
            deliver(heap, slab);
        }
        if (atomic_load(&heap->thread) != ACRE_HEAP_UNUSED || atomic_load(&heap->queue) == NULL) return;
    }
}

void acre_remote_drop(struct acre_heap *heap) {
    for (struct acre_slab *slab = atomic_exchange(&heap->queue, NULL), *next; slab != NULL; slab = next) {
        next = slab->queue_next;
        acre_slab_unqueue(slab);
    }
}
