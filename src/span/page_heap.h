/* Layer 4: the free spans of one arena, over all its chunks, and the policy between the sources.
 *
 * Algebra: every chunk is on `chunks`; on buckets[b] exactly when floor(log2(longest_run)) is b; on `granules`
 * exactly when it has a free granule. All fields are guarded by the lock. */
#ifndef ACRE_SPAN_PAGE_HEAP_H
#define ACRE_SPAN_PAGE_HEAP_H

#include "os/lock.h"
#include "span/chunk.h"
#include "span/supplier.h"

#define ACRE_RUN_BUCKETS 11

/* Free memory that is kept at the break's top or in wholly free chunks, at first. */
#define ACRE_KEEP_LEAST_BYTES ((size_t)256 << 10)

struct acre_page_policy {
    size_t brk_limit_bytes;   /* source auto only */
    size_t keep_bytes;        /* of free memory, at the least: see there */
    size_t first_chunk_bytes; /* from then on as much again as there is, up to the most */
    bool minds_huge_blocks;   /* those and their cache count among what is in use and what is spare */
    enum acre_thp thp;
    uint32_t decay_ms; /* how long free pages with old data may wait, or ACRE_OPTION_NEVER */
};

/* What is learned of giving back free pages that hold old data. */
struct acre_balance {
    size_t peak_bytes; /* the most that was in use, huge blocks included */
    /* since the last lesson: */
    size_t released_bytes, untouched_bytes /* taken */, grown_bytes /* of the peak */;
    size_t waited_bytes;     /* of them, what had waited its time: that these were missed is no lesson */
    size_t fresh_huge_bytes; /* at that time */
    size_t left_bytes;       /* after the last release */
    unsigned doublings;      /* of what may lie there */
    size_t allowed_bytes;    /* that may be released now */
    uint64_t allowed_ms;     /* when that was reckoned */
};

struct acre_page_heap {
    struct acre_lock lock;
    struct acre_page_policy policy;
    struct acre_supplier *supplier;
    struct acre_node chunks, granules, buckets[ACRE_RUN_BUCKETS];
    struct acre_chunk *break_chunk; /* the one that the break ends, if any */
    size_t chunk_bytes;             /* in all chunks */
    size_t free_pages, dirty_pages; /* in all chunks */
    struct acre_balance balance;
    size_t keep_bytes;            /* free memory that is kept at the break's top, or in wholly free chunks */
    uint64_t gave_ms;             /* when memory was last given back */
    unsigned huge_chunks_left;    /* that may follow without another look at how dense chunks are */
    uint64_t looked_ms;           /* when waiting pages were last looked at */
    struct acre_node *next_visit; /* the next chunk that a visitor comes to */
};

struct acre_span_place {
    uintptr_t base; /* 0: no memory */
    struct acre_chunk *chunk;
    uint32_t pages, dirty; /* its pages, and those of them that hold old data: 0 means that it reads as zeros */
    uint32_t unused;       /* that will not be touched, as is expected */
    uint32_t untouched;    /* of the others, those without old data */
};

void acre_page_heap_start(struct acre_page_heap *heap, const struct acre_page_policy *policy,
                          struct acre_supplier *supplier);

/* A span of whole granules for a slab, which is expected to touch so many of its pages (0: unknown); the map leads
 * to `span` afterwards. */
struct acre_span_place acre_page_heap_take_span(struct acre_page_heap *heap, uint32_t granules,
                                                uint32_t touched_pages, struct acre_span *span);
/* The span back, with the lock held; only its first touched_bytes were ever written, and of these the pages in the
 * mask were released. The map leads to the chunk afterwards. */
void acre_page_heap_give_span(struct acre_page_heap *heap, struct acre_chunk *chunk, uintptr_t base,
                              uint32_t granules, size_t touched_bytes, uint64_t released_pages);

/* A large block of size_bytes, aligned (alignment: a power of two, up to half a chunk). */
struct acre_span_place acre_page_heap_take_large(struct acre_page_heap *heap, size_t size_bytes, size_t alignment);
enum acre_large_error { ACRE_LARGE_FINE, ACRE_LARGE_FREED, ACRE_LARGE_INSIDE };
enum acre_large_error acre_page_heap_give_large(struct acre_page_heap *heap, struct acre_chunk *chunk,
                                                uintptr_t block);
/* Whether there is a live large block, and why not. */
enum acre_large_error acre_page_heap_check_large(struct acre_page_heap *heap, struct acre_chunk *chunk,
                                                 uintptr_t block);
/* The usable size of a live large block, and through *asked_bytes what was asked; 0 when it is none. */
size_t acre_page_heap_large_size(struct acre_page_heap *heap, struct acre_chunk *chunk, uintptr_t block,
                                 size_t *asked_bytes);
/* Resizes in place; false when that cannot be done. */
bool acre_page_heap_resize_large(struct acre_page_heap *heap, struct acre_chunk *chunk, uintptr_t block,
                                 size_t size_bytes);

/* Address space back to the OS, when memory is short: wholly free chunks, and the break as far as it is free.
 * Whether any was. */
bool acre_page_heap_shrink(struct acre_page_heap *heap);
/* The end of an arena's blocks: everything is free, whatever lay there. The end of the arena: address space goes
 * back to where it came from; what cannot leave the break is the heir's. */
void acre_page_heap_reset(struct acre_page_heap *heap);
void acre_page_heap_end(struct acre_page_heap *heap, struct acre_page_heap *heir);
/* Everything that is free back to the OS, but for pad_bytes at the break; whether any was. */
bool acre_page_heap_release(struct acre_page_heap *heap, size_t pad_bytes);

/* What is in use of its chunks; free pages and cached huge blocks with old data: as far as can be seen without the
 * lock. */
size_t acre_page_heap_used_bytes(const struct acre_page_heap *heap);
size_t acre_page_heap_spare_bytes(const struct acre_page_heap *heap);
/* Releases the chunk's free pages that hold old data and did so at the last look, and looks again; with the lock
 * held. How many bytes. */
size_t acre_page_heap_look(struct acre_page_heap *heap, struct acre_chunk *chunk);

/* Whether so many pages of the chunk are worth to be released: a huge page is broken up by that, so not for a few.
 */
bool acre_page_heap_may_release(const struct acre_chunk *chunk, uint32_t pages);
/* Before something of the chunk is released: from now on the kernel is not to fill its holes up again with huge
 * pages, as it does in the background where they were asked for. Those that are there stay. */
void acre_page_heap_stop_huge_pages(struct acre_page_heap *heap, struct acre_chunk *chunk);

/* For one visitor at a time, who does not wait for the lock: visits chunk after chunk, from the first, with the
 * lock held and given back in between. A visit that returns true was long, and ends the step. */
typedef bool acre_visit_chunk(struct acre_page_heap *heap, struct acre_chunk *chunk, void *context);
enum acre_visits {
    ACRE_VISITS_GO_ON,
    ACRE_VISITS_END,
    ACRE_VISITS_BUSY /* the lock could not be had: try again later */
};
enum acre_visits acre_page_heap_begin_visits(struct acre_page_heap *heap);
enum acre_visits acre_page_heap_visit_some(struct acre_page_heap *heap, acre_visit_chunk *visit, void *context);

/* Visits every run of every chunk, with the lock held. */
void acre_page_heap_each_run(struct acre_page_heap *heap, acre_visit_run *visit, void *context);

bool acre_page_heap_is_valid(struct acre_page_heap *heap);

#endif
