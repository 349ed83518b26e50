/* acre why: where every byte of a process's resident memory belongs. */
#include "why.h"

#include "command.h"
#include "complain.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEY_WHY_JSON = 0x100 };

struct why_arguments {
    struct look_request look;
    const char *json_path;
};

static const struct argp_option why_options[] = {
    {"json", KEY_WHY_JSON, "FILE", 0, "write the figures to FILE as JSON instead (- is standard output)", 0},
    {0},
};

static error_t parse_why(int key, char *argument, struct argp_state *state) {
    struct why_arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->look;
        return 0;
    case KEY_WHY_JSON:
        arguments->json_path = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child why_children[] = {{&look_argp, 0, NULL, 0}, {0}};

static const struct argp why_argp = {
    .options = why_options,
    .parser = parse_why,
    .children = why_children,
    .args_doc = LOOK_ARGS_DOC,
    .doc =
        "Tell where the resident memory of a process is: what it holds, and what keeps the rest."
        "\vNothing is attached to the process, and it is not stopped unless --freeze says so. Of a core file the "
        "figures are those of acre's own books, since a core does not say what was in memory. Exit status: 0; 125: "
        "it could not be looked at; 2: wrong usage; 1: the output could not be written.",
};

static int why(int argc, char **argv) {
    struct why_arguments arguments = {.look.kernel_figures = true};
    struct target target;
    struct heap heap;
    struct account account;
    if (argp_parse(&why_argp, argc, argv, 0, NULL, &arguments) != 0 ||
        !look_open(&arguments.look, &target, &heap)) {
        return ACRE_EXIT_FAILED;
    }
    if (!account_make(&account, &heap)) {
        look_close(&target, &heap);
        return ACRE_EXIT_FAILED;
    }
    struct why_view view = {.request = &arguments.look,
                            .heap = &heap,
                            .account = &account,
                            .kernel_after_bytes = target_anonymous_bytes(&target)};
    target_thaw(&target);
    bool written = true;
    if (arguments.json_path != NULL) {
        json_t *object = why_json(&view);
        written = object != NULL && look_write_json(object, arguments.json_path);
        json_decref(object);
    } else {
        why_report(stdout, &view);
        written = command_finish_output();
    }
    account_free(&account);
    look_close(&target, &heap);
    return written ? ACRE_EXIT_OK : ACRE_EXIT_OUTPUT;
}

const struct acre_command acre_command_why = {
    .name = "why",
    .summary = "tell where the resident memory of a process or core is",
    .enter = why,
};
