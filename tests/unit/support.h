/* What the unit tests share. */
#ifndef ACRE_TESTS_UNIT_SUPPORT_H
#define ACRE_TESTS_UNIT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/os.h"

/* The same numbers in every run. */
void unit_seed(uint64_t seed);
uint32_t unit_below(uint32_t limit);

/* Starts acre as src/api/start.c does, with these ACRE_OPTIONS. Once in a process. */
void unit_start(const char *options);

/* Runs the function in a child; what it writes to standard error comes back in text. The status of waitpid. The
 * child leaves by _exit: 0 when the function returns. Asserts of cmocka do not work there: see UNIT_CHECK. */
int unit_in_child(void (*function)(void *), void *context, char *text, size_t room);
bool unit_aborted(int status);
/* The same in this process. */
void unit_capture(void (*function)(void *), void *context, char *text, size_t room);
unsigned unit_count_lines(const char *text);

/* In a child: ends it with 1 and says where. */
#define UNIT_CHECK(condition)                                                                                      \
    do {                                                                                                           \
        if (!(condition)) unit_check_failed(__FILE__, __LINE__, #condition);                                       \
    } while (0)
_Noreturn void unit_check_failed(const char *file, int line, const char *condition);

/* The nth call of this kind from now on (from 1) fails, and with `and_later` all behind it. */
void unit_fault(enum acre_os_call call, unsigned nth, bool and_later);
/* Ends that; whether a call failed. */
bool unit_fault_end(void);

bool unit_is_zero(const void *start, size_t size_bytes);

#endif
