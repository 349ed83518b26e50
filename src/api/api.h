/* Layer 8: what the functions of the malloc family share. */
#ifndef ACRE_API_API_H
#define ACRE_API_API_H

#include "arena/arena.h"
#include "span/decay.h"

/* Starts the library if it has not started; false when there is no memory for that. */
bool acre_start(void);
void acre_register_fork(void);

/* The calling thread has its heap of the default arena, or gets it here; false when there is no memory for that. */
bool acre_is_ready(void);
void *acre_out_of_memory(void); /* NULL, and errno is ENOMEM */

/* A block of size_bytes (any size), or NULL with errno ENOMEM. Not counted. */
void *acre_allocate(size_t size_bytes);
/* The same, all bytes zero. */
void *acre_allocate_zeroed(size_t size_bytes);
/* alignment: a power of two. */
void *acre_allocate_aligned(size_t size_bytes, size_t alignment);
/* From a heap of the calling thread, whichever arena it is of. A block that is given to acre_reallocate_in comes to
 * the heap's arena. */
void *acre_allocate_in(struct acre_heap *heap, size_t size_bytes);
void *acre_allocate_zeroed_in(struct acre_heap *heap, size_t size_bytes);
void *acre_allocate_aligned_in(struct acre_heap *heap, size_t size_bytes, size_t alignment);
void *acre_reallocate_in(struct acre_heap *heap, void *block, size_t size_bytes);
/* Everything that free does, but counting. */
void acre_release_block(void *block);
/* The same; a block that is not acre's goes to the free that the process calls, if that is another one. */
void acre_release_of_process(void *block);

/* scavenger.c: a start-up's part of it, which starts no thread. */
void acre_scavenger_prepare(void);
/* After a slow path of free: whether to start the scavenger. */
void acre_scavenger_look_in_free(void);
ACRE_INLINE void acre_scavenger_check(void) {
    if (ACRE_UNLIKELY(atomic_load_explicit(&acre_decay.enough, memory_order_relaxed) != 0))
        acre_scavenger_look_in_free();
}
/* In the child of a fork there is none. */
void acre_scavenger_after_fork(void);
/* Usable bytes of a live block. 0: it is none, which is misuse of `function`. */
size_t acre_usable_bytes(const char *function, void *block);

extern struct acre_options acre_options;

#endif
