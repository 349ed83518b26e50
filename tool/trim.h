/* acre trim, for acre top as well. */
#ifndef ACRE_TOOL_TRIM_H
#define ACRE_TOOL_TRIM_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* Asks a process to give back what is free, and waits for that while *stop is 0; false after one line of
 * complaint. */
bool trim_ask(pid_t pid, const volatile sig_atomic_t *stop);

#endif
