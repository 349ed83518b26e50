#include "inspect/count_arenas.h"

#if defined(ACRE_COUNT)

#include <string.h>

_Static_assert(ACRE_COUNT_ARENA_NAME == ACRE_ARENA_NAME_MOST, "a row has room for an arena's name");

#define OTHERS 1u /* the number of the row for those without one of their own */

static struct acre_count_arena *others_of(struct acre_count_process *record) { return &record->arenas[0]; }

static bool is_named(const struct acre_count_arena *row, const char *name) {
    return strncmp(row->name, name, sizeof row->name) == 0;
}

/* The row that has the name, or has none yet; NULL: all have others. */
static struct acre_count_arena *find_row(struct acre_count_process *record, const char *name) {
    struct acre_count_arena *unused = NULL;
    for (struct acre_count_arena *row = &record->arenas[ACRE_COUNT_ARENAS]; row > record->arenas; row--) {
        if (acre_counter_get(&row->made) == 0)
            unused = row;
        else if (is_named(row, name))
            return row;
    }
    return unused;
}

static struct acre_count_arena *least_row(struct acre_count_process *record) {
    struct acre_count_arena *least = &record->arenas[1];
    for (uint32_t i = 2; i <= ACRE_COUNT_ARENAS; i++) {
        struct acre_count_arena *row = &record->arenas[i];
        if (acre_counter_get(&row->held_peak) < acre_counter_get(&least->held_peak)) least = row;
    }
    return least;
}

static void set_row(struct acre_count_process *record, struct acre_arena *arena, struct acre_count_arena *row) {
    atomic_store_explicit(&arena->counts.row, (uint32_t)(row - record->arenas) + 1, memory_order_relaxed);
}

/* Of an arena that is about to come into the row: as the first, or to others of its name. */
static void note_options(struct acre_count_arena *row, const struct acre_arena *arena) {
    bool is_first = acre_counter_get(&row->made) == 0;
    uint64_t limit_bytes = arena->supplier.quota.limit_bytes, most_bytes = acre_counter_get(&row->limit);
    if (is_first) memcpy(row->name, arena->name_text, sizeof row->name);
    bool is_limited = limit_bytes != SIZE_MAX && (is_first || most_bytes != 0);
    acre_counter_put(&row->limit, is_limited ? acre_max(limit_bytes, most_bytes) : 0);
}

/* A difference, which may be below zero. */
static void add_held(struct acre_count_arena *row, uint64_t bytes) {
    uint64_t sum = atomic_fetch_add_explicit(&row->held_now, bytes, memory_order_relaxed) + bytes;
    if ((int64_t)sum > 0) acre_counter_raise(&row->held_peak, sum);
}

/* With the registry locked, as the three below it: the row's figures join those of the others. */
static void join_others(struct acre_count_process *record, const struct acre_count_arena *row) {
    struct acre_count_arena *others = others_of(record);
    acre_counter_add(&others->made, acre_counter_get(&row->made));
    acre_counter_add(&others->left, acre_counter_get(&row->left));
    acre_counter_add(&others->calls, acre_counter_get(&row->calls));
    acre_counter_add(&others->failed_calls, acre_counter_get(&row->failed_calls));
    acre_counter_add(&others->resets, acre_counter_get(&row->resets));
    acre_count_live_add(&others->live, acre_counter_get(&row->live.now), acre_counter_get(&row->live.blocks));
    acre_counter_raise(&others->live.peak, acre_counter_get(&row->live.peak));
    add_held(others, acre_counter_get(&row->held_now));
    acre_counter_raise(&others->held_peak, acre_counter_get(&row->held_peak));
    acre_counter_raise(&others->held_most, acre_counter_get(&row->held_most));
}

/* What there is of the arena itself goes from the others to the row. What its calls were is not known any more. */
static void move(struct acre_count_process *record, struct acre_arena *arena, struct acre_count_arena *row) {
    struct acre_count_arena *others = others_of(record);
    uint64_t held_bytes = acre_counter_get(&arena->counts.held_bytes);
    uint64_t live_bytes = acre_counter_get(&arena->counts.live_bytes);
    uint64_t live_blocks = acre_counter_get(&arena->counts.live_blocks);
    set_row(record, arena, row);
    note_options(row, arena);
    acre_counter_add(&others->made, -UINT64_C(1));
    acre_counter_add(&others->left, -UINT64_C(1));
    acre_count_live_take(&others->live, live_bytes, live_blocks);
    add_held(others, -held_bytes);
    acre_counter_add(&row->made, 1);
    acre_counter_add(&row->left, 1);
    acre_count_live_add(&row->live, live_bytes, live_blocks);
    add_held(row, held_bytes);
}

static void give_row(struct acre_count_process *record, struct acre_arena *arena, struct acre_count_arena *row) {
    uint32_t number = (uint32_t)(row - record->arenas) + 1;
    struct acre_node *all = acre_arena_registry();
    join_others(record, row);
    memset((void *)row, 0, sizeof *row);
    memcpy(row->name, arena->name_text, sizeof row->name);
    for (struct acre_node *node = all->next; node != all; node = node->next) {
        struct acre_arena *other = ACRE_CONTAINER_OF(node, struct acre_arena, all_node);
        uint32_t was = atomic_load_explicit(&other->counts.row, memory_order_relaxed);
        if (was == number) set_row(record, other, others_of(record));
        if (was == OTHERS && is_named(row, other->name)) move(record, other, row);
    }
}

/* One of the others has come to hold more than arenas of a name that has a row. Does not wait for the registry. */
static void compete(struct acre_count_process *record, struct acre_arena *arena) {
    if (!acre_lock_try(acre_arena_registry_lock())) return;
    struct acre_count_arena *least = least_row(record);
    bool is_other = acre_count_row(record, arena) == others_of(record);
    if (is_other && acre_counter_get(&arena->counts.held_bytes) > acre_counter_get(&least->held_peak))
        give_row(record, arena, least);
    acre_lock_give(acre_arena_registry_lock());
}

void acre_count_arena_begin(struct acre_count_process *record, struct acre_arena *arena) {
    acre_lock(acre_arena_registry_lock());
    struct acre_count_arena *row = find_row(record, arena->name);
    if (row == NULL) row = others_of(record);
    if (row != others_of(record)) note_options(row, arena);
    acre_counter_add(&row->made, 1);
    acre_counter_add(&row->left, 1);
    memset((void *)&arena->counts, 0, sizeof arena->counts);
    set_row(record, arena, row);
    acre_unlock(acre_arena_registry_lock());
    acre_count_arena_held(record, arena);
}

void acre_count_arena_block(struct acre_count_process *record, struct acre_arena *arena, size_t asked_bytes) {
    struct acre_count_arena *row = acre_count_row(record, arena);
    if (row == NULL) return;
    acre_counter_add(&arena->counts.live_bytes, asked_bytes);
    acre_counter_add(&arena->counts.live_blocks, 1);
    acre_count_live_add(&row->live, asked_bytes, 1);
}

void acre_count_arena_unblock(struct acre_count_process *record, struct acre_arena *arena, size_t asked_bytes) {
    struct acre_count_arena *row = acre_count_row(record, arena);
    if (row == NULL) return;
    acre_counter_add(&arena->counts.live_bytes, -(uint64_t)asked_bytes);
    acre_counter_add(&arena->counts.live_blocks, -UINT64_C(1));
    acre_count_live_take(&row->live, asked_bytes, 1);
}

/* Whether it is more than before. The row's sum changes by the difference: another thread may look as well. */
static bool set_held(struct acre_count_arena *row, struct acre_arena *arena, uint64_t held_bytes) {
    if (acre_counter_get(&arena->counts.held_bytes) == held_bytes) return false;
    uint64_t before_bytes = atomic_exchange_explicit(&arena->counts.held_bytes, held_bytes, memory_order_relaxed);
    add_held(row, held_bytes - before_bytes);
    return held_bytes > before_bytes;
}

void acre_count_arena_held(struct acre_count_process *record, struct acre_arena *arena) {
    struct acre_count_arena *row = acre_count_row(record, arena);
    const struct acre_quota *quota = &arena->supplier.quota;
    if (row == NULL) return;
    bool is_more = set_held(row, arena, acre_quota_held_bytes(quota));
    if (is_more && row == others_of(record)) compete(record, arena);
    row = acre_count_row(record, arena);
    size_t most_bytes = atomic_load_explicit(&quota->peak_bytes, memory_order_relaxed);
    acre_counter_raise(&row->held_most, most_bytes);
    acre_counter_raise(&row->held_peak, most_bytes);
}

/* The lock keeps away who looks at all arenas, and would count this one again. */
void acre_count_arena_end(struct acre_count_process *record, struct acre_arena *arena) {
    acre_count_arena_held(record, arena);
    acre_lock(acre_arena_registry_lock());
    struct acre_count_arena *row = acre_count_row(record, arena);
    if (row != NULL) {
        set_held(row, arena, 0);
        atomic_store_explicit(&arena->counts.row, 0, memory_order_relaxed);
        acre_counter_add(&row->left, -UINT64_C(1));
    }
    acre_unlock(acre_arena_registry_lock());
}

static bool look_at(struct acre_arena *arena, void *record) {
    acre_count_arena_held(record, arena);
    return true;
}

void acre_count_arenas_held(struct acre_count_process *record) { acre_arena_visit_made(look_at, record); }

static void inherit(struct acre_count_arena *row, const struct acre_count_arena *before) {
    uint64_t left = acre_counter_get(&before->left);
    if (left == 0) return;
    memcpy(row->name, before->name, sizeof row->name);
    acre_counter_put(&row->made, left);
    acre_counter_put(&row->left, left);
    acre_counter_put(&row->limit, acre_counter_get(&before->limit));
    acre_count_live_add(&row->live, acre_counter_get(&before->live.now), acre_counter_get(&before->live.blocks));
    acre_counter_put(&row->held_now, acre_counter_get(&before->held_now));
    acre_counter_put(&row->held_peak, acre_counter_get(&before->held_peak));
    acre_counter_put(&row->held_most, acre_counter_get(&before->held_most));
}

void acre_count_arenas_inherit(struct acre_count_process *record, const struct acre_count_process *before) {
    for (uint32_t i = 0; i <= ACRE_COUNT_ARENAS; i++) inherit(&record->arenas[i], &before->arenas[i]);
}

#else

/* As in count.c. */
extern int acre_count_nothing;

#endif
