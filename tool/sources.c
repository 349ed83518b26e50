/* acre sources: what memory costs on this machine. */
#include "sources.h"

#include "command.h"
#include "look.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOURCES_SCHEMA "acre-sources/1"
enum { KEY_SOURCES_JSON = 0x100, KEY_SOURCES_SVG, KEY_SOURCES_ROUNDS };
enum { ROUNDS_USUAL = 15, ROUNDS_MOST = 101 };

struct sources_arguments {
    const char *json_path, *svg_path;
    unsigned rounds;
};

static const struct argp_option sources_options[] = {
    {"json", KEY_SOURCES_JSON, "FILE", 0, "write the figures to FILE as JSON instead (- is standard output)", 0},
    {"svg", KEY_SOURCES_SVG, "FILE", 0, "write a plot to FILE as SVG, too", 0},
    {"rounds", KEY_SOURCES_ROUNDS, "N", 0, "measure everything N times (15)", 0},
    {0},
};

static error_t parse_sources(int key, char *argument, struct argp_state *state) {
    struct sources_arguments *arguments = state->input;
    char *end;
    unsigned long number;
    switch (key) {
    case KEY_SOURCES_JSON:
        arguments->json_path = argument;
        return 0;
    case KEY_SOURCES_SVG:
        arguments->svg_path = argument;
        return 0;
    case KEY_SOURCES_ROUNDS:
        number = strtoul(argument, &end, 10);
        if (*argument < '0' || *argument > '9' || *end != '\0' || number < 3 || number > ROUNDS_MOST) {
            argp_error(state, "--rounds takes 3 to %d, not '%s'", ROUNDS_MOST, argument);
        }
        arguments->rounds = (unsigned)number;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is too much", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp sources_argp = {
    .options = sources_options,
    .parser = parse_sources,
    .doc = "Measure what memory costs on this machine: calls, the program break against mmap, page faults, giving "
           "back."
           "\vIt takes a few seconds, and up to 70 MiB. Nothing else should run meanwhile: the spread tells. Exit "
           "status: 0; 125: it could not be measured; 2: wrong usage; 1: the output could not be written.",
};

static json_t *cost_json(const struct cost *cost) {
    return cost->known ? json_pack("{s:f, s:f, s:f}", "median_ns", cost->median_ns, "low_ns", cost->low_ns,
                                   "high_ns", cost->high_ns)
                       : json_null();
}

static json_t *by_size_json(const struct cost costs[SOURCE_SIZES]) {
    json_t *array = json_array();
    for (int size = 0; size < SOURCE_SIZES; size++) {
        json_array_append_new(array, json_pack("{s:I, s:o}", "size_bytes", (json_int_t)source_sizes[size], "page",
                                               cost_json(&costs[size])));
    }
    return array;
}

static json_t *sources_json(const struct sources *sources) {
    json_t *calls = json_object(), *touch = json_object(), *shrink = json_object(), *back = json_object();
    for (int i = 0; i < SOURCE_CALLS; i++) {
        json_object_set_new(calls, source_call_keys[i], cost_json(&sources->call[i]));
    }
    for (int way = 0; way < SOURCE_WAYS; way++) {
        json_object_set_new(touch, source_way_keys[way], by_size_json(sources->touch[way]));
        json_object_set_new(shrink, source_way_keys[way], by_size_json(sources->shrink[way]));
    }
    for (int i = 0; i < SOURCE_BACKS; i++) {
        json_object_set_new(back, source_back_keys[i], cost_json(&sources->back[i]));
    }
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "schema", SOURCES_SCHEMA, "rounds", (int)sources->rounds,
                     "calls", calls, "grow_and_touch", touch, "shrink", shrink, "back", back);
}

static void tell(unsigned done, unsigned all) {
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\racre sources: round %u of %u%s", done + 1, all, done + 1 == all ? "\r\033[K" : "");
        fflush(stderr);
    }
}

static bool write_svg(FILE *stream, const void *sources) {
    sources_draw(stream, sources);
    return true;
}

static int measure(int argc, char **argv) {
    struct sources_arguments arguments = {.rounds = ROUNDS_USUAL};
    struct sources sources;
    if (argp_parse(&sources_argp, argc, argv, 0, NULL, &arguments) != 0 ||
        !sources_measure(&sources, arguments.rounds, tell)) {
        return ACRE_EXIT_FAILED;
    }
    bool written = arguments.svg_path == NULL || look_write(arguments.svg_path, write_svg, &sources);
    if (arguments.json_path != NULL) {
        json_t *object = sources_json(&sources);
        written = object != NULL && look_write_json(object, arguments.json_path) && written;
        json_decref(object);
    } else {
        sources_report(stdout, &sources);
        written = command_finish_output() && written;
    }
    return written ? ACRE_EXIT_OK : ACRE_EXIT_OUTPUT;
}

const struct acre_command acre_command_sources = {
    .name = "sources",
    .summary = "measure what memory costs on this machine",
    .enter = measure,
};
