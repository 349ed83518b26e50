/* One chunk: up to 64 granules in a row, cut into runs of pages.
 *
 * page[i] is meaningful at the first and the last page of each run (boundary tags, out of band):
 *     bits 0..1 state, bits 2..12 length in pages, bits 13..31 slack (bytes of a large block not asked for)
 * Algebra: the runs follow each other without a gap from page 0 to `pages`; no two free runs are neighbours;
 * free_pages is the sum of the free runs; longest_run is at least the longest free run; bit g of free_granules is
 * set exactly when all pages of granule g are free; dirty has a bit for each free page that may hold old data
 * (its bits under pages in use say what held some when they were taken), and dirty_pages counts those bits; waited
 * has a bit for each page that was free at the last look (acre_chunk_look) and has not been freed since; released
 * has one for each page that was given back by advice and has not been taken since. */
#ifndef ACRE_SPAN_CHUNK_H
#define ACRE_SPAN_CHUNK_H

#include "base/list.h"
#include "metadata/span.h"

#define ACRE_CHUNK_GRANULES 64u
#define ACRE_CHUNK_BYTES (ACRE_CHUNK_GRANULES * ACRE_GRANULE_BYTES)
#define ACRE_CHUNK_PAGES 1024u /* the most: granules of 16 pages of 4 KiB */

enum acre_run_state { ACRE_RUN_FREE = 1, ACRE_RUN_LARGE = 2, ACRE_RUN_SLAB = 3 };

struct acre_page_heap;

struct acre_chunk {
    struct acre_span span;
    struct acre_page_heap *heap; /* whose it is */
    uint32_t pages;              /* a whole number of granules */
    uint32_t free_pages;
    uint32_t dirty_pages; /* of the free ones */
    uint32_t longest_run;
    bool from_break;
    bool huge_pages;                              /* were asked for: what was not touched may be resident as well */
    bool advised;                                 /* they still are; no longer when something of it was released */
    uint32_t filed_free_pages, filed_dirty_pages; /* page heap: its part of the sums there */
    uint64_t free_granules;
    struct acre_node all_node;     /* page heap: every chunk */
    struct acre_node run_node;     /* page heap: by longest_run */
    struct acre_node granule_node; /* page heap: chunks with a free granule */
    uint64_t dirty[ACRE_CHUNK_PAGES / 64];
    uint64_t waited[ACRE_CHUNK_PAGES / 64];
    uint64_t released[ACRE_CHUNK_PAGES / 64];
    uint32_t again_pages; /* that were released and then taken, and are in no sum yet */
    bool has_holes;       /* a slab in it has pages that are due (slab/holes.h) */
    uint32_t page[ACRE_CHUNK_PAGES];
};

/* log2 of the bytes of a page of page heaps: an OS page, but at least 4 KiB. */
unsigned acre_page_shift(void);

void acre_chunk_start(struct acre_chunk *chunk, uintptr_t base, bool from_break);
/* Adds fresh pages behind the last one; takes free ones away from there. */
void acre_chunk_extend(struct acre_chunk *chunk, uint32_t pages);
void acre_chunk_cut(struct acre_chunk *chunk, uint32_t pages);

#define ACRE_NO_RUN UINT32_MAX
/* The best fitting free run cut to `pages`, its first page a multiple of `alignment_pages`; the index, or
 * ACRE_NO_RUN. *dirty: how many of its pages hold old data; the others read as zeros. */
uint32_t acre_chunk_take(struct acre_chunk *chunk, uint32_t pages, uint32_t alignment_pages,
                         enum acre_run_state state, uint32_t *dirty);
/* Where `granules` whole free ones begin, by its page, or ACRE_NO_RUN: the lowest, when touched_pages is 0:
 * unknown. A single one of which the first so many pages will be touched: where the price of that is least, or fine
 * already, of the lowest `most` (1 or more). A page without old data among them costs more than anything else,
 * since it will be resident besides what is; old data behind them is lost to others that would come to it
 * (docs/decisions/0014-place-of-a-slab.md). */
uint32_t acre_chunk_find_granules(const struct acre_chunk *chunk, uint32_t granules, uint32_t touched_pages,
                                  uint32_t most, uint32_t *price);
#define ACRE_PRICE_FINE 2u
/* Takes what was found. */
void acre_chunk_take_granules(struct acre_chunk *chunk, uint32_t index, uint32_t granules);
/* How many of these free pages may hold old data. */
uint32_t acre_chunk_count_dirty(const struct acre_chunk *chunk, uint32_t index, uint32_t pages);
/* Free pages [index, index + pages) were released: they hold no old data any more. */
void acre_chunk_note_released(struct acre_chunk *chunk, uint32_t index, uint32_t pages);
/* Of the free pages [*page, end) the first in a row that hold old data and did so at the last look: how many, and
 * in *page where they begin; 0: none. */
uint32_t acre_chunk_find_waited(const struct acre_chunk *chunk, uint32_t *page, uint32_t end);
/* Every free page may hold old data: behind a huge page they are there though nobody touched them. */
void acre_chunk_mark_dirty(struct acre_chunk *chunk);
/* What is free waits from now on. */
void acre_chunk_look(struct acre_chunk *chunk);
/* All of its pages are one free run. */
void acre_chunk_free_all(struct acre_chunk *chunk);
/* Gives back pages of a run from its end or all of it; the first touched_pages of them hold old data. */
void acre_chunk_free(struct acre_chunk *chunk, uint32_t index, uint32_t pages, uint32_t touched_pages);
/* Grows the run at index into free pages behind it; shrinks it. */
bool acre_chunk_grow_run(struct acre_chunk *chunk, uint32_t index, uint32_t pages);
void acre_chunk_shrink_run(struct acre_chunk *chunk, uint32_t index, uint32_t pages);

ACRE_INLINE enum acre_run_state acre_run_state(const struct acre_chunk *chunk, uint32_t index) {
    return (enum acre_run_state)(chunk->page[index] & 3u);
}
ACRE_INLINE uint32_t acre_run_pages(const struct acre_chunk *chunk, uint32_t index) {
    return chunk->page[index] >> 2 & 0x7ffu;
}
ACRE_INLINE uint32_t acre_run_slack(const struct acre_chunk *chunk, uint32_t index) {
    return chunk->page[index] >> 13;
}
void acre_run_set_slack(struct acre_chunk *chunk, uint32_t index, uint32_t slack_bytes);
/* The index of the free run that ends the chunk, or ACRE_NO_RUN. */
uint32_t acre_chunk_last_free(const struct acre_chunk *chunk);
/* Whether a run of any state begins at this page (walks the chunk: for checks and errors). */
bool acre_chunk_run_begins(const struct acre_chunk *chunk, uint32_t index);

/* Visits every run: free pages, a large block, or a slab. */
typedef void acre_visit_run(struct acre_chunk *chunk, uint32_t index, uint32_t pages, void *context);
void acre_chunk_each_run(struct acre_chunk *chunk, acre_visit_run *visit, void *context);
ACRE_INLINE uintptr_t acre_run_address(const struct acre_chunk *chunk, uint32_t index) {
    return chunk->span.base + ((uintptr_t)index << acre_page_shift());
}

bool acre_chunk_is_valid(const struct acre_chunk *chunk);

#endif
