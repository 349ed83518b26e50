/* Layer 7: how near the process's cgroup is to its memory limit (cgroups version 1 and 2).
 *
 * Read by the scavenger, and never at the start of a process. Near the limit free memory waits less long than
 * option decay_ms says, since the kernel's alternative is to end a process. */
#ifndef ACRE_ARENA_CGROUP_H
#define ACRE_ARENA_CGROUP_H

#include "base/base.h"

struct acre_cgroup {
    uint64_t used_bytes; /* less file pages that nobody used lately, which the kernel drops first */
    uint64_t limit_bytes;
};

/* Of the process's cgroup and those above it, the one that is nearest to its limit; false when none has a limit, or
 * none can be read. `root` comes before the paths of /proc and /sys ("" for the system's own). No allocation. */
bool acre_cgroup_read(const char *root, struct acre_cgroup *nearest);

/* What is to be taken off the time that free memory waits: per cent, 0 up to three quarters of the limit. */
uint32_t acre_cgroup_pressure_percent(const struct acre_cgroup *cgroup);

/* In the child of a fork, where nobody looks yet. */
void acre_cgroup_forget(void);
/* Reads it if that is due, and lets acre_decay_shorten know. */
void acre_cgroup_look(void);

#endif
