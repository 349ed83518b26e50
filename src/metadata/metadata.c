#include "metadata/metadata.h"

#include "base/list.h"
#include "os/os.h"

#define RECORD_ALIGNMENT ((size_t)64)
#define REGION_BYTES ((size_t)1 << 20)
#define REGIONS_OF_A_SIZE 8u
#define REGION_DOUBLINGS_MOST 8u
#define BLOCK_BYTES ((size_t)64 << 10)
#define BLOCK_WORDS (BLOCK_BYTES / RECORD_ALIGNMENT / 64)

/* Algebra: touched has a bit for each page of the block that holds the front or part of a record that was handed
 * out since the page was last given back; idle those of them without a record in use at the last look. On
 * `room[kind]` exactly when a record is free. */
struct block {
    struct acre_node all_node, room_node;
    uint32_t record_bytes, records, in_use;
    enum acre_record kind;
    uint32_t touched, idle;
    uint64_t used[BLOCK_WORDS]; /* a bit for each record */
};
#define FIRST_RECORD acre_align_up(sizeof(struct block), RECORD_ALIGNMENT)

static struct acre_lock lock = ACRE_LOCK(ACRE_RANK_METADATA);
struct acre_metadata_region acre_metadata_regions[ACRE_METADATA_REGIONS];
static unsigned region_places;
static char *region_next = acre_metadata_first;
static char *region_end = acre_metadata_first + ACRE_METADATA_FIRST_BYTES;
/* Outside of blocks. Linked by their third word: the first two are a slab's owner and kind, which late readers may
 * still look at. */
#define LINK(record) (((void **)(record))[2])
static void *given[ACRE_RECORDS];
static struct acre_node blocks, room[ACRE_RECORD_IN_BLOCKS];
static struct acre_node *next_look = &blocks; /* the block that comes next */
static _Atomic size_t used_bytes;

struct acre_lock *acre_metadata_lock(void) {
    return &lock;
}
size_t acre_metadata_bytes(void) { return atomic_load_explicit(&used_bytes, memory_order_relaxed); }

static void add_used(size_t size_bytes) {
    atomic_fetch_add_explicit(&used_bytes, size_bytes, memory_order_relaxed);
}

static bool is_early(const void *record) {
    return (uintptr_t)record - (uintptr_t)acre_metadata_first < ACRE_METADATA_FIRST_BYTES;
}

static bool has_early_room(size_t size_bytes) {
    return region_end == acre_metadata_first + ACRE_METADATA_FIRST_BYTES &&
           (size_t)(region_end - region_next) >= acre_align_up(size_bytes, RECORD_ALIGNMENT);
}

/* Into the first place where it can be: beside a neighbour, or in a place of its own. */
static void note_region(uintptr_t base, size_t size_bytes) {
    for (unsigned place = 0; place < ACRE_METADATA_REGIONS; place++) {
        struct acre_metadata_region *region = &acre_metadata_regions[place];
        bool is_below = base + size_bytes == region->base, is_above = region->base + region->size_bytes == base;
        if (region->size_bytes != 0 && !is_below && !is_above) continue;
        if (region->size_bytes == 0) region_places++;
        if (!is_above) region->base = base;
        region->size_bytes += size_bytes;
        return;
    }
}

static bool new_region(size_t least_bytes) {
    size_t size_bytes = REGION_BYTES << acre_min(region_places / REGIONS_OF_A_SIZE, REGION_DOUBLINGS_MOST);
    char *region = acre_os_map(size_bytes);
    if (region == NULL) { /* under a tight limit a little may still be had */
        size_bytes = acre_align_up(least_bytes, ACRE_GRANULE_BYTES);
        region = acre_os_map(size_bytes);
    }
    if (region == NULL) return false;
    note_region((uintptr_t)region, size_bytes);
    if (region != region_end) region_next = region;
    region_end = region + size_bytes;
    return true;
}

static char *carve(size_t size_bytes, size_t alignment) {
    uintptr_t next = acre_align_up((uintptr_t)region_next, alignment), end = (uintptr_t)region_end;
    if (next > end || end - next < size_bytes) {
        if (!new_region(size_bytes + alignment - RECORD_ALIGNMENT)) return NULL;
        next = acre_align_up((uintptr_t)region_next, alignment);
    }
    region_next = (char *)(next + size_bytes);
    return (char *)next;
}

static void *take_in_order(enum acre_record kind, size_t size_bytes) {
    void *record = given[kind];
    if (record != NULL) {
        given[kind] = LINK(record);
        return record;
    }
    size_bytes = acre_align_up(size_bytes, RECORD_ALIGNMENT);
    record = carve(size_bytes, RECORD_ALIGNMENT);
    if (record != NULL) add_used(size_bytes);
    return record;
}

static struct block *new_block(enum acre_record kind, size_t size_bytes) {
    struct block *block = (struct block *)(void *)carve(BLOCK_BYTES, BLOCK_BYTES);
    if (block == NULL) return NULL;
    block->kind = kind;
    block->record_bytes = (uint32_t)acre_align_up(size_bytes, RECORD_ALIGNMENT);
    block->records = (uint32_t)((BLOCK_BYTES - FIRST_RECORD) / block->record_bytes);
    acre_list_push_back(&blocks, &block->all_node);
    acre_list_push_front(&room[kind], &block->room_node);
    return block;
}

/* The pages that a record lies on: a bit each. */
static uint32_t pages_of(const struct block *block, uint32_t number) {
    size_t from = FIRST_RECORD + (size_t)number * block->record_bytes, page_bytes = acre_os_page_bytes();
    size_t first = from / page_bytes, last = (from + block->record_bytes - 1) / page_bytes;
    return (uint32_t)(((UINT64_C(2) << last) - 1) & ~((UINT64_C(1) << first) - 1));
}

static void touch(struct block *block, uint32_t pages) {
    add_used(acre_count_bits(pages & ~block->touched) * acre_os_page_bytes());
    block->touched |= pages;
}

static void *take_from(struct block *block) {
    uint32_t word = 0;
    while (~block->used[word] == 0) word++;
    uint32_t bit = acre_lowest_bit(~block->used[word]), number = word * 64 + bit;
    block->used[word] |= UINT64_C(1) << bit;
    if (++block->in_use == block->records) acre_list_remove(&block->room_node);
    touch(block, pages_of(block, number) | 1);
    return (char *)block + FIRST_RECORD + (size_t)number * block->record_bytes;
}

static void *take_in_block(enum acre_record kind, size_t size_bytes) {
    if (blocks.next == NULL) {
        acre_list_start(&blocks);
        for (unsigned each = 0; each < ACRE_RECORD_IN_BLOCKS; each++) acre_list_start(&room[each]);
    }
    struct block *block = ACRE_CONTAINER_OF(room[kind].next, struct block, room_node);
    if (acre_list_is_empty(&room[kind])) block = new_block(kind, size_bytes);
    return block == NULL ? NULL : take_from(block);
}

static void give_to_block(struct block *block, const void *record) {
    uint32_t number = (uint32_t)(((uintptr_t)record - (uintptr_t)block - FIRST_RECORD) / block->record_bytes);
    if (block->in_use-- == block->records) acre_list_push_front(&room[block->kind], &block->room_node);
    block->used[number / 64] &= ~(UINT64_C(1) << number % 64);
}

void *acre_metadata_take(enum acre_record kind, size_t size_bytes) {
    acre_lock(&lock);
    bool in_order = kind >= ACRE_RECORD_IN_BLOCKS || given[kind] != NULL || has_early_room(size_bytes);
    void *record = in_order ? take_in_order(kind, size_bytes) : take_in_block(kind, size_bytes);
    acre_unlock(&lock);
    return record;
}

void acre_metadata_give(enum acre_record kind, void *record) {
    acre_lock(&lock);
    if (kind >= ACRE_RECORD_IN_BLOCKS || is_early(record)) {
        LINK(record) = given[kind];
        given[kind] = record;
    } else {
        give_to_block((struct block *)acre_align_down((uintptr_t)record, BLOCK_BYTES), record);
    }
    acre_unlock(&lock);
}

/* The first page, which the block's own record is on, always. */
static uint32_t pages_in_use(const struct block *block) {
    uint32_t pages = 1;
    for (uint32_t word = 0; word < BLOCK_WORDS; word++) {
        for (uint64_t bits = block->used[word]; bits != 0; bits &= bits - 1)
            pages |= pages_of(block, word * 64 + acre_lowest_bit(bits));
    }
    return pages;
}

static size_t look_at(struct block *block, bool all, bool *waits) {
    uint32_t unused = block->touched & ~pages_in_use(block), due = all ? unused : unused & block->idle;
    size_t page_bytes = acre_os_page_bytes(), bytes = 0;
    block->idle = unused;
    while (due != 0) {
        uint32_t page = acre_lowest_bit(due), pages = acre_lowest_bit(~((uint64_t)due >> page));
        uint32_t run = (uint32_t)((UINT64_C(1) << pages) - 1) << page;
        due &= ~run;
        if (!acre_os_release((char *)block + page * page_bytes, pages * page_bytes)) continue;
        block->touched &= ~run;
        bytes += pages * page_bytes;
    }
    *waits |= (unused & block->touched) != 0;
    atomic_fetch_sub_explicit(&used_bytes, bytes, memory_order_relaxed);
    return bytes;
}

/* A block at a time, so that nobody waits for long. Blocks stay. */
size_t acre_metadata_look(bool all, bool *waits) {
    size_t bytes = 0;
    bool done = ACRE_PEEK(&blocks.next) == NULL;
    while (!done) {
        if (!acre_lock_briefly(&lock)) {
            *waits = true;
            break;
        }
        next_look = next_look->next;
        done = next_look == &blocks;
        if (!done) bytes += look_at(ACRE_CONTAINER_OF(next_look, struct block, all_node), all, waits);
        acre_unlock(&lock);
    }
    next_look = &blocks;
    return bytes;
}
