/* What threads hold ready: blocks in cursors, recent ones, and those freed here that belong to others. */
#include "heap/heap.h"

#include <stdlib.h>

/* No record has as many blocks for its size; where more are found, they are read over and over. */
#define BYTES_OF_A_BLOCK 2

static bool add_range(struct heap *heap, uint64_t start, uint64_t end) {
    if (heap->ready_count > snapshot_most(&heap->snapshot, BYTES_OF_A_BLOCK)) {
        return true;
    }
    if (heap->ready_count == heap->ready_room) {
        size_t more = heap->ready_room == 0 ? 256 : heap->ready_room * 2;
        struct heap_range *moved = realloc(heap->ready, more * sizeof *moved);
        if (moved == NULL) {
            return false;
        }
        heap->ready = moved;
        heap->ready_room = more;
    }
    heap->ready[heap->ready_count++] = (struct heap_range){start, end};
    return true;
}

static bool read_cursor(struct heap *heap, struct record record, uint64_t size_class) {
    const struct heap_format *format = &heap->format;
    const uint64_t *number = format->number;
    struct record cursor = record_part(record, format->field[ACRE_FIELD_HEAP_CURSOR].offset +
                                                   size_class * number[ACRE_NUMBER_CURSOR_BYTES]);
    uint64_t next = record_number(format, cursor, ACRE_FIELD_CURSOR_NEXT);
    uint64_t end = record_number(format, cursor, ACRE_FIELD_CURSOR_END);
    uint64_t base = record_number(format, cursor, ACRE_FIELD_CURSOR_BASE);
    uint64_t top = record_number(format, cursor, ACRE_FIELD_CURSOR_TOP);
    uint64_t bottom = record_number(format, cursor, ACRE_FIELD_CURSOR_BOTTOM);
    if (next < end && end - next <= UINT64_C(1) << 20 && !add_range(heap, next, end)) {
        return false;
    }
    uint64_t slab_address, unit_bytes = 0;
    if (bottom < top && top <= number[ACRE_NUMBER_READY_MOST]) {
        struct record slab = heap_span_of(heap, base, &slab_address);
        unit_bytes = record_number(format, slab, ACRE_FIELD_SLAB_UNIT_BYTES);
    }
    for (uint64_t place = bottom; unit_bytes > 0 && place < top; place++) {
        uint64_t bit = record_word(format, record, ACRE_FIELD_HEAP_READY,
                                   (size_t)(size_class * number[ACRE_NUMBER_READY_MOST] + place), 2);
        if (!add_range(heap, base + bit * unit_bytes, base + bit * unit_bytes + 1)) {
            return false;
        }
    }
    return true;
}

/* A stack, whose floor has no block. */
static bool read_recent(struct heap *heap, struct record record, uint64_t size_class) {
    const struct heap_format *format = &heap->format;
    const uint64_t *number = format->number;
    struct record recent = record_part(record, format->field[ACRE_FIELD_HEAP_RECENT].offset +
                                                   size_class * number[ACRE_NUMBER_RECENT_BYTES]);
    uint64_t entry = record_number(format, recent, ACRE_FIELD_RECENT_TOP);
    for (uint64_t i = 0; entry != 0 && i < number[ACRE_NUMBER_RECENT_MOST]; i++) {
        uint64_t block = record_number(format, snapshot_at(&heap->snapshot, entry), ACRE_FIELD_RECENT_ENTRY_BLOCK);
        if (block == 0) {
            break;
        }
        if (!add_range(heap, block, block + 1)) {
            return false;
        }
        entry -= number[ACRE_NUMBER_RECENT_ENTRY_BYTES];
    }
    return true;
}

static bool read_heap(struct heap *heap, uint64_t address) {
    const uint64_t *number = heap->format.number;
    struct record record = snapshot_record(&heap->snapshot, address, (size_t)number[ACRE_NUMBER_HEAP_BYTES]);
    if (heap->heaps_read++ > snapshot_most(&heap->snapshot, number[ACRE_NUMBER_HEAP_BYTES])) {
        return true; /* a list of heaps leads round, or into another one */
    }
    for (uint64_t size_class = 1; record.data != NULL && size_class < number[ACRE_NUMBER_CLASSES]; size_class++) {
        if (!read_cursor(heap, record, size_class) || !read_recent(heap, record, size_class)) {
            return false;
        }
    }
    return true;
}

/* Blocks of others that this thread freed and has not sent home: bits by number, 64 to a word. */
static bool read_outbox(struct heap *heap, struct record thread) {
    const struct heap_format *format = &heap->format;
    struct record outbox = record_part(thread, format->field[ACRE_FIELD_THREAD_OUTBOX].offset);
    for (uint64_t i = 0; i < format->number[ACRE_NUMBER_OUTBOX_SLOTS]; i++) {
        struct record slot = record_part(outbox, i * format->number[ACRE_NUMBER_OUTBOX_SLOT_BYTES]);
        uint64_t slab_address = record_number(format, slot, ACRE_FIELD_OUTBOX_SLAB);
        struct record slab =
            slab_address == 0 ? (struct record){NULL, 0} : snapshot_at(&heap->snapshot, slab_address);
        uint64_t block_bytes = record_number(format, slab, ACRE_FIELD_SLAB_STRIDE) *
                               record_number(format, slab, ACRE_FIELD_SLAB_UNIT_BYTES);
        uint64_t base = record_number(format, slab, ACRE_FIELD_SPAN_BASE);
        uint64_t first = record_number(format, slot, ACRE_FIELD_OUTBOX_WORD) * 64;
        uint64_t bits = record_number(format, slot, ACRE_FIELD_OUTBOX_BITS);
        for (; slab.data != NULL && bits != 0; bits &= bits - 1) {
            uint64_t block = base + (first + (uint64_t)__builtin_ctzll(bits)) * block_bytes;
            if (!add_range(heap, block, block + 1)) {
                return false;
            }
        }
    }
    return true;
}

static bool read_thread(struct heap *heap, uint64_t address) {
    const struct heap_format *format = &heap->format;
    uint64_t thread_bytes = format->number[ACRE_NUMBER_THREAD_BYTES];
    struct record record = snapshot_record(&heap->snapshot, address, (size_t)thread_bytes);
    uint64_t heap_address = address + format->field[ACRE_FIELD_THREAD_HEAP].offset;
    if (record.data == NULL) {
        return true;
    }
    uint64_t pointer = record_number(format, record_part(record, format->field[ACRE_FIELD_THREAD_HEAP].offset),
                                     ACRE_FIELD_HEAP_THREAD);
    heap->threads[heap->thread_count] = pointer;
    heap->thread_count += pointer > 1;
    if (!read_heap(heap, heap_address) || !read_outbox(heap, record)) {
        return false;
    }
    /* Its heaps of other arenas */
    uint64_t head = address + format->field[ACRE_FIELD_THREAD_OTHERS].offset;
    uint64_t node = record_u64(snapshot_at(&heap->snapshot, head), 0);
    size_t most = snapshot_most(&heap->snapshot, format->number[ACRE_NUMBER_HEAP_BYTES]);
    while (node != 0 && node != head && heap->heaps_read <= most) {
        if (!read_heap(heap, node - format->field[ACRE_FIELD_HEAP_HOME_NODE].offset)) {
            return false;
        }
        node = record_u64(snapshot_at(&heap->snapshot, node), 0);
    }
    return true;
}

static int by_start(const void *one, const void *other) {
    const struct heap_range *a = one, *b = other;
    return (a->start > b->start) - (a->start < b->start);
}

/* What was met more than once, in a heap that is damaged or changes, counts once. */
static void join_ranges(struct heap *heap) {
    size_t kept = 0;
    if (heap->ready_count > 0) {
        qsort(heap->ready, heap->ready_count, sizeof *heap->ready, by_start);
    }
    for (size_t i = 0; i < heap->ready_count; i++) {
        struct heap_range *last = kept == 0 ? NULL : &heap->ready[kept - 1];
        if (last == NULL || heap->ready[i].start >= last->end) {
            heap->ready[kept++] = heap->ready[i];
        } else if (heap->ready[i].end > last->end) {
            last->end = heap->ready[i].end;
        }
    }
    heap->ready_count = kept;
}

bool heap_read_threads(struct heap *heap) {
    uint64_t head = heap->format.root[ACRE_ROOT_THREADS];
    uint64_t node = record_u64(snapshot_at(&heap->snapshot, head), 0);
    size_t room = 0, steps = 0,
           most = snapshot_most(&heap->snapshot, heap->format.number[ACRE_NUMBER_THREAD_BYTES]);
    while (node != 0 && node != head && steps++ <= most) {
        if (heap->thread_count == room) {
            room = room == 0 ? 64 : room * 2;
            uint64_t *moved = realloc(heap->threads, room * sizeof *moved);
            if (moved == NULL) {
                return false;
            }
            heap->threads = moved;
        }
        if (!read_thread(heap, node - heap->format.field[ACRE_FIELD_THREAD_NODE].offset)) {
            return false;
        }
        node = record_u64(snapshot_at(&heap->snapshot, node), 0);
    }
    join_ranges(heap);
    return true;
}
