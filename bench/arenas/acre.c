#include "backend.h"

#include <acre/acre.h>

const char backend_name[] = "acre";
const int backend_frees_blocks = 1;

void backend_start(void) {}
void *backend_create(void) { return acre_arena_create(NULL); }
void *backend_take(void *arena, size_t size_bytes) { return acre_arena_malloc(arena, size_bytes); }
void backend_end(void *arena) { acre_arena_destroy(arena); }
