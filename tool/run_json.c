/* acre run --json: the figures in bytes and counts; docs/run-json.md says what each key means. */
#include "run.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define RUN_SCHEMA "acre-run/1"

static const char *const call_names[ACRE_COUNT_CALLS] = {"malloc", "calloc", "realloc", "free", "aligned"};
static const char *const released_names[ACRE_COUNT_RELEASED_HOWS] = {"pages", "holes", "mappings", "break"};
static const char *const syscall_names[ACRE_COUNT_SYSCALLS] = {"brk", "mmap", "munmap", "mremap", "madvise"};

/* Words of a command and names may be any bytes: those that are not UTF-8 become U+FFFD, byte by byte. */
static json_t *text_json(const char *bytes) {
    json_t *text = json_string(bytes);
    if (text != NULL) {
        return text;
    }
    size_t length = strlen(bytes);
    char *clean = calloc(3 * length + 1, 1), *end = clean;
    for (size_t i = 0; clean != NULL && i < length; i++) {
        end = stpcpy(end, (unsigned char)bytes[i] < 0x80 ? (char[]){bytes[i], '\0'} : "\xef\xbf\xbd");
    }
    text = clean == NULL ? json_null() : json_string(clean);
    free(clean);
    return text;
}

static json_t *number(uint64_t value) { return json_integer((json_int_t)value); }

/* A figure, or null where nothing was counted. */
static json_t *figure(bool known, uint64_t value) { return known ? number(value) : json_null(); }

static json_t *counts(bool known, const char *const *names, const uint64_t *values, size_t kinds) {
    json_t *object = json_object();
    for (size_t i = 0; i < kinds; i++) {
        json_object_set_new(object, names[i], figure(known, values[i]));
    }
    return object;
}

static json_t *calls_json(bool known, const uint64_t *calls, uint64_t failed_calls) {
    json_t *object = counts(known, call_names, calls, ACRE_COUNT_CALLS);
    json_object_set_new(object, "failed", figure(known, failed_calls));
    return object;
}

static json_t *arena_json(const struct arena_figures *arena) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o}, s:o}", "name",
                     arena->is_others ? json_null() : text_json(arena->name), "made", number(arena->made), "left",
                     number(arena->left), "calls", number(arena->calls), "failed", number(arena->failed_calls),
                     "resets", number(arena->resets), "live", "peak", number(arena->live_peak_bytes), "end",
                     number(arena->live_end_bytes), "blocks", number(arena->live_end_blocks), "held", "peak",
                     number(arena->held_peak_bytes), "end", number(arena->held_end_bytes), "most",
                     number(arena->held_most_bytes), "limit", number(arena->limit_bytes));
}

static void add_arenas(json_t *to, const struct image_figures *image, bool known) {
    json_t *arenas = known ? json_array() : json_null();
    for (size_t i = 0; known && i < image->arena_names; i++) {
        json_array_append_new(arenas, arena_json(&image->arenas[i]));
    }
    json_object_set_new(to, "arenas", arenas);
    json_object_set_new(to, "arenas_made", figure(known, image->arenas_made));
    json_object_set_new(to, "arenas_left", figure(known, image->arenas_left));
}

static void add_figures(json_t *to, const struct image_figures *image, bool known) {
    json_object_set_new(to, "calls", calls_json(known, image->calls, image->failed_calls));
    json_object_set_new(to, "syscalls", counts(known, syscall_names, image->syscalls, ACRE_COUNT_SYSCALLS));
    json_object_set_new(to, "break",
                        json_pack("{s:o, s:o, s:o}", "start", figure(known, image->break_start), "peak",
                                  figure(known, image->break_peak), "end", figure(known, image->break_end)));
    json_object_set_new(to, "mapped",
                        json_pack("{s:o, s:o}", "peak", figure(known, image->mapped_peak_bytes), "end",
                                  figure(known, image->mapped_end_bytes)));
    json_object_set_new(to, "live",
                        json_pack("{s:o, s:o, s:o}", "peak", figure(known, image->live_peak_bytes), "end",
                                  figure(known, image->live_end_bytes), "blocks",
                                  figure(known, image->live_end_blocks)));
    json_object_set_new(to, "retained", json_pack("{s:o}", "end", figure(known && image->ended, image->retained_bytes)));
    json_t *released = counts(known, released_names, image->released_bytes, ACRE_COUNT_RELEASED_HOWS);
    json_object_set_new(released, "again", figure(known, image->released_again_bytes));
    json_object_set_new(to, "released", released);
    json_object_set_new(to, "metadata", json_pack("{s:o}", "end", figure(known, image->metadata_end_bytes)));
    add_arenas(to, image, known);
}

static json_t *process_json(const struct image_figures *image) {
    json_t *object = json_pack("{s:I, s:I, s:I, s:o, s:b, s:{s:n}}", "pid", (json_int_t)image->pid, "parent_pid",
                               (json_int_t)image->parent_pid, "image", (json_int_t)image->image, "name",
                               text_json(image->name), "regular_exit", (int)image->ended, "resident", "peak");
    add_figures(object, image, true);
    return object;
}

static void add_processes(json_t *to, const struct count_figures *figures) {
    json_t *processes = json_array();
    if (figures->attached) {
        json_array_append_new(processes, process_json(&figures->root));
    }
    for (size_t i = 0; i < figures->image_count; i++) {
        json_array_append_new(processes, process_json(&figures->images[i]));
    }
    json_object_set_new(to, "processes", processes);
    const struct count_total *total = &figures->total;
    json_object_set_new(to, "totals",
                        json_pack("{s:I, s:I, s:I, s:o, s:o}", "processes", (json_int_t)total->processes, "images",
                                  (json_int_t)total->images, "uncounted_images",
                                  (json_int_t)figures->uncounted_images, "calls",
                                  calls_json(true, total->calls, total->failed_calls), "syscalls",
                                  counts(true, syscall_names, total->syscalls, ACRE_COUNT_SYSCALLS)));
}

static json_t *exit_json(const struct run_result *result) {
    int status = result->ending.wait_status;
    if (result->refusal == 0 && WIFSIGNALED(status)) {
        return json_pack("{s:i}", "signal", WTERMSIG(status));
    }
    return json_pack("{s:i}", "status", result->refusal != 0 ? result->refusal : WEXITSTATUS(status));
}

/* The stream may be a terminal: control characters are escaped, DEL too, which jansson leaves. Frees the text. */
static bool write_text(FILE *stream, char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        fputs(*c == 0x7f ? "\\u007f" : (char[]){*c, '\0'}, stream);
    }
    free(text);
    return fputc('\n', stream) != EOF;
}

json_t *run_json(const struct run_request *request, const struct run_result *result) {
    json_t *command = json_array();
    for (size_t i = 0; request->command[i] != NULL; i++) {
        json_array_append_new(command, text_json(request->command[i]));
    }
    json_t *root =
        json_pack("{s:s, s:o, s:o, s:f, s:b}", "schema", RUN_SCHEMA, "command", command, "exit", exit_json(result),
                  "wall_seconds", result->ending.wall_seconds, "attached", (int)result->figures.attached);
    if (!result->figures.attached && result->doubt[0] != '\0') {
        json_object_set_new(root, "reason", text_json(result->doubt));
    }
    json_object_set_new(root, "regular_exit",
                        result->figures.attached ? json_boolean(result->figures.root.ended) : json_null());
    if (run_ended_as(result) != NULL) {
        json_object_set_new(root, "ended_as", text_json(run_ended_as(result)));
    }
    add_figures(root, &result->figures.root, result->figures.attached);
    json_object_set_new(
        root, "resident",
        json_pack("{s:o}", "peak", figure(result->refusal == 0, result->ending.resident_peak_bytes)));
    if (request->children) {
        add_processes(root, &result->figures);
    }
    return root;
}

bool run_json_write(FILE *stream, const struct run_request *request, const struct run_result *result) {
    json_t *root = run_json(request, result);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    json_decref(root);
    return text != NULL && write_text(stream, text);
}
