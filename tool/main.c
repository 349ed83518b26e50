/* acre: finds the sub-command and hands over to it. */
#include "command.h"
#include "complain.h"
#include "nearest.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *argp_program_version = "acre " ACRE_TOOL_VERSION;

const struct acre_command *const acre_commands[] = {
    &acre_command_run,     &acre_command_map,  &acre_command_why,
    &acre_command_top,     &acre_command_trim, &acre_command_sources,
    &acre_command_options, &acre_command_help, NULL,
};

/* The list of sub-commands is made from the table, so argp cannot have it as a constant. */
static char *help_with_commands(int key, const char *text, void *input) {
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC) {
        return (char *)text;
    }
    char *list = NULL;
    size_t length_bytes = 0;
    FILE *stream = open_memstream(&list, &length_bytes);
    if (stream == NULL) {
        return NULL;
    }
    fputs("Commands:\n", stream);
    for (size_t i = 0; acre_commands[i] != NULL; i++) {
        fprintf(stream, "  %-10s %s\n", acre_commands[i]->name, acre_commands[i]->summary);
    }
    fputs("\n`acre help COMMAND' tells more about one of them.", stream);
    return fclose(stream) == 0 ? list : NULL;
}

struct main_arguments {
    int command_index; /* in argv */
};

static error_t parse_main(int key, char *argument, struct argp_state *state) {
    struct main_arguments *arguments = state->input;
    (void)argument;
    if (key == ARGP_KEY_NO_ARGS) {
        argp_usage(state);
    }
    if (key != ARGP_KEY_ARG) {
        return ARGP_ERR_UNKNOWN;
    }
    arguments->command_index = state->next - 1;
    state->next = state->argc; /* the rest belongs to the sub-command */
    return 0;
}

static const struct argp main_argp = {
    .parser = parse_main,
    .args_doc = "COMMAND [ARGUMENT...]",
    .doc = "See what programs do with memory on acre, a malloc over the program break and mmap.\v",
    .help_filter = help_with_commands,
};

const struct acre_command *command_find(const char *name) {
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; acre_commands[i] != NULL; i++) {
        if (strcmp(acre_commands[i]->name, name) == 0) {
            return acre_commands[i];
        }
        nearest_offer(&nearest, acre_commands[i]->name);
    }
    if (nearest.distance_edits * 2 <= strlen(name) + 1) {
        complain("there is no command '%s'; the nearest is 'acre %s'", name, nearest.best);
    } else {
        complain("there is no command '%s'; 'acre help' lists them", name);
    }
    return NULL;
}

static bool is_finished; /* whoever wrote to standard output has looked at what became of it */

bool command_finish_output(void) {
    is_finished = true;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return true;
    }
    complain("cannot write to standard output: %s", strerror(errno));
    return false;
}

int command_enter(int argc, char **argv) {
    struct main_arguments arguments = {.command_index = 0};
    /* In order: the first word that is no option is the sub-command, whatever follows is not ours. */
    if (argp_parse(&main_argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments) != 0) {
        return ACRE_EXIT_FAILED;
    }
    const struct acre_command *command = command_find(argv[arguments.command_index]);
    if (command == NULL) {
        return ACRE_EXIT_USAGE;
    }
    char full_name[32];
    snprintf(full_name, sizeof full_name, "acre %s", command->name);
    argv[arguments.command_index] = full_name;
    return command->enter(argc - arguments.command_index, argv + arguments.command_index);
}

/* Help and version are printed by argp, which exits then. */
static void finish_help(void) {
    if (!is_finished && !command_finish_output()) {
        _exit(ACRE_EXIT_OUTPUT);
    }
}

/* What is opened later must not come to be standard output: where that is closed, writing to it is an error. A
 * program that is started finds it closed, as it was. */
static void hold_standard_descriptors(void) {
    int held;
    while ((held = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 && held <= STDERR_FILENO) {
    }
    if (held >= 0) {
        close(held);
    }
}

int main(int argc, char **argv) {
    hold_standard_descriptors();
    setlocale(LC_CTYPE, "");
    argp_err_exit_status = ACRE_EXIT_USAGE;
    argv[0] = program_invocation_short_name; /* as all other messages begin */
    atexit(finish_help);
    int status = command_enter(argc, argv);
    is_finished = true;
    return status;
}
