/* A copy of acre's records in a process, so that they are looked at in one state, or nearly so while it runs. */
#ifndef ACRE_TOOL_SNAPSHOT_H
#define ACRE_TOOL_SNAPSHOT_H

#include "heap/format.h"

struct snapshot {
    struct copy {
        uint64_t start;
        size_t bytes;
        unsigned char *data;
        uint8_t *states; /* enum page_state of each of its pages; NULL: not known */
    } * copies;          /* by address once it is sorted */
    size_t count, room;
    uint64_t page_bytes;               /* of the OS */
    /* With what is kept for each page. None is copied twice, so that it is not more than there is to read. */
    uint64_t copied_bytes, most_bytes;
};

/* All that the description leads to. false after one line on stderr. */
bool snapshot_take(struct snapshot *snapshot, struct target *target, const struct heap_format *format);
void snapshot_free(struct snapshot *snapshot);

/* What was copied from the address on; NULL and 0 when nothing was. */
struct record snapshot_at(const struct snapshot *snapshot, uint64_t address);
/* In a table of addresses that was copied: the entry at that place, or the first one behind it that is not known to
 * be zero since its page was not there. */
enum { ENTRIES_AT_ONCE = 64 }; /* so often is asked: pages have more */
uint64_t snapshot_entry(const struct snapshot *snapshot, uint64_t table, uint64_t entry);
/* A record of so many bytes, whole or not at all. */
struct record snapshot_record(const struct snapshot *snapshot, uint64_t address, size_t size_bytes);
/* What was asked for; pages that are not there lie between what was copied. */
uint64_t snapshot_bytes(const struct snapshot *snapshot);
/* No more records of this size can have been read, whatever leads to them. */
size_t snapshot_most(const struct snapshot *snapshot, uint64_t record_bytes);
/* Reads it once more, where it changed while it was read. */
void snapshot_again(const struct snapshot *snapshot, struct target *target, uint64_t address, size_t size_bytes);

#endif
