/* The chunks of a page heap: how they come, where they are filed, and how they go. With the page heap's lock held.
 */
#ifndef ACRE_SPAN_PAGE_HEAP_CHUNKS_H
#define ACRE_SPAN_PAGE_HEAP_CHUNKS_H

#include "span/page_heap.h"

/* What more than is kept there must be at the break's top before it comes down. */
#define ACRE_TRIM_LEAST_BYTES ((size_t)768 << 10)

ACRE_INLINE size_t acre_chunk_bytes(const struct acre_chunk *chunk) {
    return (size_t)chunk->pages << acre_page_shift();
}

/* Puts the chunk where its free runs say; brings the sums over all chunks up to date. */
void acre_chunks_file(struct acre_page_heap *heap, struct acre_chunk *chunk);
void acre_chunks_count(struct acre_page_heap *heap, struct acre_chunk *chunk);

/* More pages, at least so many bytes of them in one chunk; false when there is no memory. */
bool acre_chunks_grow(struct acre_page_heap *heap, size_t least_bytes);
/* What is free at the break's top, over as many chunks as are wholly free there, counted until it is enough. */
size_t acre_chunks_tail_bytes(const struct acre_page_heap *heap, size_t enough_bytes);
/* Cuts free memory off the break's top, but for keep_bytes of it. */
void acre_chunks_lower_break(struct acre_page_heap *heap, size_t keep_bytes);
/* A wholly free chunk that is not the break's goes back to its source. How much such chunks are. */
void acre_chunks_unmap(struct acre_page_heap *heap, struct acre_chunk *chunk);
size_t acre_chunks_free_bytes(const struct acre_page_heap *heap);

/* Everything in the chunk is free, whatever lay there. */
void acre_chunks_reset(struct acre_page_heap *heap, struct acre_chunk *chunk);
/* A chunk leaves this page heap with its address space; and comes to another one. */
void acre_chunks_disown(struct acre_page_heap *heap, struct acre_chunk *chunk);
void acre_chunks_adopt(struct acre_page_heap *heap, struct acre_chunk *chunk);

#endif
