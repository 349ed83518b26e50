/* Counting: libacre-count.so is built from the same sources with ACRE_COUNT; in the plain library these hooks are
 * empty and cost nothing. The figures go to the record that `acre run` made (inspect/count_record.h). */
#ifndef ACRE_INSPECT_COUNT_H
#define ACRE_INSPECT_COUNT_H

#include "arena/arena.h"
#include "inspect/count_record.h"

#if defined(ACRE_COUNT)

/* Finds the record named in the environment; without one, counts where nobody looks. After acre has started. */
void acre_count_start(void);
void acre_count_name(void);  /* the program's name is known now */
void acre_count_end(void);   /* a regular exit: the last figures */
void acre_count_child(void); /* in the child of a fork */

/* A call of this kind gave `block` (NULL: it failed) for size_bytes; returns the block. */
void *acre_counted(enum acre_count_call call, size_t size_bytes, void *block);
/* Before a block is freed by a call of free. NULL and strangers are only counted as calls. */
void acre_count_free(void *block);
/* Before and after a realloc: what was asked for the old block; the change. */
size_t acre_count_asked(void *block);
void *acre_counted_again(void *old, size_t old_bytes, size_t size_bytes, void *block);

/* Before the end of all blocks of an arena. */
void acre_count_end_of(struct acre_arena *arena);

#else

ACRE_INLINE void acre_count_start(void) {}
ACRE_INLINE void acre_count_name(void) {}
ACRE_INLINE void acre_count_end(void) {}
ACRE_INLINE void acre_count_child(void) {}
ACRE_INLINE void *acre_counted(enum acre_count_call call, size_t size_bytes, void *block) {
    (void)call;
    (void)size_bytes;
    return block;
}
ACRE_INLINE void acre_count_free(void *block) { (void)block; }
ACRE_INLINE void acre_count_end_of(struct acre_arena *arena) { (void)arena; }
ACRE_INLINE size_t acre_count_asked(void *block) {
    (void)block;
    return 0;
}
ACRE_INLINE void *acre_counted_again(void *old, size_t old_bytes, size_t size_bytes, void *block) {
    (void)old;
    (void)old_bytes;
    (void)size_bytes;
    return block;
}

#endif
#endif
