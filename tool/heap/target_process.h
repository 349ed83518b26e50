/* For the two files about a process: target_process.c, and target_pages.c. */
#ifndef ACRE_TOOL_TARGET_PROCESS_H
#define ACRE_TOOL_TARGET_PROCESS_H

#include "heap/target.h"

/* As <linux/fs.h> has it since Linux 6.7; Debian's headers are older. */
struct scan_region {
    uint64_t start, end, categories;
};

struct target_process {
    pid_t thread;  /* by which its memory is read: its first one, unless that has ended before the others */
    int pagemap;   /* descriptor */
    bool can_scan; /* PAGEMAP_SCAN (Linux 6.7) is there */
    struct scan {  /* what it said of all pages, once target_remember_pages was called */
        struct scan_region *regions;
        size_t count, room;
        uint64_t start, end; /* of the addresses that it was asked about; both 0: none */
    } scan;
    struct frozen {
        pid_t thread;
        int signal; /* that it was about to get, or 0 */
    } * frozen;
    size_t frozen_count;
};

void target_process_forget_pages(struct target *target);
/* "/proc/PID/FILE" */
char *target_proc_path(char path[64], pid_t pid, const char *file);

#endif
