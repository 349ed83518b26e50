/* acre help [COMMAND] */
#include "command.h"

#include <argp.h>

static error_t parse_help(int key, char *argument, struct argp_state *state) {
    char **topic = state->input;
    if (key != ARGP_KEY_ARG) {
        return ARGP_ERR_UNKNOWN;
    }
    if (*topic != NULL) {
        argp_error(state, "one command at a time, please");
    }
    *topic = argument;
    return 0;
}

static const struct argp help_argp = {
    .parser = parse_help,
    .args_doc = "[COMMAND]",
    .doc = "Tell about acre, or about one of its commands.",
};

static int help(int argc, char **argv) {
    char *topic = NULL;
    if (argp_parse(&help_argp, argc, argv, 0, NULL, &topic) != 0) {
        return ACRE_EXIT_FAILED;
    }
    if (topic != NULL && command_find(topic) == NULL) {
        return ACRE_EXIT_USAGE;
    }
    /* `acre help run` is `acre run --help`, word for word. */
    char name[] = "acre", option[] = "--help";
    char *with_topic[] = {name, topic, option, NULL}, *without[] = {name, option, NULL};
    return topic == NULL ? command_enter(2, without) : command_enter(3, with_topic);
}

const struct acre_command acre_command_help = {
    .name = "help",
    .summary = "tell about acre or one of its commands",
    .enter = help,
};
