/* Layer 3: chunks of address space from the program break or from mmap. */
#ifndef ACRE_SOURCE_SOURCE_H
#define ACRE_SOURCE_SOURCE_H

#include "acre/acre.h"
#include "os/lock.h"
#include "source/quota.h"

struct acre_extent {
    uintptr_t base;    /* aligned to a granule */
    size_t size_bytes; /* whole granules; 0: nothing */
};

/* From the break: at least `least` bytes and, where that can be had, `wanted` (both whole granules). The extent
 * directly follows the one before, unless other code moved the break in between. Size 0 when the break cannot
 * grow, or when other code lowered it below what acre holds (it is then never used again). */
struct acre_extent acre_source_grow_break(size_t least_bytes, size_t wanted_bytes);
/* Lowers the break by the last `size_bytes` that acre took, which end at `top`. false, and nothing is changed,
 * when somebody else's memory lies above or the kernel refuses. */
bool acre_source_lower_break(uintptr_t top, size_t size_bytes);
size_t acre_source_break_bytes(void); /* held from the break now */

/* Pages from mmap, aligned to `alignment` (a power of two, at least a page); 0 when there are none. */
uintptr_t acre_source_map(size_t size_bytes, size_t alignment);
/* What acre_source_map gave, or a part of it. false: the kernel refuses, because there are too many mappings; the
 * addresses are there still, without pages, and do not count any more, as after acre_source_rest. */
bool acre_source_unmap(uintptr_t base, size_t size_bytes);
/* Another length for a mapping where it lies; false when that cannot be done. *whole: whether it could be moved. */
bool acre_source_resize(uintptr_t base, size_t old_bytes, size_t new_bytes, bool *whole);
/* A longer mapping that one of old_bytes is to be moved to, so that only the difference counts; and what undoes it.
 */
uintptr_t acre_source_map_beside(size_t size_bytes, size_t old_bytes, size_t alignment);
void acre_source_unmap_beside(uintptr_t base, size_t size_bytes, size_t old_bytes);
/* The same after the move failed. */
void acre_source_unmap_after_move(uintptr_t base, size_t size_bytes, size_t old_bytes);

/* Huge pages that were set aside, of whole 2 MiB; 0: none. acre_source_unmap takes them back. */
uintptr_t acre_source_map_huge_pages(size_t size_bytes);
/* Addresses in one piece, aligned to a granule, which hold nothing yet; parts of it with pages, and without again.
 * Only parts with pages count toward the limit; at the end there are none. */
uintptr_t acre_source_reserve(size_t size_bytes);
void acre_source_unreserve(uintptr_t base, size_t size_bytes);
bool acre_source_commit(uintptr_t base, size_t size_bytes);
void acre_source_decommit(uintptr_t base, size_t size_bytes);

/* New pages: whether huge ones are to lie behind them. Asked for, or refused where the system gives them to all. */
void acre_source_advise_huge_pages(uintptr_t base, size_t size_bytes, bool wanted);

/* The most that all these may give out at once, in bytes (SIZE_MAX: no limit), and what they have. */
void acre_source_start(size_t limit_bytes);
size_t acre_source_held_bytes(void);

/* Addresses whose pages were released, and which are kept: they do not count toward the limit; and when they are
 * used again, they do. false: not within the limit. */
void acre_source_rest(size_t size_bytes);
bool acre_source_wake(size_t size_bytes);
/* They count again, before they are unmapped or the break is lowered. */
void acre_source_count_again(size_t size_bytes);

struct acre_lock *acre_source_lock(void); /* for fork */

#endif
