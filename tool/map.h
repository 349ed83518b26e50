/* acre map: parts of it. */
#ifndef ACRE_TOOL_MAP_H
#define ACRE_TOOL_MAP_H

#include "heap/cells.h"
#include "look.h"

#include <stdio.h>

struct map_view {
    const struct look_request *request;
    const struct heap *heap;
    const struct cells *cells;
};

/* Live blocks are drawn in so many shades of how full a cell is of them. */
#define MAP_LEVELS 8
extern const char *const map_level_colours[MAP_LEVELS]; /* "#rrggbb", the emptiest first */
extern const char *const map_kind_colours[CELL_KINDS];  /* that of live cells is unused */

struct map_style {
    bool colour, utf8;
    unsigned width_columns;
};
void map_draw(FILE *stream, const struct map_view *view, struct map_style style);
void map_draw_svg(FILE *stream, const struct map_view *view);
json_t *map_json(const struct map_view *view); /* NULL: no memory */
/* The same as text; false when it could not be written. */
bool map_write_json(FILE *stream, const struct map_view *view);
/* With what a page needs besides. */
json_t *map_page_json(const struct map_view *view);
/* A page that needs nothing else; false when there is no memory. */
bool map_draw_html(FILE *stream, const struct map_view *view);

#endif
