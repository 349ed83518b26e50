/* acre run: runs a command on acre and tells what it did with memory. */
#include "run.h"

#include "command.h"
#include "complain.h"
#include "library_path.h"
#include "program.h"
#include "terminal.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEY_RUN_JSON = 0x100, KEY_RUN_HTML, KEY_RUN_REPORT, KEY_RUN_OPTION, KEY_RUN_CHILDREN, KEY_RUN_LIBRARY };

static const struct argp_option run_options[] = {
    {"report", KEY_RUN_REPORT, "FILE", 0, "write the report to FILE instead of standard error", 0},
    {"json", KEY_RUN_JSON, "FILE", 0, "write the figures to FILE as JSON too (- is standard output)", 0},
    {"html", KEY_RUN_HTML, "FILE", 0,
     "look at COMMAND while it runs, not at processes that it starts, and write a page to FILE that shows it all",
     0},
    {"option", KEY_RUN_OPTION, "KEY:VALUE", 0, "set an option of libacre; see `acre options'", 0},
    {"children", KEY_RUN_CHILDREN, NULL, 0, "count the processes that COMMAND starts, too", 0},
    {"library", KEY_RUN_LIBRARY, "plain|count", 0,
     "the library that counts (default), or the plain one as other programs use it", 0},
    {0},
};

/* Exits on a bad value, with the statuses that argp_error has: nothing has been started yet. */
static void add_option(struct run_request *request, const char *pair) {
    struct option_value values[OPTION_COUNT];
    if (!option_values_parse(pair, values, "--option")) {
        exit(ACRE_EXIT_USAGE);
    }
    char *joined;
    if (asprintf(&joined, "%s%s%s", request->options == NULL ? "" : request->options,
                 request->options == NULL ? "" : ",", pair) < 0) {
        complain("out of memory");
        exit(ACRE_EXIT_FAILED);
    }
    free(request->options);
    request->options = joined;
}

static error_t parse_run(int key, char *argument, struct argp_state *state) {
    struct run_request *request = state->input;
    switch (key) {
    case KEY_RUN_JSON:
        request->json_path = argument;
        return 0;
    case KEY_RUN_HTML:
        request->html_path = argument;
        return 0;
    case KEY_RUN_REPORT:
        request->report_path = argument;
        return 0;
    case KEY_RUN_OPTION:
        add_option(request, argument);
        return 0;
    case KEY_RUN_CHILDREN:
        request->children = true;
        return 0;
    case KEY_RUN_LIBRARY:
        request->counting = strcmp(argument, "count") == 0;
        if (!request->counting && strcmp(argument, "plain") != 0) {
            argp_error(state, "--library takes plain or count, not '%s'", argument);
        }
        return 0;
    case ARGP_KEY_ARG:
        request->command = &state->argv[state->next - 1];
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which command?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp run_argp = {
    .options = run_options,
    .parser = parse_run,
    .args_doc = "-- COMMAND [ARGUMENT...]",
    .doc = "Run COMMAND on acre and tell what it did with memory."
           "\vThe exit status is COMMAND's; when a signal ends COMMAND, the same signal ends acre. 125: acre "
           "itself failed; 126: COMMAND cannot be executed, or not on acre; 127: it was not found; 2: wrong usage.",
};

static bool open_output(const char *path, FILE *otherwise, FILE **stream) {
    *stream = otherwise;
    if (path != NULL) {
        *stream = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    }
    if (path != NULL && *stream == NULL) {
        complain("cannot write to %s: %s", path, strerror(errno));
    }
    return path == NULL || *stream != NULL;
}

/* The command's exit status stands, whatever becomes of the report: all that is left is to say so. */
static void close_output(const char *path, FILE *stream, bool written) {
    bool flushed = fflush(stream) == 0 && !ferror(stream) && written;
    int error = errno;
    if (stream != stdout && stream != stderr) {
        fclose(stream);
    }
    if (!flushed) {
        complain("the report could not be written to %s: %s", path == NULL ? "standard error" : path,
                 strerror(error));
    }
}

char *run_command_text(char *const *command) {
    static const char plain[] = "%+,-./:=@_";
    char *text = NULL;
    size_t length_bytes = 0;
    FILE *stream = open_memstream(&text, &length_bytes);
    if (stream == NULL) {
        return NULL;
    }
    for (size_t i = 0; command[i] != NULL; i++) {
        const char *c = command[i];
        while (isalnum((unsigned char)*c) || (*c != '\0' && strchr(plain, *c) != NULL)) {
            c++;
        }
        bool quote = *c != '\0' || c == command[i];
        fputs(i == 0 ? "" : " ", stream);
        fputs(quote ? "'" : "", stream);
        for (c = command[i]; *c != '\0'; c++) {
            fputs(*c == '\'' ? "'\\''" : (char[]){*c, '\0'}, stream);
        }
        fputs(quote ? "'" : "", stream);
    }
    return fclose(stream) == 0 ? text : NULL;
}

static void set_refusal(struct run_result *result, int status, const char *reason) {
    result->refusal = status;
    snprintf(result->doubt, sizeof result->doubt, "%s", reason);
    complain("%s", reason);
}

/* The last program of a process that a signal or _exit ended may be one that does not count. */
const char *run_ended_as(const struct run_result *result) {
    const struct image_figures *root = &result->figures.root;
    bool is_other = result->figures.attached && !root->ended && result->ending.name[0] != '\0' &&
                    strcmp(result->ending.name, root->name) != 0;
    return is_other ? result->ending.name : NULL;
}

/* False when acre itself failed. */
static bool execute(const struct run_request *request, struct run_result *result, struct timeline *timeline) {
    char library[PATH_MAX], count_path[64];
    if (!library_path(request->counting ? ACRE_LIBRARY_COUNT : ACRE_LIBRARY_PLAIN, library)) {
        return false;
    }
    struct program program;
    program_examine(request->command[0], library, &program);
    if (program.refusal != 0) {
        set_refusal(result, program.refusal, program.reason);
        return true;
    }
    strcpy(result->doubt, program.reason);
    struct acre_count_file *file = request->counting ? count_file_make(request->children, count_path) : NULL;
    if ((request->counting && file == NULL) ||
        !run_environment_set(library, request->counting ? count_path : NULL, request->options)) {
        return false;
    }
    const char *options = getenv(ACRE_OPTIONS_ENVIRONMENT);
    option_values_parse(options == NULL ? "" : options, result->options, NULL);
    struct child_request child = {
        .path = program.path, .arguments = request->command, .pid = file == NULL ? NULL : &file->root_pid};
    if (request->html_path != NULL) {
        if (!timeline_start(timeline, file)) {
            complain("out of memory");
            return false;
        }
        child.while_running = timeline_sample;
        child.context = timeline;
    }
    if (!child_run(&child, &result->ending)) {
        return false;
    }
    if (result->ending.start_error != 0) {
        int error = result->ending.start_error;
        bool missing = error == ENOENT || error == ENOTDIR;
        snprintf(program.reason, sizeof program.reason, "%.400s: %s", program.path, strerror(error));
        set_refusal(result, missing ? ACRE_EXIT_NOT_FOUND : ACRE_EXIT_CANNOT_EXECUTE, program.reason);
        return true;
    }
    count_figures_read(file, &result->figures);
    return true;
}

static void write_outputs(const struct run_request *request, const struct run_result *result, FILE *report,
                          FILE *json, FILE *html, struct timeline *timeline) {
    if (result->refusal == 0) {
        struct run_style style = {.colour = terminal_wants_colour(fileno(report)) && report == stderr,
                                  .utf8 = locale_is_utf8()};
        /* In one piece: others may be writing to the same terminal. */
        char *text = NULL;
        size_t length_bytes = 0;
        FILE *memory = open_memstream(&text, &length_bytes);
        bool written = memory != NULL;
        if (written) {
            run_report_write(memory, request, result, style);
            written = fclose(memory) == 0 && fwrite(text, 1, length_bytes, report) == length_bytes;
        }
        free(text);
        close_output(request->report_path, report, written);
    }
    if (json != NULL) {
        close_output(request->json_path, json, run_json_write(json, request, result));
    }
    if (html != NULL) {
        close_output(request->html_path, html, run_html_write(html, request, result, timeline));
    }
}

static int run(int argc, char **argv) {
    struct run_request request = {.counting = true};
    struct run_result result = {.refusal = 0};
    option_values_default(result.options);
    struct timeline timeline = {.counts = NULL};
    FILE *report, *json, *html;
    child_keep_file_size_signal();
    if (argp_parse(&run_argp, argc, argv, ARGP_IN_ORDER, NULL, &request) != 0 ||
        !open_output(request.report_path, stderr, &report) || !open_output(request.json_path, NULL, &json) ||
        !open_output(request.html_path, NULL, &html) || !execute(&request, &result, &timeline)) {
        return ACRE_EXIT_FAILED;
    }
    write_outputs(&request, &result, report, json, html, &timeline);
    free(result.figures.images);
    free(request.options);
    if (result.refusal != 0) {
        return result.refusal;
    }
    int status = result.ending.wait_status;
    if (WIFSIGNALED(status)) {
        child_die_alike(WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}

const struct acre_command acre_command_run = {
    .name = "run",
    .summary = "run a command on acre and tell what it did with memory",
    .enter = run,
};
