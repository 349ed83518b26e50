/* Every live block of an arena that nobody uses meanwhile. */
#ifndef ACRE_INSPECT_WALK_H
#define ACRE_INSPECT_WALK_H

#include "arena/arena.h"

/* Calls visit for each, without a lock, until it returns false; whether it did not. */
bool acre_walk_blocks(struct acre_arena *arena, acre_visit_block *visit, void *context);
/* Whether the address lies in memory that the arena holds for blocks. */
bool acre_walk_contains(struct acre_arena *arena, uintptr_t address);

#endif
