/* Layer 7: an arena joins a supplier, a page heap, a depot and huge blocks. The default one serves malloc.
 *
 * The others are in a registry. While they are small they borrow granules of a page heap that they share. A handle
 * is one of the places in an arena's record: a record that serves again has another place in use, so that a handle
 * of its former life is noticed. */
#ifndef ACRE_ARENA_ARENA_H
#define ACRE_ARENA_ARENA_H

#include "heap/heap.h"
#include "options/options.h"
#include "span/huge.h"

#define ACRE_ARENA_LIVES 16u
#define ACRE_ARENA_NAME_MOST 32u

/* Counting build: its row in the record, from 1 on (0: none), and its part of it. */
struct acre_arena_counts {
    _Atomic uint32_t row;
    _Atomic uint64_t held_bytes, live_bytes, live_blocks, calls;
};

struct acre_arena {
    struct acre_arena_place places[ACRE_ARENA_LIVES];
    struct acre_supplier supplier;
    struct acre_page_heap pages;
    struct acre_depot depot;
    struct acre_huge_space huge;
    const char *name;
    char name_text[ACRE_ARENA_NAME_MOST];
    struct acre_node all_node; /* of those in the registry */
    uint32_t life;             /* which place is in use */
    struct acre_node parked_node;
    size_t parked_bytes;
    bool is_parked;       /* at its end, with its memory, until there is another one like it */
    bool is_busy;         /* its blocks are at their end just now */
    uint8_t had_locks[2]; /* during a fork: its depot's, its page heap's */
    struct acre_arena_counts counts;
};
extern struct acre_arena acre_default_arena;
extern struct acre_node acre_arena_list;        /* the registry */
extern struct acre_page_heap acre_arena_shared; /* what small arenas borrow from */

void acre_arena_start(struct acre_arena *arena, const char *name, const struct acre_options *options);

/* A new arena; NULL, and in *error what errno is to be. */
struct acre_arena *acre_arena_new(const struct acre_arena_options *wanted, const struct acre_options *options,
                                  int *error);
/* The arena of a handle; NULL when there is none any more. */
struct acre_arena *acre_arena_of_place(const struct acre_arena_place *place);
/* The arenas that a depot, a page heap and huge blocks belong to. */
ACRE_INLINE struct acre_arena *acre_arena_of_depot(struct acre_depot *depot) {
    return ACRE_CONTAINER_OF(depot, struct acre_arena, depot);
}
ACRE_INLINE struct acre_arena *acre_arena_of_pages(struct acre_page_heap *pages) {
    return ACRE_CONTAINER_OF(pages, struct acre_arena, pages);
}
ACRE_INLINE struct acre_arena *acre_arena_of_huge(struct acre_huge_space *huge) {
    return ACRE_CONTAINER_OF(huge, struct acre_arena, huge);
}
/* Of what the map leads to; NULL: of none. */
struct acre_arena *acre_arena_of_span(struct acre_span *span);

/* The end of its blocks; and of the arena. No other thread uses it. false: it has come to its end before. */
void acre_arena_empty(struct acre_arena *arena);
bool acre_arena_end(struct acre_arena *arena, const struct acre_arena_place *place);
/* What is kept of arenas that have ended goes. */
void acre_arena_end_parked(void);

/* Calls visit for each arena but the default one and those that are just emptied, with the registry locked (by the
 * caller, if it is so already), until it returns false; whether it did not. */
typedef bool acre_arena_visit(struct acre_arena *arena, void *context);
bool acre_arena_visit_all(acre_arena_visit *visit, void *context);
/* Likewise, but for those that are parked: what the program knows of. */
bool acre_arena_visit_made(acre_arena_visit *visit, void *context);
/* The first or the next arena of the registry, which cannot end until the next call, or acre_arena_let_go; NULL:
 * there is none any more, or (*busy) others keep the registry locked. For one visitor at a time, who does not wait
 * for locks. */
struct acre_arena *acre_arena_hold(bool first, bool *busy);
void acre_arena_let_go(void);
/* The page heap that small arenas share, and the registry's head; NULL when there is no arena yet. */
struct acre_page_heap *acre_arena_shared_pages(void);
struct acre_node *acre_arena_registry(void);
struct acre_lock *acre_arena_registry_lock(void);

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
/* In the child: the threads that are not there are so to heaps and arenas, too, whatever state these are in. */
void acre_arena_others_left(void);
/* And what they had comes to this one. */
void acre_arena_after_fork(void);

#endif
