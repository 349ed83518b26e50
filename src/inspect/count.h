/* Counting: libacre-count.so is built from the same sources with ACRE_COUNT; in the plain library these hooks are
 * empty and cost nothing; ThreadSanitizer alone is told of reuse by them (base/tsan.h). The figures go to the record
 * that `acre run` made (inspect/count_record.h). */
#ifndef ACRE_INSPECT_COUNT_H
#define ACRE_INSPECT_COUNT_H

#include "arena/arena.h"
#include "inspect/count_record.h"

#if defined(ACRE_COUNT)

/* Finds the record named in the environment; without one, counts where nobody looks. After acre has started. */
void acre_count_start(void);
void acre_count_name(void);  /* the program's name is known now */
void acre_count_end(void);   /* a regular exit: the last figures */
void acre_count_fork(void);  /* before a fork */
void acre_count_child(void); /* in its child */

/* A call of this kind gave `block` (NULL: it failed) for size_bytes; returns the block. `place`: the arena that it
 * asked for it, NULL: what malloc takes from. */
void *acre_counted_in(const struct acre_arena_place *place, enum acre_count_call call, size_t size_bytes,
                      void *block);
/* Before a block is freed by a call of free. NULL and strangers are only counted as calls. */
void acre_count_free(void *block);
/* Before and after a realloc: what the old block was; the change. */
struct acre_count_before {
    void *block;
    struct acre_arena *arena;
    size_t asked_bytes;
};
struct acre_count_before acre_count_before(void *block);
void *acre_counted_again(const struct acre_arena_place *place, struct acre_count_before before, size_t size_bytes,
                         void *block);

/* After an arena is made; before the end of all its blocks, and its own. */
void acre_count_create(struct acre_arena *arena);
void acre_count_reset(struct acre_arena *arena);
void acre_count_destroy(struct acre_arena *arena);

#else

ACRE_INLINE void acre_count_start(void) {}
ACRE_INLINE void acre_count_name(void) {}
ACRE_INLINE void acre_count_end(void) {}
ACRE_INLINE void acre_count_fork(void) {}
ACRE_INLINE void acre_count_child(void) {}
ACRE_INLINE void *acre_counted_in(const struct acre_arena_place *place, enum acre_count_call call,
                                  size_t size_bytes, void *block) {
    (void)place;
    (void)call;
    if (block != NULL) acre_note_reuse(block, size_bytes);
    return block;
}
ACRE_INLINE void acre_count_free(void *block) { (void)block; }
struct acre_count_before {};
ACRE_INLINE struct acre_count_before acre_count_before(void *block) {
    (void)block;
    return (struct acre_count_before){};
}
ACRE_INLINE void *acre_counted_again(const struct acre_arena_place *place, struct acre_count_before before,
                                     size_t size_bytes, void *block) {
    (void)place;
    (void)before;
    (void)size_bytes;
    return block;
}
ACRE_INLINE void acre_count_create(struct acre_arena *arena) { (void)arena; }
ACRE_INLINE void acre_count_reset(struct acre_arena *arena) { (void)arena; }
ACRE_INLINE void acre_count_destroy(struct acre_arena *arena) { (void)arena; }

#endif

ACRE_INLINE void *acre_counted(enum acre_count_call call, size_t size_bytes, void *block) {
    return acre_counted_in(NULL, call, size_bytes, block);
}

#endif
