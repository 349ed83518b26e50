/* The pages of a heap: what each holds, by acre's books, and whether it is in memory, as the kernel says. */
#ifndef ACRE_TOOL_PAGES_H
#define ACRE_TOOL_PAGES_H

#include "heap/heap.h"

/* Where a byte of resident memory belongs. The names are those of the JSON and of the report. */
enum bucket {
    BUCKET_LIVE,     /* blocks that the program holds */
    BUCKET_PARTLY,   /* the rest of pages on which some are: free blocks beside them, rounding */
    BUCKET_STOCK,    /* blocks that threads hold ready, and what was freed and is on its way to its owner */
    BUCKET_WAITING,  /* pages without a live block, until they have waited their time */
    BUCKET_PINNED,   /* the same in the program break, below blocks that keep it from being lowered */
    BUCKET_FRESH,    /* pages of spans that no block lay on yet: behind a huge page, or from an earlier span */
    BUCKET_METADATA, /* acre's own records */
    BUCKETS
};
extern const char *const bucket_keys[BUCKETS];  /* for programs: "partly_used" */
extern const char *const bucket_names[BUCKETS]; /* for people: "partly used pages" */

enum piece_kind { PIECE_FREE, PIECE_SLAB, PIECE_LARGE, PIECE_HUGE, PIECE_CACHED, PIECE_VACANT, PIECE_METADATA };

/* A run of pages that is one thing. */
struct piece {
    uint64_t base;
    size_t pages;
    enum piece_kind kind;
    size_t arena;         /* in heap->arenas, or HEAP_NO_ARENA */
    uint64_t block_bytes; /* of a slab of one size; 0 otherwise */
    uint64_t live_blocks, live_bytes, ready_blocks;
    bool from_break, is_below_live; /* of the break: with live blocks above */
};

/* Or several in a row that are alike, and in one mapping. */
struct page {
    uint64_t address;
    size_t count;
    enum page_state state;
    bool is_resident;     /* anonymous memory; in a core: by acre's books */
    bool is_touched;      /* by acre's books it may hold data */
    uint32_t live, ready; /* bytes of each */
    const struct piece *piece;
};

typedef void visit_page(const struct page *page, void *context);
typedef void visit_piece(const struct piece *piece, void *context); /* after its pages */

/* Visits all pages of acre's that are mapped, in the order of their addresses; but for metadata, which comes last.
 * false: there was no memory. */
bool pages_each(struct heap *heap, visit_page *page, visit_piece *piece, void *context);

/* The bytes of a resident page, of one of them, by bucket; their sum is page_bytes. */
void page_split(const struct heap *heap, const struct page *page, uint64_t bytes[BUCKETS]);

#endif
