#include "heap/heap.h"

#include "complain.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_MOST 8

static uint64_t number_of(const struct heap *heap, struct record record, int field) {
    return record_number(&heap->format, record, field);
}

/* ---- arenas */

static void describe_arena(struct heap *heap, uint64_t address, struct record record) {
    struct heap_arena *arena = &heap->arenas[heap->arena_count++];
    const struct acre_description_field *field = heap->format.field;
    struct record name = record_part(record, field[ACRE_FIELD_ARENA_NAME].offset);
    size_t name_bytes = field[ACRE_FIELD_ARENA_NAME].bytes;
    *arena = (struct heap_arena){.record = address,
                                 .page_heap = address + field[ACRE_FIELD_ARENA_PAGE_HEAP].offset,
                                 .depot = address + field[ACRE_FIELD_ARENA_DEPOT].offset,
                                 .huge_space = address + field[ACRE_FIELD_ARENA_HUGE_SPACE].offset,
                                 .held_bytes = number_of(heap, record, ACRE_FIELD_ARENA_HELD_BYTES),
                                 .peak_bytes = number_of(heap, record, ACRE_FIELD_ARENA_PEAK_BYTES),
                                 .limit_bytes = number_of(heap, record, ACRE_FIELD_ARENA_LIMIT_BYTES),
                                 .is_parked = number_of(heap, record, ACRE_FIELD_ARENA_IS_PARKED) != 0};
    name_bytes = name_bytes < name.bytes ? name_bytes : name.bytes;
    name_bytes = name_bytes < sizeof arena->name ? name_bytes : sizeof arena->name - 1;
    if (name.data != NULL) {
        memcpy(arena->name, name.data, name_bytes);
    }
}

/* The addresses of the nodes of a list, from its head on; false when there is no memory. A list that is damaged,
 * or changes meanwhile, ends where it leads out of acre's records, or is longer than there can be records. */
static bool read_list(const struct heap *heap, uint64_t head, uint64_t record_bytes, uint64_t **nodes,
                      size_t *count) {
    size_t room = 0, most = snapshot_most(&heap->snapshot, record_bytes);
    *nodes = NULL;
    *count = 0;
    uint64_t node = record_u64(snapshot_at(&heap->snapshot, head), 0);
    while (node != 0 && node != head && *count < most) {
        struct record record = snapshot_at(&heap->snapshot, node);
        if (record.bytes < 8) {
            break;
        }
        if (*count == room) {
            room = room == 0 ? 64 : room * 2;
            uint64_t *moved = realloc(*nodes, room * sizeof *moved);
            if (moved == NULL) {
                free(*nodes);
                return false;
            }
            *nodes = moved;
        }
        (*nodes)[(*count)++] = node;
        node = record_u64(record, 0);
    }
    return true;
}

static bool read_arenas(struct heap *heap) {
    const struct heap_format *format = &heap->format;
    uint64_t *nodes, default_arena = format->root[ACRE_ROOT_DEFAULT_ARENA];
    size_t count, bytes = (size_t)format->number[ACRE_NUMBER_ARENA_BYTES];
    if (!read_list(heap, format->root[ACRE_ROOT_ARENAS], bytes, &nodes, &count)) {
        return false;
    }
    heap->arenas = calloc(count + 2, sizeof *heap->arenas);
    if (heap->arenas != NULL) {
        describe_arena(heap, default_arena, snapshot_record(&heap->snapshot, default_arena, bytes));
        strcpy(heap->arenas[0].name, "default");
        for (size_t i = 0; i < count; i++) {
            uint64_t address = nodes[i] - format->field[ACRE_FIELD_ARENA_NODE].offset;
            struct record record = snapshot_record(&heap->snapshot, address, bytes);
            if (record.data != NULL) {
                describe_arena(heap, address, record);
            }
        }
        heap->arenas[heap->arena_count] =
            (struct heap_arena){.name = "shared by arenas", .page_heap = format->root[ACRE_ROOT_SHARED_PAGES]};
        heap->arena_count++;
    }
    free(nodes);
    return heap->arenas != NULL;
}

/* The same in all three: thousands of arenas may be there, but they are looked up once for a chunk or a slab. */
static size_t find_arena(const struct heap *heap, uint64_t address, size_t offset) {
    static size_t last; /* most often the same one again */
    for (size_t tried = 0; tried < heap->arena_count; tried++) {
        size_t i = (last + tried) % heap->arena_count;
        if (*(const uint64_t *)(const void *)((const char *)&heap->arenas[i] + offset) == address) {
            return last = i;
        }
    }
    return HEAP_NO_ARENA;
}

size_t heap_arena_by_page_heap(const struct heap *heap, uint64_t page_heap) {
    return find_arena(heap, page_heap, offsetof(struct heap_arena, page_heap));
}
size_t heap_arena_by_depot(const struct heap *heap, uint64_t depot) {
    return find_arena(heap, depot, offsetof(struct heap_arena, depot));
}
size_t heap_arena_by_huge_space(const struct heap *heap, uint64_t space) {
    return find_arena(heap, space, offsetof(struct heap_arena, huge_space));
}

/* ---- spans, by way of the map */

struct record heap_span_of(const struct heap *heap, uint64_t address, uint64_t *record_address) {
    const uint64_t *number = heap->format.number;
    uint64_t window = address >> number[ACRE_NUMBER_LEAF_SHIFT];
    uint64_t in_leaf =
        (address & ((UINT64_C(1) << number[ACRE_NUMBER_LEAF_SHIFT]) - 1)) >> number[ACRE_NUMBER_GRANULE_SHIFT];
    struct record root = snapshot_at(&heap->snapshot, heap->format.root[ACRE_ROOT_MAP]);
    uint64_t leaf = record_u64(root, window * 8);
    *record_address = leaf == 0 ? 0 : record_u64(snapshot_at(&heap->snapshot, leaf), in_leaf * 8);
    return *record_address == 0 ? (struct record){NULL, 0} : snapshot_at(&heap->snapshot, *record_address);
}

struct heap_run heap_run_at(const struct heap *heap, struct record chunk, uint32_t page, uint32_t chunk_pages) {
    uint32_t tag = (uint32_t)record_word(&heap->format, chunk, ACRE_FIELD_CHUNK_PAGE, page, 4);
    struct heap_run run = {.state = tag & 3, .pages = tag >> 2 & 0x7ff, .slack_bytes = tag >> 13};
    if (run.state == 0 || run.pages > chunk_pages - page) {
        run.pages = 0;
    }
    return run;
}

/* Whether its runs follow each other without a gap; and where the last one in use ends. */
static bool is_whole(const struct heap *heap, struct record record, struct heap_chunk *chunk) {
    uint32_t page = 0;
    chunk->live_end = 0;
    while (page < chunk->pages) {
        struct heap_run run = heap_run_at(heap, record, page, chunk->pages);
        if (run.pages == 0) {
            return false;
        }
        page += run.pages;
        if (run.state != HEAP_RUN_FREE) {
            chunk->live_end = chunk->base + ((uint64_t)page << heap->page_shift);
        }
    }
    return page == chunk->pages && page > 0;
}

struct record heap_chunk_record(const struct heap *heap, const struct heap_chunk *chunk) {
    return snapshot_record(&heap->snapshot, chunk->record, (size_t)heap->format.number[ACRE_NUMBER_CHUNK_BYTES]);
}

static bool describe_chunk(const struct heap *heap, uint64_t address, struct heap_chunk *chunk) {
    uint64_t granule = UINT64_C(1) << heap->format.number[ACRE_NUMBER_GRANULE_SHIFT];
    *chunk = (struct heap_chunk){.record = address};
    struct record record = heap_chunk_record(heap, chunk);
    chunk->base = number_of(heap, record, ACRE_FIELD_SPAN_BASE);
    chunk->pages = (uint32_t)number_of(heap, record, ACRE_FIELD_CHUNK_PAGES);
    chunk->page_heap = number_of(heap, record, ACRE_FIELD_CHUNK_PAGE_HEAP);
    chunk->from_break = number_of(heap, record, ACRE_FIELD_CHUNK_FROM_BREAK) != 0;
    return record.data != NULL && number_of(heap, record, ACRE_FIELD_SPAN_KIND) == HEAP_SPAN_CHUNK &&
           chunk->base % granule == 0 && chunk->pages <= HEAP_CHUNK_PAGES_MOST &&
           chunk->base >> heap->format.number[ACRE_NUMBER_ADDRESS_BITS] == 0 && is_whole(heap, record, chunk);
}

/* What changes while it is read is read again. */
static bool read_chunk(struct heap *heap, uint64_t address, struct heap_chunk *chunk) {
    bool fine = describe_chunk(heap, address, chunk);
    for (int again = 0; !fine && !heap->target->is_core && again < AGAIN_MOST; again++) {
        snapshot_again(&heap->snapshot, heap->target, address,
                       (size_t)heap->format.number[ACRE_NUMBER_CHUNK_BYTES]);
        fine = describe_chunk(heap, address, chunk);
    }
    heap->torn += !fine;
    return fine;
}

static void describe_huge(struct heap *heap, struct record record, enum heap_huge_kind kind) {
    struct heap_huge huge = {.base = number_of(heap, record, ACRE_FIELD_SPAN_BASE),
                             .mapped_bytes = number_of(heap, record, ACRE_FIELD_HUGE_MAPPED_BYTES),
                             .asked_bytes = number_of(heap, record, ACRE_FIELD_HUGE_ASKED_BYTES),
                             .space = number_of(heap, record, ACRE_FIELD_HUGE_SPACE),
                             .kind = kind,
                             .from_break = number_of(heap, record, ACRE_FIELD_HUGE_FROM_BREAK) != 0};
    uint64_t end = huge.base + huge.mapped_bytes;
    if (huge.mapped_bytes == 0 || end < huge.base || huge.base % heap->target->page_bytes != 0 ||
        end >> heap->format.number[ACRE_NUMBER_ADDRESS_BITS] > 1) {
        heap->torn++;
        return;
    }
    if (huge.asked_bytes > huge.mapped_bytes) {
        huge.asked_bytes = huge.mapped_bytes;
    }
    heap->huge[heap->huge_count++] = huge;
}

/* The distinct records that the map leads to. */
struct records {
    uint64_t *chunks, *huge;
    size_t chunk_count, huge_count, room;
};

static bool note_record(uint64_t **records, size_t *count, uint64_t record) {
    if (*count > 0 && (*records)[*count - 1] == record) {
        return true;
    }
    if ((*count & (*count + 1)) == 0 || *records == NULL) { /* full: its room is a power of two */
        uint64_t *moved = realloc(*records, ((*count + 1) * 2 + 1) * sizeof *moved);
        if (moved == NULL) {
            return false;
        }
        *records = moved;
    }
    (*records)[(*count)++] = record;
    return true;
}

static bool note_span(const struct heap *heap, uint64_t address, struct records *records) {
    struct record record = snapshot_at(&heap->snapshot, address);
    switch (number_of(heap, record, ACRE_FIELD_SPAN_KIND)) {
    case HEAP_SPAN_SMALL:
    case HEAP_SPAN_MEDIUM:
        return note_record(&records->chunks, &records->chunk_count, number_of(heap, record, ACRE_FIELD_SLAB_CHUNK));
    case HEAP_SPAN_CHUNK:
        return note_record(&records->chunks, &records->chunk_count, address);
    case HEAP_SPAN_HUGE:
        return note_record(&records->huge, &records->huge_count, address);
    default:
        return true;
    }
}

/* Of a leaf, up to `most` entries, of which as many are taken as there were to look at. */
static bool read_leaf(const struct heap *heap, uint64_t leaf_address, uint64_t entries, uint64_t *most,
                      struct records *records) {
    struct record leaf = snapshot_at(&heap->snapshot, leaf_address);
    uint64_t before = 0;
    for (uint64_t entry = 0; leaf.data != NULL && entry<entries && * most> 0; entry++, --*most) {
        entry = entry % ENTRIES_AT_ONCE == 0 ? snapshot_entry(&heap->snapshot, leaf_address, entry) : entry;
        uint64_t address = record_u64(leaf, entry * 8);
        if (address != 0 && address != before && !note_span(heap, address, records)) {
            return false;
        }
        before = address;
    }
    return true;
}

/* Each leaf was copied: more entries than were copied are those of leaves that lie in each other, or in something
 * else. */
static bool read_map(struct heap *heap, struct records *records) {
    const uint64_t *number = heap->format.number;
    uint64_t root_address = heap->format.root[ACRE_ROOT_MAP], most = snapshot_bytes(&heap->snapshot) / 8;
    struct record root = snapshot_at(&heap->snapshot, root_address);
    uint64_t entries = UINT64_C(1) << (number[ACRE_NUMBER_LEAF_SHIFT] - number[ACRE_NUMBER_GRANULE_SHIFT]);
    for (uint64_t window = 0; window * 8 + 8 <= root.bytes; window++) {
        window = window % ENTRIES_AT_ONCE == 0 ? snapshot_entry(&heap->snapshot, root_address, window) : window;
        uint64_t leaf_address = record_u64(root, window * 8);
        heap->torn += leaf_address != 0 && most == 0;
        if (leaf_address != 0 && !read_leaf(heap, leaf_address, entries, &most, records)) {
            return false;
        }
    }
    return true;
}

static int by_number(const void *one, const void *other) {
    const uint64_t *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

static size_t make_unique(uint64_t *numbers, size_t count) {
    size_t kept = 0;
    if (count > 0) {
        qsort(numbers, count, sizeof *numbers, by_number);
    }
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] != 0 && (kept == 0 || numbers[kept - 1] != numbers[i])) {
            numbers[kept++] = numbers[i];
        }
    }
    return kept;
}

/* Vacant extents are not on the map: a tree of them each, from its root down. */
static bool read_vacant(struct heap *heap, int root) {
    enum { DEPTH_MOST = 256 };
    uint64_t waiting[DEPTH_MOST];
    size_t depth = 0, room = heap->huge_count;
    size_t bytes = (size_t)heap->format.number[ACRE_NUMBER_HUGE_BYTES];
    size_t most = snapshot_most(&heap->snapshot, bytes);
    waiting[depth++] =
        record_number(&heap->format, snapshot_at(&heap->snapshot, heap->format.root[root]), ACRE_FIELD_VACANT_ROOT);
    for (size_t steps = 0; depth > 0 && steps <= most; steps++) {
        uint64_t address = waiting[--depth];
        struct record record =
            address == 0 ? (struct record){NULL, 0} : snapshot_record(&heap->snapshot, address, bytes);
        if (record.data == NULL) {
            continue;
        }
        if (heap->huge_count == room) {
            room = room * 2 + 16;
            struct heap_huge *moved = realloc(heap->huge, room * sizeof *moved);
            if (moved == NULL) {
                return false;
            }
            heap->huge = moved;
        }
        describe_huge(heap, record, HEAP_HUGE_VACANT);
        if (depth + 2 <= DEPTH_MOST) {
            waiting[depth++] = number_of(heap, record, ACRE_FIELD_HUGE_LOW);
            waiting[depth++] = number_of(heap, record, ACRE_FIELD_HUGE_HIGH);
        }
    }
    return true;
}

static int chunks_by_base(const void *one, const void *other) {
    const struct heap_chunk *a = one, *b = other;
    return (a->base > b->base) - (a->base < b->base);
}

static int huge_by_base(const void *one, const void *other) {
    const struct heap_huge *a = one, *b = other;
    return (a->base > b->base) - (a->base < b->base);
}

/* Two that claim the same addresses: one of them has ended meanwhile, and neither is believed more. */
static void drop_overlaps(struct heap *heap) {
    size_t kept = 0;
    uint64_t end = 0;
    for (size_t i = 0; i < heap->chunk_count; i++) {
        if (heap->chunks[i].base >= end) {
            heap->chunks[kept++] = heap->chunks[i];
            end = heap->chunks[i].base + ((uint64_t)heap->chunks[i].pages << heap->page_shift);
        }
    }
    heap->torn += heap->chunk_count - kept;
    heap->chunk_count = kept;
    kept = 0;
    end = 0;
    for (size_t i = 0, chunk = 0; i < heap->huge_count; i++) {
        const struct heap_huge *huge = &heap->huge[i];
        while (chunk < heap->chunk_count &&
               heap->chunks[chunk].base + ((uint64_t)heap->chunks[chunk].pages << heap->page_shift) <= huge->base) {
            chunk++;
        }
        bool is_clear = chunk == heap->chunk_count || heap->chunks[chunk].base >= huge->base + huge->mapped_bytes;
        if (huge->base >= end && is_clear) {
            end = huge->base + huge->mapped_bytes;
            heap->huge[kept++] = *huge;
        }
    }
    heap->torn += heap->huge_count - kept;
    heap->huge_count = kept;
}

static bool describe_spans(struct heap *heap, struct records *records) {
    records->chunk_count = make_unique(records->chunks, records->chunk_count);
    records->huge_count = make_unique(records->huge, records->huge_count);
    heap->chunks = calloc(records->chunk_count + 1, sizeof *heap->chunks);
    heap->huge = calloc(records->huge_count + 1, sizeof *heap->huge);
    if (heap->chunks == NULL || heap->huge == NULL) {
        return false;
    }
    for (size_t i = 0; i < records->chunk_count; i++) {
        heap->chunk_count += read_chunk(heap, records->chunks[i], &heap->chunks[heap->chunk_count]);
    }
    for (size_t i = 0; i < records->huge_count; i++) {
        struct record record =
            snapshot_record(&heap->snapshot, records->huge[i], (size_t)heap->format.number[ACRE_NUMBER_HUGE_BYTES]);
        if (record.data != NULL) {
            bool is_cached = number_of(heap, record, ACRE_FIELD_SPAN_STATE) == 2;
            describe_huge(heap, record, is_cached ? HEAP_HUGE_CACHED : HEAP_HUGE_LIVE);
        }
    }
    if (!read_vacant(heap, ACRE_ROOT_HUGE_HOLES) || !read_vacant(heap, ACRE_ROOT_HUGE_VACANT)) {
        return false;
    }
    qsort(heap->chunks, heap->chunk_count, sizeof *heap->chunks, chunks_by_base);
    qsort(heap->huge, heap->huge_count, sizeof *heap->huge, huge_by_base);
    drop_overlaps(heap);
    return true;
}

static void read_break(struct heap *heap) {
    struct record os = snapshot_at(&heap->snapshot, heap->format.root[ACRE_ROOT_OS]);
    heap->break_start = number_of(heap, os, ACRE_FIELD_OS_BREAK_START);
    heap->break_now = number_of(heap, os, ACRE_FIELD_OS_BREAK_NOW);
    heap->break_peak = number_of(heap, os, ACRE_FIELD_OS_BREAK_PEAK);
    for (size_t i = 0; i < heap->chunk_count; i++) {
        const struct heap_chunk *chunk = &heap->chunks[i];
        if (chunk->from_break && chunk->live_end > heap->live_break_end) {
            heap->live_break_end = chunk->live_end;
        }
    }
    for (size_t i = 0; i < heap->huge_count; i++) {
        const struct heap_huge *huge = &heap->huge[i];
        if (huge->from_break && huge->kind == HEAP_HUGE_LIVE &&
            huge->base + huge->mapped_bytes > heap->live_break_end) {
            heap->live_break_end = huge->base + huge->mapped_bytes;
        }
    }
}

bool heap_read(struct heap *heap, struct target *target) {
    struct records records = {.room = 0};
    *heap = (struct heap){.target = target, .page_shift = (unsigned)__builtin_ctzll(target->page_bytes)};
    if (!heap_format_find(target, &heap->format) || !snapshot_take(&heap->snapshot, target, &heap->format)) {
        return false;
    }
    bool fine =
        read_arenas(heap) && read_map(heap, &records) && describe_spans(heap, &records) && heap_read_threads(heap);
    read_break(heap);
    target_remember_pages(target);
    free(records.chunks);
    free(records.huge);
    if (!fine) {
        complain("out of memory");
        heap_free(heap);
    }
    return fine;
}

void heap_free(struct heap *heap) {
    snapshot_free(&heap->snapshot);
    free(heap->arenas);
    free(heap->chunks);
    free(heap->huge);
    free(heap->ready);
    free(heap->threads);
    *heap = (struct heap){.target = heap->target};
}

uint64_t heap_held_bytes(const struct heap *heap) {
    uint64_t held_bytes = 0;
    for (size_t i = 0; i < heap->chunk_count; i++) {
        held_bytes += (uint64_t)heap->chunks[i].pages << heap->page_shift;
    }
    for (size_t i = 0; i < heap->huge_count; i++) {
        held_bytes += heap->huge[i].mapped_bytes;
    }
    return held_bytes;
}

uint64_t heap_break_bytes(const struct heap *heap) {
    return heap->break_now > heap->break_start ? heap->break_now - heap->break_start : 0;
}
