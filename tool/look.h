/* What the commands that look into a process or a core have in common. */
#ifndef ACRE_TOOL_LOOK_H
#define ACRE_TOOL_LOOK_H

#include "heap/heap.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>

struct look_request {
    const char *words; /* PID or CORE */
    const char *smaps_path;
    bool freeze;
    bool kernel_figures; /* are wanted, of each mapping */
};

/* A child parser for PID|CORE, --freeze and --smaps; its input is a struct look_request. */
extern const struct argp look_argp;
#define LOOK_ARGS_DOC "PID|CORE"

/* Opens, freezes if asked for, and reads the heap; false after one line on stderr. Afterwards look_close. */
bool look_open(const struct look_request *request, struct target *target, struct heap *heap);
void look_close(struct target *target, struct heap *heap);

/* "process 123 (name)" or "core FILE (name)", fit for a terminal. */
void look_title(const struct look_request *request, const struct target *target, char title[128]);

/* Any bytes as a JSON text: those that are no UTF-8 become U+FFFD. */
json_t *look_json_text(const char *bytes);
/* Opens a file, or - for standard output, has it written, and closes it; false after one line on stderr. */
typedef bool look_writer(FILE *stream, const void *what);
bool look_write(const char *path, look_writer *write, const void *what);
/* The same of an object as JSON. */
bool look_write_json(json_t *object, const char *path);

#endif
