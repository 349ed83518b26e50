/* acre: malloc that is fast, gives memory back, and shows you where it went.
 *
 * A program linked with libacre (or started with LD_PRELOAD=libacre.so.1) has its malloc family served by
 * acre; nothing needs to be called here for that.
 */
#ifndef ACRE_ACRE_H
#define ACRE_ACRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* Where an arena's memory comes from. */
enum acre_source {
    ACRE_SOURCE_AUTO,    /* acre chooses; for an arena that is ACRE_SOURCE_MMAP */
    ACRE_SOURCE_BRK,     /* the program break, and mmap where it cannot grow */
    ACRE_SOURCE_MMAP,    /* anonymous mappings */
    ACRE_SOURCE_RANGE,   /* memory that the caller has */
    ACRE_SOURCE_HUGETLB, /* anonymous mappings of pages of 2 MiB that the administrator has set aside */
    ACRE_SOURCE_CUSTOM   /* the caller's functions */
};

/* Whether transparent huge pages are to lie behind it. */
enum acre_thp { ACRE_THP_AUTO, ACRE_THP_ALWAYS, ACRE_THP_NEVER };

/* The caller's own source. Called with locks of the arena held: they must not call into it, nor malloc while it is
 * entered. take: size_bytes (a multiple of 64 KiB) of memory that may be read and written, at a multiple of
 * alignment (a power of two, at least 64 KiB); what it holds does not matter; NULL: there is none. give: what take
 * gave, whole; false: it stays with the caller anyway. May be NULL: then nothing is given back before the arena's
 * end, nor then. */
struct acre_source_functions {
    void *(*take)(void *context, size_t size_bytes, size_t alignment);
    bool (*give)(void *context, void *start, size_t size_bytes);
    void *context;
};

/* C23's sized frees, for C libraries that do not declare them yet. `size` (bytes) and `alignment` are those of
 * the allocation; a wrong size is undefined in C23 and harmless here. NULL does nothing; errno is kept.
 * Thread-safe; not async-signal-safe. */
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

#ifdef __cplusplus
}
#endif

#endif
