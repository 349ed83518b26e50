/* acre sources: what was measured. */
#ifndef ACRE_TOOL_SOURCES_H
#define ACRE_TOOL_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Nanoseconds: the median of several rounds, and the quartiles. */
struct cost {
    bool known;
    double median_ns, low_ns, high_ns;
};

enum source_call { CALL_MALLOC, CALL_SYSTEM, CALL_BREAK, CALL_MMAP, SOURCE_CALLS };
enum source_way { WAY_BREAK, WAY_MMAP, WAY_BREAK_HUGE, WAY_MMAP_HUGE, SOURCE_WAYS };
enum { SOURCE_SIZES = 4 };
/* A page of 4 KiB, where 16 MiB are in memory or were: given back, and touched again. */
enum source_back { BACK_UNMAP, BACK_ADVICE, BACK_BREAK, BACK_AGAIN, SOURCE_BACKS };

extern const size_t source_sizes[SOURCE_SIZES]; /* bytes */
extern const char *const source_call_names[SOURCE_CALLS], *const source_way_names[SOURCE_WAYS],
                                                              *const source_back_names[SOURCE_BACKS];
extern const char *const source_call_keys[SOURCE_CALLS], *const source_way_keys[SOURCE_WAYS],
                                                             *const source_back_keys[SOURCE_BACKS];

struct sources {
    struct cost call[SOURCE_CALLS];
    struct cost touch[SOURCE_WAYS]
                     [SOURCE_SIZES]; /* grow by the size and write to each page: a page of 4 KiB of it */
    struct cost shrink[SOURCE_WAYS][SOURCE_SIZES]; /* and give it back: likewise */
    struct cost back[SOURCE_BACKS];
    unsigned rounds;
};

/* Calls tell before each round, with how many are done; NULL: nobody is told. false after one line on stderr. */
bool sources_measure(struct sources *sources, unsigned rounds, void (*tell)(unsigned done, unsigned all));

void sources_report(FILE *stream, const struct sources *sources);
void sources_draw(FILE *stream, const struct sources *sources); /* SVG */

#endif
