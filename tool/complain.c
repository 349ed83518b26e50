#include "complain.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void complain(const char *format, ...) {
    char message[4096], line[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    /* Messages quote names that others chose: they must not move the cursor or start a second line. */
    printable(line, sizeof line, message);
    fprintf(stderr, "acre: %s\n", line);
}

void printable(char *to, unsigned long limit_bytes, const char *text) {
    size_t length_bytes = strlen(text);
    bool cut = length_bytes >= limit_bytes;
    if (cut) {
        length_bytes = limit_bytes - sizeof "...";
        while (length_bytes > 0 && ((unsigned char)text[length_bytes] & 0xc0) == 0x80) {
            length_bytes--; /* a UTF-8 continuation byte: do not tear the character */
        }
    }
    for (size_t i = 0; i < length_bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        to[i] = (char)(byte < 0x20 || byte == 0x7f ? '?' : byte);
    }
    strcpy(to + length_bytes, cut ? "..." : "");
}
