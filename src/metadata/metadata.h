/* Layer 2: memory for acre's own records, in mappings of their own and never beside user data.
 *
 * Small records lie in blocks of 64 KiB, each of one kind, with a bitmap of those in use in front. Pages of a block
 * without a record in use go back to the OS when acre_metadata_look says so. Heaps, and what a process needs when
 * it starts, lie in the order of their making and stay. */
#ifndef ACRE_METADATA_METADATA_H
#define ACRE_METADATA_METADATA_H

#include "base/base.h"
#include "os/lock.h"

enum acre_record { /* each kind has one size */
                   ACRE_RECORD_SMALL_SLAB,
                   ACRE_RECORD_MEDIUM_SLAB,
                   ACRE_RECORD_MIXED_SLAB,
                   ACRE_RECORD_REMOTE_BITS,
                   ACRE_RECORD_CHUNK,
                   ACRE_RECORD_HUGE,
                   ACRE_RECORD_HEAP, /* of other arenas than the default one */
                   ACRE_RECORD_ARENA,
                   ACRE_RECORD_IN_BLOCKS, /* those before; those behind stay */
                   ACRE_RECORD_THREAD = ACRE_RECORD_IN_BLOCKS,
                   ACRE_RECORD_RECENT, /* a thread's recent blocks, of one size class */
                   ACRE_RECORD_ASKED,  /* counting build: what each block was asked for */
                   ACRE_RECORDS
};

/* A record of size_bytes (the same for every call of one kind), aligned to 64 bytes; NULL when there is no memory.
 * It is zero, or as it was left when it was given back, but perhaps for its third 8 bytes. Memory keeps its kind
 * for ever: a late reader of a record that was given back finds one of the same kind, or zeros. */
void *acre_metadata_take(enum acre_record kind, size_t size_bytes);
void acre_metadata_give(enum acre_record kind, void *record);

/* Gives pages without a record back that had none at the last look either, or (all) every such page; how many
 * bytes. *waits: there are more. Does not wait for the lock: what it cannot look at waits. One caller at a time. */
size_t acre_metadata_look(bool all, bool *waits);

/* Where records lie: what is there from the start, and then regions, which stay. Neighbours are one region, and a
 * later one may be longer, so that there is a place for each. */
#define ACRE_METADATA_FIRST_BYTES ((size_t)64 << 10)
#define ACRE_METADATA_REGIONS 64u
struct acre_metadata_region {
    uintptr_t base;
    size_t size_bytes; /* 0: no region */
};
extern char acre_metadata_first[ACRE_METADATA_FIRST_BYTES];
extern struct acre_metadata_region acre_metadata_regions[ACRE_METADATA_REGIONS];

size_t acre_metadata_bytes(void); /* pages of records that are or were in use, and not given back since */

struct acre_lock *acre_metadata_lock(void); /* for fork */

#endif
