/* Layer 7: an arena joins a supplier, a page heap, a depot and huge blocks. The default one serves malloc. */
#ifndef ACRE_ARENA_ARENA_H
#define ACRE_ARENA_ARENA_H

#include "heap/heap.h"
#include "options/options.h"
#include "span/huge.h"

struct acre_arena {
    struct acre_supplier supplier;
    struct acre_page_heap pages;
    struct acre_depot depot;
    struct acre_huge_space huge;
    const char *name;
};
extern struct acre_arena acre_default_arena;

void acre_arena_start(struct acre_arena *arena, const char *name, const struct acre_options *options);

/* Every lock that allocation can take, from the outermost in, so that a fork finds the books whole. One that the
 * caller holds already (its signal handler forks) stays its own. false, and none is taken, when another thread
 * keeps one: it may be waiting for something of ours. Politely: only if at the first look nobody has one. At any
 * price: what cannot be had is left to its holder, and is free in the child, whose books may then be in the middle
 * of a change. */
enum acre_fork_try { ACRE_FORK_POLITELY, ACRE_FORK_PUSHING, ACRE_FORK_AT_ANY_PRICE };
bool acre_arena_lock_all(enum acre_fork_try how);
void acre_arena_unlock_all(bool in_child);
/* Between the two: whether the forking thread held one of the locks before. */
bool acre_arena_forked_inside(void);

#endif
