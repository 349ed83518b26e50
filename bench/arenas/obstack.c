#include "backend.h"

#include <obstack.h>
#include <stdlib.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

const char backend_name[] = "obstack";
const int backend_frees_blocks = 0;

void backend_start(void) {}

void *backend_create(void) {
    struct obstack *pool = malloc(sizeof *pool);
    if (pool != NULL) obstack_init(pool);
    return pool;
}

void *backend_take(void *arena, size_t size_bytes) {
    return obstack_alloc((struct obstack *)arena, (int)size_bytes);
}

void backend_end(void *arena) {
    obstack_free((struct obstack *)arena, NULL);
    free(arena);
}
