#include "heap/cells.h"

#include "complain.h"

#include <stdlib.h>

const char cell_letters[CELL_KINDS + 1] = "Lsmfo. ";
const char *const cell_names[CELL_KINDS] = {"live blocks", "thread stock",  "metadata", "free, in memory",
                                            "not acre's",  "not in memory", "nothing"};

/* More cells than anybody can use; of a mapping that would have so many, only what is near acre's is drawn:
 * somebody may have mapped far more than there is memory. */
#define CELLS_MOST ((size_t)1 << 24)
#define MAPPING_CELLS_MOST ((size_t)1 << 20)
#define NEAR_CELLS 64

/* What of acre's lies in one mapping, in a row. */
struct range {
    uint64_t start, end;
    const struct mapping *mapping;
};

struct making {
    struct cells *cells;
    struct heap *heap;
    struct range *ranges;
    size_t range_count, range_room;
    uint64_t acre_bytes;
    const struct segment *segment; /* of the last page */
};

static int by_start(const void *one, const void *other) {
    const struct segment *a = one, *b = other;
    return (a->start > b->start) - (a->start < b->start);
}

static bool add_range(struct making *making, const struct range *range) {
    struct range *last = making->range_count == 0 ? NULL : &making->ranges[making->range_count - 1];
    if (last != NULL && last->mapping == range->mapping && last->end == range->start) {
        last->end = range->end;
        return true;
    }
    if (making->range_count == making->range_room) {
        size_t more = making->range_room * 2 + 64;
        struct range *moved = realloc(making->ranges, more * sizeof *moved);
        if (moved == NULL) {
            return false;
        }
        making->ranges = moved;
        making->range_room = more;
    }
    making->ranges[making->range_count++] = *range;
    return true;
}

/* What of it is mapped. */
static bool note_range(struct making *making, uint64_t start, uint64_t end) {
    const struct target *target = making->heap->target;
    while (start < end) {
        const struct mapping *mapping = target_mapping_from(target, start);
        if (mapping == NULL || mapping->start >= end) {
            return true;
        }
        start = mapping->start > start ? mapping->start : start;
        struct range range = {start, mapping->end < end ? mapping->end : end, mapping};
        making->acre_bytes += range.end - range.start;
        if (!add_range(making, &range)) {
            return false;
        }
        start = range.end;
    }
    return true;
}

static bool note_spans(struct making *making) {
    const struct heap *heap = making->heap;
    bool fine = true;
    for (size_t i = 0; fine && i < heap->chunk_count; i++) {
        const struct heap_chunk *chunk = &heap->chunks[i];
        fine = note_range(making, chunk->base, chunk->base + ((uint64_t)chunk->pages << heap->page_shift));
    }
    for (size_t i = 0; fine && i < heap->huge_count; i++) {
        fine = note_range(making, heap->huge[i].base, heap->huge[i].base + heap->huge[i].mapped_bytes);
    }
    for (size_t i = 0; fine && i < heap->snapshot.count; i++) {
        const struct copy *copy = &heap->snapshot.copies[i];
        fine = copy->bytes < heap->target->page_bytes || note_range(making, copy->start, copy->start + copy->bytes);
    }
    if (fine && heap->format.is_own_module) {
        fine = note_range(making, heap->format.data_start, heap->format.data_end);
    }
    return fine;
}

/* A segment for each range: its mapping, or what of that is near. */
static bool add_segments(struct making *making, uint64_t cell_bytes) {
    struct cells *cells = making->cells;
    uint64_t near_bytes = cell_bytes * NEAR_CELLS;
    cells->segments = calloc(making->range_count + 1, sizeof *cells->segments);
    for (size_t i = 0; cells->segments != NULL && i < making->range_count; i++) {
        const struct range *range = &making->ranges[i];
        uint64_t start = range->mapping->start, end = range->mapping->end;
        if ((end - start) / cell_bytes > MAPPING_CELLS_MOST) {
            start = range->start - start > near_bytes ? range->start - near_bytes : start;
            end = end - range->end > near_bytes ? range->end + near_bytes : end;
        }
        cells->segments[cells->segment_count++] = (struct segment){.start = start, .end = end};
    }
    if (cells->segments != NULL) {
        qsort(cells->segments, cells->segment_count, sizeof cells->segments[0], by_start);
    }
    return cells->segments != NULL;
}

/* Segments with little between them are one. */
static void join_segments(struct cells *cells, uint64_t least_gap_bytes) {
    size_t kept = 0;
    for (size_t i = 0; i < cells->segment_count; i++) {
        struct segment *last = kept == 0 ? NULL : &cells->segments[kept - 1];
        struct segment *next = &cells->segments[i];
        if (last != NULL && next->start < last->end + least_gap_bytes) {
            last->end = next->end > last->end ? next->end : last->end;
        } else {
            cells->segments[kept++] = *next;
        }
    }
    cells->segment_count = kept;
}

static bool make_segments(struct making *making, uint64_t cell_bytes, size_t wanted) {
    struct cells *cells = making->cells;
    if (!note_spans(making)) {
        return false;
    }
    if (cell_bytes == 0) {
        cell_bytes = making->heap->target->page_bytes;
        while (making->acre_bytes / cell_bytes > wanted) {
            cell_bytes *= 2;
        }
    }
    cells->cell_bytes = cell_bytes;
    if (!add_segments(making, cell_bytes)) {
        return false;
    }
    join_segments(cells, cell_bytes * NEAR_CELLS);
    for (size_t i = 0; i < cells->segment_count; i++) {
        struct segment *segment = &cells->segments[i];
        segment->is_break = making->heap->break_start != 0 && segment->start <= making->heap->break_start &&
                            making->heap->break_start < segment->end;
        segment->start = segment->start / cell_bytes * cell_bytes;
        segment->first_cell = cells->cell_count;
        segment->cell_count = (size_t)((segment->end - segment->start + cell_bytes - 1) / cell_bytes);
        cells->cell_count += segment->cell_count;
        if (cells->cell_count > CELLS_MOST) {
            return false;
        }
    }
    cells->cells = calloc(cells->cell_count + 1, sizeof cells->cells[0]);
    return cells->cells != NULL;
}

/* The segment that the address lies in, or the first one behind it; NULL: there is none. */
static const struct segment *segment_from(struct making *making, uint64_t address) {
    const struct cells *cells = making->cells;
    const struct segment *segment = making->segment;
    if (segment == NULL || address < segment->start || address >= segment->end) {
        size_t low = 0, high = cells->segment_count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (cells->segments[middle].end <= address) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        making->segment = segment = low == cells->segment_count ? NULL : &cells->segments[low];
    }
    return segment;
}

static struct cell *cell_of(const struct cells *cells, const struct segment *segment, uint64_t address) {
    return &cells->cells[segment->first_cell + (address - segment->start) / cells->cell_bytes];
}

/* So many pages, all in that cell. */
static void add_pages(const struct making *making, struct cell *cell, const struct page *page, uint64_t count) {
    uint64_t bytes = count * making->heap->target->page_bytes;
    cell->acre_bytes += bytes;
    cell->live_bytes += count * page->live;
    cell->has_ready |= page->ready > 0;
    cell->has_metadata |= page->piece->kind == PIECE_METADATA && page->is_resident;
    cell->resident_bytes += page->is_resident ? bytes : 0;
}

/* A page that is larger than a cell counts in its first one. */
static void add_page(const struct page *page, void *context) {
    struct making *making = context;
    uint64_t page_bytes = making->heap->target->page_bytes, cell_bytes = making->cells->cell_bytes;
    uint64_t end = page->address + page->count * page_bytes;
    for (uint64_t at = page->address; at < end;) {
        const struct segment *segment = segment_from(making, at);
        if (segment == NULL || segment->start >= end) {
            return;
        }
        at = segment->start > at ? segment->start : at;
        uint64_t cell_end = (at / cell_bytes + 1) * cell_bytes, left = (end - at + page_bytes - 1) / page_bytes;
        uint64_t count = cell_end > at + page_bytes ? (cell_end - at) / page_bytes : 1;
        count = count < left ? count : left;
        add_pages(making, cell_of(making->cells, segment, at), page, count);
        at += count * page_bytes;
    }
}

/* What is in memory there and not acre's. */
static void add_others(const struct making *making) {
    enum { WINDOW_PAGES = 65536 };
    static uint8_t states[WINDOW_PAGES];
    struct target *target = making->heap->target;
    const struct cells *cells = making->cells;
    for (size_t i = 0; i < cells->segment_count; i++) {
        const struct segment *segment = &cells->segments[i];
        uint64_t from = segment->start, end = segment->end;
        for (uint64_t at = from; at < end; at += WINDOW_PAGES * target->page_bytes) {
            uint64_t pages = (end - at) / target->page_bytes;
            pages = pages < WINDOW_PAGES ? pages : WINDOW_PAGES;
            if (!target_pages(target, at, (size_t)pages, states)) {
                return;
            }
            for (uint64_t page = 0; page < pages; page++) {
                if (states[page] == PAGE_ANONYMOUS) {
                    cell_of(cells, segment, at + page * target->page_bytes)->other_pages++;
                }
            }
        }
        for (size_t k = segment->first_cell; k < segment->first_cell + segment->cell_count; k++) {
            struct cell *cell = &cells->cells[k];
            uint32_t acre_pages = (uint32_t)(cell->resident_bytes / target->page_bytes);
            cell->other_pages -= cell->other_pages < acre_pages ? cell->other_pages : acre_pages;
        }
    }
}

bool cells_make(struct cells *cells, struct heap *heap, uint64_t cell_bytes, size_t wanted) {
    struct making making = {.cells = cells, .heap = heap};
    *cells = (struct cells){.cell_bytes = cell_bytes};
    bool made = make_segments(&making, cell_bytes, wanted) && pages_each(heap, add_page, NULL, &making);
    free(making.ranges);
    if (!made) {
        complain("%s", cells->cell_count > CELLS_MOST
                           ? "more cells than can be drawn: larger ones (--cell) are fewer"
                           : "out of memory; larger cells (--cell) are fewer");
        cells_free(cells);
        return false;
    }
    add_others(&making);
    return true;
}

void cells_free(struct cells *cells) {
    free(cells->segments);
    free(cells->cells);
    *cells = (struct cells){.cell_bytes = 0};
}

enum cell_kind cell_kind_of(const struct cell *cell) {
    if (cell->live_bytes > 0) {
        return CELL_LIVE;
    }
    if (cell->has_ready) {
        return CELL_STOCK;
    }
    if (cell->has_metadata) {
        return CELL_METADATA;
    }
    if (cell->resident_bytes > 0) {
        return CELL_FREE;
    }
    if (cell->other_pages > 0) {
        return CELL_OTHER;
    }
    return cell->acre_bytes > 0 ? CELL_RELEASED : CELL_NOTHING;
}

unsigned cell_level(const struct cell *cell, unsigned levels) {
    if (cell->live_bytes == 0 || cell->acre_bytes == 0) {
        return 0;
    }
    uint64_t level = (cell->live_bytes * levels + cell->acre_bytes - 1) / cell->acre_bytes;
    return (unsigned)(level < levels ? level : levels);
}
