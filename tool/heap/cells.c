#include "heap/cells.h"

#include "complain.h"

#include <stdlib.h>

const char cell_letters[CELL_KINDS + 1] = "Lsmfo. ";
const char *const cell_names[CELL_KINDS] = {"live blocks", "thread stock",  "metadata", "free, in memory",
                                            "not acre's",  "not in memory", "nothing"};

/* More cells than anybody can use. */
#define CELLS_MOST ((size_t)1 << 26)

struct making {
    struct cells *cells;
    struct heap *heap;
    const struct segment *segment; /* of the last page */
};

static int by_start(const void *one, const void *other) {
    const struct segment *a = one, *b = other;
    return (a->start > b->start) - (a->start < b->start);
}

static bool add_segment(struct cells *cells, size_t *room, const struct mapping *mapping) {
    if (cells->segment_count == *room) {
        size_t more = *room * 2 + 64;
        struct segment *moved = realloc(cells->segments, more * sizeof *moved);
        if (moved == NULL) {
            return false;
        }
        cells->segments = moved;
        *room = more;
    }
    cells->segments[cells->segment_count++] = (struct segment){.start = mapping->start, .end = mapping->end};
    return true;
}

struct noting {
    struct making *making;
    const struct mapping *last;
    size_t room;
    uint64_t acre_bytes;
    bool out_of_memory;
};

/* The mappings in which something of acre's lies. */
static void note_range(struct noting *noting, uint64_t start, uint64_t end) {
    const struct target *target = noting->making->heap->target;
    noting->acre_bytes += end - start;
    while (start < end) {
        const struct mapping *mapping = target_mapping_of(target, start);
        if (mapping == NULL) {
            return;
        }
        if (mapping != noting->last) {
            noting->last = mapping;
            noting->out_of_memory |= !add_segment(noting->making->cells, &noting->room, mapping);
        }
        start = mapping->end;
    }
}

static void note_spans(struct noting *noting) {
    const struct heap *heap = noting->making->heap;
    for (size_t i = 0; i < heap->chunk_count; i++) {
        const struct heap_chunk *chunk = &heap->chunks[i];
        note_range(noting, chunk->base, chunk->base + ((uint64_t)chunk->pages << heap->page_shift));
    }
    for (size_t i = 0; i < heap->huge_count; i++) {
        note_range(noting, heap->huge[i].base, heap->huge[i].base + heap->huge[i].mapped_bytes);
    }
    for (size_t i = 0; i < heap->snapshot.count; i++) {
        const struct copy *copy = &heap->snapshot.copies[i];
        if (copy->bytes >= heap->target->page_bytes) {
            note_range(noting, copy->start, copy->start + copy->bytes);
        }
    }
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
    uint64_t page_bytes = making->heap->target->page_bytes;
    struct noting noting = {.making = making};
    note_spans(&noting);
    if (noting.out_of_memory) {
        return false;
    }
    if (cells->segment_count > 0) {
        qsort(cells->segments, cells->segment_count, sizeof cells->segments[0], by_start);
    }
    if (cell_bytes == 0) {
        cell_bytes = page_bytes;
        while (noting.acre_bytes / cell_bytes > wanted) {
            cell_bytes *= 2;
        }
    }
    cells->cell_bytes = cell_bytes;
    join_segments(cells, cell_bytes * 64);
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

static struct cell *cell_of(struct making *making, uint64_t address) {
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
        if (low == cells->segment_count || cells->segments[low].start > address) {
            return NULL;
        }
        making->segment = segment = &cells->segments[low];
    }
    return &cells->cells[segment->first_cell + (address - segment->start) / cells->cell_bytes];
}

static void add_page(const struct page *page, void *context) {
    struct making *making = context;
    uint64_t page_bytes = making->heap->target->page_bytes;
    struct cell *cell = cell_of(making, page->address);
    if (cell != NULL) {
        cell->acre_bytes += page_bytes;
        cell->live_bytes += page->live;
        cell->ready_bytes += page->ready;
        cell->metadata_bytes += page->piece->kind == PIECE_METADATA && page->is_resident ? page_bytes : 0;
        cell->resident_bytes += page->is_resident ? page_bytes : 0;
    }
}

/* What is in memory there and not acre's. */
static void add_others(struct making *making) {
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
                struct cell *cell =
                    states[page] == PAGE_ANONYMOUS ? cell_of(making, at + page * target->page_bytes) : NULL;
                if (cell != NULL) {
                    cell->other_bytes += target->page_bytes;
                }
            }
        }
        for (size_t k = segment->first_cell; k < segment->first_cell + segment->cell_count; k++) {
            struct cell *cell = &cells->cells[k];
            cell->other_bytes -=
                cell->other_bytes < cell->resident_bytes ? cell->other_bytes : cell->resident_bytes;
        }
    }
}

bool cells_make(struct cells *cells, struct heap *heap, uint64_t cell_bytes, size_t wanted) {
    struct making making = {.cells = cells, .heap = heap};
    *cells = (struct cells){.cell_bytes = cell_bytes};
    if (!make_segments(&making, cell_bytes, wanted) || !pages_each(heap, add_page, NULL, &making)) {
        complain("out of memory: more cells than can be drawn; larger ones (--cell) are fewer");
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
    if (cell->ready_bytes > 0) {
        return CELL_STOCK;
    }
    if (cell->metadata_bytes > 0) {
        return CELL_METADATA;
    }
    if (cell->resident_bytes > 0) {
        return CELL_FREE;
    }
    if (cell->other_bytes > 0) {
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
