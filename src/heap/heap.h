/* Layer 6: what a thread hands out from without a lock, and the slabs it owns.
 *
 * For each small class that has blocks of its own (wide.c) a heap's cursor holds some that are ready: a run of
 * neighbours (next up to end), or else some that lie scattered. Both are filled by acre_heap_refill from the
 * supply, which is the class's current slab. All of it is touched only by its thread, except `queue`.
 *
 * A thread's record holds its heap of the default arena and what it needs whatever arena it works for. Heaps of
 * other arenas have records of their own, which point to that of their thread. */
#ifndef ACRE_HEAP_HEAP_H
#define ACRE_HEAP_HEAP_H

#include "slab/depot.h"

#define ACRE_READY_MOST 16u

struct acre_cursor {
    uintptr_t next, end;  /* blocks in a row; next == end: none */
    uintptr_t base;       /* of the slab that the scattered ones lie in */
    uint32_t top, bottom; /* they are the heap's ready[class][bottom] up to [top - 1]; the last goes first */
};
_Static_assert(sizeof(struct acre_cursor) == 2 * ACRE_ALIGNMENT &&
                   ACRE_READY_MOST * sizeof(uint16_t) == 2 * ACRE_ALIGNMENT,
               "malloc finds a class's cursor, and what is ready, at twice its blocks' bytes");

struct acre_supply {
    struct acre_slab *slab;   /* current, or NULL */
    uint64_t words;           /* of its bitmap, those that the pass has still to come to: a bit each */
    uint64_t carved;          /* those whose blocks were (acre_slab_words_carved) */
    struct acre_node partial; /* slabs of the class worth a look, oldest first; anything when there is none */
    uint32_t stock;           /* slabs on `partial` */
    uint32_t collected;       /* remote frees since its first pass, or since the last that they led to */
    bool exact;               /* none of `words` is empty */
    bool fresh;               /* the cursor's run was never handed out */
    bool zero;                /* and it reads as zeros */
    uint8_t scattered;        /* refills that found scattered blocks, less those that found runs; 0 up to a few */
    uint8_t mixed_runs;       /* how often what is carved of mixed slabs at a time was doubled (mixed.c) */
    bool mixed_again;         /* it was carved more than once since the heap was last emptied */
} __attribute__((aligned(64)));

/* Partly used slabs of one class that a heap keeps beside others, or one where it has much free
 * (docs/decisions/0015-what-a-thread-keeps.md); more go to the depot, where whoever allocates finds them. A heap
 * that is alone keeps all: a free into a slab of the depot takes a lock. */
#define ACRE_STOCK_MOST 8

#define ACRE_OUTBOX_SLOTS 16u
#define ACRE_OUTBOX_MOST 64u /* blocks freed here and not yet sent to their owner: each can pin a page */

struct acre_outbox {
    struct acre_outbox_slot {
        struct acre_slab *slab; /* NULL: empty */
        uintptr_t base;         /* the slab's, and its class: what it was when the blocks were freed */
        uint32_t size_class;
        uint32_t word;
        uint64_t bits;
    } slot[ACRE_OUTBOX_SLOTS];
    uint32_t unsent;
};

/* Blocks of a small class that their owner freed last, in the order of their frees: `top` is the last. They go out
 * first, since they are warm, and a stack that is pushed and popped is all that such frees and mallocs then are
 * (recent.h). */
#define ACRE_RECENT_MOST 31u

struct acre_recent_entry {
    uintptr_t block; /* 0: the floor, below the first */
    acre_half *half; /* where its bit lies */
};

struct acre_recent {
    struct acre_recent_entry *top, *last; /* `last` is the place of the last one that there is room for */
};
_Static_assert(sizeof(struct acre_recent) == ACRE_ALIGNMENT, "malloc finds a class's at its blocks' bytes");

/* Slabs that the heap's thread owns, by the low bits of their granule's number: one comparison tells free
 * that an address is aligned and lies in a slab of its own thread, without a look at the map or the owner. A slab
 * leaves it before it leaves its owner. What is not here is looked up in the map, and comes in then. 256 granules
 * side by side are 16 MiB; a slot is a byte of the address, which needs no masking. Of a slab that keeps recent
 * blocks it is the granule's complement, so that the same comparison tells free, too, where blocks go. Each granule
 * of a medium slab is there with a bit that no granule's number has: free comes to it in a third place. */
#define ACRE_LOOKASIDE_SLOTS ((size_t)256)
#define ACRE_LOOKASIDE_EMPTY                                                                                       \
    1 /* in slot 0; in the others 0: no granule 0 is a slab's, but free(NULL) asks for it */
#define ACRE_LOOKASIDE_NONE                                                                                        \
    {                                                                                                              \
        {ACRE_LOOKASIDE_EMPTY}, {NULL}, { 0 }                                                                      \
    }

struct acre_lookaside {
    uintptr_t granule[ACRE_LOOKASIDE_SLOTS];
    acre_half *live[ACRE_LOOKASIDE_SLOTS];      /* bits of the slab */
    uint64_t others[ACRE_LOOKASIDE_SLOTS / 64]; /* slots that had a slab of another arena than the default one */
};
#define ACRE_LOOKASIDE_RECENT(granule) (~(granule))
#define ACRE_LOOKASIDE_MEDIUM(granule) ((granule) | (uintptr_t)1 << 56)

/* Turned right by four, an address has its granule's number on top of its block's, and above that what makes the
 * number nobody's: the low bits of an address that is not aligned, the high ones of one that is not canonical. */
ACRE_INLINE uintptr_t acre_turned(uintptr_t address) { return address >> 4 | address << 60; }
ACRE_INLINE uintptr_t acre_turned_granule(uintptr_t turned) { return turned >> (ACRE_GRANULE_SHIFT - 4); }

/* What the slab is known by there in the place of one of its granules. */
ACRE_INLINE uintptr_t acre_lookaside_name(const struct acre_slab *slab, uintptr_t granule) {
    if (!acre_slab_is_small(slab)) return ACRE_LOOKASIDE_MEDIUM(granule);
    return slab->keeps_recent ? ACRE_LOOKASIDE_RECENT(granule) : granule;
}

struct acre_thread;

struct acre_heap {
    struct acre_cursor cursor[ACRE_CLASSES];
    struct acre_recent recent[ACRE_CLASSES];
    struct acre_thread *home;
    _Atomic uint32_t *inside; /* the thread's */
    struct acre_depot *depot;
    struct acre_node waiting;  /* slabs owned and too full to be worth a look */
    size_t kept_bytes;         /* wholly free slabs on the partial lists */
    size_t partial_free_bytes; /* free blocks of slabs on the partial lists, as counted when they were armed */
    uint64_t used[2];          /* classes that have had blocks: a bit each */
    struct acre_slab *mixed;   /* what classes without a slab are served from (mixed.c), or NULL */
    uint32_t mixed_slabs;      /* how many such slabs it owns */
    uint32_t mixed_blocks;     /* carved from the first of them */
    struct {                   /* a search of what was freed there and in the depot, in vain */
        size_t free_blocks;
        uint32_t size_class; /* 0: none */
    } vain;
    struct acre_node depot_node, home_node; /* of another arena than the default one */
    bool makes_none;                        /* no new slab, for a moment */
    /* In a cache line of their own, since others write there. */
    _Alignas(64) struct acre_slab *_Atomic queue; /* slabs with remote frees; anybody pushes, the owner takes all */
    _Atomic uintptr_t thread;                     /* its thread pointer, or one of the two below */
    struct acre_supply supply[ACRE_CLASSES];
    uint16_t served[ACRE_SMALL_CLASSES]; /* by class: the bytes of the class whose blocks it gets (wide.c) */
    uint16_t ready[ACRE_CLASSES][ACRE_READY_MOST]; /* bits of blocks in the cursor's slab */
};

#define ACRE_FOUND_SLOTS 8u
#define ACRE_ENTERED_MOST 32u

struct acre_thread {
    struct acre_heap heap; /* of the default arena */
    struct acre_lookaside lookaside;
    struct acre_outbox outbox;
    _Atomic uint32_t inside; /* the gate: it refills a cursor (gate.h) */
    bool is_counted;         /* among those in use */
    bool was_seen;           /* by the scavenger, while it rests */
    bool was_inside;         /* when a fork took it away */
    uint32_t thread_id;      /* the kernel's number of its thread; 0: none has it */
    bool is_late; /* that came to it after its last destructors: it does not count, nor say that it ends */
    _Atomic uint32_t rests;    /* its thread has ended and left everything as it was (rest.c) */
    _Atomic uint32_t messages; /* slabs that came to its queue since */
    struct acre_node rest_node;
    struct acre_node all_node;
    struct acre_node others;                      /* its heaps of other arenas; guarded by the registry's lock */
    struct acre_heap *found[ACRE_FOUND_SLOTS];    /* of them, those used last */
    struct acre_heap *entered[ACRE_ENTERED_MOST]; /* the last one is what malloc takes from */
    uint32_t depth;
    struct acre_recent_entry
        *recent_entries[ACRE_SMALL_CLASSES]; /* made at the first use of each; [0] is the floor */
};

/* The thread's own small slab that an aligned address lies in, or NULL. */
ACRE_INLINE struct acre_slab *acre_thread_own_slab(struct acre_thread *thread, uintptr_t address) {
    uintptr_t granule = acre_turned_granule(acre_turned(address)), slot = granule % ACRE_LOOKASIDE_SLOTS;
    uintptr_t found = thread->lookaside.granule[slot];
    bool own = found == granule || found == ACRE_LOOKASIDE_RECENT(granule);
    return own ? acre_slab_of_live(thread->lookaside.live[slot]) : NULL;
}

/* The thread's own medium slab that it lies in, or NULL. */
ACRE_INLINE struct acre_slab *acre_thread_own_medium(struct acre_thread *thread, uintptr_t address) {
    uintptr_t granule = acre_turned_granule(acre_turned(address)), slot = granule % ACRE_LOOKASIDE_SLOTS;
    if (thread->lookaside.granule[slot] != ACRE_LOOKASIDE_MEDIUM(granule)) return NULL;
    return acre_slab_of_live(thread->lookaside.live[slot]);
}

#define ACRE_HEAP_UNUSED ((uintptr_t)0)
#define ACRE_HEAP_LEAVING ((uintptr_t)1) /* its thread has ended, or is giving everything away */

/* The calling thread's record, and the heap that malloc takes from: its own one in there, or that of the arena that
 * is entered. At first acre_no_thread, whose cursors are empty. */
extern __thread struct acre_thread *acre_this_thread;
extern __thread struct acre_heap *acre_this_heap;
extern struct acre_thread acre_no_thread;
extern struct acre_node acre_thread_list; /* of all records, which stay; guarded by the registry's lock */

ACRE_INLINE bool acre_heap_is_made(void) { return ACRE_LIKELY(acre_this_thread != &acre_no_thread); }
/* What the calling thread is called as the owner of a slab: by its record, or while it has none (it is ending) by
 * its thread pointer, which nobody else has either. */
ACRE_INLINE uintptr_t acre_heap_owner(void) {
    return acre_heap_is_made() ? (uintptr_t)acre_this_thread : acre_thread_pointer();
}

void acre_heap_start(struct acre_depot *depot);
/* The calling thread's heap of the default arena, made at its first use; NULL when there is no memory. */
struct acre_heap *acre_heap_make(void);
/* The thread has a heap, but was told to take from none: what it allocates now comes to mappings of its own. */
ACRE_INLINE void acre_heap_set_apart(void) { acre_this_heap = &acre_no_thread.heap; }
ACRE_INLINE bool acre_heap_is_apart(void) {
    return acre_heap_is_made() && ACRE_UNLIKELY(acre_this_heap == &acre_no_thread.heap);
}
ACRE_INLINE struct acre_heap *acre_heap_mine(void) {
    return acre_heap_is_made() ? &acre_this_thread->heap : acre_heap_make();
}

/* A block of the small class, by way of new ones in the cursor, which is empty; NULL when there is no memory, or no
 * heap. */
void *acre_heap_refill(struct acre_heap *heap, unsigned size_class);
/* refill.c, inside the gate: a slab becomes the one that the class's blocks come from, and has some; false: there
 * is none to be had, nor has anybody freed into the one that was just given up for having no more (or NULL). */
bool acre_heap_find_slab(struct acre_heap *heap, unsigned size_class, struct acre_slab *given_up);
/* medium.c: a block of the medium class; *zero: it reads as zeros. NULL when there is no memory, or no heap. */
void *acre_medium_take(struct acre_heap *heap, unsigned size_class, bool *zero);
/* Under a low limit a slab of a medium class is too large a part of it for the first block of its size: such blocks
 * are better in pages of their own. */
#define ACRE_SLAB_LIMIT_PART 32u
ACRE_INLINE bool acre_heap_spares_slabs(const struct acre_heap *heap, unsigned size_class) {
    size_t slab_bytes = acre_class_granules(size_class) * ACRE_GRANULE_BYTES;
    return !acre_class_is_small(size_class) &&
           slab_bytes > heap->depot->pages->supplier->quota.limit_bytes / ACRE_SLAB_LIMIT_PART;
}
/* When that gave NULL: a free block of the class or a larger one, no less aligned, where there is one already; or
 * NULL. */
void *acre_heap_take_larger(struct acre_heap *heap, unsigned size_class, bool *zero);
/* Blocks that the cursor of a class holds. */
ACRE_INLINE size_t acre_cursor_blocks(const struct acre_cursor *cursor, unsigned size_class) {
    return (cursor->end - cursor->next) / acre_class_bytes(size_class) + (cursor->top - cursor->bottom);
}
/* The recent block at the top, which there is. */
ACRE_INLINE void *acre_recent_take(struct acre_recent *recent) {
    struct acre_recent_entry *entry = recent->top;
    uintptr_t block = entry->block;
    recent->top = entry - 1;
    acre_set_bit_of(entry->half, block / ACRE_ALIGNMENT);
    return acre_not_null(block);
}
/* The bytes of the blocks that a request of up to ACRE_EXACT_MOST gets; 0 of one of 0, or before there is a heap.
 */
ACRE_INLINE size_t acre_heap_served_bytes(const struct acre_heap *heap, size_t size_bytes) {
    return heap->served[(size_bytes + ACRE_ALIGNMENT - 1) / ACRE_ALIGNMENT];
}
/* The fast path: a block from the cursor of a small class, a recent one, or NULL. The class is named by the bytes
 * of its blocks; twice these is where its cursor lies. The classes' first entry is always empty, which sends
 * malloc(0) the slow way. */
ACRE_INLINE void *acre_heap_take_ready(struct acre_heap *heap, size_t block_bytes) {
    struct acre_cursor *cursor = (struct acre_cursor *)((char *)heap->cursor + 2 * block_bytes);
    uintptr_t next = cursor->next;
    if (next != cursor->end) {
        acre_add_to(&cursor->next, block_bytes);
        return acre_not_null(next);
    }
    struct acre_recent *recent = (struct acre_recent *)((char *)heap->recent + block_bytes);
    if (recent->top->block != 0) return acre_recent_take(recent);
    uint32_t top = cursor->top;
    if (top == cursor->bottom) return NULL;
    const uint16_t *ready = (const uint16_t *)((char *)heap->ready + 2 * block_bytes);
    cursor->top = --top;
    return acre_not_null(cursor->base + ready[top] * ACRE_ALIGNMENT);
}
/* A block from the cursor, a recent one, or one by refill, of the class or of one that serves it. *zero: it reads
 * as zeros. */
ACRE_INLINE void *acre_heap_take(struct acre_heap *heap, unsigned size_class, bool *zero) {
    if (!acre_class_is_small(size_class)) return acre_medium_take(heap, size_class, zero);
    size_class = heap->served[size_class] / ACRE_ALIGNMENT;
    struct acre_cursor *cursor = &heap->cursor[size_class];
    uintptr_t next = cursor->next;
    void *block;
    if (next != cursor->end) {
        block = acre_not_null(next);
        cursor->next = next + acre_class_bytes(size_class);
    } else if (heap->recent[size_class].top->block != 0) {
        *zero = false;
        return acre_recent_take(&heap->recent[size_class]);
    } else if (cursor->top != cursor->bottom) {
        uint32_t bit = heap->ready[size_class][--cursor->top];
        block = acre_not_null(cursor->base + bit * ACRE_ALIGNMENT);
    } else {
        block = acre_heap_refill(heap, size_class);
    }
    *zero = heap->supply[size_class].zero;
    return block;
}

/* Frees a block of a slab, whoever owns it. When there is none at this address, that is misuse. */
void acre_heap_free(struct acre_slab *slab, uintptr_t address);
/* others.c: the calling thread's heap of the depot's arena; NULL when it has none. Made if need be; NULL when there
 * is no memory. */
struct acre_heap *acre_heap_for(struct acre_depot *depot);
struct acre_heap *acre_heap_make_for(struct acre_depot *depot);
/* The end of all blocks of the depot's arena, before its slabs go: its heaps are empty, and lookasides forget its
 * slabs. The heaps end, or go on. No other thread uses the arena. */
void acre_heap_empty_all(struct acre_depot *depot, bool end);
/* The calling thread's heap, if the arena has no other and no thread is on its way out of it; or NULL. While no
 * other thread uses the arena it stays so. */
struct acre_heap *acre_heap_alone_in(struct acre_depot *depot);
/* Whether no thread has entered the arena; if one has, that is misuse, and told. */
bool acre_heap_check_not_entered(struct acre_depot *depot);
/* For a thread that ends. */
void acre_heap_leave_others(struct acre_thread *thread);
/* The owner's free brought the countdown to 0. */
void acre_heap_countdown(struct acre_slab *slab);

/* A slab that the calling thread owns comes into its lookaside, or leaves it. */
ACRE_INLINE void acre_heap_remember_granule(struct acre_slab *slab, uintptr_t granule) {
    struct acre_lookaside *lookaside = &acre_this_thread->lookaside;
    uintptr_t slot = granule % ACRE_LOOKASIDE_SLOTS;
    if (ACRE_UNLIKELY(!slab->depot->is_default))
        ACRE_POKE(&lookaside->others[slot / 64], lookaside->others[slot / 64] | UINT64_C(1) << slot % 64);
    lookaside->granule[slot] = acre_lookaside_name(slab, granule);
    lookaside->live[slot] = (acre_half *)slab->live;
}
void acre_heap_remember(struct acre_slab *slab);
void acre_heap_forget(struct acre_slab *slab);
/* Gives away a slab without a live block: to the page heap. One with free blocks: to the depot. */
void acre_heap_destroy(struct acre_slab *slab);
void acre_heap_share(struct acre_slab *slab, uint32_t free_blocks);

/* A slab worth a look comes onto the list of these; the first of them, or NULL. */
void acre_heap_list_partial(struct acre_heap *heap, struct acre_slab *slab, bool as_first);
ACRE_INLINE struct acre_slab *acre_heap_first_partial(struct acre_supply *supply) {
    return supply->stock == 0 ? NULL : ACRE_CONTAINER_OF(supply->partial.next, struct acre_slab, node);
}
/* The caller's slab that is WAITING or PARTIAL is on no list any more. */
ACRE_INLINE void acre_heap_unlist(struct acre_heap *heap, struct acre_slab *slab) {
    acre_list_remove(&slab->node);
    if (slab->span.state != ACRE_SLAB_PARTIAL) return;
    heap->supply[slab->span.size_class].stock--;
    heap->partial_free_bytes -= (uint32_t)slab->free_at_arm * acre_slab_block_bytes(slab);
}
/* Files a slab that the caller owns and that has free_blocks: it waits, is worth a look, or goes. */
void acre_heap_settle(struct acre_heap *heap, struct acre_slab *slab, uint32_t free_blocks);
/* A PARTIAL slab's countdown fired only since half of its live blocks are free: true, and it fires again. */
bool acre_heap_stays_partial(struct acre_slab *slab, uint32_t free_blocks);
/* The caller has just become the owner of a slab that was FULL or SHARED. Without a heap of its arena it hands it
 * on.
 */
void acre_heap_adopted(struct acre_slab *slab);
/* A slab with remote frees that may have no owner: adopts it if it is FULL, collects if it is SHARED. */
void acre_heap_see_to(struct acre_slab *slab);
/* The caller's slab is nobody's from now on; whoever frees into it adopts it. */
void acre_heap_disown(struct acre_slab *slab);
/* Looks whether a current slab is wholly free, and then gives it up; else looks again when it may be, a few times.
 */
void acre_heap_watch_current(struct acre_heap *heap, struct acre_slab *slab, bool is_new_watch);
/* Slabs that are wholly free go back to the page heap: those kept; and those in use, whether there were any. */
void acre_heap_give_kept(struct acre_heap *heap);
bool acre_heap_give_current(struct acre_heap *heap);
/* When memory is short: what can be had back from the cache, this heap and the page heap; whether any was. */
bool acre_heap_recover(struct acre_heap *heap);

/* cursor.c, all of the caller's: blocks in the cursor of the slab's class, which is current there, or in those of
 * classes served from the mixed slab, that are free as well: that is misuse, and they are so no more. */
void acre_heap_check_cursor(struct acre_heap *heap, struct acre_slab *slab);
void acre_heap_check_mixed_cursors(struct acre_heap *heap, struct acre_slab *slab);
/* Before free of a block of the slab: whether a cursor holds it, which is misuse. */
bool acre_heap_check_held(const struct acre_heap *heap, const struct acre_slab *slab, uintptr_t address);

/* mixed.c: a block of the class from the heap's mixed slab, by way of more in the cursor, which is empty and whose
 * class has no slab; NULL: this is not how it is to be had. */
void *acre_mixed_take(struct acre_heap *heap, unsigned size_class);
/* The same of blocks that were freed, when there is no memory for a slab. */
void *acre_mixed_take_freed(struct acre_heap *heap, unsigned size_class);
/* Files a mixed slab that the caller owns. */
void acre_mixed_settle(struct acre_heap *heap, struct acre_slab *slab, uint32_t free_blocks);
/* The heap gives up its mixed slab: what cursors hold of such slabs goes back; the slab, or NULL. */
struct acre_slab *acre_mixed_leave(struct acre_heap *heap);
/* At the end of all blocks, before the cursor goes: how much of the class is to be carved at a time from here on.
 */
void acre_mixed_note_end(struct acre_heap *heap, unsigned size_class);
/* At the end of all blocks: the slab is kept and begun anew, where it can be, or is the heap's no more. */
void acre_mixed_empty(struct acre_heap *heap, bool may_keep);

/* wide.c: from here on each small class gets the blocks of a wider one; from here on a class gets its own. A slab
 * of the class is about to be made: if there are many, or free blocks of a narrower one, the latter gets its own.
 */
void acre_wide_start(struct acre_heap *heap);
void acre_wide_end(struct acre_heap *heap, unsigned size_class);
void acre_wide_note_slab(struct acre_heap *heap, unsigned size_class);

/* remote.c */
void acre_remote_free(struct acre_thread *thread, struct acre_slab *slab, uint32_t number);
/* Whether the thread's own free of the block is on its way. */
bool acre_remote_holds(const struct acre_thread *thread, const struct acre_slab *slab, uint32_t number);
void acre_remote_flush(struct acre_thread *thread);
void acre_remote_drain(struct acre_heap *heap);
/* Between two looks at a queue whose slab has a new owner that has not written its heap yet, and may be preempted,
 * for long where the caller has the higher priority. */
void acre_remote_pause(unsigned round);
/* Empties the queue of a heap of an arena whose blocks are at their end. */
void acre_remote_drop(struct acre_heap *heap);

/* exit.c: everything the heap holds goes to the depot and the page heap, and it is nobody's. */
void acre_heap_leave(struct acre_heap *heap);
/* A slab of the caller's that no list holds goes to the page heap, to the depot, or is nobody's. */
void acre_heap_hand_on(struct acre_slab *slab);
/* Blocks that the cursor holds go back to its slab. The cursor of a thread that a fork took away may have been in
 * the middle of a refill: what does not fit the slab is left alone, and its blocks are lost to this child. */
void acre_heap_empty_cursor(struct acre_heap *heap, struct acre_slab *slab);

/* rest.c: a thread that ends leaves its record as it is, for the next thread; false: it holds too much for that, or
 * enough such records rest already. */
bool acre_heap_rest(struct acre_thread *thread);
/* With the registry locked: the one that began to rest last, in use again; NULL: none rests. In the child of a fork
 * none does. */
struct acre_thread *acre_heap_wake(void);
void acre_heap_none_rests(void);
/* A slab came to the queue of a heap that may rest. */
void acre_heap_message(struct acre_heap *heap);
/* Those that rest give everything away and end: all of them, or those that did so at the last look too. Whether any
 * did. *waits: some rest still. */
bool acre_heap_end_rests(bool all, bool *waits);

/* In the child of a fork: the threads that are not there are not in the gate any more (gate.h), nor among those in
 * use. Without a lock, which the one that is there may have held when it was interrupted. */
void acre_heap_others_left(void);
/* child.c: the same of the short way to the depot's arena, if one of them had it: a new thread may get its thread
 * pointer. And what they had comes to this one: first what threads say of themselves, then every depot's heaps and
 * every page heap's slabs, then the end. false: there is no memory for a heap. */
void acre_heap_forget_place(struct acre_depot *depot);
struct acre_inheritance {
    struct acre_heap *heir;
    struct acre_node orphans;
    struct acre_slab *messages; /* the heir's own slabs that were on a queue, linked by queue_next */
};
bool acre_heap_inherit(struct acre_inheritance *left);
void acre_heap_inherit_others(struct acre_inheritance *left, struct acre_depot *depot);
void acre_heap_inherit_slabs(struct acre_inheritance *left, struct acre_page_heap *pages);
void acre_heap_inherited(struct acre_inheritance *left);

/* The record and the heap that the calling thread takes from. */
void acre_thread_set(struct acre_thread *thread);
/* With the registry locked: the record has no thread any more, or its thread does not count. */
void acre_thread_count_out(struct acre_thread *thread);
/* With the registry locked: the record has no thread any more. */
void acre_thread_retire(struct acre_thread *thread);
/* A new record, or one that was given back, comes into use. */
void acre_heap_prepare(struct acre_heap *heap, struct acre_thread *home, struct acre_depot *depot);

/* Calls visit for every thread's record, in use or not, with the registry locked; the second unless others keep
 * that locked. */
typedef void acre_visit_thread(struct acre_thread *thread, void *context);
void acre_thread_each(acre_visit_thread *visit, void *context);
bool acre_thread_each_briefly(acre_visit_thread *visit, void *context);
struct acre_lock *acre_heap_lock(void); /* for fork */
uint32_t acre_heap_threads_peak(void);
uint32_t acre_heap_threads(void); /* with a heap in use */
bool acre_heap_is_alone(void);    /* there is one heap in use now */
bool acre_heap_is_any(void);      /* or any at all */
/* Whether the process's first thread has ended: so the process does when no other is left. */
bool acre_heap_is_without_first(void);
/* If the calling thread comes to a heap, which it should not, that does not count. */
void acre_heap_never_count(void);

bool acre_heap_is_valid(struct acre_heap *heap);

#endif
