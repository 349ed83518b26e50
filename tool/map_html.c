/* acre map --html: the page of pages/map.html.in, with the cells as JSON in it. */
#include "map.h"

#include "page.h"

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

json_t *map_page_json(const struct map_view *view) {
    char title[128];
    json_t *object = map_json(view);
    look_title(view->request, view->heap->target, title);
    if (object != NULL) {
        json_object_set_new(object, "title", look_json_text(title));
        json_object_set_new(object, "colours", colours_json());
    }
    return object;
}

bool map_draw_html(FILE *stream, const struct map_view *view) {
    json_t *object = map_page_json(view);
    bool written = page_write(stream, page_of_map, object);
    json_decref(object);
    return written;
}
