/* Contexts without a parent, which threads may use side by side. */
#include "backend.h"

#include <talloc.h>

const char backend_name[] = "talloc";
const int backend_frees_blocks = 1;

void backend_start(void) {}
void *backend_create(void) { return talloc_named_const(NULL, 0, "arena"); }
void *backend_take(void *arena, size_t size_bytes) { return talloc_size(arena, size_bytes); }
void backend_end(void *arena) { talloc_free(arena); }
