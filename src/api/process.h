/* Layer 8: a program that defines malloc and free itself comes before a preloaded acre, but not with everything
 * that libc and the C++ runtime make of these: what it does not define is acre's, and gets the program's blocks. In
 * the runtime that ends in the program's own functions, and so it does here. */
#ifndef ACRE_API_PROCESS_H
#define ACRE_API_PROCESS_H

#include "base/base.h"

/* acre's, under names that nobody can take their place in. */
void acre_own_free(void *block);
void *acre_own_realloc(void *block, size_t size_bytes);

/* Whether what the process calls by these names is another's. */
bool acre_process_frees_itself(void);
bool acre_process_reallocates_itself(void);

void acre_process_free(void *block);
void *acre_process_realloc(void *block, size_t size_bytes);

#endif
