/* Layer 2: memory for acre's own records, in mappings of their own and never beside user data. */
#ifndef ACRE_METADATA_METADATA_H
#define ACRE_METADATA_METADATA_H

#include "base/base.h"
#include "os/lock.h"

enum acre_record { /* each kind has one size and its own free list */
    ACRE_RECORD_SMALL_SLAB,
    ACRE_RECORD_MEDIUM_SLAB,
    ACRE_RECORD_REMOTE_BITS,
    ACRE_RECORD_CHUNK,
    ACRE_RECORD_HUGE,
    ACRE_RECORD_HEAP,
    ACRE_RECORD_RECENT, /* a heap's recent blocks, of one size class */
    ACRE_RECORD_ASKED, /* counting build: what each block was asked for */
    ACRE_RECORDS
};

/* A record of size_bytes (the same for every call of one kind), aligned to 64 bytes; NULL when there is no
 * memory. It is zero when it is new, and as it was left when it is used again, but for its third 8 bytes. Memory
 * keeps its kind for ever: a late reader of a record that was given back finds one of the same kind. */
void *acre_metadata_take(enum acre_record kind, size_t size_bytes);
void acre_metadata_give(enum acre_record kind, void *record);

size_t acre_metadata_bytes(void); /* handed out so far, given records included */

struct acre_lock *acre_metadata_lock(void); /* for fork */

#endif
