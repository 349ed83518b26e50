#include "terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_LEAST = 40, WIDTH_MOST = 1000, WIDTH_UNKNOWN = 80 };

static unsigned within_reason(long columns) {
    return (unsigned)(columns < WIDTH_LEAST ? WIDTH_LEAST : columns > WIDTH_MOST ? WIDTH_MOST : columns);
}

unsigned terminal_width_columns(int descriptor) {
    const char *columns = getenv("COLUMNS");
    if (columns != NULL && *columns != '\0') {
        char *end;
        long width = strtol(columns, &end, 10);
        if (*end == '\0' && width > 0) {
            return within_reason(width);
        }
    }
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return within_reason(size.ws_col);
    }
    return WIDTH_UNKNOWN;
}

bool terminal_wants_colour(int descriptor) {
    const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
    return isatty(descriptor) && (no_colour == NULL || *no_colour == '\0') && kind != NULL &&
           strcmp(kind, "dumb") != 0;
}

bool locale_is_utf8(void) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
