/* acre run: what was asked for, and what came of it. Shared by the files run*.c. */
#ifndef ACRE_TOOL_RUN_H
#define ACRE_TOOL_RUN_H

#include "child.h"
#include "count_file.h"
#include "option_values.h"
#include "timeline.h"

#include <stdbool.h>
#include <stdio.h>

enum { RUN_REPORT_LINES_MOST = 27, RUN_REPORT_ARENAS_MOST = 4, RUN_REPORT_PROCESSES_MOST = 8 };

struct run_request {
    char **command; /* NULL at the end */
    bool children, counting;
    const char *json_path, *report_path, *html_path; /* NULL: not asked for */
    char *options;                                   /* what --option added, joined by commas; NULL for nothing */
};

struct run_result {
    struct child_ending ending;
    int refusal;     /* 0 when the command ran, else the exit status */
    char doubt[512]; /* why acre may not have shown up in it, or why it was refused; may be empty */
    struct count_figures figures;
    struct option_value options[OPTION_COUNT]; /* in effect for the command */
};

/* How the report may look. */
struct run_style {
    bool colour, utf8;
};

/* The name of the process at its end, where that is not the counted program's; else NULL. */
const char *run_ended_as(const struct run_result *result);

void run_report_write(FILE *stream, const struct run_request *request, const struct run_result *result,
                      struct run_style style);
/* The page: the figures, and what happened meanwhile, of which nothing is left afterwards. */
bool run_html_write(FILE *stream, const struct run_request *request, const struct run_result *result,
                    struct timeline *timeline);
/* NULL: no memory */
json_t *run_json(const struct run_request *request, const struct run_result *result);
bool run_json_write(FILE *stream, const struct run_request *request, const struct run_result *result);

/* What to try next: what to add to `acre run` ("" for nothing), and why. */
struct run_advice {
    char flags[96];
    const char *why;
};
struct run_advice run_advise(const struct run_request *request, const struct run_result *result);

/* Puts what the library needs into the environment. `count_path` is NULL when nothing is counted. */
bool run_environment_set(const char *library_path, const char *count_path, const char *added_options);

/* The words of a command as they would be typed in a shell, on one line; to be freed. */
char *run_command_text(char *const *command);

#endif
