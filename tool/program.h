/* The program that `acre run` is to start: where it is, and whether acre can be loaded into it. */
#ifndef ACRE_TOOL_PROGRAM_H
#define ACRE_TOOL_PROGRAM_H

#include <limits.h>

struct program {
    char path[PATH_MAX]; /* what to execute; always with a slash */
    int refusal;         /* 0, or the exit status that stands for the reason below */
    char reason[512];    /* why it is refused; or else why acre may not show up in it, "" when it should */
};

/* Finds `name` as a shell would and looks at it. Scripts are followed to their interpreter. `library_path` is
 * what would be preloaded, NULL for nothing. */
void program_examine(const char *name, const char *library_path, struct program *program);

#endif
