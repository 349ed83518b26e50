#include "arena/scavenge.h"

#include "heap/gate.h"
#include "metadata/map.h"
#include "metadata/metadata.h"
#include "span/huge.h"

struct acre_arena acre_default_arena;

void acre_arena_start(struct acre_arena *arena, const char *name, const struct acre_options *options) {
    struct acre_page_policy pages = {.brk_limit_bytes = options->brk_limit_bytes,
                                     .keep_bytes = ACRE_KEEP_LEAST_BYTES,
                                     .first_chunk_bytes = ACRE_CHUNK_BYTES,
                                     .minds_huge_blocks = true,
                                     .thp = (enum acre_thp)options->thp,
                                     .decay_ms = options->decay_ms};
    arena->name = name;
    acre_supplier_start(&arena->supplier, (enum acre_source)options->source, SIZE_MAX);
    acre_huge_space_start(&arena->huge, &arena->supplier, pages.thp);
    acre_page_heap_start(&arena->pages, &pages, &arena->supplier);
    acre_depot_start(&arena->depot, name, &arena->pages, NULL);
    arena->depot.is_default = true;
    acre_heap_start(&arena->depot);
}

/* From the outermost in. Those of the arenas in the registry, two each, come behind the depot's and the page heap's
 * of the default one: a thread that forks has the registry's first, so that there is one such thread at a time. */
static struct acre_lock *every_lock(unsigned index) {
    switch (index) {
    case 0:
        return acre_scavenge_lock();
    case 1:
        return acre_arena_registry_lock();
    case 2:
        return acre_heap_lock();
    case 3:
        return &acre_default_arena.depot.lock;
    case 4:
        return &acre_default_arena.pages.lock;
    case 5:
        return acre_huge_lock();
    case 6:
        return acre_supplier_lock();
    case 7:
        return acre_source_lock();
    case 8:
        return acre_map_lock();
    default:
        return acre_metadata_lock();
    }
}
#define LOCKS 10u
enum { REGISTRY = 1, DEPOT = 3, PAGES = 4 }; /* of them */

/* What became of each lock before the fork that this thread is in. */
enum { TAKEN, HELD_BEFORE, NOT_HAD };
static __thread uint8_t had[LOCKS] __attribute__((tls_model("initial-exec")));
static __thread uint8_t had_shared __attribute__((tls_model("initial-exec"))); /* the shared pages' */

static uint8_t take(struct acre_lock *lock) {
    if (acre_lock_is_mine(lock)) return HELD_BEFORE;
    return acre_lock_for_fork(lock) ? TAKEN : NOT_HAD;
}

static void give(struct acre_lock *lock, uint8_t *what, bool in_child) {
    if (*what == NOT_HAD && in_child) acre_lock_reset(lock);
    if (*what == TAKEN) acre_lock_give(lock);
    *what = NOT_HAD;
}

static struct acre_lock *lock_of(struct acre_arena *arena, unsigned which) {
    return which == 0 ? &arena->depot.lock : &arena->pages.lock;
}

/* Calls visit for every arena of the registry, locked or not. */
static void each_arena(void (*visit)(struct acre_arena *arena, unsigned which, bool in_child), unsigned which,
                       bool in_child) {
    struct acre_node *all = acre_arena_registry();
    for (struct acre_node *node = all == NULL ? NULL : all->next; node != NULL && node != all; node = node->next)
        visit(ACRE_CONTAINER_OF(node, struct acre_arena, all_node), which, in_child);
}

static bool all_taken;
static void take_of(struct acre_arena *arena, unsigned which, bool in_child) {
    (void)in_child;
    arena->had_locks[which] = take(lock_of(arena, which));
    all_taken &= arena->had_locks[which] != NOT_HAD;
}
static void give_of(struct acre_arena *arena, unsigned which, bool in_child) {
    give(lock_of(arena, which), &arena->had_locks[which], in_child);
}
static void reset_of(struct acre_arena *arena, unsigned which, bool in_child) {
    (void)in_child;
    acre_lock_reset(lock_of(arena, which));
}

/* The arenas' own, behind the default one's; with the registry, or not at all. false: one could not be had. */
static bool take_behind(unsigned index) {
    if (had[REGISTRY] == NOT_HAD || (index != DEPOT && index != PAGES)) return true;
    all_taken = true;
    each_arena(take_of, index == PAGES, false);
    struct acre_page_heap *shared = acre_arena_shared_pages();
    if (index == PAGES && shared != NULL) {
        had_shared = take(&shared->lock);
        all_taken &= had_shared != NOT_HAD;
    }
    return all_taken;
}

static void give_behind(unsigned index, bool in_child) {
    struct acre_page_heap *shared = acre_arena_shared_pages();
    if (index != DEPOT && index != PAGES) return;
    if (had[REGISTRY] != NOT_HAD)
        each_arena(give_of, index == PAGES, in_child);
    else if (in_child)
        each_arena(reset_of, index == PAGES, in_child);
    if (index != PAGES || shared == NULL) return;
    if (had[REGISTRY] != NOT_HAD)
        give(&shared->lock, &had_shared, in_child);
    else if (in_child)
        acre_lock_reset(&shared->lock);
}

/* Whether another thread has one of the locks now. Who forks does not take the others while it waits: the holder
 * may be in a fork as well, in a handler that interrupted it, and wants them. */
static bool is_any_lock_elsewhere(void) {
    for (unsigned i = 0; i < LOCKS; i++) {
        struct acre_lock *lock = every_lock(i);
        if (atomic_load_explicit(&lock->holder, memory_order_relaxed) != 0 && !acre_lock_is_mine(lock)) return true;
    }
    return false;
}

/* Those before the index, and what is behind them. */
static void give_back(unsigned index, bool in_child) {
    while (index-- > 0) {
        give_behind(index, in_child);
        give(every_lock(index), &had[index], in_child);
    }
}

bool acre_arena_lock_all(enum acre_fork_try how) {
    bool at_any_price = how == ACRE_FORK_AT_ANY_PRICE;
    if (how == ACRE_FORK_POLITELY && is_any_lock_elsewhere()) return false;
    for (unsigned i = 0; i < LOCKS; i++) {
        had[i] = take(every_lock(i));
        bool behind = take_behind(i);
        if ((had[i] != NOT_HAD && behind) || at_any_price) continue;
        give_back(i + 1, false);
        return false;
    }
    return true;
}

static bool was_inside;
static void note_inside(struct acre_arena *arena, unsigned which, bool in_child) {
    (void)which, (void)in_child;
    was_inside |= arena->had_locks[0] != TAKEN || arena->had_locks[1] != TAKEN;
}

bool acre_arena_forked_inside(void) {
    was_inside = false;
    for (unsigned i = 0; i < LOCKS; i++) was_inside |= had[i] != TAKEN;
    if (was_inside) return true;
    if (acre_arena_shared_pages() != NULL) was_inside |= had_shared != TAKEN;
    each_arena(note_inside, 0, false);
    return was_inside;
}

void acre_arena_unlock_all(bool in_child) {
    if (in_child) acre_scavenge_after_fork();
    if (had[0] == NOT_HAD && in_child) acre_gate_open(); /* whoever closed it is not here */
    give_back(LOCKS, in_child);
}

static void forget_place(struct acre_arena *arena, struct acre_inheritance *unused) {
    (void)unused;
    acre_heap_forget_place(&arena->depot);
}
static void inherit_others(struct acre_arena *arena, struct acre_inheritance *left) {
    acre_heap_inherit_others(left, &arena->depot);
}
/* One that was just emptied was so by a thread that is not here: what is left of it is nobody's. */
static void inherit_slabs(struct acre_arena *arena, struct acre_inheritance *left) {
    if (!arena->is_busy) acre_heap_inherit_slabs(left, &arena->pages);
}
static void each_of_all(void (*visit)(struct acre_arena *arena, struct acre_inheritance *left),
                        struct acre_inheritance *left) {
    struct acre_node *all = acre_arena_registry();
    for (struct acre_node *node = all == NULL ? NULL : all->next; node != NULL && node != all; node = node->next)
        visit(ACRE_CONTAINER_OF(node, struct acre_arena, all_node), left);
}

void acre_arena_others_left(void) {
    acre_heap_others_left();
    each_of_all(forget_place, NULL);
}

void acre_arena_after_fork(void) {
    struct acre_inheritance left;
    if (!acre_heap_inherit(&left)) return;
    acre_arena_let_go(); /* whoever visits is not here */
    each_of_all(inherit_others, &left);
    acre_heap_inherit_slabs(&left, &acre_default_arena.pages);
    if (acre_arena_shared_pages() != NULL) acre_heap_inherit_slabs(&left, acre_arena_shared_pages());
    each_of_all(inherit_slabs, &left);
    acre_heap_inherited(&left);
}
