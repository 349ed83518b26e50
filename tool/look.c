#include "look.h"

#include "command.h"
#include "complain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_FREEZE = 0x200, KEY_SMAPS };

static const struct argp_option look_options[] = {
    {"freeze", KEY_FREEZE, NULL, 0, "stop the process while it is looked at, for exact figures", 0},
    {"smaps", KEY_SMAPS, "FILE", 0, "for a core: a /proc/PID/smaps that was saved with it", 0},
    {0},
};

static error_t parse_look(int key, char *argument, struct argp_state *state) {
    struct look_request *request = state->input;
    switch (key) {
    case KEY_FREEZE:
        request->freeze = true;
        return 0;
    case KEY_SMAPS:
        request->smaps_path = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (request->words != NULL) {
            argp_error(state, "one process or core at a time: '%s' is too much", argument);
        }
        if (*argument == '\0') { /* as pidof gives it that finds none */
            argp_error(state, "which process, or which core file? The argument is empty");
        }
        request->words = argument;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which process, or which core file?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp look_argp = {.options = look_options, .parser = parse_look};

bool look_open(const struct look_request *request, struct target *target, struct heap *heap) {
    if (!target_open(target, request->words, request->smaps_path)) {
        return false;
    }
    if (request->freeze && !target_freeze(target)) {
        target_close(target);
        return false;
    }
    if ((request->freeze || request->kernel_figures) && !target_read_mappings(target, request->kernel_figures)) {
        complain("the mappings of process %s cannot be read: it is ending", request->words);
        target_close(target);
        return false;
    }
    if (!heap_read(heap, target)) {
        target_close(target);
        return false;
    }
    if (target->is_cut_off) {
        complain("%s is cut off: what is missing of it counts as not there", request->words);
    }
    return true;
}

void look_close(struct target *target, struct heap *heap) {
    heap_free(heap);
    target_close(target);
}

void look_title(const struct look_request *request, const struct target *target, char title[128]) {
    char text[256];
    snprintf(text, sizeof text, "%s %.80s%s%s%s", target->is_core ? "core" : "process", request->words,
             *target->name == '\0' ? "" : " (", target->name, *target->name == '\0' ? "" : ")");
    printable(title, 128, text);
}

/* How many bytes from here on are one character of UTF-8 (RFC 3629); 0: none. */
static size_t character_bytes(const char *text) {
    for (size_t length = 1; length <= 4 && text[length - 1] != '\0'; length++) {
        json_t *one = json_stringn(text, length);
        json_decref(one);
        if (one != NULL) {
            return length;
        }
    }
    return 0;
}

json_t *look_json_text(const char *bytes) {
    json_t *text = json_string(bytes);
    if (text != NULL) {
        return text;
    }
    char *clean = malloc(strlen(bytes) * 3 + 1), *to = clean;
    while (clean != NULL && *bytes != '\0') {
        size_t length = character_bytes(bytes);
        to = length == 0 ? stpcpy(to, "\xef\xbf\xbd") : (char *)mempcpy(to, bytes, length);
        bytes += length == 0 ? 1 : length;
    }
    if (clean != NULL) {
        *to = '\0';
        text = json_string(clean);
    }
    free(clean);
    return text;
}

bool look_write(const char *path, look_writer *write, const void *what) {
    bool to_stdout = strcmp(path, "-") == 0;
    FILE *stream = to_stdout ? stdout : fopen(path, "we");
    bool written = stream != NULL && write(stream, what) && fflush(stream) == 0 && !ferror(stream);
    int error = errno;
    if (stream != NULL && !to_stdout) {
        written = fclose(stream) == 0 && written;
    }
    if (!written) {
        complain("cannot write to %s: %s", to_stdout ? "standard output" : path, strerror(error));
    }
    return written;
}

static bool write_object(FILE *stream, const void *object) {
    return json_dumpf(object, stream, JSON_INDENT(2)) == 0 && fputc('\n', stream) != EOF;
}

bool look_write_json(json_t *object, const char *path) { return look_write(path, write_object, object); }
