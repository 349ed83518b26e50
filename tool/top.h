/* acre top: parts of it. */
#ifndef ACRE_TOOL_TOP_H
#define ACRE_TOOL_TOP_H

#include "heap/account.h"
#include "heap/cells.h"

#include <stdio.h>

/* What is shown: lines of text, each of a kind that says how it is drawn. */
enum top_line_kind { TOP_PLAIN, TOP_HEAD, TOP_MAP, TOP_PROCESS };

struct top_line {
    enum top_line_kind kind;
    pid_t pid; /* of a TOP_PROCESS */
    char text[512];
};

struct top_screen {
    struct top_line *lines;
    size_t count, room; /* room: rows that there are */
    unsigned columns;
};

/* Adds a line, cut to the columns, while there is room. */
void top_say(struct top_screen *screen, enum top_line_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum { TOP_OS_CALLS = 5 }; /* brk, mmap, munmap, mremap, madvise */

/* What was seen of a process the last time. */
struct top_sample {
    pid_t pid;
    double at_s;
    uint64_t calls[TOP_OS_CALLS], released_bytes;
};

/* All processes on acre, the biggest first. */
void top_list(struct top_screen *screen, double delay_s);
/* One process; false when it is not to be looked at any more, with the reason in `reason`. `before` is that of the
 * last look, and becomes that of this one. */
bool top_process(struct top_screen *screen, pid_t pid, double delay_s, struct top_sample *before, char reason[512]);

double top_now_s(void);

#endif
