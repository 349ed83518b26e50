/* The heap of a target as acre's own books have it: arenas, chunks, huge blocks, and what threads hold ready. */
#ifndef ACRE_TOOL_HEAP_H
#define ACRE_TOOL_HEAP_H

#include "heap/snapshot.h"

#define HEAP_NAME_MOST 64
#define HEAP_NO_ARENA SIZE_MAX

struct heap_arena {
    char name[HEAP_NAME_MOST]; /* as the program gave it: not fit for a terminal yet */
    uint64_t record;
    uint64_t page_heap, depot, huge_space;        /* addresses, by which its parts name it */
    uint64_t held_bytes, peak_bytes, limit_bytes; /* address space; UINT64_MAX: no limit */
    bool is_parked;                               /* destroyed, and kept for another one */
};

struct heap_chunk {
    uint64_t record, base, page_heap;
    uint64_t live_end; /* behind its last page in use; 0: none is */
    uint32_t pages;
    bool from_break;
};

enum heap_huge_kind { HEAP_HUGE_LIVE, HEAP_HUGE_CACHED, HEAP_HUGE_VACANT };

struct heap_huge {
    uint64_t base, mapped_bytes, asked_bytes, space;
    enum heap_huge_kind kind;
    bool from_break;
};

/* Blocks that begin in [start, end) are held ready by a thread, or are on the way to their owner. */
struct heap_range {
    uint64_t start, end;
};

struct heap {
    struct target *target;
    struct heap_format format;
    struct snapshot snapshot;
    unsigned page_shift;       /* of acre's pages: the OS's, or larger */
    struct heap_arena *arenas; /* the default one first; the last stands for pages that arenas share */
    size_t arena_count;
    struct heap_chunk *chunks; /* by base */
    size_t chunk_count;
    struct heap_huge *huge; /* by base */
    size_t huge_count;
    struct heap_range *ready; /* by start; none reaches into the next */
    size_t ready_count, ready_room;
    size_t heaps_read; /* heaps of threads */
    uint64_t *threads; /* thread pointers of threads that use acre */
    size_t thread_count;
    uint64_t break_start, break_now, break_peak; /* addresses; 0: never looked at */
    uint64_t live_break_end;                     /* behind the last page in use of the break; 0: none is */
    uint64_t torn;                               /* records that changed while they were read and are left out */
};

/* Reads it, and what is behind the pages; false after one line on stderr. */
bool heap_read(struct heap *heap, struct target *target);
void heap_free(struct heap *heap);

/* The record that the map leads to from an address, and its address; no data where it leads nowhere. */
struct record heap_span_of(const struct heap *heap, uint64_t address, uint64_t *record_address);
/* The number of an arena in `arenas` by one of its parts' addresses. */
size_t heap_arena_by_page_heap(const struct heap *heap, uint64_t page_heap);
size_t heap_arena_by_depot(const struct heap *heap, uint64_t depot);
size_t heap_arena_by_huge_space(const struct heap *heap, uint64_t space);
/* The chunk's record, in which runs of pages follow each other; no data where that is not so. */
struct record heap_chunk_record(const struct heap *heap, const struct heap_chunk *chunk);

/* As enum acre_span_kind and enum acre_run_state have them, which the version stands for */
enum { HEAP_SPAN_SMALL = 1, HEAP_SPAN_MEDIUM = 2, HEAP_SPAN_CHUNK = 3, HEAP_SPAN_HUGE = 4 };
enum { HEAP_RUN_FREE = 1, HEAP_RUN_LARGE = 2, HEAP_RUN_SLAB = 3 };
enum { HEAP_CHUNK_PAGES_MOST = 1024 };

struct heap_run {
    unsigned state;
    uint32_t pages, slack_bytes;
};
/* The run that begins at a page of a chunk; pages 0: none can. */
struct heap_run heap_run_at(const struct heap *heap, struct record chunk, uint32_t page, uint32_t chunk_pages);

/* Addresses that acre holds, in chunks and huge blocks; and how far the break has gone from its start. */
uint64_t heap_held_bytes(const struct heap *heap);
uint64_t heap_break_bytes(const struct heap *heap);

/* For heap.c: threads.c fills in what threads hold ready. */
bool heap_read_threads(struct heap *heap);

#endif
