/* acre map --svg: a row of cells to a line, as in the terminal. */
#include "map.h"

#include "units.h"

#include <string.h>

enum { COLUMNS = 128, CELL_PX = 7, ROW_PX = 12, LEFT_PX = 130, TOP_PX = 46, HEAD_PX = 26, LEGEND_PX = 60 };

const char *const map_level_colours[MAP_LEVELS] = {"#f6a33c", "#f2c744", "#d9d84a", "#b3d455",
                                                   "#86c75c", "#57b35c", "#2f9a55", "#157a45"};
const char *const map_kind_colours[CELL_KINDS] = {"",        "#4aa3df", "#9b7fd4", "#e0524a",
                                                  "#8a8f98", "#d5d9de", "none"};

/* Text of others between tags. */
static void put_text(FILE *stream, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", stream);
            break;
        case '<':
            fputs("&lt;", stream);
            break;
        case '>':
            fputs("&gt;", stream);
            break;
        default:
            fputc((unsigned char)*text < 0x80 ? *text : '?', stream);
        }
    }
}

static const char *colour_of(const struct cell *cell) {
    enum cell_kind kind = cell_kind_of(cell);
    return kind == CELL_LIVE ? map_level_colours[cell_level(cell, MAP_LEVELS) - 1] : map_kind_colours[kind];
}

static size_t rows_of(const struct segment *segment) { return (segment->cell_count + COLUMNS - 1) / COLUMNS; }

/* Cells of one colour in a row are one rectangle. */
static void put_row(FILE *stream, const struct map_view *view, const struct segment *segment, size_t at, size_t y) {
    const struct cell *cells = &view->cells->cells[segment->first_cell];
    size_t end = at + COLUMNS < segment->cell_count ? at + COLUMNS : segment->cell_count;
    fprintf(stream, "<text class=\"a\" x=\"%d\" y=\"%zu\">%#llx</text>\n", LEFT_PX - 8, y + CELL_PX + 2,
            (unsigned long long)(segment->start + at * view->cells->cell_bytes));
    for (size_t i = at, next; i < end; i = next) {
        const char *colour = colour_of(&cells[i]);
        uint64_t live_bytes = 0, resident_bytes = 0, page_bytes = view->heap->target->page_bytes;
        for (next = i; next < end && colour_of(&cells[next]) == colour; next++) {
            live_bytes += cells[next].live_bytes;
            resident_bytes += cells[next].resident_bytes + cells[next].other_pages * page_bytes;
        }
        if (cell_kind_of(&cells[i]) == CELL_NOTHING) {
            continue;
        }
        fprintf(stream, "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%d\" fill=\"%s\"><title>%#llx, %s: %s, ",
                LEFT_PX + (i - at) * CELL_PX, y, (next - i) * CELL_PX, ROW_PX - 2, colour,
                (unsigned long long)(segment->start + i * view->cells->cell_bytes),
                human_bytes((next - i) * view->cells->cell_bytes).text, cell_names[cell_kind_of(&cells[i])]);
        fprintf(stream, "%s live, %s in memory</title></rect>\n", human_bytes(live_bytes).text,
                human_bytes(resident_bytes).text);
    }
}

static void put_break(FILE *stream, const struct map_view *view, const struct segment *segment, size_t y) {
    uint64_t now = view->heap->break_now;
    if (!segment->is_break || now <= segment->start || now > segment->end) {
        return;
    }
    size_t cell = (size_t)((now - segment->start) / view->cells->cell_bytes);
    size_t x = LEFT_PX + cell % COLUMNS * CELL_PX, top = y + cell / COLUMNS * ROW_PX;
    bool is_left = cell % COLUMNS > COLUMNS / 2; /* where there is room for the words */
    fprintf(stream,
            "<path class=\"b\" d=\"M%zu %zu v%d\"/><text class=\"t\" x=\"%zu\" y=\"%zu\"%s>program break</text>\n",
            x, top - 2, ROW_PX + 2, is_left ? x - 4 : x + 4, top + ROW_PX - 3,
            is_left ? " text-anchor=\"end\"" : "");
}

static void put_legend(FILE *stream, const struct map_view *view, size_t y) {
    fprintf(stream, "<text class=\"t\" x=\"%d\" y=\"%zu\">a cell is %s</text>\n", 12, y + 10,
            human_bytes(view->cells->cell_bytes).text);
    for (int level = 0; level < MAP_LEVELS; level++) {
        fprintf(stream, "<rect x=\"%d\" y=\"%zu\" width=\"12\" height=\"10\" fill=\"%s\"/>\n", LEFT_PX + level * 12,
                y, map_level_colours[level]);
    }
    fprintf(stream, "<text class=\"t\" x=\"%d\" y=\"%zu\">live blocks, few to full</text>\n",
            LEFT_PX + MAP_LEVELS * 12 + 6, y + 10);
    for (int kind = CELL_STOCK; kind < CELL_NOTHING; kind++) {
        int x = LEFT_PX + (kind - CELL_STOCK) * 150;
        fprintf(stream,
                "<rect x=\"%d\" y=\"%zu\" width=\"12\" height=\"10\" fill=\"%s\"/><text class=\"t\" x=\"%d\" "
                "y=\"%zu\">%s</text>\n",
                x, y + 20, map_kind_colours[kind], x + 18, y + 30, cell_names[kind]);
    }
}

void map_draw_svg(FILE *stream, const struct map_view *view) {
    const struct cells *cells = view->cells;
    size_t height = TOP_PX + LEGEND_PX, y = TOP_PX, width = LEFT_PX + COLUMNS * CELL_PX + 20;
    char title[128];
    for (size_t i = 0; i < cells->segment_count; i++) {
        height += HEAD_PX + rows_of(&cells->segments[i]) * ROW_PX;
    }
    look_title(view->request, view->heap->target, title);
    fprintf(stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %zu %zu\" width=\"%zu\" height=\"%zu\" "
            "role=\"img\">\n"
            "<style>.t{font:11px sans-serif;fill:#333}.h{font:bold 14px sans-serif;fill:#222}"
            ".a{font:9px monospace;fill:#666;text-anchor:end}.b{stroke:#d00;stroke-width:2}.g{fill:#fff}"
            "@media(prefers-color-scheme:dark){.t{fill:#ccc}.h{fill:#eee}.a{fill:#999}.g{fill:#16181d}"
            "[fill=\"%s\"]{fill:#363b43}}</style>\n"
            "<rect class=\"g\" width=\"100%%\" height=\"100%%\"/>\n<title>acre map: ",
            width, height, width, height, map_kind_colours[CELL_RELEASED]);
    put_text(stream, title);
    fprintf(stream, "</title>\n<text class=\"h\" x=\"12\" y=\"24\">acre map: ");
    put_text(stream, title);
    fputs("</text>\n", stream);
    for (size_t i = 0; i < cells->segment_count; i++) {
        const struct segment *segment = &cells->segments[i];
        fprintf(stream, "<text class=\"t\" x=\"12\" y=\"%zu\">%s, %s</text>\n", y + 12,
                segment->is_break ? "program break" : "mappings", human_bytes(segment->end - segment->start).text);
        y += HEAD_PX - 6;
        for (size_t at = 0; at < segment->cell_count; at += COLUMNS) {
            put_row(stream, view, segment, at, y + at / COLUMNS * ROW_PX);
        }
        put_break(stream, view, segment, y);
        y += rows_of(segment) * ROW_PX + 6;
    }
    put_legend(stream, view, y + 8);
    fputs("</svg>\n", stream);
}
