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

/* The kernel's figures from a saved smaps go to the core's mappings that are in it. A few may be missing in one of
 * the two; and a few may be in both by chance, as those that the kernel has at the same place in all processes. */
static bool add_figures(struct target *target, const char *smaps_path) {
    struct mapping *saved;
    size_t count, at = 0, found = 0;
    errno = 0;
    if (!mappings_parse(smaps_path, &saved, &count)) {
        complain("%s: %s", smaps_path, errno != 0 ? strerror(errno) : "not a saved /proc/PID/smaps");
        return false;
    }
    for (size_t i = 0; i < target->mapping_count; i++) {
        struct mapping *mapping = &target->mappings[i];
        while (at < count && saved[at].start < mapping->start) {
            at++;
        }
        if (at < count && saved[at].start == mapping->start && saved[at].end == mapping->end &&
            saved[at].has_kernel_figures) {
            mapping->has_kernel_figures = true;
            mapping->resident_bytes = saved[at].resident_bytes;
            mapping->anonymous_bytes = saved[at].anonymous_bytes;
            if (*mapping->name == '\0') { /* a core has those of files alone */
                char *name = mapping->name;
                mapping->name = saved[at].name;
                saved[at].name = name;
            }
            found++;
        }
    }
    mappings_free(saved, count);
    bool is_same = found > target->mapping_count / 2;
    if (!is_same) {
        complain("%s is of another process than the core, or of another time: of its %zu mappings %zu are in both",
                 smaps_path, count, found);
    }
    return is_same;
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

const struct mapping *target_mapping_from(const struct target *target, uint64_t address) {
    size_t low = 0, high = target->mapping_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (target->mappings[middle].end <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < target->mapping_count ? &target->mappings[low] : NULL;
}

const struct mapping *target_mapping_of(const struct target *target, uint64_t address) {
    const struct mapping *mapping = target_mapping_from(target, address);
    return mapping != NULL && mapping->start <= address ? mapping : NULL;
}

/* A process may grow meanwhile. */
uint64_t target_content_bytes(const struct target *target) {
    return target->is_core ? target_core_file_bytes(target)
                           : target_process_resident_bytes(target) * 2 + (UINT64_C(64) << 20);
}
