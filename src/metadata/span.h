/* What the address map leads to: the common head of every record that describes a span of addresses. */
#ifndef ACRE_METADATA_SPAN_H
#define ACRE_METADATA_SPAN_H

#include "base/base.h"

enum acre_span_kind {
    ACRE_SPAN_NONE = 0, /* the dummy: not acre's */
    ACRE_SPAN_SMALL,    /* a slab of one granule, one bit per 16 bytes */
    ACRE_SPAN_MEDIUM,   /* a slab of at most 64 blocks, one bit per block */
    ACRE_SPAN_CHUNK,    /* a chunk: page runs */
    ACRE_SPAN_HUGE,     /* a mapping of its own */
};

struct acre_span {
    /* Slabs only: who may free into it without a lock (the address of a thread's record), or one of those below.
     * For all other kinds it is nobody's. */
    _Atomic uintptr_t owner;
    uint8_t kind;
    uint8_t size_class;
    uint8_t state;
    uint8_t flags;
    uintptr_t base; /* first address */
};

/* The first is 0 since the page of a record that describes nothing may have been given back. */
#define ACRE_OWNER_GONE ((uintptr_t)0)   /* describes nothing now: a late look at it must not adopt it */
#define ACRE_OWNER_SHARED ((uintptr_t)1) /* on a depot's list: taken and freed into under its lock */
#define ACRE_OWNER_NONE ((uintptr_t)2)   /* anybody may adopt it */

#endif
