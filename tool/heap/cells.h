/* The address space of a heap as a picture: equal cells, in segments of addresses that lie close together. */
#ifndef ACRE_TOOL_CELLS_H
#define ACRE_TOOL_CELLS_H

#include "heap/pages.h"

/* What a cell is drawn as: the first of these that there is any of in it. */
enum cell_kind {
    CELL_LIVE,     /* live blocks */
    CELL_STOCK,    /* blocks that threads hold ready */
    CELL_METADATA, /* acre's own records */
    CELL_FREE,     /* free, and in memory */
    CELL_OTHER,    /* in memory, and not acre's */
    CELL_RELEASED, /* acre's, and not in memory */
    CELL_NOTHING,  /* addresses that are not acre's, or nobody's */
    CELL_KINDS
};
extern const char cell_letters[CELL_KINDS + 1];
extern const char *const cell_names[CELL_KINDS];

struct cell { /* there may be millions */
    uint64_t live_bytes;
    uint64_t acre_bytes;          /* of the cell's addresses those that are acre's */
    uint64_t resident_bytes;      /* of these */
    uint32_t other_pages;         /* resident, not acre's */
    bool has_ready, has_metadata; /* blocks that threads hold ready; resident records */
};

struct segment {
    uint64_t start, end;
    bool is_break; /* the program break lies in it */
    size_t first_cell, cell_count;
};

struct cells {
    uint64_t cell_bytes;
    struct segment *segments;
    size_t segment_count;
    struct cell *cells;
    size_t cell_count;
};

/* cell_bytes 0: as small as gives not many more than `wanted` cells. false after one line on stderr. */
bool cells_make(struct cells *cells, struct heap *heap, uint64_t cell_bytes, size_t wanted);
void cells_free(struct cells *cells);

enum cell_kind cell_kind_of(const struct cell *cell);
/* How full of live blocks, of the cell's addresses that are acre's: 1 to `levels`; 0 where none is. */
unsigned cell_level(const struct cell *cell, unsigned levels);

#endif
