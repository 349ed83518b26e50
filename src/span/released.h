/* What was given back to Linux since the start, how, and how much of it was taken again. */
#ifndef ACRE_SPAN_RELEASED_H
#define ACRE_SPAN_RELEASED_H

#include "base/base.h"

/* The order of the counting record */
enum acre_released_how {
    ACRE_RELEASED_PAGES,    /* free pages, by advice: the addresses stay */
    ACRE_RELEASED_HOLES,    /* pages without a live block in slabs that stay in use, by advice */
    ACRE_RELEASED_MAPPINGS, /* unmapped */
    ACRE_RELEASED_BREAK,    /* by a lower break */
    ACRE_RELEASED_HOWS
};

/* Bytes that may have been resident, not counted twice if they are advised and then unmapped. */
struct acre_released {
    _Atomic uint64_t bytes[ACRE_RELEASED_HOWS];
    _Atomic uint64_t again_bytes; /* of all these, what was put to use again */
    _Atomic uint64_t gone_bytes;  /* of what was unmapped or left above the break: what was not mapped anew since */
};
extern struct acre_released acre_released;

uint64_t acre_released_bytes(void); /* in all */

/* All of these: any thread, with any lock held. */
void acre_released_note(enum acre_released_how how, size_t size_bytes);
/* Pages that were released by advice are in use again. */
void acre_released_used_again(size_t size_bytes);
/* So much was mapped, or taken from the break: as far as such was given back, it is back. */
void acre_released_mapped_anew(size_t size_bytes);

#endif
