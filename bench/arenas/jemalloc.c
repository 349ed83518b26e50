/* An arena is a number; its blocks must not come from a thread's cache, which belongs to all arenas, so they go
 * through a cache of their own. */
#include "backend.h"

#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

const char backend_name[] = "jemalloc";
const int backend_frees_blocks = 1;

struct arena {
    unsigned number, cache;
};

void backend_start(void) {}

void *backend_create(void) {
    struct arena *arena = malloc(sizeof *arena);
    size_t room_bytes = sizeof arena->number;
    if (arena == NULL || mallctl("arenas.create", &arena->number, &room_bytes, NULL, 0) != 0) return NULL;
    room_bytes = sizeof arena->cache;
    return mallctl("tcache.create", &arena->cache, &room_bytes, NULL, 0) == 0 ? arena : NULL;
}

void *backend_take(void *arena, size_t size_bytes) {
    const struct arena *it = arena;
    return mallocx(size_bytes, MALLOCX_ARENA(it->number) | MALLOCX_TCACHE(it->cache));
}

void backend_end(void *arena) {
    struct arena *it = arena;
    char name[40];
    mallctl("tcache.destroy", NULL, NULL, &it->cache, sizeof it->cache);
    snprintf(name, sizeof name, "arena.%u.destroy", it->number);
    mallctl(name, NULL, NULL, NULL, 0);
    free(it);
}
