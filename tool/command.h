/* The sub-commands of acre: one table, one file per sub-command. */
#ifndef ACRE_TOOL_COMMAND_H
#define ACRE_TOOL_COMMAND_H

#include <stdbool.h>

/* Exit statuses of acre itself; the three above 124 are those of env(1) and timeout(1). */
enum {
    ACRE_EXIT_OK = 0,
    ACRE_EXIT_OUTPUT = 1, /* what was asked for could not be written */
    ACRE_EXIT_USAGE = 2,
    ACRE_EXIT_FAILED = 125,
    ACRE_EXIT_CANNOT_EXECUTE = 126,
    ACRE_EXIT_NOT_FOUND = 127
};

struct acre_command {
    const char *name;
    const char *summary;
    int (*enter)(int argc, char **argv); /* argv[0] is "acre NAME"; returns the exit status */
};

extern const struct acre_command acre_command_help, acre_command_map, acre_command_options, acre_command_run,
    acre_command_sources, acre_command_top, acre_command_trim, acre_command_why;

extern const struct acre_command *const acre_commands[]; /* NULL at the end */

/* The sub-command of that name, or NULL after one line on stderr that names the nearest. */
const struct acre_command *command_find(const char *name);

/* What `main` does: argv[0] is "acre", the sub-command follows. Returns the exit status. */
int command_enter(int argc, char **argv);

/* Flushes stdout; false, after one line on stderr, when something of it was lost. */
bool command_finish_output(void);

#endif
