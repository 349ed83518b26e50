/* acre map --json; docs/map-json.md says what each key means. */
#include "map.h"

#include <inttypes.h>
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

/* All but the cells. */
static json_t *head_json(const struct map_view *view) {
    const struct heap *heap = view->heap;
    return json_pack("{s:s, s:o, s:o, s:b, s:o, s:{s:o, s:o, s:o}, s:o}", "schema", MAP_SCHEMA, "pid",
                     number((uint64_t)heap->target->pid), "name", look_json_text(heap->target->name), "core",
                     (int)heap->target->is_core, "cell_bytes", number(view->cells->cell_bytes), "break", "start",
                     number(heap->break_start), "now", number(heap->break_now), "peak", number(heap->break_peak),
                     "torn_records", number(heap->torn));
}

json_t *map_json(const struct map_view *view) {
    json_t *object = head_json(view), *segments = json_array();
    for (size_t i = 0; i < view->cells->segment_count; i++) {
        json_array_append_new(segments, segment_json(view->cells, &view->cells->segments[i]));
    }
    json_object_set_new(object, "segments", segments);
    return object;
}

/* ---- as text at once: there may be millions of cells, and most of them empty */

static void put_letters(FILE *stream, const struct cell *cells, size_t count,
                        char (*letter_of)(const struct cell *cell)) {
    for (size_t i = 0; i < count; i++) {
        putc_unlocked(letter_of(&cells[i]), stream);
    }
}

static void put_number(FILE *stream, uint64_t value, bool is_last) {
    if (value == 0) {
        putc_unlocked('0', stream);
    } else {
        fprintf(stream, "%" PRIu64, value);
    }
    if (!is_last) {
        putc_unlocked(',', stream);
    }
}

static void put_segment(FILE *stream, const struct cells *cells, const struct segment *segment) {
    const struct cell *first = &cells->cells[segment->first_cell];
    size_t count = segment->cell_count;
    fprintf(stream, "{\"start\": %" PRIu64 ", \"end\": %" PRIu64 ", \"break\": %s, \"kinds\": \"", segment->start,
            segment->end, segment->is_break ? "true" : "false");
    put_letters(stream, first, count, kind_letter);
    fputs("\", \"levels\": \"", stream);
    put_letters(stream, first, count, level_digit);
    fputs("\", \"live_bytes\": [", stream);
    for (size_t i = 0; i < count; i++) {
        put_number(stream, first[i].live_bytes, i + 1 == count);
    }
    fputs("], \"resident_bytes\": [", stream);
    for (size_t i = 0; i < count; i++) {
        put_number(stream, first[i].resident_bytes, i + 1 == count);
    }
    fputs("]}", stream);
}

bool map_write_json(FILE *stream, const struct map_view *view) {
    json_t *head = head_json(view);
    bool written = head != NULL && fputc('{', stream) != EOF && json_dumpf(head, stream, JSON_EMBED) == 0;
    json_decref(head);
    fputs(", \"segments\": [", stream);
    for (size_t i = 0; written && i < view->cells->segment_count; i++) {
        fputs(i == 0 ? "\n" : ",\n", stream);
        put_segment(stream, view->cells, &view->cells->segments[i]);
    }
    return fputs("]}\n", stream) != EOF && written;
}
