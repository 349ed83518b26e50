/* Recent blocks: a class whose free blocks lie scattered keeps the last few that its thread freed on a stack, and
 * hands them out again first. A refill from a bitmap costs as much as three of them, and what it finds no processor
 * can guess.
 *
 * A recent block is free and has no bit, so that a second free is seen at once; but the slab's countdown does not
 * know of it. A slab may be empty without its countdown having fired only if ACRE_RECENT_MOST blocks of it could be
 * recent. So one with so few live blocks keeps none (expel), and before that its countdown fires that much earlier
 * (settle). A refill takes from bitmaps, where recent blocks are free: it comes only when the class has none.
 *
 * A class begins with this when refills have found scattered blocks a few times, and ends with it when they have
 * found runs as often (refill.c). Outside of that malloc and free are at their shortest. */
#ifndef ACRE_HEAP_RECENT_H
#define ACRE_HEAP_RECENT_H

#include "heap/heap.h"
#include "slab/holes.h"

/* The floor of the classes that keep none. */
extern struct acre_recent_entry acre_recent_floor;
#define ACRE_RECENT_NONE                                                                                           \
    { &acre_recent_floor, &acre_recent_floor }

ACRE_INLINE bool acre_recent_is_kept(const struct acre_heap *heap, unsigned size_class) {
    return heap->recent[size_class].last != &acre_recent_floor;
}

/* A slab of fewer live blocks, or as many, keeps none: it is nearly empty, and its pages may go (slab/holes.h). */
ACRE_INLINE uint32_t acre_recent_least_live(const struct acre_slab *slab) {
    return acre_max(ACRE_RECENT_MOST, slab->total / 4u);
}

/* The class keeps recent blocks from now on; keeps none any more, and has none now. */
void acre_recent_start(struct acre_heap *heap, unsigned size_class);
void acre_recent_stop(struct acre_heap *heap, unsigned size_class);
/* Frees into the heap's slab may become recent ones, if its class keeps any; whether they may. */
bool acre_recent_admit(struct acre_heap *heap, struct acre_slab *slab);
/* No block of the slab is recent any more, nor becomes so; how many were. The countdown knows of them now, and has
 * not fired. */
uint32_t acre_recent_expel(struct acre_heap *heap, struct acre_slab *slab);
/* How many blocks of the slab are recent. */
uint32_t acre_recent_count(const struct acre_heap *heap, const struct acre_slab *slab);
/* Another thread, with the page heap locked so that the slab stays: which blocks of it are recent now, as far as
 * can be seen. */
acre_slab_recent acre_recent_read;
/* All of a heap whose thread a fork took away. */
void acre_recent_drop(struct acre_heap *heap);

bool acre_recent_is_valid(const struct acre_heap *heap);

/* free of an aligned address in a slab that keeps recent blocks: true when it is one now. Otherwise there is no
 * room, or it is no live block, which the caller sees to. position: address / 16, modulo 16. */
ACRE_INLINE bool acre_recent_put(struct acre_recent *recent, acre_half *live, uintptr_t address,
                                 uint64_t position) {
    struct acre_recent_entry *entry = recent->top;
    if (ACRE_UNLIKELY(entry == recent->last)) return false;
    acre_half *half = &live[address >> 8 & 0xff];
    entry[1].block = address;
    entry[1].half = half;
    if (ACRE_UNLIKELY(acre_clear_bit_of(half, position))) return false;
    recent->top = entry + 1;
    return true;
}

#endif
