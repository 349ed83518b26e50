#include "heap/target.h"

#include "complain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void target_take_mappings(struct target *target, struct mapping *mappings, size_t count) {
    mappings_free(target->mappings, target->mapping_count);
    target->mappings = mappings;
    target->mapping_count = count;
}

/* A number is a process; "./123" is a file. */
static bool is_number(const char *words, long *number) {
    char *end;
    errno = 0;
    *number = strtol(words, &end, 10);
    return *words >= '0' && *words <= '9' && *end == '\0';
}

/* The kernel's figures from a saved smaps go to the core's mappings that begin there. */
static bool add_figures(struct target *target, const char *smaps_path) {
    struct mapping *saved;
    size_t count, at = 0, found = 0;
    if (!mappings_parse(smaps_path, &saved, &count)) {
        complain("%s is not a saved /proc/PID/smaps", smaps_path);
        return false;
    }
    for (size_t i = 0; i < target->mapping_count; i++) {
        struct mapping *mapping = &target->mappings[i];
        while (at < count && saved[at].start < mapping->start) {
            at++;
        }
        if (at < count && saved[at].start == mapping->start && saved[at].has_kernel_figures) {
            mapping->has_kernel_figures = true;
            mapping->resident_bytes = saved[at].resident_bytes;
            mapping->anonymous_bytes = saved[at].anonymous_bytes;
            found++;
        }
    }
    mappings_free(saved, count);
    if (found == 0) {
        complain("%s is of another process than the core: no mapping is in both", smaps_path);
    }
    return found > 0;
}

bool target_open_process(struct target *target, pid_t pid) {
    *target = (struct target){.pid = 0};
    bool opened = target_process_open(target, pid);
    if (!opened) {
        target_close(target);
    }
    return opened;
}

bool target_open(struct target *target, const char *words, const char *smaps_path) {
    long number;
    bool opened;
    *target = (struct target){.pid = 0};
    if (is_number(words, &number)) {
        if (smaps_path != NULL) {
            complain("--smaps is for core files: process %s has its own", words);
            return false;
        }
        if (errno != 0 || number <= 0 || number > 0x7fffffffL) {
            complain("there is no process %s", words);
            return false;
        }
        return target_open_process(target, (pid_t)number);
    }
    opened = target_core_open(target, words) && (smaps_path == NULL || add_figures(target, smaps_path));
    if (!opened) {
        target_close(target);
    }
    return opened;
}

void target_close(struct target *target) {
    if (target->process != NULL) {
        target_process_close(target);
    }
    if (target->core != NULL) {
        target_core_close(target);
    }
    target_take_mappings(target, NULL, 0);
}

size_t target_read(struct target *target, uint64_t address, void *to, size_t size_bytes) {
    if (address + size_bytes < address) {
        return 0;
    }
    return target->is_core ? target_core_read(target, address, to, size_bytes)
                           : target_process_read(target, address, to, size_bytes);
}

bool target_pages(struct target *target, uint64_t start, size_t pages, uint8_t *states) {
    memset(states, PAGE_UNKNOWN, pages);
    return !target->is_core && target_process_pages(target, start, pages, states);
}

const struct mapping *target_mapping_of(const struct target *target, uint64_t address) {
    size_t low = 0, high = target->mapping_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (target->mappings[middle].end <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool inside = low < target->mapping_count && target->mappings[low].start <= address;
    return inside ? &target->mappings[low] : NULL;
}
