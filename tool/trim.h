/* acre trim, for acre top as well. */
#ifndef ACRE_TOOL_TRIM_H
#define ACRE_TOOL_TRIM_H

#include <stdbool.h>
#include <sys/types.h>

/* Asks a process to give back what is free, and waits for that; false after one line of complaint. */
bool trim_ask(pid_t pid);

#endif
