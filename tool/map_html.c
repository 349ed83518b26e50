/* acre map --html: the page of map.html.in, with the cells as JSON in it. */
#include "map.h"

#include <stdlib.h>
#include <string.h>

/* map.html.in as the build put it here: the part before the data, and the part behind. */
extern const char map_page[];

static json_t *colours_json(void) {
    json_t *levels = json_array(), *kinds = json_object();
    for (int i = 0; i < MAP_LEVELS; i++) {
        json_array_append_new(levels, json_string(map_level_colours[i]));
    }
    for (int kind = CELL_STOCK; kind < CELL_NOTHING; kind++) {
        char letter[2] = {cell_letters[kind], '\0'};
        json_object_set_new(kinds, letter, json_pack("[s, s]", map_kind_colours[kind], cell_names[kind]));
    }
    return json_pack("{s:o, s:o}", "levels", levels, "kinds", kinds);
}

/* "</" would end the script it stands in. */
static void put_json(FILE *stream, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '<') {
            fputs("\\u003c", stream);
        } else {
            fputc(*text, stream);
        }
    }
}

bool map_draw_html(FILE *stream, const struct map_view *view) {
    static const char place[] = "@DATA@";
    char title[128];
    json_t *object = map_json(view);
    if (object == NULL) {
        return false;
    }
    look_title(view->request, view->heap->target, title);
    json_object_set_new(object, "title", look_json_text(title));
    json_object_set_new(object, "colours", colours_json());
    char *text = json_dumps(object, JSON_COMPACT);
    const char *at = strstr(map_page, place);
    json_decref(object);
    if (text == NULL || at == NULL) {
        free(text);
        return false;
    }
    fwrite(map_page, 1, (size_t)(at - map_page), stream);
    put_json(stream, text);
    fputs(at + strlen(place), stream);
    free(text);
    return true;
}
