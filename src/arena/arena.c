#include "arena/arena.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "span/huge.h"

struct acre_arena acre_default_arena;

void acre_arena_start(struct acre_arena *arena, const char *name, const struct acre_options *options) {
    struct acre_page_policy pages = {(enum acre_source)options->source, options->brk_limit_bytes};
    arena->name = name;
    acre_page_heap_start(&arena->pages, &pages);
    acre_depot_start(&arena->depot, &arena->pages);
    acre_heap_start(&arena->depot);
}

static void lock_depot(void) { acre_lock(&acre_default_arena.depot.lock); }
static void unlock_depot(void) { acre_unlock(&acre_default_arena.depot.lock); }
static bool depot_is_mine(void) { return acre_lock_is_mine(&acre_default_arena.depot.lock); }
static void lock_pages(void) { acre_lock(&acre_default_arena.pages.lock); }
static void unlock_pages(void) { acre_unlock(&acre_default_arena.pages.lock); }
static bool pages_are_mine(void) { return acre_lock_is_mine(&acre_default_arena.pages.lock); }

static const struct {
    void (*lock)(void);
    void (*unlock)(void);
    bool (*is_mine)(void);
} locks[] = {
    {acre_heap_lock, acre_heap_unlock, acre_heap_lock_is_mine},
    {lock_depot, unlock_depot, depot_is_mine},
    {lock_pages, unlock_pages, pages_are_mine},
    {acre_huge_lock, acre_huge_unlock, acre_huge_lock_is_mine},
    {acre_source_lock, acre_source_unlock, acre_source_lock_is_mine},
    {acre_map_lock, acre_map_unlock, acre_map_lock_is_mine},
    {acre_metadata_lock, acre_metadata_unlock, acre_metadata_lock_is_mine},
};
#define LOCKS (sizeof locks / sizeof locks[0])

/* Which of them the forking thread held before: written and read under the locks themselves. */
static bool held_before[LOCKS];

void acre_arena_lock_all(void) {
    bool mine[LOCKS];
    for (unsigned i = 0; i < LOCKS; i++) {
        mine[i] = locks[i].is_mine();
        if (!mine[i]) locks[i].lock();
    }
    for (unsigned i = 0; i < LOCKS; i++) held_before[i] = mine[i];
}

bool acre_arena_forked_inside(void) {
    for (unsigned i = 0; i < LOCKS; i++) {
        if (held_before[i]) return true;
    }
    return false;
}

void acre_arena_unlock_all(void) {
    bool mine[LOCKS];
    for (unsigned i = 0; i < LOCKS; i++) mine[i] = held_before[i];
    for (unsigned i = LOCKS; i-- > 0;) {
        if (!mine[i]) locks[i].unlock();
    }
}
