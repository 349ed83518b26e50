/* Lines to standard error, made without allocating. */
#ifndef ACRE_OS_REPORT_H
#define ACRE_OS_REPORT_H

#include "base/base.h"

#include <stdarg.h>

/* What a line may have, its end included. */
#define ACRE_LINE_BYTES 408

/* One line "acre: ...". The format knows %s (without control characters), %p, %zu, %u and %%; a longer line is cut
 * at 400 bytes. */
void acre_report(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The text that acre_report would write, without "acre: ", into buffer (always ended by NUL); its length. */
size_t acre_format(char *buffer, size_t size_bytes, const char *format, va_list arguments);
/* acre_report, then abort: when acre cannot go on, its own books being wrong for one. What the program did wrong is
 * for os/misuse.h. */
_Noreturn void acre_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
