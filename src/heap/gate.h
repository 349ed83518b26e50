/* Layer 6: the gate that every thread passes where it refills a cursor or takes a medium block, so that another one
 * can stop all that for a moment. Blocks are handed out from cursors, which only a refill fills, straight from a
 * medium slab, and from recent blocks; and only through the gate does a slab begin to keep those. So while the gate
 * is closed no block of a slab that keeps none gets handed out, and whole pages of free blocks may be given back to
 * the OS under the eyes of their owner.
 *
 * Who passes pays a store, a load and a store, without an atomic. It says that it is inside and then looks at the
 * gate; who closes the gate makes every thread of the process pass a memory barrier before it looks who is inside
 * (Dekker's handshake with the barrier on one side only). Without such a barrier in the kernel the gate can't be
 * closed. */
#ifndef ACRE_HEAP_GATE_H
#define ACRE_HEAP_GATE_H

#include "heap/heap.h"

extern _Atomic uint32_t acre_gate_is_closed;

void acre_gate_wait(struct acre_heap *heap);

ACRE_INLINE bool acre_gate_is_inside(const struct acre_heap *heap) {
    return atomic_load_explicit(heap->inside, memory_order_relaxed) != 0;
}
/* The first half of entering: says that it is inside. Then the gate is to be looked at (ACRE_GO_IF_SET). */
ACRE_INLINE void acre_gate_knock(struct acre_heap *heap) {
    atomic_store_explicit(heap->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}
/* The heap's thread, with no lock held and not inside already. */
ACRE_INLINE void acre_gate_enter(struct acre_heap *heap) {
    acre_gate_knock(heap);
    ACRE_GO_IF_SET(acre_gate_is_closed, closed);
    return;
closed:
    acre_gate_wait(heap);
}
ACRE_INLINE void acre_gate_leave(struct acre_heap *heap) {
    atomic_store_explicit(heap->inside, 0, memory_order_release);
}

/* Closes it, with no lock held but the scavenger's: true when nobody is inside any more. Otherwise somebody does
 * not come out (a thread that was preempted there), or the kernel has no such barrier, and it is open again. */
bool acre_gate_close(void);
/* Whether the kernel had such a barrier at the last try. */
bool acre_gate_is_possible(void);
void acre_gate_open(void);

#endif
