/* The description of the heap for outside readers: docs/heap-format.md says what it means and what may change.
 *
 * It is constant. It names where the books are and where in each record each figure lies, so that acre does nothing
 * for readers but to keep its books. A reader finds it by the ELF note that is beside it, of the name and type
 * below, whose content is struct acre_description_note. */
#ifndef ACRE_INSPECT_DESCRIPTION_H
#define ACRE_INSPECT_DESCRIPTION_H

#include <stdint.h>

#define ACRE_NOTE_NAME "acre"
#define ACRE_NOTE_TYPE 1u

#define ACRE_DESCRIPTION_MAGIC UINT64_C(0x7061656865726361) /* "acreheap" */
#define ACRE_DESCRIPTION_VERSION 2u

struct acre_description_note {
    uint32_t version, reserved;
    int64_t distance; /* from this field to the description */
};

/* Where something is: name, what is there */
#define ACRE_DESCRIPTION_ROOTS(X)                                                                                  \
    X(MAP, acre_map_root)                                                                                          \
    X(DEFAULT_ARENA, acre_default_arena)                                                                           \
    X(ARENAS, acre_arena_list)                                                                                     \
    X(SHARED_PAGES, acre_arena_shared)                                                                             \
    X(THREADS, acre_thread_list)                                                                                   \
    X(HUGE_HOLES, acre_huge_break_holes)                                                                           \
    X(HUGE_VACANT, acre_huge_vacant)                                                                               \
    X(METADATA, acre_metadata_regions)                                                                             \
    X(FIRST_METADATA, acre_metadata_first)                                                                         \
    X(OS, acre_os_figures)                                                                                         \
    X(RELEASED, acre_released)                                                                                     \
    X(RECENT_FLOOR, acre_recent_floor)                                                                             \
    X(SCAVENGER, acre_scavenger_place)

/* Numbers: name, value */
#define ACRE_DESCRIPTION_NUMBERS(X)                                                                                \
    X(ADDRESS_BITS, ACRE_ADDRESS_BITS)                                                                             \
    X(GRANULE_SHIFT, ACRE_GRANULE_SHIFT)                                                                           \
    X(LEAF_SHIFT, ACRE_MAP_LEAF_SHIFT)                                                                             \
    X(CLASSES, ACRE_CLASSES)                                                                                       \
    X(SMALL_CLASSES, ACRE_SMALL_CLASSES)                                                                           \
    X(ALIGNMENT, ACRE_ALIGNMENT)                                                                                   \
    X(CHUNK_BYTES, sizeof(struct acre_chunk))                                                                      \
    X(SLAB_BYTES, sizeof(struct acre_slab))                                                                        \
    X(HOLES_BYTES, sizeof(struct acre_holes))                                                                      \
    X(HUGE_BYTES, sizeof(struct acre_huge))                                                                        \
    X(ARENA_BYTES, sizeof(struct acre_arena))                                                                      \
    X(HEAP_BYTES, sizeof(struct acre_heap))                                                                        \
    X(THREAD_BYTES, sizeof(struct acre_thread))                                                                    \
    X(CURSOR_BYTES, sizeof(struct acre_cursor))                                                                    \
    X(RECENT_BYTES, sizeof(struct acre_recent))                                                                    \
    X(RECENT_ENTRY_BYTES, sizeof(struct acre_recent_entry))                                                        \
    X(RECENT_MOST, ACRE_RECENT_MOST)                                                                               \
    X(READY_MOST, ACRE_READY_MOST)                                                                                 \
    X(OUTBOX_SLOTS, ACRE_OUTBOX_SLOTS)                                                                             \
    X(OUTBOX_SLOT_BYTES, sizeof((struct acre_outbox *)0)->slot[0])                                                 \
    X(METADATA_FIRST_BYTES, ACRE_METADATA_FIRST_BYTES)                                                             \
    X(METADATA_REGIONS, ACRE_METADATA_REGIONS)                                                                     \
    X(REGION_RECORD_BYTES, sizeof(struct acre_metadata_region))                                                    \
    X(MAP_BYTES, sizeof acre_map_root)

/* Where in a record: name, record, member */
#define ACRE_DESCRIPTION_FIELDS(X)                                                                                 \
    X(SPAN_KIND, struct acre_span, kind)                                                                           \
    X(SPAN_CLASS, struct acre_span, size_class)                                                                    \
    X(SPAN_STATE, struct acre_span, state)                                                                         \
    X(SPAN_BASE, struct acre_span, base)                                                                           \
    X(CHUNK_PAGE_HEAP, struct acre_chunk, heap)                                                                    \
    X(CHUNK_PAGES, struct acre_chunk, pages)                                                                       \
    X(CHUNK_FREE_PAGES, struct acre_chunk, free_pages)                                                             \
    X(CHUNK_FROM_BREAK, struct acre_chunk, from_break)                                                             \
    X(CHUNK_HUGE_PAGES, struct acre_chunk, huge_pages)                                                             \
    X(CHUNK_DIRTY, struct acre_chunk, dirty)                                                                       \
    X(CHUNK_RELEASED, struct acre_chunk, released)                                                                 \
    X(CHUNK_PAGE, struct acre_chunk, page)                                                                         \
    X(SLAB_CHUNK, struct acre_slab, chunk)                                                                         \
    X(SLAB_DEPOT, struct acre_slab, depot)                                                                         \
    X(SLAB_REMOTE, struct acre_slab, remote)                                                                       \
    X(SLAB_REMOTE_LIST, struct acre_slab, remote_list)                                                             \
    X(SLAB_FRESH_BYTES, struct acre_slab, fresh_bytes)                                                             \
    X(SLAB_END_BYTES, struct acre_slab, end_bytes)                                                                 \
    X(SLAB_UNIT_BYTES, struct acre_slab, unit_bytes)                                                               \
    X(SLAB_TOTAL, struct acre_slab, total)                                                                         \
    X(SLAB_STRIDE, struct acre_slab, stride)                                                                       \
    X(SLAB_WORDS, struct acre_slab, words)                                                                         \
    X(SLAB_WAS_LOOKED_AT, struct acre_slab, was_looked_at)                                                         \
    X(SLAB_LIVE, struct acre_slab, live[0])                                                                        \
    X(HOLES_RELEASED, struct acre_holes, released)                                                                 \
    X(HUGE_MAPPED_BYTES, struct acre_huge, mapped_bytes)                                                           \
    X(HUGE_ASKED_BYTES, struct acre_huge, asked_bytes)                                                             \
    X(HUGE_SPACE, struct acre_huge, space)                                                                         \
    X(HUGE_FROM_BREAK, struct acre_huge, from_break)                                                               \
    X(HUGE_LOW, struct acre_huge, low)                                                                             \
    X(HUGE_HIGH, struct acre_huge, high)                                                                           \
    X(VACANT_ROOT, struct acre_vacant, root)                                                                       \
    X(ARENA_NAME, struct acre_arena, name_text)                                                                    \
    X(ARENA_PAGE_HEAP, struct acre_arena, pages)                                                                   \
    X(ARENA_DEPOT, struct acre_arena, depot)                                                                       \
    X(ARENA_HUGE_SPACE, struct acre_arena, huge)                                                                   \
    X(ARENA_NODE, struct acre_arena, all_node)                                                                     \
    X(ARENA_IS_PARKED, struct acre_arena, is_parked)                                                               \
    X(ARENA_SOURCE, struct acre_arena, supplier.source)                                                            \
    X(ARENA_HELD_BYTES, struct acre_arena, supplier.quota.held_bytes)                                              \
    X(ARENA_PEAK_BYTES, struct acre_arena, supplier.quota.peak_bytes)                                              \
    X(ARENA_LIMIT_BYTES, struct acre_arena, supplier.quota.limit_bytes)                                            \
    X(PAGE_HEAP_BREAK_CHUNK, struct acre_page_heap, break_chunk)                                                   \
    X(PAGE_HEAP_DECAY_MS, struct acre_page_heap, policy.decay_ms)                                                  \
    X(THREAD_HEAP, struct acre_thread, heap)                                                                       \
    X(THREAD_OUTBOX, struct acre_thread, outbox)                                                                   \
    X(THREAD_NODE, struct acre_thread, all_node)                                                                   \
    X(THREAD_OTHERS, struct acre_thread, others)                                                                   \
    X(HEAP_THREAD, struct acre_heap, thread)                                                                       \
    X(HEAP_CURSOR, struct acre_heap, cursor)                                                                       \
    X(HEAP_RECENT, struct acre_heap, recent)                                                                       \
    X(HEAP_READY, struct acre_heap, ready)                                                                         \
    X(HEAP_HOME_NODE, struct acre_heap, home_node)                                                                 \
    X(CURSOR_NEXT, struct acre_cursor, next)                                                                       \
    X(CURSOR_END, struct acre_cursor, end)                                                                         \
    X(CURSOR_BASE, struct acre_cursor, base)                                                                       \
    X(CURSOR_TOP, struct acre_cursor, top)                                                                         \
    X(CURSOR_BOTTOM, struct acre_cursor, bottom)                                                                   \
    X(RECENT_TOP, struct acre_recent, top)                                                                         \
    X(RECENT_ENTRY_BLOCK, struct acre_recent_entry, block)                                                         \
    X(OUTBOX_SLOT, struct acre_outbox, slot)                                                                       \
    X(OUTBOX_SLAB, struct acre_outbox, slot[0].slab)                                                               \
    X(OUTBOX_WORD, struct acre_outbox, slot[0].word)                                                               \
    X(OUTBOX_BITS, struct acre_outbox, slot[0].bits)                                                               \
    X(REGION_BASE, struct acre_metadata_region, base)                                                              \
    X(REGION_BYTES, struct acre_metadata_region, size_bytes)                                                       \
    X(OS_CALLS, struct acre_os_figures, calls)                                                                     \
    X(OS_MAPPED_BYTES, struct acre_os_figures, mapped_bytes)                                                       \
    X(OS_BREAK_START, struct acre_os_figures, break_start)                                                         \
    X(OS_BREAK_NOW, struct acre_os_figures, break_now)                                                             \
    X(OS_BREAK_PEAK, struct acre_os_figures, break_peak)                                                           \
    X(RELEASED_BYTES, struct acre_released, bytes)                                                                 \
    X(RELEASED_AGAIN_BYTES, struct acre_released, again_bytes)                                                     \
    X(SCAVENGER_THREAD_ID, struct acre_scavenger_place, thread_id)                                                 \
    X(SCAVENGER_DESCRIPTOR, struct acre_scavenger_place, descriptor)                                               \
    X(POST_BELL, struct acre_decay_post, bell)                                                                     \
    X(POST_WANTED, struct acre_decay_post, wanted)                                                                 \
    X(POST_SERVED, struct acre_decay_post, served)                                                                 \
    X(POST_RELEASED_BYTES, struct acre_decay_post, released_bytes)

#define ACRE_DESCRIPTION_ROOT_NAME(name, object) ACRE_ROOT_##name,
#define ACRE_DESCRIPTION_NUMBER_NAME(name, value) ACRE_NUMBER_##name,
#define ACRE_DESCRIPTION_FIELD_NAME(name, record, member) ACRE_FIELD_##name,
enum { ACRE_DESCRIPTION_ROOTS(ACRE_DESCRIPTION_ROOT_NAME) ACRE_ROOTS };
enum { ACRE_DESCRIPTION_NUMBERS(ACRE_DESCRIPTION_NUMBER_NAME) ACRE_NUMBERS };
enum { ACRE_DESCRIPTION_FIELDS(ACRE_DESCRIPTION_FIELD_NAME) ACRE_FIELDS };

struct acre_description_field {
    uint32_t offset, bytes; /* of a number, an address, a text, or an array of them */
};

struct acre_description {
    uint64_t magic;
    uint32_t version;
    uint32_t roots, numbers, fields; /* how many there are of each, in this order behind it */
    const void *root[ACRE_ROOTS];
    uint64_t number[ACRE_NUMBERS];
    struct acre_description_field field[ACRE_FIELDS];
};
extern struct acre_description acre_description;

#endif
