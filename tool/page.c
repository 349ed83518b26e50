#include "page.h"

#include <stdlib.h>
#include <string.h>

/* "</" would end the script that it stands in. */
static void put_json(FILE *stream, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '<') {
            fputs("\\u003c", stream);
        } else {
            fputc(*text, stream);
        }
    }
}

bool page_write(FILE *stream, const char *page, const json_t *object) {
    static const char place[] = "@DATA@";
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    const char *at = strstr(page, place);
    if (text == NULL || at == NULL) {
        free(text);
        return false;
    }
    fwrite(page, 1, (size_t)(at - page), stream);
    put_json(stream, text);
    fputs(at + strlen(place), stream);
    free(text);
    return true;
}
