/* acre: malloc that is fast, gives memory back, and shows you where it went.
 *
 * A program linked with libacre (or started with LD_PRELOAD=libacre.so.1) has its malloc family served by
 * acre; nothing needs to be called here for that.
 */
#ifndef ACRE_ACRE_H
#define ACRE_ACRE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ACRE_VERSION_MAJOR 0
#define ACRE_VERSION_MINOR 1
#define ACRE_VERSION_PATCH 0
#define ACRE_VERSION "0.1.0"

/* The version of the library in use, "MAJOR.MINOR.PATCH"; a constant string. Never fails.
 * Thread-safe and async-signal-safe. */
const char *acre_version(void);

/* Gives everything that is free back to Linux at once, whichever thread freed it, sleeping ones' included; what is
 * freed otherwise goes back by itself some time later (option decay_ms). 1 when anything was given back, else 0;
 * errno is kept. malloc_trim(0) does the same. Other threads that call malloc meanwhile may wait for about a
 * millisecond at a time. Thread-safe; not async-signal-safe. */
int acre_release(void);

/* C23's sized frees, for C libraries that do not declare them yet. `size` (bytes) and `alignment` are those of
 * the allocation; a wrong size is undefined in C23 and harmless here. NULL does nothing; errno is kept.
 * Thread-safe; not async-signal-safe. */
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

#ifdef __cplusplus
}
#endif

#endif
