/* What is looked at: a running process, or a core file. */
#ifndef ACRE_TOOL_TARGET_H
#define ACRE_TOOL_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
    uint64_t start, end; /* addresses */
    uint64_t file_offset;
    bool readable, writable, executable, shared;
    bool has_kernel_figures; /* the two below are known */
    uint64_t resident_bytes, anonymous_bytes;
    char *name; /* file, or "[heap]", or "" */
};

/* What is behind a page, as the kernel says */
enum page_state {
    PAGE_UNKNOWN, /* a core does not say */
    PAGE_ABSENT,
    PAGE_ANONYMOUS, /* private memory of the process */
    PAGE_ZERO,      /* read but never written: the one page of zeros that everybody shares */
    PAGE_FILE,      /* of a file, or shared */
    PAGE_SWAPPED
};

struct target {
    bool is_core, is_cut_off; /* a core: that lacks what its headers say is there */
    pid_t pid;                /* of the process, or that which left the core; 0: not known */
    char name[64];            /* of the program */
    uint64_t page_bytes;      /* of the OS */
    struct mapping *mappings; /* by address */
    size_t mapping_count;
    struct target_process *process; /* one of the two is there */
    struct target_core *core;
};

/* Opens what the words name: a number is a process, anything else the path of a core file. smaps_path: a saved
 * /proc/PID/smaps for a core, or NULL. false after one line on stderr. */
bool target_open(struct target *target, const char *words, const char *smaps_path);
bool target_open_process(struct target *target, pid_t pid);
/* A thread of the process that has not ended, which has its files in /proc; the process's own number where there is
 * none. */
pid_t target_living_thread(pid_t pid);
void target_close(struct target *target);

/* Stops all threads of a process, until target_close or target_thaw; false after one line on stderr. */
bool target_freeze(struct target *target);
void target_thaw(struct target *target);

/* How many bytes from the address on could be read; the rest of `to` is left as it is. */
size_t target_read(struct target *target, uint64_t address, void *to, size_t size_bytes);
/* What is behind each page from start on (a page's address). false: it cannot be told. */
bool target_pages(struct target *target, uint64_t start, size_t pages, uint8_t *states);
/* Asks the kernel about all pages at once, where it can tell: from here on target_pages says what was so now. */
void target_remember_pages(struct target *target);

/* Reads the mappings once more; false when they cannot be had. The kernel's figures cost the process more, and are
 * nothing but what is behind its pages. */
bool target_read_mappings(struct target *target, bool kernel_figures);
/* The mapping that an address lies in, or NULL; and the first that ends behind it. */
const struct mapping *target_mapping_of(const struct target *target, uint64_t address);
const struct mapping *target_mapping_from(const struct target *target, uint64_t address);
/* About the most that there can be to read. */
uint64_t target_content_bytes(const struct target *target);
/* All anonymous memory of the process that is resident now; 0: not known. */
uint64_t target_anonymous_bytes(struct target *target);

/* For the two kinds of target. */
bool target_process_open(struct target *target, pid_t pid);
void target_process_close(struct target *target);
uint64_t target_process_resident_bytes(const struct target *target);
size_t target_process_read(struct target *target, uint64_t address, void *to, size_t size_bytes);
bool target_process_pages(struct target *target, uint64_t start, size_t pages, uint8_t *states);
bool target_core_open(struct target *target, const char *path);
void target_core_close(struct target *target);
size_t target_core_read(struct target *target, uint64_t address, void *to, size_t size_bytes);
uint64_t target_core_file_bytes(const struct target *target);

/* Of a text in the form of /proc/PID/smaps, or maps; false when it has another form, or memory is short. */
bool mappings_parse(const char *path, struct mapping **mappings, size_t *count);
void mappings_free(struct mapping *mappings, size_t count);
void target_take_mappings(struct target *target, struct mapping *mappings, size_t count);

#endif
