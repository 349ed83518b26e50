/* acre map: the address space of a process or core as a picture. */
#include "map.h"

#include "command.h"
#include "complain.h"
#include "terminal.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_MAP_JSON = 0x100, KEY_MAP_SVG, KEY_MAP_HTML, KEY_MAP_CELL };
enum { TERMINAL_ROWS = 32, ADDRESS_COLUMNS = 18, FILE_CELLS = 8192, PAGE_CELLS = 65536 };

struct map_arguments {
    struct look_request look;
    const char *json_path, *svg_path, *html_path;
    uint64_t cell_bytes; /* 0: as fits */
};

static const struct argp_option map_options[] = {
    {"json", KEY_MAP_JSON, "FILE", 0, "write the cells to FILE as JSON instead (- is standard output)", 0},
    {"svg", KEY_MAP_SVG, "FILE", 0, "write the picture to FILE as SVG instead", 0},
    {"html", KEY_MAP_HTML, "FILE", 0, "write a page to FILE that can be zoomed, instead", 0},
    {"cell", KEY_MAP_CELL, "SIZE", 0, "bytes that a cell stands for (4k, 1m, ...); otherwise as fits", 0},
    {0},
};

#define CELL_MOST_BYTES (UINT64_C(1) << 40)

/* "4096", "64k", "1m", "2g"; 0: it is none, or no power of two of at least a page. */
static uint64_t parse_cell(const char *text) {
    char *end;
    errno = 0;
    uint64_t size_bytes = strtoull(text, &end, 10);
    static const char units[] = "kKmMgGtT";
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);
    unsigned shift = unit == NULL ? 0 : 10 * (unsigned)((unit - units) / 2 + 1);
    bool fine = errno == 0 && *text >= '0' && *text <= '9' && (*end == '\0' || (unit != NULL && end[1] == '\0')) &&
                size_bytes <= CELL_MOST_BYTES >> shift;
    size_bytes = fine ? size_bytes << shift : 0;
    return size_bytes >= 4096 && (size_bytes & (size_bytes - 1)) == 0 ? size_bytes : 0;
}

static error_t parse_map(int key, char *argument, struct argp_state *state) {
    struct map_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->look;
        return 0;
    case KEY_MAP_JSON:
        arguments->json_path = argument;
        return 0;
    case KEY_MAP_SVG:
        arguments->svg_path = argument;
        return 0;
    case KEY_MAP_HTML:
        arguments->html_path = argument;
        return 0;
    case KEY_MAP_CELL:
        arguments->cell_bytes = parse_cell(argument);
        if (arguments->cell_bytes == 0) {
            argp_error(state, "--cell takes a power of two from 4k to 1t, not '%s'", argument);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child map_children[] = {{&look_argp, 0, NULL, 0}, {0}};

static const struct argp map_argp = {
    .options = map_options,
    .parser = parse_map,
    .children = map_children,
    .args_doc = LOOK_ARGS_DOC,
    .doc =
        "Draw where a process's memory is: the program break and the mappings, and what their pages hold."
        "\vNothing is attached to the process, and it is not stopped unless --freeze says so. Of a core file, what "
        "is drawn as in memory is so by acre's own books, since a core does not say. Exit status: 0; 125: it could "
        "not be looked at; 2: wrong usage; 1: the output could not be written.",
};

static bool write_svg(FILE *stream, const void *view) {
    map_draw_svg(stream, view);
    return true;
}

static bool write_html(FILE *stream, const void *view) { return map_draw_html(stream, view); }

static bool write_json(FILE *stream, const void *view) { return map_write_json(stream, view); }

static bool write_outputs(const struct map_arguments *arguments, const struct map_view *view,
                          struct map_style style) {
    bool written = true, any_file = false;
    if (arguments->json_path != NULL) {
        written = look_write(arguments->json_path, write_json, view);
        any_file = true;
    }
    if (arguments->svg_path != NULL) {
        written = look_write(arguments->svg_path, write_svg, view) && written;
        any_file = true;
    }
    if (arguments->html_path != NULL) {
        written = look_write(arguments->html_path, write_html, view) && written;
        any_file = true;
    }
    if (!any_file) {
        map_draw(stdout, view, style);
        written = command_finish_output();
    }
    return written;
}

static int map(int argc, char **argv) {
    struct map_arguments arguments = {.json_path = NULL};
    struct target target;
    struct heap heap;
    struct cells cells;
    if (argp_parse(&map_argp, argc, argv, 0, NULL, &arguments) != 0 ||
        !look_open(&arguments.look, &target, &heap)) {
        return ACRE_EXIT_FAILED;
    }
    struct map_style style = {.colour = terminal_wants_colour(STDOUT_FILENO),
                              .utf8 = locale_is_utf8(),
                              .width_columns = terminal_width_columns(STDOUT_FILENO)};
    size_t wanted = arguments.html_path != NULL ? PAGE_CELLS
                    : arguments.svg_path != NULL || arguments.json_path != NULL
                        ? FILE_CELLS
                        : (style.width_columns - ADDRESS_COLUMNS) * (size_t)TERMINAL_ROWS;
    bool made = cells_make(&cells, &heap, arguments.cell_bytes, wanted);
    target_thaw(&target);
    bool written = false;
    if (made) {
        struct map_view view = {.request = &arguments.look, .heap = &heap, .cells = &cells};
        written = write_outputs(&arguments, &view, style);
        cells_free(&cells);
    }
    look_close(&target, &heap);
    return !made ? ACRE_EXIT_FAILED : written ? ACRE_EXIT_OK : ACRE_EXIT_OUTPUT;
}

const struct acre_command acre_command_map = {
    .name = "map",
    .summary = "draw where the memory of a process or core is",
    .enter = map,
};
