/* The description of the heap that libacre has in it (docs/heap-format.md), and how to find it. */
#ifndef ACRE_TOOL_HEAP_FORMAT_H
#define ACRE_TOOL_HEAP_FORMAT_H

#include "heap/target.h"

#include "inspect/description.h"

#include <string.h>

struct heap_format {
    uint64_t root[ACRE_ROOTS];
    uint64_t number[ACRE_NUMBERS];
    struct acre_description_field field[ACRE_FIELDS];
    uint64_t module_start; /* of the file that acre is in: where it is mapped, and its data */
    uint64_t data_start, data_end;
    bool is_own_module; /* a library that is acre and nothing else */
};

/* false after one line on stderr. */
bool heap_format_find(struct target *target, struct heap_format *format);

/* The thread that gives back in the background, 0 where there is none; and of what it shares, which can be asked.
 */
struct heap_scavenger {
    uint64_t thread, descriptor;
};
struct heap_scavenger heap_format_scavenger(struct target *target, const struct heap_format *format);

/* A record as it was read. What lies behind its end reads as zeros. */
struct record {
    const unsigned char *data;
    size_t bytes;
};

/* A number or an address of up to eight bytes; element `index` of an array of words of `word_bytes`. */
uint64_t record_number(const struct heap_format *format, struct record record, int field);
uint64_t record_word(const struct heap_format *format, struct record record, int field, size_t index,
                     size_t word_bytes);
/* What lies in a record from an offset on. */
struct record record_part(struct record record, uint64_t offset);
static inline uint64_t record_u64(struct record record, uint64_t offset) {
    uint64_t value = 0;
    if (offset < record.bytes && record.bytes - offset >= sizeof value) {
        memcpy(&value, record.data + offset, sizeof value);
    }
    return value;
}

#endif
