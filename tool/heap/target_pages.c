/* What is behind the pages of a process. */
#include "heap/target_process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* As <linux/fs.h> has it since Linux 6.7; Debian's headers are older. */
struct scan_request {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, category_mask,
        category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN_CALL _IOWR('f', 16, struct scan_request)
enum { SCAN_FILE = 1 << 2, SCAN_PRESENT = 1 << 3, SCAN_SWAPPED = 1 << 4, SCAN_ZERO = 1 << 5, SCAN_REGIONS = 512 };
/* Of more regions than that, pages are asked for as they are needed. */
#define REMEMBERED_MOST ((size_t)1 << 21)

static uint8_t state_of_categories(uint64_t categories) {
    if (categories & SCAN_SWAPPED) {
        return PAGE_SWAPPED;
    }
    if (!(categories & SCAN_PRESENT)) {
        return PAGE_ABSENT;
    }
    return categories & SCAN_ZERO ? PAGE_ZERO : categories & SCAN_FILE ? PAGE_FILE : PAGE_ANONYMOUS;
}

/* Regions of what is there from *at on, up to `room` of them: how many, and *at moves to where that ends; -1: the
 * kernel cannot tell. */
static int scan_some(const struct target *target, uint64_t *at, uint64_t end, struct scan_region *regions,
                     size_t room) {
    struct scan_request request = {.size = sizeof request,
                                   .start = *at,
                                   .end = end,
                                   .vec = (uintptr_t)regions,
                                   .vec_len = room,
                                   .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
                                   .return_mask = SCAN_FILE | SCAN_PRESENT | SCAN_SWAPPED | SCAN_ZERO};
    int found = ioctl(target->process->pagemap, PAGEMAP_SCAN_CALL, &request);
    if (found < 0 || request.walk_end <= *at) {
        return -1;
    }
    *at = request.walk_end;
    return found;
}

static void note_states(const struct target *target, const struct scan_region *region, uint64_t start, uint64_t end,
                        uint8_t *states) {
    uint64_t from = region->start > start ? region->start : start, to = region->end < end ? region->end : end;
    uint64_t page_bytes = target->page_bytes;
    memset(states + (from - start) / page_bytes, state_of_categories(region->categories), (to - from) / page_bytes);
}

static bool scan(struct target *target, uint64_t start, size_t pages, uint8_t *states) {
    struct scan_region regions[SCAN_REGIONS];
    uint64_t end = start + pages * target->page_bytes, at = start;
    memset(states, PAGE_ABSENT, pages);
    while (at < end) {
        int found = scan_some(target, &at, end, regions, SCAN_REGIONS);
        if (found < 0) {
            return false;
        }
        for (int i = 0; i < found; i++) {
            note_states(target, &regions[i], start, end, states);
        }
    }
    return true;
}

/* ---- all of it at once */

void target_process_forget_pages(struct target *target) {
    free(target->process->scan.regions);
    target->process->scan = (struct scan){.count = 0};
}

static bool make_room(struct scan *scan) {
    if (scan->count + SCAN_REGIONS <= scan->room) {
        return true;
    }
    size_t more = scan->room * 2 + SCAN_REGIONS;
    struct scan_region *moved = more > REMEMBERED_MOST ? NULL : realloc(scan->regions, more * sizeof *moved);
    if (moved == NULL) {
        return false;
    }
    scan->regions = moved;
    scan->room = more;
    return true;
}

void target_remember_pages(struct target *target) {
    if (target->is_core || !target->process->can_scan || target->mapping_count == 0) {
        return;
    }
    target_process_forget_pages(target);
    struct scan *scan = &target->process->scan;
    uint64_t at = target->mappings[0].start, start = at;
    size_t last = target->mapping_count - 1;
    while (last > 0 && target->mappings[last].start >> 63) { /* the kernel's own, which every process has */
        last--;
    }
    uint64_t end = target->mappings[last].end;
    while (at < end) {
        int found = make_room(scan) ? scan_some(target, &at, end, scan->regions + scan->count, SCAN_REGIONS) : -1;
        if (found < 0) {
            target_process_forget_pages(target); /* they are asked for one by one, then */
            return;
        }
        scan->count += (size_t)found;
    }
    scan->start = start;
    scan->end = end;
}

static bool is_remembered(const struct target *target, uint64_t start, size_t pages) {
    const struct scan *scan = &target->process->scan;
    return start >= scan->start && start < scan->end && pages <= (scan->end - start) / target->page_bytes;
}

static void recall(const struct target *target, uint64_t start, size_t pages, uint8_t *states) {
    const struct scan *scan = &target->process->scan;
    uint64_t end = start + pages * target->page_bytes;
    size_t low = 0, high = scan->count;
    memset(states, PAGE_ABSENT, pages);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (scan->regions[middle].end <= start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < scan->count && scan->regions[low].start < end; low++) {
        note_states(target, &scan->regions[low], start, end, states);
    }
}

/* Before Linux 6.7. A page of zeros cannot be told from memory of the process there. */
static bool read_pagemap(struct target *target, uint64_t start, size_t pages, uint8_t *states) {
    enum { AT_ONCE = 4096 };
    static uint64_t entries[AT_ONCE];
    for (size_t done = 0; done < pages;) {
        size_t part = pages - done < AT_ONCE ? pages - done : AT_ONCE;
        off_t offset = (off_t)((start / target->page_bytes + done) * sizeof entries[0]);
        ssize_t got = pread(target->process->pagemap, entries, part * sizeof entries[0], offset);
        if (got <= 0) {
            return false;
        }
        for (size_t i = 0; i < (size_t)got / sizeof entries[0]; i++) {
            bool present = entries[i] >> 63, swapped = entries[i] >> 62 & 1, file = entries[i] >> 61 & 1;
            states[done + i] = (uint8_t)(swapped    ? PAGE_SWAPPED
                                         : !present ? PAGE_ABSENT
                                         : file     ? PAGE_FILE
                                                    : PAGE_ANONYMOUS);
        }
        done += (size_t)got / sizeof entries[0];
    }
    return true;
}

bool target_process_pages(struct target *target, uint64_t start, size_t pages, uint8_t *states) {
    struct target_process *process = target->process;
    if (is_remembered(target, start, pages)) {
        recall(target, start, pages, states);
        return true;
    }
    process->can_scan = process->can_scan && scan(target, start, pages, states);
    return process->can_scan || read_pagemap(target, start, pages, states);
}
