/* Layer 5: a slab is a span cut into blocks of one size class, with its live blocks in a bitmap beside it.
 *
 * Nothing is ever written into a free block: not a link, not a mark. So an overflow or a late write cannot lead
 * the allocator astray, a second free is seen by its bit at once, and whoever holds the slab's lock may give the
 * pages of free blocks back to the OS while the owner sleeps (docs/decisions/0001-side-bitmaps.md).
 *
 * live: 1 means handed out, or in the owner's cursor (of a small class) to be so next; 0 anything else: a free
 * block, one at or behind `fresh`, which was never handed out, and a place where no block begins. So one look at a
 * bit tells of a second free and of a free inside a block (docs/decisions/0012-live-bits.md). Only the owner writes
 * it. Its fast path only clears bits, but for a slab that keeps recent blocks (heap/recent.h): taking one of these
 * sets its bit. Frees by others go to `remote`, a bitmap with one bit per block that is written with atomics, and
 * are moved over by the owner (acre_slab_collect).
 *
 * fresh: blocks are carved by words of the bitmap, all that begin in one at a time, so that in a word either all
 * blocks were carved or none. A medium slab has one word; there `pattern` has the bits of those that were.
 *
 * Algebra, for a slab that its owner looks at and that is not current:
 *     free blocks = total - bits set, where frees by others that were not collected yet count as live
 *     free blocks = free_at_arm + (armed - countdown) + those among the owner's recent blocks (heap/recent.h)
 *
 * States, which only the owner changes:
 *     CURRENT  a heap's supply for its class comes from it; countdown is far from 0 and counts the frees since the
 *              last look (armed - countdown), or is watched for the moment when the slab may be empty
 *     WAITING  owned, too full to be worth a look; countdown fires when it has enough free blocks
 *     PARTIAL  owned, worth a look; countdown fires when it is empty
 *     FULL     owner NONE: whoever frees into it first adopts it
 *     SHARED   owner SHARED: on the depot's list, for anybody to adopt; free blocks = free_at_arm
 *
 * A thread that frees into somebody else's slab still looks at the record after its bits are set, when the owner
 * may have collected them and done away with the slab. So records keep their kind for ever, a dead one has owner
 * GONE, and `queued` decides by single atomic steps who buries it. A record whose page was given back meanwhile
 * reads as zeros, which says the same: owner GONE, not alive, not queued. */
#ifndef ACRE_SLAB_SLAB_H
#define ACRE_SLAB_SLAB_H

#include "base/list.h"
#include "metadata/span.h"
#include "os/misuse.h"
#include "slab/size_class.h"
#include "span/page_heap.h"

#define ACRE_SMALL_WORDS 64u
#define ACRE_REMOTE_NEAR 5u
#define ACRE_COUNTDOWN_FAR (INT32_C(1) << 30)

enum acre_slab_state {
    ACRE_SLAB_CURRENT = 1,
    ACRE_SLAB_WAITING,
    ACRE_SLAB_PARTIAL,
    ACRE_SLAB_FULL,
    ACRE_SLAB_SHARED
};

/* Bits of `queued` */
enum {
    ACRE_QUEUED = 1, /* on a heap's queue */
    ACRE_ALIVE = 2 /* until it is destroyed: then whoever finds or leaves it off the queue gives the record back */
};

struct acre_heap;
struct acre_depot;

/* By who writes what, in cache lines: a thread that frees another's block reads the first, writes the second, and
 * leaves the owner's to the owner. */
struct acre_slab {
    /* Written when the slab is made, and when it changes hands or lists. */
    struct acre_span span;
    struct acre_heap *_Atomic heap;   /* of the owner, or of the last one */
    struct acre_depot *depot;         /* which names its arena */
    _Atomic uint64_t *_Atomic remote; /* made at the first remote free */
    uint32_t end_bytes;               /* of the last block, from base */
    uint32_t unit_bytes;              /* per bit */
    uint32_t block_reciprocal;        /* of a block in steps of 16 bytes, for acre_slab_find */
    uint16_t total;                   /* blocks */
    uint8_t stride;                   /* bits from block to block */
    uint8_t words;

    /* Written by those who free another thread's block. */
    _Atomic uint64_t remote_near[ACRE_REMOTE_NEAR]; /* `remote`, where it is long enough */
    _Atomic uintptr_t remote_list; /* blocks freed when there was no memory for `remote`, linked by first word */
    struct acre_slab *queue_next;  /* on the heap's queue of slabs with remote frees */
    _Atomic uint32_t queued;

    /* Written by the owner. */
    struct acre_node node;
    struct acre_chunk *chunk;
    uint16_t *asked;   /* counting build: bytes asked for, by number */
    uint64_t pattern;  /* bits 0, stride, 2 * stride, ...; of a medium slab see above */
    int32_t countdown; /* frees by the owner until something is to be done about the slab */
    int32_t armed;
    int32_t free_at_arm;
    uint32_t fresh_bytes;   /* from base; blocks behind it were never handed out */
    uint32_t reciprocal;    /* of a small block's bytes, for acre_slab_number */
    bool zero;              /* fresh blocks read as zeros */
    bool keeps_recent;      /* frees by its owner may go to the owner's recent blocks */
    uint8_t run_least_bits; /* see acre_slab_run_least_bits */
    bool was_looked_at;     /* since a block was last handed out: slab/holes.h */
    uint64_t live[];        /* at a fixed place: the fast path of free knows it */
};
_Static_assert(sizeof(struct acre_slab) == 192, "bitmaps of small slabs begin on a cache line");

ACRE_INLINE struct acre_slab *acre_slab_of_live(acre_half *live) {
    return ACRE_CONTAINER_OF(live, struct acre_slab, live);
}

/* A slab of the class with its span from `pages`, of the depot's arena, owned by `owner` (the caller's name there)
 * for `heap`; NULL when there is no memory. */
struct acre_slab *acre_slab_create(struct acre_page_heap *pages, unsigned size_class, struct acre_depot *depot,
                                   struct acre_heap *heap, uintptr_t owner);
/* Owner, all blocks free: its span back to the page heap, and its record too unless it is queued. */
void acre_slab_destroy(struct acre_slab *slab);
/* The record of a slab whose span is gone: back, unless it is queued. has_extras: others may know of it, or it has
 * more than its record. */
void acre_slab_forget(struct acre_slab *slab, bool has_extras);
/* For who took the slab off a queue: true when it lives, false when it was dead and is buried now. */
bool acre_slab_unqueue(struct acre_slab *slab);
/* After a remote free: true when the caller is to put it on the heap's queue. */
ACRE_INLINE bool acre_slab_must_queue(struct acre_slab *slab) {
    uint32_t idle = ACRE_ALIVE;
    return atomic_compare_exchange_strong(&slab->queued, &idle, ACRE_ALIVE | ACRE_QUEUED);
}
ACRE_INLINE bool acre_slab_is_queued(struct acre_slab *slab) {
    return (atomic_load(&slab->queued) & ACRE_QUEUED) != 0;
}

ACRE_INLINE bool acre_slab_is_small(const struct acre_slab *slab) { return slab->span.kind == ACRE_SPAN_SMALL; }
ACRE_INLINE bool acre_slab_is_mixed(const struct acre_slab *slab) {
    return slab->span.size_class == ACRE_CLASS_MIXED;
}
/* Also of a record that is another slab's by now. */
ACRE_INLINE _Atomic uintptr_t *acre_slab_owner(struct acre_slab *slab) { return &slab->span.owner; }
ACRE_INLINE size_t acre_slab_block_bytes(const struct acre_slab *slab) {
    return (size_t)slab->stride * slab->unit_bytes;
}

ACRE_INLINE uintptr_t acre_slab_block(const struct acre_slab *slab, uint32_t number) {
    return slab->span.base + number * acre_slab_block_bytes(slab);
}
/* Or was never handed out. */
ACRE_INLINE bool acre_slab_is_free(const struct acre_slab *slab, uint32_t number) {
    uint32_t bit = number * slab->stride;
    return (slab->live[bit / 64] >> bit % 64 & 1) == 0;
}

/* Owner: moves remote frees into bits; how many. One of a block that is free is misuse. */
uint32_t acre_slab_collect(struct acre_slab *slab);
/* Any thread: whether there are remote frees to collect. The record may be another slab's by now. */
bool acre_slab_has_remote(struct acre_slab *slab);
/* Owner: how many blocks are free, or were never handed out. */
uint32_t acre_slab_count_free(const struct acre_slab *slab);
/* Owner: sets the countdown so that it fires after `frees` more frees. */
ACRE_INLINE void acre_slab_arm(struct acre_slab *slab, uint32_t free_blocks, int32_t frees) {
    slab->free_at_arm = (int32_t)free_blocks;
    slab->armed = slab->countdown = frees;
}
ACRE_INLINE uint32_t acre_slab_free_now(const struct acre_slab *slab) {
    return (uint32_t)(slab->free_at_arm + (slab->armed - slab->countdown));
}
/* Free blocks that make a slab worth a look: its look costs a pass over the bitmap. */
ACRE_INLINE uint32_t acre_slab_worth(const struct acre_slab *slab) { return acre_max(1, slab->total / 16u); }

/* A run of fewer than four blocks is not worth leaving the rest of its word behind: from the bit of a run's first
 * block to that of its last one. `run_least_bits` is this, or more than there can be where every refill is to be
 * noted. */
ACRE_INLINE uint8_t acre_slab_run_least_bits(const struct acre_slab *slab) { return (uint8_t)(3 * slab->stride); }
#define ACRE_NO_RUN_IS_LONG_ENOUGH UINT8_MAX

/* The number of the block, of a small slab, that the bit lies in: bit / stride. With d for the bytes of a block,
 * r = 2^32 / d rounded up and e = r * d - 2^32 < d, the offset q * d + m gives q * 2^32 + q * e + m * r, and q * e
 * + m * r is less than 2^32 for the few more than 64 KiB that are asked about. */
ACRE_INLINE uint32_t acre_slab_number(const struct acre_slab *slab, uint32_t bit) {
    return (uint32_t)(bit * ACRE_ALIGNMENT * slab->reciprocal >> 32);
}
/* Of a small slab: the bit of the first block that begins in the word, or behind it. */
ACRE_INLINE uint32_t acre_slab_first_bit(const struct acre_slab *slab, uint32_t word) {
    return acre_slab_number(slab, word * 64u + slab->stride - 1) * slab->stride;
}
/* Words that may have bits: up to `fresh`. */
ACRE_INLINE uint32_t acre_slab_words_used(const struct acre_slab *slab) {
    return (uint32_t)acre_min(slab->words, (slab->fresh_bytes + 64u * ACRE_ALIGNMENT - 1) / (64u * ACRE_ALIGNMENT));
}
/* Which words have blocks that were carved: a bit each. */
ACRE_INLINE uint64_t acre_slab_words_carved(const struct acre_slab *slab) {
    uint32_t words = slab->fresh_bytes == slab->end_bytes || slab->words == 1
                         ? slab->words
                         : slab->fresh_bytes / (64u * (uint32_t)ACRE_ALIGNMENT);
    return words == 0 ? 0 : ~UINT64_C(0) >> (64 - words);
}
/* Behind the last block of a small slab there may be room for the beginning of another. */
ACRE_INLINE uint64_t acre_slab_without_end(const struct acre_slab *slab, uint64_t last_word) {
    uint32_t end_bit = slab->end_bytes / (uint32_t)ACRE_ALIGNMENT;
    return end_bit < ACRE_SMALL_WORDS * 64u ? last_word & ((UINT64_C(1) << end_bit % 64) - 1) : last_word;
}
/* The bits of a word of a small slab where blocks begin. */
ACRE_INLINE uint64_t acre_small_begins(const struct acre_slab *slab, uint32_t word) {
    uint64_t begins = slab->pattern << (acre_slab_first_bit(slab, word) - word * 64u);
    return word == ACRE_SMALL_WORDS - 1 ? acre_slab_without_end(slab, begins) : begins;
}
/* Or of a medium one's only word. */
ACRE_INLINE uint64_t acre_slab_begins(const struct acre_slab *slab, uint32_t word) {
    return slab->words == 1 ? slab->pattern : acre_small_begins(slab, word);
}
/* Of a small slab: the bits of blocks that are free, of a word that was carved. */
ACRE_INLINE uint64_t acre_small_free_bits(const struct acre_slab *slab, uint32_t word) {
    return acre_small_begins(slab, word) ^ slab->live[word];
}
/* Which of the words that were carved have free blocks. */
uint64_t acre_small_words_with_free(const struct acre_slab *slab);
#define ACRE_NO_BLOCK UINT32_MAX
#define ACRE_BLOCK_RECIPROCAL_SHIFT 26
/* The number of the block that begins at this address, or ACRE_NO_BLOCK when none does (misaligned, inside a block,
 * behind the last one). Without a division: exact for the 256 KiB of a medium slab, too. */
ACRE_INLINE uint32_t acre_slab_find(const struct acre_slab *slab, uintptr_t address) {
    uintptr_t offset = address - slab->span.base;
    if (offset >= slab->end_bytes) return ACRE_NO_BLOCK;
    uint32_t number = (uint32_t)((offset / ACRE_ALIGNMENT) * slab->block_reciprocal >> ACRE_BLOCK_RECIPROCAL_SHIFT);
    return number * acre_slab_block_bytes(slab) == offset ? number : ACRE_NO_BLOCK;
}
/* Words of `remote`. */
ACRE_INLINE uint32_t acre_slab_remote_words(const struct acre_slab *slab) { return (slab->total + 63u) / 64; }
/* Any thread that was given the block: whether it is free all the same, by its owner's books or by frees of others
 * on their way there. Whoever handed it out had cleared both, so a bit that is seen was set since. */
ACRE_INLINE bool acre_slab_looks_free(struct acre_slab *slab, uint32_t number) {
    ACRE_LOOK_AWAY();
    bool is_free = acre_slab_is_free(slab, number);
    ACRE_LOOK_AGAIN();
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_acquire);
    return is_free || (remote != NULL &&
                       (atomic_load_explicit(&remote[number / 64], memory_order_relaxed) >> number % 64 & 1) != 0);
}

/* Any thread: frees live blocks, those numbered 64 * word + i for each bit i of `blocks`. One that was freed before
 * is misuse. */
void acre_slab_free_remote(struct acre_slab *slab, uint32_t word, uint64_t blocks);

/* Owner: all blocks that begin in a few words, about a page, or one of a medium slab are live now, which none was
 * before: their bytes, from where `fresh` was. There are blocks that were not carved. */
uint32_t acre_slab_carve(struct acre_slab *slab);
/* Owner, of a small slab: the last that were carved, from this offset on, which are free, count as never handed out
 * again; but for some up to the end of a word. */
void acre_small_uncarve(struct acre_slab *slab, uint32_t offset_bytes);

/* Tell of misuse: of a block that is free, or of an address where none begins or none was handed out. */
ACRE_COLD void acre_slab_tell_free(enum acre_misuse_kind kind, const char *function, const struct acre_slab *slab,
                                   uintptr_t address);
ACRE_COLD void acre_slab_tell_no_block(const char *function, const struct acre_slab *slab, uintptr_t address);

/* Owner, or who holds the depot's lock: the block is live no more. false: it was not, which is misuse. */
ACRE_INLINE bool acre_slab_set_free(struct acre_slab *slab, uint32_t number) {
    uint32_t bit = number * slab->stride;
    if (ACRE_UNLIKELY(acre_slab_is_free(slab, number))) {
        acre_slab_tell_free(ACRE_MISUSE_DOUBLE_FREE, "free", slab, acre_slab_block(slab, number));
        return false;
    }
    slab->live[bit / 64] &= ~(UINT64_C(1) << bit % 64);
    return true;
}

/* recent: how many of its blocks are recent ones of its owner. */
bool acre_slab_is_valid(struct acre_slab *slab, uint32_t recent);

#endif
