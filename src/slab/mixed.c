#include "slab/mixed.h"

#include <string.h>

uint32_t acre_mixed_begin(const struct acre_slab *slab, uint32_t unit) {
    const uint64_t *begins = acre_mixed_begins(slab);
    uint32_t word = unit / 64;
    uint64_t bits = ACRE_PEEK(&begins[word]) & (~UINT64_C(0) >> (63 - unit % 64));
    while (bits == 0 && word > 0) {
        word--;
        bits = ACRE_PEEK(&begins[word]);
    }
    return bits == 0 ? 0 : word * 64 + acre_log2_floor(bits);
}

uint32_t acre_mixed_next(const struct acre_slab *slab, uint32_t unit) {
    const uint64_t *begins = acre_mixed_begins(slab);
    uint32_t fresh_unit = ACRE_PEEK(&slab->fresh_bytes) / ACRE_ALIGNMENT, word = unit / 64;
    uint64_t bits = ACRE_PEEK(&begins[word]) & ~(~UINT64_C(0) >> (63 - unit % 64));
    while (bits == 0 && ++word < ACRE_SMALL_WORDS) bits = ACRE_PEEK(&begins[word]);
    return bits == 0 ? fresh_unit : (uint32_t)acre_min(word * 64 + acre_lowest_bit(bits), fresh_unit);
}

/* Of a word, the bits [from, to). */
static uint64_t between(uint32_t from, uint32_t to) {
    uint64_t below_to = to >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << to) - 1;
    return below_to & ~UINT64_C(0) << from;
}

static void mark_one_by_one(struct acre_slab *slab, uint32_t unit, uint32_t end, uint32_t stride) {
    uint64_t *begins = acre_mixed_begins(slab);
    for (; unit < end; unit += stride) {
        begins[unit / 64] |= UINT64_C(1) << unit % 64;
        slab->live[unit / 64] |= UINT64_C(1) << unit % 64;
    }
}

#define FEW_IN_A_WORD_STRIDE 16u
/* Units [unit, end) are live blocks of `stride` units each. Many by words: with bits 0, stride, 2 * stride, ...
 * shifted to where the first block of the word begins. */
static void mark(struct acre_slab *slab, uint32_t unit, uint32_t end, uint32_t stride) {
    if (stride >= FEW_IN_A_WORD_STRIDE || end - unit <= 2 * stride) {
        mark_one_by_one(slab, unit, end, stride);
        return;
    }
    uint64_t *begins = acre_mixed_begins(slab), pattern = 1;
    for (uint32_t step = stride; step < 64; step *= 2) pattern |= pattern << step;
    for (uint32_t word = unit / 64, from = unit % 64; word * 64 < end; word++) {
        uint64_t first = from < 64 ? pattern << from & between(from, (uint32_t)acre_min(end - word * 64, 64)) : 0;
        if (first == 0) return; /* but for the end of the last block */
        begins[word] |= first;
        slab->live[word] |= first;
        from = acre_log2_floor(first) + stride - 64; /* no fewer than 0, but where the last block ends here */
    }
}

/* Who looks at a block's size from elsewhere sees where the next one begins, if it sees that it was carved. */
static void set_fresh(struct acre_slab *slab, uint32_t bytes) {
    __atomic_store_n(&slab->fresh_bytes, bytes, __ATOMIC_RELEASE);
}

/* Aligned requests count on it that blocks lie at multiples of the greatest power of two in their size. Up to there
 * it is as if a block lay there that is free. */
static void align_fresh(struct acre_slab *slab, size_t block_bytes) {
    uint32_t unit = slab->fresh_bytes / ACRE_ALIGNMENT;
    uint32_t aligned_bytes = (uint32_t)acre_align_up(slab->fresh_bytes, block_bytes & -block_bytes);
    if (aligned_bytes == slab->fresh_bytes || aligned_bytes >= slab->end_bytes) return;
    acre_mixed_begins(slab)[unit / 64] |= UINT64_C(1) << unit % 64;
    set_fresh(slab, aligned_bytes);
}

uint32_t acre_mixed_carve(struct acre_slab *slab, unsigned size_class, uint32_t most) {
    size_t block_bytes = acre_class_bytes(size_class);
    align_fresh(slab, block_bytes);
    if (slab->fresh_bytes % (block_bytes & -block_bytes) != 0) return 0;
    uint32_t room_bytes = slab->end_bytes - slab->fresh_bytes, count = most;
    if (most * block_bytes > room_bytes) count = room_bytes / (uint32_t)block_bytes;
    uint32_t unit = slab->fresh_bytes / ACRE_ALIGNMENT, units = (uint32_t)(block_bytes / ACRE_ALIGNMENT);
    if (count > 0) mark(slab, unit, unit + count * units, units);
    set_fresh(slab, slab->fresh_bytes + count * (uint32_t)block_bytes);
    return count;
}

/* From `unit` on: where the next blocks lie that are free, up to *end; the end of all when there are none. */
static uint32_t next_free(const struct acre_slab *slab, uint32_t unit, uint32_t *end) {
    uint32_t fresh_unit = slab->fresh_bytes / ACRE_ALIGNMENT;
    while (unit < fresh_unit && !acre_slab_is_free(slab, unit)) unit = acre_mixed_next(slab, unit);
    for (*end = unit; *end < fresh_unit && acre_slab_is_free(slab, *end);) *end = acre_mixed_next(slab, *end);
    return unit;
}

/* What lies there becomes one free block, so to say. Its begin stays where it is all the while, since it is the end
 * of the block before, whose size somebody may want to know. */
static void join(struct acre_slab *slab, uint32_t unit, uint32_t end) {
    uint64_t *begins = acre_mixed_begins(slab);
    for (uint32_t word = (unit + 1) / 64, from = (unit + 1) % 64; word * 64 < end; word++, from = 0)
        begins[word] &= ~between(from, (uint32_t)acre_min(end - word * 64, 64));
}

uint32_t acre_mixed_carve_freed(struct acre_slab *slab, unsigned size_class, uint32_t most, uint32_t *unit) {
    uint32_t units = (uint32_t)(acre_class_bytes(size_class) / ACRE_ALIGNMENT), end;
    for (uint32_t from = next_free(slab, 0, &end); from < end; from = next_free(slab, end, &end)) {
        uint32_t first = (uint32_t)acre_align_up(from, units & -units);
        if (first + units > end) continue;
        uint32_t count = (uint32_t)acre_min((end - first) / units, most), behind = first + count * units;
        join(slab, from, end);
        if (behind < end) acre_mixed_begins(slab)[behind / 64] |= UINT64_C(1) << behind % 64;
        mark(slab, first, behind, units);
        *unit = first;
        return count;
    }
    return 0;
}

void acre_mixed_restart(struct acre_slab *slab) {
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_relaxed);
    uint32_t words = acre_slab_words_used(slab);
    memset(slab->live, 0, words * sizeof slab->live[0]);
    memset(acre_mixed_begins(slab), 0, words * sizeof(uint64_t));
    for (uint32_t word = 0; remote != NULL && word < words; word++)
        atomic_store_explicit(&remote[word], 0, memory_order_relaxed);
    atomic_store_explicit(&slab->remote_list, 0, memory_order_relaxed);
    slab->fresh_bytes = 0;
    slab->zero = slab->was_looked_at = false;
    slab->span.state = 0;
    acre_slab_arm(slab, slab->total, ACRE_COUNTDOWN_FAR);
}
