/* Apart from where free and realloc are defined: there the compiler may take them for what the process calls so. */
#include "api/process.h"

#include <stdlib.h>

static bool is_another(uintptr_t function, uintptr_t own) { return acre_copy(function) != acre_copy(own); }

bool acre_process_frees_itself(void) { return is_another((uintptr_t)free, (uintptr_t)acre_own_free); }
bool acre_process_reallocates_itself(void) { return is_another((uintptr_t)realloc, (uintptr_t)acre_own_realloc); }

void acre_process_free(void *block) { free(block); }
void *acre_process_realloc(void *block, size_t size_bytes) { return realloc(block, size_bytes); }
