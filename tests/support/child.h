/* A part of a test in a process of its own: for what must end by a signal, or may. */
#ifndef ACRE_TESTS_CHILD_H
#define ACRE_TESTS_CHILD_H

#include <stdbool.h>
#include <stddef.h>

/* Runs it in the child of a fork, which exits with 0 afterwards, and gives what waitpid says; -1: there was no
 * child. What it wrote to stderr, cut to the capacity, comes into text; NULL: it goes where ours goes. A child that
 * hangs ends by SIGALRM. */
int child_run(void (*run)(void), char *text, size_t capacity_bytes);

/* Whether it ended well: by exit with 0, and within its time. */
bool child_ends_well(void (*run)(void));

/* Whether it ended by SIGABRT after one line "acre: ..." on stderr that names the function. Says what it did
 * instead. */
bool child_is_stopped(const char *name, void (*run)(void), const char *function);

#endif
