#include "heap/gate.h"
#include "heap/recent.h"

#include "os/os.h"
#include "span/decay.h"
#include "span/huge.h"

#include <string.h>

/* Frees after which a pass over the current slab starts again at its beginning, where blocks are warm and dense,
 * instead of going on into memory that was not used lately. It also bounds what a pass costs for each block. */
#define RESTART_FREES 32
/* Wholly free slabs that a heap keeps for itself, so that a program at the edge of a slab does not take and give
 * it each time. */
#define KEEP_BYTES ((size_t)256 << 10)

/* What may be free in the slabs that a heap keeps worth a look, or a part of what is in use of its chunks, before
 * it keeps but one of a size when more of that come in. Where threads free each other's blocks, slabs of all sizes
 * come back at once, and what one thread keeps the others take anew (docs/decisions/0015-what-a-thread-keeps.md).
 */
#define STOCK_BYTES ((size_t)2 << 20)
#define STOCK_PART 128

/* Looks in a row at a current slab that came near empty and was not. */
#define WATCHES_MOST 8

/* Fewer frees are not worth another look at a slab, unless they may leave a whole page. */
#define HALF_LEAST 16u

/* How many more refills found scattered blocks than runs when a class begins to keep recent blocks. */
#define SCATTERED_MANY 4

/* Fresh blocks, about a page at a time, so that what is handed out is what gets touched. */
static void *take_fresh(struct acre_cursor *cursor, struct acre_supply *supply, struct acre_slab *slab) {
    uintptr_t first = slab->span.base + slab->fresh_bytes;
    uint32_t run_bytes = acre_slab_carve(slab);
    supply->carved = acre_slab_words_carved(slab);
    supply->fresh = true;
    supply->zero = slab->zero || slab->depot->zeroes;
    if (supply->zero && !slab->zero) memset((void *)first, 0, run_bytes);
    cursor->next = first + acre_slab_block_bytes(slab);
    cursor->end = first + run_bytes;
    return (void *)first;
}

/* Takes the free blocks of a word one by one down below *bottom, as far as there is room; what is left of them. The
 * second is taken without asking whether there is one, which no processor could guess; a third is rare where runs
 * are short. */
ACRE_INLINE uint64_t take_word(struct acre_slab *slab, uint32_t at, uint16_t *ready, uint32_t *bottom) {
    uint64_t word = acre_small_free_bits(slab, at), all = word;
    uint32_t first_bit = at * 64, place = *bottom - 1;
    ready[place] = (uint16_t)(first_bit + acre_lowest_bit(word));
    word &= word - 1;
    ready[place - 1] = (uint16_t)(first_bit + acre_lowest_bit(word | UINT64_C(1) << 63));
    place -= word != 0;
    word &= word - 1;
    for (; ACRE_UNLIKELY(word != 0) && place > 0; word &= word - 1)
        ready[--place] = (uint16_t)(first_bit + acre_lowest_bit(word));
    *bottom = place;
    slab->live[at] |= all ^ word;
    return word;
}

/* Takes blocks one by one out of the supply's words, as many as the cursor holds; the lowest goes out. */
static ACRE_NOINLINE void *take_scattered(struct acre_heap *heap, struct acre_slab *slab) {
    unsigned size_class = slab->span.size_class;
    struct acre_cursor *cursor = &heap->cursor[size_class];
    struct acre_supply *supply = &heap->supply[size_class];
    uint64_t words = supply->exact ? supply->words : supply->words & acre_small_words_with_free(slab), left;
    uint16_t *ready = heap->ready[size_class];
    uint32_t bottom = ACRE_READY_MOST, at;
    do {
        at = acre_lowest_bit(words);
        left = take_word(slab, at, ready, &bottom);
        words &= words - 1;
    } while (words != 0 && bottom > 1);
    if (left != 0) words |= UINT64_C(1) << at;
    supply->words = words;
    supply->exact = true;
    cursor->base = slab->span.base;
    cursor->bottom = bottom;
    cursor->top = ACRE_READY_MOST - 1;
    return (void *)(slab->span.base + ready[ACRE_READY_MOST - 1] * ACRE_ALIGNMENT);
}

/* When the run that was taken goes on to the end of word `at`: takes the next word too, if that is all free. */
ACRE_INLINE void take_next_word(struct acre_cursor *cursor, struct acre_supply *supply, struct acre_slab *slab,
                                uint32_t at) {
    uint64_t next = UINT64_C(2) << at;
    if ((supply->words & next) == 0 || slab->live[at + 1] != 0) return;
    uint64_t begins = acre_small_begins(slab, at + 1);
    ACRE_ASSERT(begins != 0); /* strides for which none begins in the last word are too long for a run */
    supply->words ^= next;
    slab->live[at + 1] = begins;
    cursor->end = slab->span.base + (at * 64 + 64 + acre_log2_floor(begins) + slab->stride) * ACRE_ALIGNMENT;
}

/* Takes the first run of word `at`, the first of the supply's, whose free blocks have the bits `word`; or nothing:
 * NULL, when its last block's bit would not be least_bits behind its first one's. */
ACRE_INLINE void *take_run(struct acre_cursor *cursor, struct acre_supply *supply, struct acre_slab *slab,
                           uint32_t at, uint64_t word, uint32_t least_bits) {
    uint32_t lowest = acre_lowest_bit(word);
    uint64_t shifted = word >> lowest, missing = shifted ^ slab->pattern;
    uint64_t run = shifted & (missing ^ (missing - 1)); /* up to the first block that is missing */
    uint32_t last_bit = acre_log2_floor(run);
    if (last_bit < least_bits) return NULL;
    slab->live[at] |= run << lowest;
    if (word == run << lowest) supply->words &= supply->words - 1;
    uintptr_t first = slab->span.base + (at * 64 + lowest) * ACRE_ALIGNMENT;
    cursor->next = first + slab->stride * ACRE_ALIGNMENT;
    cursor->end = cursor->next + last_bit * ACRE_ALIGNMENT;
    if (lowest + last_bit + slab->stride >= 64) take_next_word(cursor, supply, slab, at);
    return acre_not_null(first);
}

/* A run of the supply's first word, or NULL when the first one is short. */
static void *take_long_run(struct acre_heap *heap, struct acre_slab *slab) {
    struct acre_supply *supply = &heap->supply[slab->span.size_class];
    uint32_t at = acre_lowest_bit(supply->words);
    return take_run(&heap->cursor[slab->span.size_class], supply, slab, at, acre_small_free_bits(slab, at),
                    acre_slab_run_least_bits(slab));
}

/* Of an arena whose blocks come zeroed. */
static void *take_zeroed(struct acre_heap *heap, struct acre_slab *slab) {
    unsigned size_class = slab->span.size_class;
    struct acre_cursor *cursor = &heap->cursor[size_class];
    char *block = take_long_run(heap, slab);
    if (block != NULL) {
        memset(block, 0, cursor->end - (uintptr_t)block);
    } else {
        block = take_scattered(heap, slab);
        memset(block, 0, acre_slab_block_bytes(slab));
        for (uint32_t place = cursor->bottom; place < cursor->top; place++)
            memset((void *)(cursor->base + heap->ready[size_class][place] * (uintptr_t)slab->unit_bytes), 0,
                   acre_slab_block_bytes(slab));
    }
    heap->supply[size_class].zero = true;
    return block;
}

/* When the first run is short, or the slab keeps recent blocks: takes what there is and notes its kind. Whether a
 * class keeps recent blocks is decided by whether more refills find scattered blocks or runs. */
static void *take_and_note(struct acre_heap *heap, struct acre_slab *slab) {
    unsigned size_class = slab->span.size_class;
    struct acre_supply *supply = &heap->supply[size_class];
    if (slab->depot->zeroes) return take_zeroed(heap, slab);
    void *block = take_long_run(heap, slab);
    if (block == NULL) {
        if (supply->scattered < SCATTERED_MANY && ++supply->scattered == SCATTERED_MANY)
            acre_recent_start(heap, size_class);
        return take_scattered(heap, slab);
    }
    if (supply->scattered > 0 && --supply->scattered == 0) acre_recent_stop(heap, size_class);
    return block;
}

/* A pass over the slab's bitmap, from its beginning. */
ACRE_INLINE void begin_pass(struct acre_supply *supply, struct acre_slab *slab) {
    slab->armed = slab->countdown = ACRE_COUNTDOWN_FAR;
    supply->words = supply->carved;
    supply->exact = supply->fresh = supply->zero = false;
}

/* At the end of a pass: whether enough was freed meanwhile for another. Never fewer than are free: what the pass
 * has taken again is counted too. */
static bool is_worth_another_pass(struct acre_supply *supply, struct acre_slab *slab) {
    supply->collected += acre_slab_collect(slab);
    uint32_t freed = (uint32_t)(slab->armed - slab->countdown) + supply->collected;
    if (slab->armed != ACRE_COUNTDOWN_FAR) freed = acre_slab_count_free(slab); /* a watch began in the middle */
    if (freed < acre_slab_worth(slab)) return false;
    supply->collected = 0;
    begin_pass(supply, slab);
    return true;
}

/* Of a PARTIAL slab: it has no live block. Its countdown is far away then, and else not. */
static bool is_kept(const struct acre_slab *slab) { return slab->armed == ACRE_COUNTDOWN_FAR; }

static struct acre_slab *take_partial(struct acre_heap *heap, struct acre_supply *supply) {
    struct acre_slab *slab = acre_heap_first_partial(supply);
    if (slab == NULL) return NULL;
    acre_heap_unlist(heap, slab);
    if (is_kept(slab)) heap->kept_bytes -= acre_class_granules(slab->span.size_class) * ACRE_GRANULE_BYTES;
    return slab;
}

/* When the page heap has nothing: a slab that is too full to be worth a look is still better than failing. */
static struct acre_slab *any_waiting(struct acre_heap *heap, unsigned size_class) {
    for (struct acre_node *node = heap->waiting.next; node != &heap->waiting; node = node->next) {
        struct acre_slab *slab = ACRE_CONTAINER_OF(node, struct acre_slab, node);
        if (slab->span.size_class != size_class || acre_slab_free_now(slab) == 0) continue;
        acre_heap_unlist(heap, slab);
        return slab;
    }
    return NULL;
}

bool acre_heap_recover(struct acre_heap *heap) {
    bool any = acre_huge_decay(true), waits = false;
    acre_remote_flush(heap->home);
    acre_remote_drain(heap);
    any |= acre_heap_end_rests(true, &waits);
    any |= heap->kept_bytes > 0;
    acre_heap_give_kept(heap);
    any |= acre_heap_give_current(heap);
    /* Of the break's top, each of the two may uncover what the other has free below. */
    do any |= acre_page_heap_shrink(heap->depot->pages);
    while (acre_huge_decay(true));
    return any;
}

static struct acre_slab *create(struct acre_heap *heap, unsigned size_class) {
    if (heap->makes_none || acre_heap_spares_slabs(heap, size_class)) return any_waiting(heap, size_class);
    acre_wide_note_slab(heap, size_class);
    struct acre_slab *slab = acre_depot_make(heap->depot, size_class, heap, acre_heap_owner());
    if (slab != NULL) return slab;
    acre_heap_recover(heap);
    slab = take_partial(heap, &heap->supply[size_class]);
    if (slab == NULL) slab = acre_depot_take(heap->depot, size_class, acre_heap_owner());
    if (slab == NULL) slab = acre_depot_make(heap->depot, size_class, heap, acre_heap_owner());
    return slab != NULL ? slab : any_waiting(heap, size_class);
}

static bool find_slab(struct acre_heap *heap, unsigned size_class) {
    struct acre_supply *supply = &heap->supply[size_class];
    struct acre_slab *slab = take_partial(heap, supply);
    if (slab == NULL && atomic_load_explicit(&heap->queue, memory_order_relaxed) != NULL) {
        acre_remote_drain(heap);
        slab = take_partial(heap, supply);
    }
    if (slab == NULL) slab = acre_depot_take(heap->depot, size_class, acre_heap_owner());
    if (slab == NULL) slab = create(heap, size_class);
    if (slab == NULL) return false;
    atomic_store_explicit(&slab->heap, heap, memory_order_relaxed);
    acre_slab_collect(slab);
    if (!acre_recent_admit(heap, slab)) acre_heap_remember(slab);
    if (slab->depot->zeroes) slab->run_least_bits = ACRE_NO_RUN_IS_LONG_ENOUGH; /* to come to take_zeroed */
    slab->span.state = ACRE_SLAB_CURRENT;
    supply->slab = slab;
    supply->collected = 0;
    supply->carved = acre_slab_words_carved(slab);
    heap->used[size_class / 64] |= UINT64_C(1) << size_class % 64;
    begin_pass(supply, slab);
    return true;
}

/* When there is no memory: the slab that was given up for having too little free. Others may have had it meanwhile,
 * and its record may be another slab's by now. */
static bool take_back(struct acre_heap *heap, struct acre_slab *slab, unsigned size_class) {
    uintptr_t nobody = ACRE_OWNER_NONE;
    struct acre_supply *supply = &heap->supply[size_class];
    if (!atomic_compare_exchange_strong(acre_slab_owner(slab), &nobody, acre_heap_owner())) return false;
    if (slab->depot != heap->depot || slab->span.size_class != size_class) {
        acre_heap_adopted(slab);
        return false;
    }
    atomic_store_explicit(&slab->heap, heap, memory_order_relaxed);
    acre_recent_expel(heap, slab);
    acre_slab_collect(slab);
    slab->span.state = ACRE_SLAB_CURRENT;
    acre_heap_remember(slab);
    if (slab->depot->zeroes) slab->run_least_bits = ACRE_NO_RUN_IS_LONG_ENOUGH;
    supply->slab = slab;
    supply->collected = 0;
    supply->carved = acre_slab_words_carved(slab);
    begin_pass(supply, slab);
    if (acre_slab_count_free(slab) > 0) return true;
    supply->slab = NULL;
    acre_heap_disown(slab);
    return false;
}

bool acre_heap_find_slab(struct acre_heap *heap, unsigned size_class, struct acre_slab *given_up) {
    return find_slab(heap, size_class) || (given_up != NULL && take_back(heap, given_up, size_class));
}

static void *refill_from(struct acre_heap *heap, struct acre_slab *slab);

/* The pass over the current slab has ended, or there is none. Inside the gate. */
static void *refill_after_pass(struct acre_heap *heap, unsigned size_class) {
    struct acre_supply *supply = &heap->supply[size_class];
    struct acre_slab *slab = supply->slab;
    if (slab != NULL && !is_worth_another_pass(supply, slab)) {
        if (slab->fresh_bytes < slab->end_bytes) return take_fresh(&heap->cursor[size_class], supply, slab);
        supply->slab = NULL;
        acre_heap_disown(slab);
    }
    if (supply->slab == NULL) {
        void *block = acre_mixed_take(heap, size_class);
        if (block != NULL) return block;
        if (!acre_heap_find_slab(heap, size_class, slab)) return acre_mixed_take_freed(heap, size_class);
    }
    return refill_from(heap, supply->slab);
}

/* Those of the words from the first on that has free blocks. */
static ACRE_NOINLINE uint64_t skip_full(const struct acre_slab *slab, uint64_t words) {
    while (words != 0 && acre_small_free_bits(slab, acre_lowest_bit(words)) == 0) words &= words - 1;
    return words;
}

/* From the current slab, inside the gate: a run, or through *left what is left of the pass, which may be nothing.
 */
ACRE_INLINE void *refill_from_run(struct acre_heap *heap, unsigned size_class, struct acre_slab *slab,
                                  uint64_t *left) {
    struct acre_supply *supply = &heap->supply[size_class];
    slab->was_looked_at = false;
    if (slab->armed - slab->countdown >= RESTART_FREES) begin_pass(supply, slab);
    uint64_t words = supply->words, bits = words == 0 ? 0 : acre_small_free_bits(slab, acre_lowest_bit(words));
    if (ACRE_UNLIKELY(bits == 0)) {
        words = skip_full(slab, words);
        bits = words == 0 ? 0 : acre_small_free_bits(slab, acre_lowest_bit(words));
    }
    supply->words = *left = words;
    if (words == 0) return NULL;
    return take_run(&heap->cursor[size_class], supply, slab, acre_lowest_bit(words), bits, slab->run_least_bits);
}

static void *refill_from(struct acre_heap *heap, struct acre_slab *slab) {
    unsigned size_class = slab->span.size_class;
    uint64_t words;
    void *block = refill_from_run(heap, size_class, slab, &words);
    if (block != NULL) return block;
    return words != 0 ? take_and_note(heap, slab) : refill_after_pass(heap, size_class);
}

/* The ways out of acre_heap_refill that are not its end: after them it has nothing more to do, so that it need not
 * keep anything for then. */
static ACRE_NOINLINE void *note_and_leave(struct acre_heap *heap, struct acre_slab *slab) {
    void *block = take_and_note(heap, slab);
    acre_gate_leave(heap);
    return block;
}
static ACRE_NOINLINE void *end_pass_and_leave(struct acre_heap *heap, unsigned size_class) {
    void *block = refill_after_pass(heap, size_class);
    acre_gate_leave(heap);
    acre_decay_answer();
    return block;
}
static ACRE_NOINLINE void *refill_slowly(struct acre_heap *heap, unsigned size_class) {
    if (heap == &acre_no_thread.heap) return NULL;
    struct acre_slab *slab = heap->supply[size_class].slab;
    acre_gate_enter(heap);
    void *block = slab == NULL ? refill_after_pass(heap, size_class) : refill_from(heap, slab);
    acre_gate_leave(heap);
    acre_decay_answer();
    return block;
}

void *acre_heap_refill(struct acre_heap *heap, unsigned size_class) {
    struct acre_slab *slab = heap->supply[size_class].slab;
    uint64_t words;
    ACRE_ASSERT(heap->recent[size_class].top->block == 0);
    if (ACRE_UNLIKELY(slab == NULL)) return refill_slowly(heap, size_class);
    acre_gate_knock(heap);
    ACRE_GO_IF_SET(acre_gate_is_closed, closed);
    void *block = refill_from_run(heap, size_class, slab, &words);
    if (words == 0) return end_pass_and_leave(heap, size_class);
    if (block == NULL) return note_and_leave(heap, slab);
    acre_gate_leave(heap);
    return block;
closed:
    return refill_slowly(heap, size_class);
}

/* A limit may be reached with most of what is held free, in slabs of other sizes. */
void *acre_heap_take_larger(struct acre_heap *heap, unsigned size_class, bool *zero) {
    size_t block_bytes = acre_class_bytes(size_class), alignment = block_bytes & -block_bytes;
    void *block = NULL;
    heap->makes_none = true;
    acre_wide_end(heap, size_class); /* it may have free blocks of its own */
    for (unsigned larger = size_class; block == NULL && larger < ACRE_CLASSES; larger++) {
        if (acre_class_bytes(larger) % alignment == 0) block = acre_heap_take(heap, larger, zero);
    }
    heap->makes_none = false;
    return block;
}

/* How many blocks of a current slab are live: neither free nor in the cursor. Never 0 where there is one: free of a
 * block in the cursor makes it free twice over. */
static uint32_t count_live(struct acre_heap *heap, struct acre_slab *slab) {
    unsigned size_class = slab->span.size_class;
    uint32_t ready = (uint32_t)acre_cursor_blocks(&heap->cursor[size_class], size_class);
    uint32_t gone = acre_slab_count_free(slab) + ready;
    if (gone >= slab->total) {
        acre_heap_check_cursor(heap, slab);
        gone = acre_slab_count_free(slab) + ready;
    }
    return slab->total - gone;
}

static void destroy_current(struct acre_heap *heap, struct acre_slab *slab) {
    unsigned size_class = slab->span.size_class;
    heap->supply[size_class].slab = NULL;
    heap->cursor[size_class] = (struct acre_cursor){0, 0, 0, 0, 0};
    acre_heap_destroy(slab);
}

void acre_heap_watch_current(struct acre_heap *heap, struct acre_slab *slab, bool is_new_watch) {
    acre_recent_expel(heap, slab);
    acre_slab_collect(slab);
    uint32_t live = count_live(heap, slab);
    if (live == 0) {
        destroy_current(heap, slab);
        return;
    }
    slab->span.flags = is_new_watch ? WATCHES_MOST : (uint8_t)(slab->span.flags - (slab->span.flags > 0));
    slab->armed = slab->countdown = slab->span.flags > 0 ? (int32_t)live : ACRE_COUNTDOWN_FAR;
    if (slab->span.flags == 0) acre_recent_admit(heap, slab);
}

bool acre_heap_give_current(struct acre_heap *heap) {
    bool any = false;
    for (unsigned size_class = 1; size_class < ACRE_CLASSES; size_class++) {
        struct acre_slab *slab = heap->supply[size_class].slab;
        if (slab == NULL) continue;
        acre_slab_collect(slab);
        if (count_live(heap, slab) != 0) continue;
        destroy_current(heap, slab);
        any = true;
    }
    return any;
}

void acre_heap_list_partial(struct acre_heap *heap, struct acre_slab *slab, bool as_first) {
    struct acre_supply *supply = &heap->supply[slab->span.size_class];
    heap->used[slab->span.size_class / 64] |= UINT64_C(1) << slab->span.size_class % 64;
    if (supply->stock == 0) acre_list_start(&supply->partial);
    if (as_first)
        acre_list_push_front(&supply->partial, &slab->node);
    else
        acre_list_push_back(&supply->partial, &slab->node);
    supply->stock++;
    heap->partial_free_bytes += (uint32_t)slab->free_at_arm * acre_slab_block_bytes(slab);
}

/* The slab has no live block. One may stay with the heap, the lowest, so that the break can come down. */
static void settle_empty(struct acre_heap *heap, struct acre_slab *slab) {
    struct acre_supply *supply = &heap->supply[slab->span.size_class];
    size_t span_bytes = acre_class_granules(slab->span.size_class) * ACRE_GRANULE_BYTES;
    struct acre_slab *sole = acre_heap_first_partial(supply);
    bool replaces = sole != NULL && is_kept(sole) && sole->span.base > slab->span.base;
    if (replaces) {
        acre_heap_unlist(heap, sole);
        heap->kept_bytes -= span_bytes;
        acre_heap_destroy(sole);
    }
    if ((sole == NULL || replaces) && heap->kept_bytes + span_bytes <= KEEP_BYTES) {
        heap->kept_bytes += span_bytes;
        slab->span.state = ACRE_SLAB_PARTIAL;
        acre_slab_arm(slab, slab->total, ACRE_COUNTDOWN_FAR);
        acre_heap_list_partial(heap, slab, true);
    } else {
        acre_heap_destroy(slab);
    }
    /* The heap shrinks: then the slab in use is watched too, since it is often the highest. */
    if (supply->slab != NULL) acre_heap_watch_current(heap, supply->slab, true);
}

/* Of the slabs worth a look that a heap has of a class, how many it keeps. */
static uint32_t stock_most(const struct acre_heap *heap) {
    size_t used_bytes = acre_page_heap_used_bytes(heap->depot->pages);
    return heap->partial_free_bytes > acre_max(STOCK_BYTES, used_bytes / STOCK_PART) ? 1 : ACRE_STOCK_MOST;
}

/* The others go to the depot, the oldest first: two at a time, since a thread that was alone until now may have
 * many. */
static void share_surplus(struct acre_heap *heap, struct acre_supply *supply) {
    if (supply->stock <= 1 || acre_heap_is_alone()) return;
    uint32_t most = stock_most(heap);
    for (unsigned left = 2; left > 0 && supply->stock > most; left--) {
        struct acre_slab *slab = take_partial(heap, supply);
        acre_recent_expel(heap, slab);
        uint32_t free_blocks = acre_slab_free_now(slab);
        if (free_blocks == slab->total)
            acre_heap_destroy(slab);
        else
            acre_heap_share(slab, free_blocks);
    }
}

/* Of a slab worth a look: when it is empty, or may keep recent blocks no more; and before, each time that half of
 * what was live is free, since there may be whole pages then for the scavenger. */
static uint32_t frees_to_next_look(const struct acre_slab *slab, uint32_t live, uint32_t least_live) {
    uint32_t page_blocks = (uint32_t)acre_max(acre_os_page_bytes() / acre_slab_block_bytes(slab), 1);
    uint32_t half = acre_max(live / 2, acre_min(page_blocks, HALF_LEAST));
    return acre_min(live - least_live, half);
}

bool acre_heap_stays_partial(struct acre_slab *slab, uint32_t free_blocks) {
    uint32_t live = slab->total - free_blocks, least = slab->keeps_recent ? acre_recent_least_live(slab) : 0;
    if (slab->span.state != ACRE_SLAB_PARTIAL || live <= least) return false;
    slab->heap->partial_free_bytes += (free_blocks - (uint32_t)slab->free_at_arm) * acre_slab_block_bytes(slab);
    acre_slab_arm(slab, free_blocks, (int32_t)frees_to_next_look(slab, live, least));
    acre_decay_note();
    return true;
}

void acre_heap_settle(struct acre_heap *heap, struct acre_slab *slab, uint32_t free_blocks) {
    if (acre_slab_is_mixed(slab)) {
        acre_mixed_settle(heap, slab, free_blocks);
        return;
    }
    struct acre_supply *supply = &heap->supply[slab->span.size_class];
    uint32_t worth = acre_slab_worth(slab);
    uint32_t recent_least = acre_recent_least_live(slab);
    if (free_blocks + recent_least >= slab->total) free_blocks += acre_recent_expel(heap, slab);
    uint32_t live = slab->total - free_blocks;
    if (live == 0) {
        settle_empty(heap, slab);
    } else if (free_blocks >= worth) {
        bool recent = live > recent_least && acre_recent_admit(heap, slab);
        slab->span.state = ACRE_SLAB_PARTIAL;
        acre_slab_arm(slab, free_blocks, (int32_t)frees_to_next_look(slab, live, recent ? recent_least : 0));
        acre_decay_note();
        acre_heap_list_partial(heap, slab, false);
        share_surplus(heap, supply);
    } else {
        acre_recent_admit(heap, slab);
        slab->span.state = ACRE_SLAB_WAITING;
        acre_slab_arm(slab, free_blocks, (int32_t)(worth - free_blocks));
        acre_list_push_back(&heap->waiting, &slab->node);
    }
}

void acre_heap_give_kept(struct acre_heap *heap) {
    for (unsigned size_class = 1; size_class < ACRE_CLASSES && heap->kept_bytes > 0; size_class++) {
        struct acre_node *list = &heap->supply[size_class].partial;
        if (heap->supply[size_class].stock == 0) continue;
        for (struct acre_node *node = list->next, *next; node != list; node = next) {
            struct acre_slab *slab = ACRE_CONTAINER_OF(node, struct acre_slab, node);
            next = node->next;
            if (!is_kept(slab)) continue;
            acre_heap_unlist(heap, slab);
            heap->kept_bytes -= acre_class_granules(size_class) * ACRE_GRANULE_BYTES;
            acre_heap_destroy(slab);
        }
    }
}
