/* The blocks of one slab: which are live. */
#ifndef ACRE_TOOL_BLOCKS_H
#define ACRE_TOOL_BLOCKS_H

#include "heap/heap.h"

enum { SLAB_PAGES_MOST = 64 };

struct slab_pages {
    uint64_t live_blocks, live_bytes, ready_blocks;
    uint64_t block_bytes; /* 0: of mixed sizes */
    uint64_t depot;
    uint64_t touched; /* pages that may hold data, by acre's books: a bit each */
    uint32_t live[SLAB_PAGES_MOST], ready[SLAB_PAGES_MOST]; /* bytes on each page */
};

/* Of the slab whose span begins at base and has so many pages (at most SLAB_PAGES_MOST). false: there is none, or
 * it changed while it was read. */
bool blocks_of_slab(struct heap *heap, uint64_t base, uint32_t pages, struct slab_pages *slab);

/* Calls visit for every live block of it. */
typedef void visit_block(uint64_t address, uint64_t size_bytes, void *context);
bool blocks_each_live(struct heap *heap, uint64_t base, uint32_t pages, visit_block *visit, void *context);

#endif
