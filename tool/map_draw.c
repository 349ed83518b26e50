/* acre map in the terminal: a row of cells begins with its address; a letter or a colour says what a cell holds. */
#include "map.h"

#include "units.h"

#include <string.h>

enum { ADDRESS_COLUMNS = 18, EMPTY_ROWS_MOST = 2 };

/* From hardly anything to full; of 256-colour terminals. */
static const unsigned char level_codes[MAP_LEVELS] = {214, 220, 190, 154, 118, 76, 34, 28};
static const unsigned char kind_codes[CELL_KINDS] = {0, 75, 141, 203, 245, 238, 0};

static char letter_of(const struct cell *cell) {
    enum cell_kind kind = cell_kind_of(cell);
    return kind == CELL_LIVE ? (char)('0' + cell_level(cell, MAP_LEVELS)) : cell_letters[kind];
}

static void put_cell(FILE *stream, const struct cell *cell, struct map_style style, unsigned *colour) {
    enum cell_kind kind = cell_kind_of(cell);
    if (!style.colour) {
        fputc(letter_of(cell), stream);
        return;
    }
    unsigned wanted = kind == CELL_LIVE ? level_codes[cell_level(cell, MAP_LEVELS) - 1] : kind_codes[kind];
    if (kind == CELL_NOTHING || wanted == 0) {
        fputc(' ', stream);
        return;
    }
    if (wanted != *colour) {
        fprintf(stream, "\033[38;5;%um", wanted);
        *colour = wanted;
    }
    const char *mark = kind == CELL_RELEASED ? (style.utf8 ? "\u00b7" : ".") : (style.utf8 ? "\u2588" : "#");
    fputs(mark, stream);
}

static bool is_empty_row(const struct cells *cells, size_t first, size_t count) {
    for (size_t i = first; i < first + count; i++) {
        enum cell_kind kind = cell_kind_of(&cells->cells[i]);
        if (kind != CELL_NOTHING && kind != CELL_RELEASED) {
            return false;
        }
    }
    return true;
}

static bool has_break(const struct map_view *view, const struct segment *segment, uint64_t start, uint64_t end) {
    return segment->is_break && view->heap->break_now > start && view->heap->break_now <= end;
}

static void put_row(FILE *stream, const struct map_view *view, const struct segment *segment, size_t at,
                    size_t columns, struct map_style style) {
    const struct cells *cells = view->cells;
    uint64_t start = segment->start + at * cells->cell_bytes, end = start + columns * cells->cell_bytes;
    unsigned colour = 0;
    fprintf(stream, "%#15llx  ", (unsigned long long)start);
    for (size_t i = at; i < at + columns && i < segment->cell_count; i++) {
        put_cell(stream, &cells->cells[segment->first_cell + i], style, &colour);
    }
    fputs(colour != 0 ? "\033[0m" : "", stream);
    fputs(has_break(view, segment, start, end) ? "<- program break\n" : "\n", stream);
}

/* Rows in which nothing is in memory are summed up when they are many. */
static void put_segment(FILE *stream, const struct map_view *view, const struct segment *segment, size_t columns,
                        struct map_style style) {
    for (size_t at = 0; at < segment->cell_count;) {
        size_t empty = at;
        while (empty < segment->cell_count) {
            size_t count = segment->cell_count - empty < columns ? segment->cell_count - empty : columns;
            if (!is_empty_row(view->cells, segment->first_cell + empty, count)) {
                break;
            }
            empty += count;
        }
        if (empty - at > EMPTY_ROWS_MOST * columns) {
            uint64_t cell_bytes = view->cells->cell_bytes, start = segment->start + at * cell_bytes;
            uint64_t bytes = (empty - at) * cell_bytes;
            fprintf(stream, "%15s  %s without a page in memory%s\n", "...", human_bytes(bytes).text,
                    has_break(view, segment, start, start + bytes) ? "  <- program break" : "");
            at = empty;
        } else {
            put_row(stream, view, segment, at, columns, style);
            at += columns;
        }
    }
}

static void put_legend(FILE *stream, const struct map_view *view, struct map_style style) {
    unsigned colour = 0;
    struct cell cell = {.acre_bytes = MAP_LEVELS};
    fprintf(stream, "\na cell is %s; live blocks: ", human_bytes(view->cells->cell_bytes).text);
    for (unsigned level = 1; level <= MAP_LEVELS; level++) {
        cell.live_bytes = level;
        put_cell(stream, &cell, style, &colour);
    }
    fprintf(stream, "%s (few to full)\n", colour != 0 ? "\033[0m" : "");
    for (int kind = CELL_STOCK; kind < CELL_NOTHING; kind++) {
        struct cell one = {.acre_bytes = 1,
                           .has_ready = kind == CELL_STOCK,
                           .has_metadata = kind == CELL_METADATA,
                           .resident_bytes = kind == CELL_FREE || kind == CELL_METADATA,
                           .other_pages = kind == CELL_OTHER};
        colour = 0;
        fputs("  ", stream);
        put_cell(stream, &one, style, &colour);
        fprintf(stream, "%s %s", colour != 0 ? "\033[0m" : "", cell_names[kind]);
    }
    fputc('\n', stream);
}

void map_draw(FILE *stream, const struct map_view *view, struct map_style style) {
    const struct cells *cells = view->cells;
    char title[128];
    size_t columns = style.width_columns - ADDRESS_COLUMNS;
    look_title(view->request, view->heap->target, title);
    fprintf(stream, "acre map: %s\n", title);
    for (size_t i = 0; i < cells->segment_count; i++) {
        const struct segment *segment = &cells->segments[i];
        fprintf(stream, "\n%s, %s\n", segment->is_break ? "program break" : "mappings",
                human_bytes(segment->end - segment->start).text);
        put_segment(stream, view, segment, columns, style);
    }
    put_legend(stream, view, style);
}
