/* The record that the counting library fills, from the side that makes and reads it. */
#ifndef ACRE_TOOL_COUNT_FILE_H
#define ACRE_TOOL_COUNT_FILE_H

#include "inspect/count_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The arenas of one name, or (is_others) all that have no row of their own. */
struct arena_figures {
    char name[ACRE_COUNT_ARENA_NAME];
    bool is_others;
    uint64_t made, left;
    uint64_t calls, failed_calls, resets;
    uint64_t live_peak_bytes, live_end_bytes, live_end_blocks;
    uint64_t held_peak_bytes, held_end_bytes, held_most_bytes;
    uint64_t limit_bytes;
};

/* What one program image did: a copy of its slot that nobody writes to any more. */
struct image_figures {
    uint64_t pid, parent_pid, image;
    bool ended; /* by a regular exit */
    uint64_t calls[ACRE_COUNT_CALLS];
    uint64_t failed_calls;
    uint64_t syscalls[ACRE_COUNT_SYSCALLS];
    uint64_t break_start, break_peak, break_end; /* addresses */
    uint64_t mapped_end_bytes, mapped_peak_bytes;
    uint64_t live_end_bytes, live_peak_bytes, live_end_blocks;
    uint64_t looked_ms; /* CLOCK_MONOTONIC_COARSE; what comes from a walk is of then: retained, the picture */
    uint64_t retained_bytes, metadata_end_bytes;
    uint64_t released_bytes[ACRE_COUNT_RELEASED_HOWS], released_again_bytes;
    unsigned picture_cells;
    uint8_t picture[ACRE_COUNT_PICTURE_CELLS];
    char name[64];
    uint64_t arenas_made, arenas_left;
    size_t arena_names; /* rows in use; the one whose arenas held most first */
    struct arena_figures arenas[1 + ACRE_COUNT_ARENAS];
};

/* Only what adds up: peaks of several processes need not have been at one time, and what an image held is gone
 * when the next takes its place. */
struct count_total {
    uint64_t images, processes;
    uint64_t calls[ACRE_COUNT_CALLS];
    uint64_t failed_calls;
    uint64_t syscalls[ACRE_COUNT_SYSCALLS];
};

struct count_figures {
    bool attached;                /* the started process has a slot */
    struct image_figures root;    /* its last image */
    struct image_figures *images; /* its earlier images; with children, all images of the others too */
    size_t image_count;
    struct count_total total;  /* over all images */
    uint64_t uncounted_images; /* came when all slots were taken */
};

/* Makes the record and its path for the environment; NULL after one line on stderr. It stays open, and so
 * reachable by that path, until this process ends. */
struct acre_count_file *count_file_make(bool children, char path[64]);

/* Copies out what `used` slots hold. With `file` NULL (nothing was counted) all is zero. */
void count_figures_read(const struct acre_count_file *file, struct count_figures *figures);

/* The sum over all kinds. */
uint64_t count_of_calls(const uint64_t calls[ACRE_COUNT_CALLS]);
uint64_t count_of_released_bytes(const uint64_t bytes[ACRE_COUNT_RELEASED_HOWS]);
uint64_t count_of_syscalls(const uint64_t syscalls[ACRE_COUNT_SYSCALLS]);

#endif
