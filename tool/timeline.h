/* What a process's memory did while it ran: samples from outside, and two pictures of the heap. */
#ifndef ACRE_TOOL_TIMELINE_H
#define ACRE_TOOL_TIMELINE_H

#include "inspect/count_record.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct timeline {
    const struct acre_count_file *counts; /* of calls; or NULL */
    double started_s, least_interval_s, interval_s;
    double spent_s;        /* on samples, in all: of a processor */
    double next_picture_s; /* pictures cost more than samples */
    uint64_t module_start; /* of acre in the program that was seen last: another one has taken its place by exec */
    json_t *samples;       /* an array; see docs/run-html.md */
    uint64_t peak_bytes;   /* resident, of those samples that have a picture */
    double peak_s, end_s;  /* when those are of */
    json_t *peak_map, *peak_why; /* NULL: there was no sample */
    json_t *end_map, *end_why;
};

/* false when there is no memory. */
bool timeline_start(struct timeline *timeline, const struct acre_count_file *counts);
/* Takes a sample of the process; in how many milliseconds the next one is due. It is for struct child_request. */
int timeline_sample(pid_t pid, void *timeline);
/* All of it as one JSON object, which is the caller's; NULL: no memory. Of no use afterwards. */
json_t *timeline_json(struct timeline *timeline);

#endif
