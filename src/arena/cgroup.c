#include "arena/cgroup.h"

#include "os/os.h"
#include "span/decay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 4096
#define LIST_BYTES ((size_t)16 << 10) /* a line for each controller, with a path each */
#define PATH_BYTES 1024
/* Version 1 says "no limit" by the greatest number of whole pages. */
#define LIMIT_MOST (UINT64_C(1) << 60)
/* In parts of the limit: from where on it matters, and where nothing is to wait any more. */
#define NEAR_PERCENT 75
#define FULL_PERCENT 95
#define READ_EVERY_MS 50
#define READ_EVERY_UNLIMITED_MS 5000

struct version {
    const char *mount, *limit_file, *used_file, *inactive_key;
};
static const struct version version_1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                         "\ntotal_inactive_file "};
static const struct version version_2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "\ninactive_file "};

/* Joins at most four parts; false when there is no room. */
static bool join(char path[PATH_BYTES], const char *const parts[4]) {
    size_t length = 0;
    for (int i = 0; i < 4 && parts[i] != NULL; i++) {
        size_t part = strlen(parts[i]);
        if (length + part >= PATH_BYTES) return false;
        memcpy(path + length, parts[i], part + 1);
        length += part;
    }
    return true;
}

static bool read_text(char *text, size_t room_bytes, const char *folder, const char *file) {
    char path[PATH_BYTES];
    return join(path, (const char *const[4]){folder, "/", file, NULL}) &&
           acre_os_read_file(path, text, room_bytes) > 0;
}

static bool read_number(uint64_t *number, const char *folder, const char *file) {
    char text[32];
    if (!read_text(text, sizeof text, folder, file) || *text < '0' || *text > '9')
        return false; /* "max", for instance */
    *number = strtoull(text, NULL, 10);
    return true;
}

static bool read_folder(const struct version *version, const char *folder, struct acre_cgroup *cgroup) {
    char text[TEXT_BYTES];
    if (!read_number(&cgroup->limit_bytes, folder, version->limit_file) || cgroup->limit_bytes == 0 ||
        cgroup->limit_bytes >= LIMIT_MOST || !read_number(&cgroup->used_bytes, folder, version->used_file))
        return false;
    const char *inactive =
        read_text(text, sizeof text, folder, "memory.stat") ? strstr(text, version->inactive_key) : NULL;
    if (inactive != NULL)
        cgroup->used_bytes -=
            acre_min(cgroup->used_bytes, strtoull(inactive + strlen(version->inactive_key), NULL, 10));
    return true;
}

static bool is_nearer(const struct acre_cgroup *a, const struct acre_cgroup *b) {
    return (double)a->used_bytes * (double)b->limit_bytes > (double)b->used_bytes * (double)a->limit_bytes;
}

/* From the cgroup itself up to where the file system is mounted. In a container the path may be one of the host's,
 * that is not there: then what is mounted is the container's own. */
static bool read_upwards(const char *root, const struct version *version, const char *cgroup_path,
                         struct acre_cgroup *nearest) {
    char folder[PATH_BYTES];
    size_t top = strlen(root) + strlen(version->mount);
    bool found = false;
    if (!join(folder, (const char *const[4]){root, version->mount, cgroup_path, NULL})) return false;
    for (char *end; (end = strrchr(folder, '/')) != NULL && strlen(folder) >= top; *end = 0) {
        struct acre_cgroup cgroup;
        if (!read_folder(version, folder, &cgroup)) continue;
        if (!found || is_nearer(&cgroup, nearest)) *nearest = cgroup;
        found = true;
    }
    return found;
}

/* Among others, perhaps: "cpu,memory". */
static bool names_memory(const char *controllers, const char *end) {
    static const char name[] = "memory";
    for (const char *word = controllers, *next; word < end; word = next + 1) {
        next = memchr(word, ',', (size_t)(end - word));
        if (next == NULL) next = end;
        if ((size_t)(next - word) == sizeof name - 1 && memcmp(word, name, sizeof name - 1) == 0) return true;
    }
    return false;
}

/* A line of /proc/self/cgroup is number:controllers:path; in version 2 it is 0::path. */
bool acre_cgroup_read(const char *root, struct acre_cgroup *nearest) {
    static char text[LIST_BYTES]; /* of the one who reads it */
    char path[PATH_BYTES];
    bool found = false;
    if (!join(path, (const char *const[4]){root, "/proc/self/cgroup", NULL}) ||
        acre_os_read_file(path, text, sizeof text) == 0)
        return false;
    for (char *line = text, *next; line != NULL && !found; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) *next++ = 0;
        char *controllers = strchr(line, ':'), *place = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (place == NULL) continue;
        bool is_second = strncmp(controllers, "::", 2) == 0;
        bool is_first = names_memory(controllers + 1, place);
        if (is_first || is_second)
            found = read_upwards(root, is_first ? &version_1 : &version_2, place + 1, nearest);
    }
    return found;
}

uint32_t acre_cgroup_pressure_percent(const struct acre_cgroup *cgroup) {
    double used_percent = (double)cgroup->used_bytes * 100 / (double)cgroup->limit_bytes;
    if (used_percent <= NEAR_PERCENT) return 0;
    if (used_percent >= FULL_PERCENT) return 100;
    return (uint32_t)((used_percent - NEAR_PERCENT) * 100 / (FULL_PERCENT - NEAR_PERCENT));
}

void acre_cgroup_forget(void) { atomic_store_explicit(&acre_decay.pressure_percent, 0, memory_order_relaxed); }

void acre_cgroup_look(void) {
    static uint64_t due_ms; /* there is one scavenger at a time */
    uint64_t now_ms = acre_os_clock_ms();
    struct acre_cgroup cgroup;
    if (now_ms < due_ms) return;
    bool limited = acre_cgroup_read("", &cgroup);
    due_ms = now_ms + (limited ? READ_EVERY_MS : READ_EVERY_UNLIMITED_MS);
    atomic_store_explicit(&acre_decay.pressure_percent, limited ? acre_cgroup_pressure_percent(&cgroup) : 0,
                          memory_order_relaxed);
}
