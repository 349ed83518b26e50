/* The cases of misuse: what each does, on a block of each kind, and the line that acre is to write. */
#ifndef ACRE_TESTS_MISUSE_H
#define ACRE_TESTS_MISUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Acre's arenas and C23's and C++'s frees, where the malloc in effect has them. */
typedef struct acre_arena_place acre_arena;
extern acre_arena *acre_arena_create(const void *options) __attribute__((weak));
extern void *acre_arena_malloc(acre_arena *arena, size_t size) __attribute__((weak));
extern void free_sized(void *block, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *block, size_t alignment, size_t size) __attribute__((weak));
extern void sized_delete(void *block, size_t size) __asm__("_ZdlPvm") __attribute__((weak));
extern void sized_aligned_delete(void *block, size_t size, size_t alignment) __asm__("_ZdlPvmSt11align_val_t")
    __attribute__((weak));

/* Kinds of blocks. */
struct kind {
    const char *name;
    size_t size;
    bool in_arena;
    void (*prepare)(void); /* or NULL */
    unsigned churn;        /* how many blocks come and go in churn() */
};
extern const struct kind small_kind, recent_kind, medium_kind, large_kind, huge_kind, unmapped_kind, mixed_kind,
    arena_small_kind, arena_medium_kind, arena_large_kind, arena_huge_kind;

/* Set for the case that runs. */
extern const struct kind *kind;

/* A block of the kind, filled; and one that is looked at in the end: the case's misuse must not have touched it. */
void *take(void);
void *take_and_keep(void);
/* Many blocks of the kind come and go. */
void churn(void);
/* Through a volatile, so that the compiler neither warns about nor folds what is wrong on purpose. */
void *hide(void *pointer);
/* Runs it in another thread, to its end. */
void in_thread(void (*run)(void *), void *argument);
/* The same, but the thread goes on until finish(). */
void start_thread(void (*run)(void *), void *argument);
void finish(void);
/* What a case found that must not be: ends the process with a status of its own. */
_Noreturn void fail(const char *what);
/* realloc or malloc_usable_size took what is no block of the program: likewise. */
_Noreturn void took(void);

struct row {
    const char *name;
    void (*run)(void);
    const struct kind *kind; /* NULL: of none */
    /* What acre writes, behind "acre: ", with wildcards, and "|" between several; NULL: nothing, and it ends well.
     */
    const char *line;
};
extern const struct row rows_of_blocks[], rows_of_addresses[], rows_of_threads[]; /* each ends with a NULL name */

#endif
