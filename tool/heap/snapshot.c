#include "heap/snapshot.h"

#include "complain.h"

#include <stdlib.h>
#include <string.h>

/* More records than any heap has: what asks for more is no heap. */
#define COPY_MOST (UINT64_C(1) << 36)

static bool make_room(struct snapshot *snapshot) {
    if (snapshot->count < snapshot->room) {
        return true;
    }
    size_t more = snapshot->room == 0 ? 64 : snapshot->room * 2;
    struct copy *moved = realloc(snapshot->copies, more * sizeof *moved);
    if (moved == NULL) {
        return false;
    }
    snapshot->copies = moved;
    snapshot->room = more;
    return true;
}

static bool is_there(uint8_t state) { return state != PAGE_ABSENT && state != PAGE_ZERO; }

/* Copies those of its pages that are there; how many bytes it takes up. *any: one is there,
 * or that cannot be told. */
static size_t copy_pages(struct target *target, struct copy *copy, bool *any) {
    uint64_t start = copy->start, size_bytes = copy->bytes;
    unsigned char *data = copy->data;
    uint64_t page = target->page_bytes, first = start / page, last = (start + size_bytes - 1) / page, at = first;
    size_t pages = (size_t)(last - first + 1), copied_bytes = pages;
    uint8_t *states = copy->states = target->is_core ? NULL : malloc(pages);
    if (states == NULL || !target_pages(target, first * page, pages, states)) {
        free(states);
        copy->states = NULL;
        copied_bytes = target_read(target, start, data, size_bytes);
        *any = copied_bytes > 0;
        return copied_bytes;
    }
    while (at <= last) {
        uint64_t end = at;
        while (end <= last && is_there(states[end - first])) {
            end++;
        }
        if (end > at) {
            *any = true;
            uint64_t from = at * page < start ? start : at * page;
            uint64_t to = end * page > start + size_bytes ? start + size_bytes : end * page;
            copied_bytes += target_read(target, from, data + (from - start), (size_t)(to - from));
        }
        at = end + 1;
    }
    return copied_bytes;
}

/* Copies a range; pages that are not there are zeros. false: nothing of it is there, or there is no memory. is_one:
 * there is just one such, and zeros are an answer, too; of many they would be nothing to keep, but room for it. */
static bool add(struct snapshot *snapshot, struct target *target, uint64_t start, uint64_t size_bytes,
                bool is_one) {
    if (size_bytes == 0 || size_bytes > COPY_MOST || start + size_bytes < start || start == 0 ||
        target_mapping_of(target, start) == NULL || snapshot->copied_bytes > snapshot->most_bytes ||
        !make_room(snapshot)) {
        return false;
    }
    bool any = false;
    struct copy copy = {.start = start, .bytes = size_bytes, .data = calloc(1, size_bytes)};
    if (copy.data != NULL) {
        snapshot->copied_bytes += copy_pages(target, &copy, &any);
    }
    if (!any && !(is_one && copy.states != NULL)) {
        free(copy.data);
        free(copy.states);
        return false;
    }
    snapshot->copies[snapshot->count++] = copy;
    return true;
}

void snapshot_free(struct snapshot *snapshot) {
    for (size_t i = 0; i < snapshot->count; i++) {
        free(snapshot->copies[i].data);
        free(snapshot->copies[i].states);
    }
    free(snapshot->copies);
    *snapshot = (struct snapshot){.count = 0};
}

static int by_start(const void *one, const void *other) {
    const struct copy *a = one, *b = other;
    return (a->start > b->start) - (a->start < b->start);
}

static const struct copy *find(const struct snapshot *snapshot, uint64_t address) {
    size_t low = 0, high = snapshot->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot->copies[middle].start <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const struct copy *copy = low == 0 ? NULL : &snapshot->copies[low - 1];
    return copy != NULL && address - copy->start < copy->bytes ? copy : NULL;
}

struct record snapshot_at(const struct snapshot *snapshot, uint64_t address) {
    const struct copy *copy = find(snapshot, address);
    if (copy == NULL) {
        return (struct record){NULL, 0};
    }
    return (struct record){copy->data + (address - copy->start), copy->bytes - (size_t)(address - copy->start)};
}

/* The same of one copy. */
static uint64_t skip_zeros(const struct copy *copy, uint64_t page_bytes, uint64_t table, uint64_t entry) {
    uint64_t address = table + entry * 8, page = address / page_bytes, first = copy->start / page_bytes;
    uint64_t last = (copy->start + copy->bytes - 1) / page_bytes, at = page;
    while (copy->states != NULL && at <= last && !is_there(copy->states[at - first])) {
        at++;
    }
    return at == page ? entry : (at * page_bytes - table + 7) / 8;
}

uint64_t snapshot_entry(const struct snapshot *snapshot, uint64_t table, uint64_t entry) {
    const struct copy *copy = find(snapshot, table + entry * 8);
    return copy == NULL ? entry : skip_zeros(copy, snapshot->page_bytes, table, entry);
}

struct record snapshot_record(const struct snapshot *snapshot, uint64_t address, size_t size_bytes) {
    struct record record = snapshot_at(snapshot, address);
    return record.bytes < size_bytes ? (struct record){NULL, 0} : (struct record){record.data, size_bytes};
}

uint64_t snapshot_bytes(const struct snapshot *snapshot) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        bytes += snapshot->copies[i].bytes;
    }
    return bytes;
}

size_t snapshot_most(const struct snapshot *snapshot, uint64_t record_bytes) {
    return (size_t)(snapshot->copied_bytes / record_bytes);
}

void snapshot_again(const struct snapshot *snapshot, struct target *target, uint64_t address, size_t size_bytes) {
    const struct copy *copy = find(snapshot, address);
    if (copy != NULL && copy->bytes - (address - copy->start) >= size_bytes) {
        target_read(target, address, copy->data + (address - copy->start), size_bytes);
    }
}

/* The leaves of the map. An entry that leads nowhere is none. */
static void add_leaves(struct snapshot *snapshot, struct target *target, const struct heap_format *format) {
    const uint64_t *number = format->number;
    struct copy root = snapshot->copies[snapshot->count - 1];
    uint64_t leaf_bytes = UINT64_C(8) << (number[ACRE_NUMBER_LEAF_SHIFT] - number[ACRE_NUMBER_GRANULE_SHIFT]);
    for (uint64_t entry = 0; entry * 8 + 8 <= root.bytes; entry++) {
        entry = entry % ENTRIES_AT_ONCE == 0 ? skip_zeros(&root, snapshot->page_bytes, root.start, entry) : entry;
        uint64_t leaf = record_u64((struct record){root.data, root.bytes}, entry * 8);
        if (leaf != 0) {
            add(snapshot, target, leaf, leaf_bytes, false);
        }
    }
}

static void add_regions(struct snapshot *snapshot, struct target *target, const struct heap_format *format) {
    uint64_t record_bytes = format->number[ACRE_NUMBER_REGION_RECORD_BYTES];
    for (uint64_t i = 0; i < format->number[ACRE_NUMBER_METADATA_REGIONS]; i++) {
        unsigned char data[4096];
        struct record region = {data, record_bytes < sizeof data ? (size_t)record_bytes : sizeof data};
        if (target_read(target, format->root[ACRE_ROOT_METADATA] + i * record_bytes, data, region.bytes) !=
            region.bytes) {
            return;
        }
        uint64_t base = record_number(format, region, ACRE_FIELD_REGION_BASE);
        uint64_t size_bytes = record_number(format, region, ACRE_FIELD_REGION_BYTES);
        if (size_bytes != 0) {
            add(snapshot, target, base, size_bytes, false);
        }
    }
}

bool snapshot_take(struct snapshot *snapshot, struct target *target, const struct heap_format *format) {
    const uint64_t *number = format->number, *root = format->root;
    *snapshot = (struct snapshot){.most_bytes = target_content_bytes(target), .page_bytes = target->page_bytes};
    bool fine = add(snapshot, target, root[ACRE_ROOT_MAP], number[ACRE_NUMBER_MAP_BYTES], true);
    if (fine) {
        add_leaves(snapshot, target, format);
        add_regions(snapshot, target, format);
        /* At least as long as what lies there */
        const struct {
            int root;
            uint64_t bytes;
        } objects[] = {
            {ACRE_ROOT_DEFAULT_ARENA, number[ACRE_NUMBER_ARENA_BYTES]},
            {ACRE_ROOT_ARENAS, 16},
            {ACRE_ROOT_THREADS, 16},
            {ACRE_ROOT_HUGE_HOLES, 8},
            {ACRE_ROOT_HUGE_VACANT, 8},
            {ACRE_ROOT_FIRST_METADATA, number[ACRE_NUMBER_METADATA_FIRST_BYTES]},
            {ACRE_ROOT_OS, 128},
            {ACRE_ROOT_RELEASED, 64},
            {ACRE_ROOT_RECENT_FLOOR, number[ACRE_NUMBER_RECENT_ENTRY_BYTES]},
        };
        for (size_t i = 0; fine && i < sizeof objects / sizeof objects[0]; i++) {
            fine = add(snapshot, target, root[objects[i].root], objects[i].bytes, true);
        }
    }
    if (!fine) {
        complain("the heap's records cannot be read%s", target->is_core
                                                            ? ": the core does not hold all of the program's memory"
                                                            : ": the process is ending, or its memory is damaged");
        snapshot_free(snapshot);
        return false;
    }
    qsort(snapshot->copies, snapshot->count, sizeof *snapshot->copies, by_start);
    return true;
}
