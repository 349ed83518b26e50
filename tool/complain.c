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

/* Characters that a terminal does not show, but which turn what stands behind them around, or break the line:
 * U+200E, U+200F, U+2028 to U+202E and U+2066 to U+2069 (Unicode's report 9). */
static bool turns_the_line(const char *character, size_t bytes) {
    const unsigned char *at = (const unsigned char *)character;
    return bytes == 3 && at[0] == 0xe2 &&
           ((at[1] == 0x80 && (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae))) ||
            (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

void printable(char *to, unsigned long limit_bytes, const char *text) {
    bool cut = strlen(text) >= limit_bytes;
    const char *end = to + limit_bytes - (cut ? sizeof "..." : 1);
    while (*text != '\0') {
        size_t shown = acre_shown_bytes(text), step = shown == 0 ? 1 : shown;
        bool is_plain = shown > 0 && !turns_the_line(text, shown);
        size_t written = is_plain ? shown : 1;
        if (to + written > end) {
            break;
        }
        memcpy(to, is_plain ? text : "?", written);
        to += written;
        text += step;
    }
    strcpy(to, cut ? "..." : "");
}
