#include "backend.h"

#include <mimalloc.h>

const char backend_name[] = "mimalloc";
const int backend_frees_blocks = 1;

void backend_start(void) {}
void *backend_create(void) { return mi_heap_new(); }
void *backend_take(void *arena, size_t size_bytes) { return mi_heap_malloc(arena, size_bytes); }
void backend_end(void *arena) { mi_heap_destroy(arena); }
