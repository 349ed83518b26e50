#include "complain.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static char *into;
static size_t into_bytes;

void complain_into(char *text, unsigned long room_bytes) {
    into = text;
    into_bytes = room_bytes;
}

void complain(const char *format, ...) {
    char message[4096], line[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    /* Messages quote names that others chose: they must not move the cursor or start a second line. */
    printable(line, sizeof line, message);
    if (into != NULL) {
        snprintf(into, into_bytes, "%s", line);
    } else {
        fprintf(stderr, "acre: %s\n", line);
    }
}

void printable(char *to, unsigned long limit_bytes, const char *text) {
    bool cut = strlen(text) >= limit_bytes;
    const char *end = to + limit_bytes - (cut ? sizeof "..." : 1);
    while (*text != '\0') {
        size_t shown = acre_shown_bytes(text), step = shown == 0 ? 1 : shown;
        if (to + step > end) {
            break;
        }
        memcpy(to, shown == 0 ? "?" : text, step);
        to += step;
        text += step;
    }
    strcpy(to, cut ? "..." : "");
}
