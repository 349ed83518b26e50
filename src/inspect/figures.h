/* What the heap holds, added up from the books when somebody asks. */
#ifndef ACRE_INSPECT_FIGURES_H
#define ACRE_INSPECT_FIGURES_H

#include "arena/arena.h"

struct acre_figures {
    size_t live_bytes, live_blocks;   /* size classes of small blocks; what was asked of large and huge ones */
    size_t large_bytes, large_blocks; /* of these: large */
    size_t huge_bytes, huge_blocks;   /* of these: huge */
    size_t held_bytes;                /* chunks and huge mappings, the cache included */
    size_t break_bytes;               /* of the chunks: from the break */
    size_t chunks;
    size_t free_page_bytes; /* in chunks, in no span */
    size_t top_bytes;       /* of these: at the break's top, which malloc_trim would lower first */
    size_t retained_bytes;  /* may be resident and holds no live block, by acre's own books */
    size_t free_slab_bytes; /* free blocks in slabs, less their pages that were released */
    size_t cached_bytes;    /* huge mappings that wait for reuse */
    size_t metadata_bytes;
};

/* Of all arenas together. Locks one page heap after the other; the slabs of running threads are read as they stand,
 * so their part is near the truth while they run and exact when they do not. */
void acre_figures_collect(struct acre_figures *figures);

/* Of one arena alone; without metadata, which is everybody's. */
void acre_figures_of(struct acre_arena *arena, struct acre_figures *figures);

/* How much of what the arena holds is in memory, as the kernel says, which is asked once for each thousand pages
 * and with no lock held. Without the cache of huge blocks, which is nobody's. */
size_t acre_figures_resident(struct acre_arena *arena);

/* Fills cells (0..100: per cent of live bytes; 255: nothing there) with equal parts of the address space of all
 * chunks in address order, without the gaps; how many were filled. */
unsigned acre_figures_picture(uint8_t *cells, unsigned most);

#endif
