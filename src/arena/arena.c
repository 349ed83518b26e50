#include "arena/scavenge.h"

#include "heap/gate.h"
#include "metadata/map.h"
#include "metadata/metadata.h"
#include "span/huge.h"

struct acre_arena acre_default_arena;

void acre_arena_start(struct acre_arena *arena, const char *name, const struct acre_options *options) {
    struct acre_page_policy pages = {.brk_limit_bytes = options->brk_limit_bytes,
                                     .first_chunk_bytes = ACRE_CHUNK_BYTES,
                                     .minds_huge_blocks = true,
                                     .thp = (enum acre_thp)options->thp,
                                     .decay_ms = options->decay_ms};
    arena->name = name;
    acre_supplier_start(&arena->supplier, (enum acre_source)options->source, SIZE_MAX);
    acre_huge_space_start(&arena->huge, &arena->supplier);
    acre_page_heap_start(&arena->pages, &pages, &arena->supplier);
    acre_depot_start(&arena->depot, &arena->pages);
    acre_heap_start(&arena->depot);
}

/* From the outermost in. */
static struct acre_lock *every_lock(unsigned index) {
    switch (index) {
    case 0:
        return acre_scavenge_lock();
    case 1:
        return acre_heap_lock();
    case 2:
        return &acre_default_arena.depot.lock;
    case 3:
        return &acre_default_arena.pages.lock;
    case 4:
        return acre_huge_lock();
    case 5:
        return acre_supplier_lock();
    case 6:
        return acre_source_lock();
    case 7:
        return acre_map_lock();
    default:
        return acre_metadata_lock();
    }
}
#define LOCKS 9u

/* What became of each lock before the fork that this thread is in. */
enum { TAKEN, HELD_BEFORE, NOT_HAD };
static __thread uint8_t had[LOCKS] __attribute__((tls_model("initial-exec")));

/* Whether another thread has one of the locks now. Who forks does not take the others while it waits: the holder
 * may be in a fork as well, in a handler that interrupted it, and wants them. */
static bool is_any_lock_elsewhere(void) {
    for (unsigned i = 0; i < LOCKS; i++) {
        struct acre_lock *lock = every_lock(i);
        if (atomic_load_explicit(&lock->holder, memory_order_relaxed) != 0 && !acre_lock_is_mine(lock)) return true;
    }
    return false;
}

bool acre_arena_lock_all(enum acre_fork_try how) {
    bool at_any_price = how == ACRE_FORK_AT_ANY_PRICE;
    if (how == ACRE_FORK_POLITELY && is_any_lock_elsewhere()) return false;
    unsigned i = 0;
    for (; i < LOCKS; i++) {
        struct acre_lock *lock = every_lock(i);
        had[i] = acre_lock_is_mine(lock) ? HELD_BEFORE : acre_lock_for_fork(lock) ? TAKEN : NOT_HAD;
        if (had[i] == NOT_HAD && !at_any_price) break;
    }
    bool done = i == LOCKS;
    while (!done && i-- > 0) {
        if (had[i] == TAKEN) acre_lock_give(every_lock(i));
    }
    return done;
}

bool acre_arena_forked_inside(void) {
    for (unsigned i = 0; i < LOCKS; i++) {
        if (had[i] != TAKEN) return true;
    }
    return false;
}

void acre_arena_unlock_all(bool in_child) {
    if (had[0] == NOT_HAD && in_child) acre_gate_open(); /* whoever closed it is not here */
    for (unsigned i = LOCKS; i-- > 0;) {
        if (had[i] == NOT_HAD && in_child) acre_lock_reset(every_lock(i));
        if (had[i] == TAKEN) acre_lock_give(every_lock(i));
    }
}
