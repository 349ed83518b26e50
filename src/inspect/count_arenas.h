/* The table of arenas in the record, for count.c alone; and its counters. */
#ifndef ACRE_INSPECT_COUNT_ARENAS_H
#define ACRE_INSPECT_COUNT_ARENAS_H

#include "arena/arena.h"
#include "inspect/count_record.h"

ACRE_INLINE void acre_counter_add(_Atomic uint64_t *counter, uint64_t value) {
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}
ACRE_INLINE void acre_counter_put(_Atomic uint64_t *counter, uint64_t value) {
    atomic_store_explicit(counter, value, memory_order_relaxed);
}
ACRE_INLINE uint64_t acre_counter_get(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}
ACRE_INLINE void acre_counter_raise(_Atomic uint64_t *peak, uint64_t value) {
    uint64_t seen = acre_counter_get(peak);
    while (seen < value &&
           !atomic_compare_exchange_weak_explicit(peak, &seen, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

ACRE_INLINE void acre_count_live_add(struct acre_count_live *live, uint64_t bytes, uint64_t blocks) {
    uint64_t now = atomic_fetch_add_explicit(&live->now, bytes, memory_order_relaxed) + bytes;
    acre_counter_raise(&live->peak, now);
    acre_counter_add(&live->blocks, blocks);
}
ACRE_INLINE void acre_count_live_take(struct acre_count_live *live, uint64_t bytes, uint64_t blocks) {
    acre_counter_add(&live->now, -bytes);
    acre_counter_add(&live->blocks, -blocks);
}

/* The row of an arena; NULL: it has none (the default one, and NULL). */
ACRE_INLINE struct acre_count_arena *acre_count_row(struct acre_count_process *record,
                                                    const struct acre_arena *arena) {
    uint32_t row = arena == NULL ? 0 : atomic_load_explicit(&arena->counts.row, memory_order_relaxed);
    return row == 0 ? NULL : &record->arenas[row - 1];
}

/* An arena comes into the table, and leaves it, which keeps what it did. */
void acre_count_arena_begin(struct acre_count_process *record, struct acre_arena *arena);
void acre_count_arena_end(struct acre_count_process *record, struct acre_arena *arena);
/* A block begins in it, and ends. */
void acre_count_arena_block(struct acre_count_process *record, struct acre_arena *arena, size_t asked_bytes);
void acre_count_arena_unblock(struct acre_count_process *record, struct acre_arena *arena, size_t asked_bytes);
/* What it holds now; and what all of them do. */
void acre_count_arena_held(struct acre_count_process *record, struct acre_arena *arena);
void acre_count_arenas_held(struct acre_count_process *record);
/* In the child of a fork: the arenas of its parent, which keep their rows. */
void acre_count_arenas_inherit(struct acre_count_process *record, const struct acre_count_process *before);

#endif
