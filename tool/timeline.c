#include "timeline.h"

#include "complain.h"
#include "map.h"
#include "why.h"

#include <stdlib.h>
#include <time.h>

/* Samples cost a process a little each, so they take no more than this part of the time. */
#define COST_PART 0.015
#define PICTURES_PART 0.006
#define INTERVAL_LEAST_S 0.05
/* When there are so many, every second one goes, and from then on they come half as often. */
enum { SAMPLES_MOST = 1200, STRIP_CELLS = 160, MAP_CELLS = 16384 };
/* When the peak is so much higher than its picture, one is made at once: a hundred times at most while a program
 * becomes ten thousand times as big. */
#define PEAK_LEAP 1.1

static double read_s(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double now_s(void) { return read_s(CLOCK_MONOTONIC); }
static double spent_s(void) { return read_s(CLOCK_PROCESS_CPUTIME_ID); }

bool timeline_start(struct timeline *timeline, const struct acre_count_file *counts) {
    *timeline = (struct timeline){.counts = counts,
                                  .started_s = now_s(),
                                  .least_interval_s = INTERVAL_LEAST_S,
                                  .interval_s = INTERVAL_LEAST_S,
                                  .samples = json_array()};
    return timeline->samples != NULL;
}

static json_t *number(uint64_t value) { return json_integer((json_int_t)value); }

/* Library calls and system calls of the process so far, from the record that it counts in. */
static void add_calls(const struct timeline *timeline, pid_t pid, json_t *sample) {
    const struct acre_count_file *file = timeline->counts;
    uint64_t calls = 0, syscalls = 0, used = file == NULL ? 0 : atomic_load(&file->used);
    for (uint64_t i = 0; i < used && i < ACRE_COUNT_PROCESSES; i++) {
        const struct acre_count_process *process = &file->process[i];
        if (atomic_load(&process->pid) != (uint64_t)pid) {
            continue;
        }
        for (int call = 0; call < ACRE_COUNT_CALLS; call++) {
            calls += atomic_load(&process->calls[call]);
        }
        for (int call = 0; call < ACRE_COUNT_SYSCALLS; call++) {
            syscalls += atomic_load(&process->syscalls[call]);
        }
    }
    json_object_set_new(sample, "calls", number(calls));
    json_object_set_new(sample, "syscalls", number(syscalls));
}

/* The picture of the moment: for each segment its addresses and a letter for each cell, 1 to 8 for live ones. */
static json_t *strip_json(struct heap *heap) {
    struct cells cells;
    json_t *strip = json_array();
    if (!cells_make(&cells, heap, 0, STRIP_CELLS)) {
        return strip;
    }
    for (size_t i = 0; i < cells.segment_count; i++) {
        const struct segment *segment = &cells.segments[i];
        char *letters = malloc(segment->cell_count + 1);
        for (size_t k = 0; letters != NULL && k < segment->cell_count; k++) {
            const struct cell *cell = &cells.cells[segment->first_cell + k];
            enum cell_kind kind = cell_kind_of(cell);
            letters[k] = kind == CELL_LIVE ? (char)('0' + cell_level(cell, MAP_LEVELS)) : cell_letters[kind];
        }
        if (letters != NULL) {
            json_array_append_new(strip,
                                  json_pack("[o, o, b, s#]", number(segment->start), number(cells.cell_bytes),
                                            (int)segment->is_break, letters, (int)segment->cell_count));
        }
        free(letters);
    }
    cells_free(&cells);
    return strip;
}

static json_t *sample_json(const struct timeline *timeline, struct heap *heap, const struct account *account,
                           double at_s) {
    const uint64_t *bytes = account->bytes;
    json_t *sample =
        json_pack("{s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "t", at_s, "resident", number(account->resident_bytes),
                  "live", number(account->live_bytes), "partly", number(bytes[BUCKET_PARTLY]), "retained",
                  number(bytes[BUCKET_WAITING] + bytes[BUCKET_PINNED] + bytes[BUCKET_STOCK] + bytes[BUCKET_FRESH]),
                  "break", number(heap_break_bytes(heap)), "held", number(heap_held_bytes(heap)));
    if (sample != NULL) {
        add_calls(timeline, heap->target->pid, sample);
        json_object_set_new(sample, "strip", strip_json(heap));
    }
    return sample;
}

static json_t *make_map(struct heap *heap, const struct look_request *request) {
    struct cells cells;
    if (!cells_make(&cells, heap, 0, MAP_CELLS)) {
        return NULL;
    }
    struct map_view view = {.request = request, .heap = heap, .cells = &cells};
    json_t *object = map_page_json(&view);
    cells_free(&cells);
    return object;
}

/* As often as the part of the time allows that is theirs. */
static void keep_pictures(struct timeline *timeline, struct heap *heap, const struct account *account,
                          double at_s) {
    double began_s = spent_s(), higher = (double)account->resident_bytes / ((double)timeline->peak_bytes + 1);
    if (now_s() < timeline->next_picture_s && higher <= PEAK_LEAP) {
        return;
    }
    struct look_request request = {.words = ""};
    struct why_view view = {.request = &request, .heap = heap, .account = account};
    json_decref(timeline->end_map);
    json_decref(timeline->end_why);
    timeline->end_map = make_map(heap, &request);
    timeline->end_why = why_json(&view);
    timeline->end_s = at_s;
    if (timeline->peak_map == NULL || higher > 1) {
        json_decref(timeline->peak_map);
        json_decref(timeline->peak_why);
        timeline->peak_map = json_incref(timeline->end_map);
        timeline->peak_why = json_incref(timeline->end_why);
        timeline->peak_bytes = account->resident_bytes;
        timeline->peak_s = at_s;
    }
    timeline->next_picture_s = now_s() + (spent_s() - began_s) / PICTURES_PART;
}

static void thin_out(struct timeline *timeline) {
    for (size_t i = json_array_size(timeline->samples); i-- > 0;) {
        if (i % 2 == 1) {
            json_array_remove(timeline->samples, i);
        }
    }
    timeline->least_interval_s *= 2;
}

/* What was seen before an exec was another program's. */
static void forget_pictures(struct timeline *timeline) {
    json_decref(timeline->peak_map);
    json_decref(timeline->peak_why);
    json_decref(timeline->end_map);
    json_decref(timeline->end_why);
    timeline->peak_map = timeline->peak_why = timeline->end_map = timeline->end_why = NULL;
    timeline->peak_bytes = 0;
    timeline->next_picture_s = 0;
    json_array_clear(timeline->samples);
}

/* How much of a processor's time it took, but for pictures. */
static double take_sample(struct timeline *timeline, struct heap *heap) {
    struct account account;
    double began_s = spent_s();
    if (!account_make(&account, heap)) {
        return 0;
    }
    if (timeline->module_start != heap->format.module_start) {
        forget_pictures(timeline);
        timeline->module_start = heap->format.module_start;
    }
    double at_s = now_s() - timeline->started_s;
    json_t *sample = sample_json(timeline, heap, &account, at_s);
    if (sample != NULL) {
        json_array_append_new(timeline->samples, sample);
    }
    double cost_s = spent_s() - began_s;
    keep_pictures(timeline, heap, &account, at_s);
    account_free(&account);
    if (json_array_size(timeline->samples) >= SAMPLES_MOST) {
        thin_out(timeline);
    }
    return cost_s;
}

int timeline_sample(pid_t pid, void *context) {
    struct timeline *timeline = context;
    struct target target;
    struct heap heap;
    char reason[256];
    double began_s = spent_s(), cost_s = 0;
    complain_into(reason, sizeof reason); /* it may not have come to acre yet, or be about to end */
    if (target_open_process(&target, pid)) {
        if (heap_read(&heap, &target)) {
            cost_s = spent_s() - began_s;
            cost_s += take_sample(timeline, &heap);
            heap_free(&heap);
        }
        target_close(&target);
    }
    complain_into(NULL, 0);
    timeline->spent_s += spent_s() - began_s;
    timeline->interval_s = cost_s / COST_PART;
    if (timeline->interval_s < timeline->least_interval_s) {
        timeline->interval_s = timeline->least_interval_s;
    }
    return (int)(timeline->interval_s * 1000);
}

json_t *timeline_json(struct timeline *timeline) {
    json_t *object =
        json_pack("{s:o, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:o}", "samples", timeline->samples, "interval_s",
                  timeline->interval_s, "spent_s", timeline->spent_s, "peak_s", timeline->peak_s, "end_s",
                  timeline->end_s, "peak_map", timeline->peak_map == NULL ? json_null() : timeline->peak_map,
                  "peak_why", timeline->peak_why == NULL ? json_null() : timeline->peak_why, "end_map",
                  timeline->end_map == NULL ? json_null() : timeline->end_map, "end_why",
                  timeline->end_why == NULL ? json_null() : timeline->end_why);
    *timeline = (struct timeline){.counts = NULL};
    return object;
}
