/* acre map --json; docs/map-json.md says what each key means. */
#include "map.h"

#include <stdlib.h>

#define MAP_SCHEMA "acre-map/1"

static json_t *number(uint64_t value) { return json_integer((json_int_t)value); }

static char kind_letter(const struct cell *cell) { return cell_letters[cell_kind_of(cell)]; }
static char level_digit(const struct cell *cell) { return (char)('0' + cell_level(cell, MAP_LEVELS)); }

/* A letter or a digit for each cell. */
static json_t *letters_json(const struct cell *cells, size_t count, char (*letter_of)(const struct cell *cell)) {
    char *letters = malloc(count + 1);
    for (size_t i = 0; letters != NULL && i < count; i++) {
        letters[i] = letter_of(&cells[i]);
    }
    json_t *text = letters == NULL ? NULL : json_stringn(letters, count);
    free(letters);
    return text;
}

static json_t *segment_json(const struct cells *cells, const struct segment *segment) {
    const struct cell *first = &cells->cells[segment->first_cell];
    json_t *live = json_array(), *resident = json_array();
    for (size_t i = 0; i < segment->cell_count; i++) {
        json_array_append_new(live, number(first[i].live_bytes));
        json_array_append_new(resident, number(first[i].resident_bytes));
    }
    return json_pack(
        "{s:o, s:o, s:b, s:o, s:o, s:o, s:o}", "start", number(segment->start), "end", number(segment->end),
        "break", (int)segment->is_break, "kinds", letters_json(first, segment->cell_count, kind_letter), "levels",
        letters_json(first, segment->cell_count, level_digit), "live_bytes", live, "resident_bytes", resident);
}

json_t *map_json(const struct map_view *view) {
    const struct heap *heap = view->heap;
    json_t *segments = json_array();
    for (size_t i = 0; i < view->cells->segment_count; i++) {
        json_array_append_new(segments, segment_json(view->cells, &view->cells->segments[i]));
    }
    return json_pack("{s:s, s:o, s:o, s:b, s:o, s:{s:o, s:o, s:o}, s:o, s:o}", "schema", MAP_SCHEMA, "pid",
                     number((uint64_t)heap->target->pid), "name", look_json_text(heap->target->name), "core",
                     (int)heap->target->is_core, "cell_bytes", number(view->cells->cell_bytes), "break", "start",
                     number(heap->break_start), "now", number(heap->break_now), "peak", number(heap->break_peak),
                     "torn_records", number(heap->torn), "segments", segments);
}
