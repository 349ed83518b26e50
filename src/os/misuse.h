/* Mistakes of the program: frees of what is no block, and the like. This is the one place that knows what becomes
 * of them: the program's handler, the line, and whether the program goes on. acre's own broken books are no such
 * mistake and always end the program (report.h). */
#ifndef ACRE_OS_MISUSE_H
#define ACRE_OS_MISUSE_H

#include "acre/acre.h"
#include "base/base.h"

/* The words of option misuse, by position. */
enum acre_misuse_policy { ACRE_ON_MISUSE_ABORT, ACRE_ON_MISUSE_REPORT, ACRE_ON_MISUSE_IGNORE };
void acre_misuse_start(enum acre_misuse_policy policy);
/* The handler in effect from now on, NULL for none; the one before. */
acre_misuse_handler *acre_misuse_set_handler(acre_misuse_handler *handler);

/* A mistake in a call of `function`, told as "acre: function(address): format...", without the address where the
 * kind is ACRE_MISUSE_ARENA_ORDER. If this returns, the call is to do nothing. */
ACRE_COLD void acre_misuse(enum acre_misuse_kind kind, const char *function, uintptr_t address, const char *format,
                           ...) __attribute__((format(printf, 4, 5)));

#endif
