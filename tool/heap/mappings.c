/* The mappings of a process as /proc/PID/smaps lists them. */
#include "heap/target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mappings_free(struct mapping *mappings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(mappings[i].name);
    }
    free(mappings);
}

/* "7f00-7f01 rw-p 00000000 00:00 0    name" */
static bool parse_head(const char *line, struct mapping *mapping) {
    char modes[5];
    int name_at = 0;
    *mapping = (struct mapping){.start = 0};
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %*u %n", &mapping->start, &mapping->end,
               modes, &mapping->file_offset, &name_at) < 4 ||
        name_at == 0 || mapping->end <= mapping->start) {
        return false;
    }
    mapping->readable = modes[0] == 'r';
    mapping->writable = modes[1] == 'w';
    mapping->executable = modes[2] == 'x';
    mapping->shared = modes[3] == 's';
    mapping->name = strdup(line + name_at);
    if (mapping->name != NULL) {
        mapping->name[strcspn(mapping->name, "\n")] = '\0';
    }
    return mapping->name != NULL;
}

/* The kernel writes a piece at a time. A mapping that grows meanwhile comes once more, and what was said of it
 * before holds no longer. */
static void drop_earlier(struct mapping *mappings, size_t *count, const struct mapping *mapping) {
    while (*count > 0 && mappings[*count - 1].start >= mapping->start) {
        free(mappings[--*count].name);
    }
    if (*count > 0 && mappings[*count - 1].end > mapping->start) {
        mappings[*count - 1].end = mapping->start;
    }
}

static bool add(struct mapping **mappings, size_t *count, size_t *room, const struct mapping *mapping) {
    drop_earlier(*mappings, count, mapping);
    if (*count == *room) {
        size_t more = *room == 0 ? 64 : *room * 2;
        struct mapping *moved = realloc(*mappings, more * sizeof *moved);
        if (moved == NULL) {
            return false;
        }
        *mappings = moved;
        *room = more;
    }
    (*mappings)[(*count)++] = *mapping;
    return true;
}

static void note_figure(const char *line, struct mapping *mapping) {
    uint64_t kib;
    if (sscanf(line, "Rss: %" SCNu64 " kB", &kib) == 1) {
        mapping->resident_bytes = kib * 1024;
    } else if (sscanf(line, "Anonymous: %" SCNu64 " kB", &kib) == 1) {
        mapping->anonymous_bytes = kib * 1024;
        mapping->has_kernel_figures = true;
    }
}

bool mappings_parse(const char *path, struct mapping **mappings, size_t *count) {
    FILE *stream = fopen(path, "re");
    char *line = NULL;
    size_t line_room = 0, room = 0;
    bool fine = stream != NULL;
    *mappings = NULL;
    *count = 0;
    while (fine && getline(&line, &line_room, stream) > 0) {
        struct mapping mapping;
        if (parse_head(line, &mapping)) {
            fine = add(mappings, count, &room, &mapping);
            if (!fine) {
                free(mapping.name);
            }
        } else if (*count > 0) {
            note_figure(line, &(*mappings)[*count - 1]);
        } else {
            fine = false;
        }
    }
    fine = fine && !ferror(stream) && *count > 0;
    free(line);
    if (stream != NULL) {
        fclose(stream);
    }
    if (!fine) {
        mappings_free(*mappings, *count);
        *mappings = NULL;
        *count = 0;
    }
    return fine;
}
