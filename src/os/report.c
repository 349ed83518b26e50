#include "os/report.h"

#include "base/text.h"
#include "os/os.h"

struct line {
    char *text;
    size_t room, length;
};

static void put(struct line *line, char character) {
    if (line->length + 1 < line->room) line->text[line->length++] = character;
}

static void put_string(struct line *line, const char *string) {
    while (*string != 0) put(line, *string++);
}

/* The names of arenas and the like; what cannot be shown is a question mark. */
static void put_foreign(struct line *line, const char *string) {
    for (size_t shown; *string != 0; string += shown == 0 ? 1 : shown) {
        shown = acre_shown_bytes(string);
        if (shown == 0) put(line, '?');
        for (size_t i = 0; i < shown; i++) put(line, string[i]);
    }
}

static void put_number(struct line *line, uint64_t value, unsigned base) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0) put(line, digits[--count]);
}

size_t acre_format(char *buffer, size_t size_bytes, const char *format, va_list arguments) {
    struct line line = {buffer, size_bytes, 0};
    for (; *format != 0; format++) {
        if (*format != '%') {
            put(&line, *format);
            continue;
        }
        switch (*++format) {
        case 's':
            put_foreign(&line, va_arg(arguments, const char *));
            break;
        case 'p':
            put_string(&line, "0x");
            put_number(&line, (uintptr_t)va_arg(arguments, void *), 16);
            break;
        case 'z':
            format++;
            put_number(&line, va_arg(arguments, size_t), 10);
            break;
        case 'u':
            put_number(&line, va_arg(arguments, unsigned), 10);
            break;
        default:
            put(&line, *format);
        }
    }
    line.text[line.length] = 0;
    return line.length;
}

static void write_line(const char *format, va_list arguments) {
    char text[ACRE_LINE_BYTES] = "acre: ";
    size_t length = 6 + acre_format(text + 6, sizeof text - 7, format, arguments);
    text[length++] = '\n';
    acre_os_write_error(text, length);
}

void acre_report(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
}

_Noreturn void acre_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
    acre_os_abort();
}
