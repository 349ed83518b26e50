/* Where every byte of a process's resident anonymous memory belongs. */
#ifndef ACRE_TOOL_ACCOUNT_H
#define ACRE_TOOL_ACCOUNT_H

#include "heap/pages.h"

#define ACCOUNT_SPANS_MOST 10

struct account_mapping {
    const struct mapping *mapping;
    uint64_t acre_bytes;     /* address space of it that is acre's */
    uint64_t bytes[BUCKETS]; /* resident */
    uint64_t other_bytes;    /* resident, and not acre's */
    uint64_t kernel_bytes;   /* resident anonymous memory, as the kernel says */
};

/* A slab or a run that keeps memory. */
struct account_span {
    uint64_t address, resident_bytes, live_bytes, live_blocks, block_bytes /* 0: of mixed sizes */;
    size_t arena;
};

struct account_class {
    uint64_t block_bytes; /* 0: slabs of mixed sizes; UINT64_MAX: large and huge blocks */
    uint64_t spans, live_blocks, live_bytes, ready_blocks, resident_bytes;
};

struct account_arena {
    uint64_t live_blocks, live_bytes, resident_bytes;
};

/* Resident memory that is not acre's, by what it is. */
struct account_other {
    char name[256];
    uint64_t bytes;
};

struct account {
    struct account_mapping *mappings;
    size_t mapping_count;
    uint64_t bytes[BUCKETS], other_bytes, resident_bytes;
    uint64_t kernel_bytes;                         /* of the same mappings; 0: not known */
    uint64_t live_blocks, live_bytes;              /* whether resident or not */
    uint64_t swapped_bytes;                        /* of acre's pages */
    uint64_t trim_bytes;                           /* what releasing everything would give back */
    struct account_span spans[ACCOUNT_SPANS_MOST]; /* those that keep the most for the least */
    size_t span_count;
    uint64_t pinned_by_spans_bytes, pinning_spans; /* of all such, not of these alone */
    struct account_class *classes;                 /* by block_bytes */
    size_t class_count;
    struct account_arena *arenas; /* as in heap->arenas */
    struct account_other *others; /* the biggest first */
    size_t other_count;
};

/* false after one line on stderr. */
bool account_make(struct account *account, struct heap *heap);
void account_free(struct account *account);

/* What its parts have of a mapping in all. */
uint64_t account_sum(const uint64_t bytes[BUCKETS]);

#endif
