/* What the arenas of each library have in common. One file a library; the program is built once with each. */
#ifndef ACRE_BENCH_ARENAS_BACKEND_H
#define ACRE_BENCH_ARENAS_BACKEND_H

#include <stddef.h>

/* Its name, and whether blocks can be freed one by one (else it is a pool). */
extern const char backend_name[];
extern const int backend_frees_blocks;

/* In every thread before its first call. */
void backend_start(void);
void *backend_create(void); /* NULL: none */
void *backend_take(void *arena, size_t size_bytes);
void backend_end(void *arena); /* with all its blocks */

#endif
