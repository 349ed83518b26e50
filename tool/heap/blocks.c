#include "heap/blocks.h"

#include <string.h>

enum { BITS_WORDS_MOST = 64 };

/* What a slab's record says, as far as it can be. */
struct slab {
    struct record record;
    uint64_t base, span_bytes, fresh_bytes, end_bytes, unit_bytes, stride, block_bytes, words, total;
    bool is_mixed;
    uint64_t begins_at;               /* of a mixed one: where its second bitmap lies in the record */
    struct record remote;             /* bits by number, or no data */
    uint64_t listed[BITS_WORDS_MOST]; /* bits by number: freed by others when there was no memory for `remote` */
    size_t ready_at, ready_end;       /* in heap->ready: those that may lie in it and were not passed yet */
};

static uint64_t number_of(const struct heap *heap, struct record record, int field) {
    return record_number(&heap->format, record, field);
}

static void find_ready(const struct heap *heap, struct slab *slab) {
    size_t low = 0, high = heap->ready_count;
    while (low < high) { /* ranges lie within one slab each */
        size_t middle = low + (high - low) / 2;
        if (heap->ready[middle].end <= slab->base) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    slab->ready_at = slab->ready_end = low;
    while (slab->ready_end < heap->ready_count &&
           heap->ready[slab->ready_end].start < slab->base + slab->span_bytes) {
        slab->ready_end++;
    }
}

/* Blocks that were freed by others when there was no memory for their bits hang together by their first words. Few
 * are, ever; and none twice. */
static void read_remote_list(struct heap *heap, struct slab *slab) {
    uint64_t at = number_of(heap, slab->record, ACRE_FIELD_SLAB_REMOTE_LIST);
    while (at >= slab->base && at < slab->base + slab->fresh_bytes) {
        uint64_t number = (at - slab->base) / slab->block_bytes, bit = UINT64_C(1) << number % 64;
        if (slab->listed[number / 64] & bit) {
            return;
        }
        slab->listed[number / 64] |= bit;
        if (target_read(heap->target, at, &at, sizeof at) != sizeof at) {
            return;
        }
    }
}

static bool read_slab(struct heap *heap, uint64_t base, uint32_t pages, struct slab *slab) {
    uint64_t address, live_at = heap->format.field[ACRE_FIELD_SLAB_LIVE].offset;
    struct record record = heap_span_of(heap, base, &address);
    uint64_t kind = number_of(heap, record, ACRE_FIELD_SPAN_KIND);
    *slab =
        (struct slab){.record = record,
                      .base = number_of(heap, record, ACRE_FIELD_SPAN_BASE),
                      .span_bytes = (uint64_t)pages << heap->page_shift,
                      .fresh_bytes = number_of(heap, record, ACRE_FIELD_SLAB_FRESH_BYTES),
                      .end_bytes = number_of(heap, record, ACRE_FIELD_SLAB_END_BYTES),
                      .unit_bytes = number_of(heap, record, ACRE_FIELD_SLAB_UNIT_BYTES),
                      .stride = number_of(heap, record, ACRE_FIELD_SLAB_STRIDE),
                      .words = number_of(heap, record, ACRE_FIELD_SLAB_WORDS),
                      .total = number_of(heap, record, ACRE_FIELD_SLAB_TOTAL),
                      .is_mixed = kind == HEAP_SPAN_SMALL && number_of(heap, record, ACRE_FIELD_SPAN_CLASS) == 0};
    slab->block_bytes = slab->unit_bytes * slab->stride;
    slab->begins_at = live_at + slab->words * 8 + heap->format.number[ACRE_NUMBER_HOLES_BYTES];
    uint64_t needed_bytes = slab->begins_at + (slab->is_mixed ? slab->words * 8 : 0);
    if ((kind != HEAP_SPAN_SMALL && kind != HEAP_SPAN_MEDIUM) || slab->base != base || pages > SLAB_PAGES_MOST ||
        slab->unit_bytes < 8 || slab->stride == 0 || (slab->is_mixed && slab->stride != 1) || slab->words == 0 ||
        slab->words > BITS_WORDS_MOST || slab->end_bytes > slab->span_bytes ||
        slab->fresh_bytes > slab->end_bytes || record.bytes < needed_bytes ||
        slab->end_bytes / slab->unit_bytes > slab->words * 64) {
        return false;
    }
    uint64_t remote = number_of(heap, record, ACRE_FIELD_SLAB_REMOTE);
    slab->remote = remote == 0 ? (struct record){NULL, 0} : snapshot_at(&heap->snapshot, remote);
    find_ready(heap, slab);
    read_remote_list(heap, slab);
    return true;
}

static bool bit_of(struct record record, uint64_t offset, uint64_t bit) {
    return record_u64(record, offset + bit / 64 * 8) >> bit % 64 & 1;
}

/* Blocks come in the order of their addresses. */
static bool is_ready(const struct heap *heap, struct slab *slab, uint64_t block) {
    while (slab->ready_at < slab->ready_end && heap->ready[slab->ready_at].end <= block) {
        slab->ready_at++;
    }
    return slab->ready_at < slab->ready_end && heap->ready[slab->ready_at].start <= block;
}

/* Where the block behind this one begins. */
static uint64_t next_of(const struct slab *slab, uint64_t number) {
    if (!slab->is_mixed) {
        return number + 1;
    }
    uint64_t end = slab->fresh_bytes / slab->unit_bytes, next = number + 1;
    while (next < end && !bit_of(slab->record, slab->begins_at, next)) {
        next++;
    }
    return next;
}

enum block_state { BLOCK_FREE, BLOCK_READY, BLOCK_LIVE };

static enum block_state state_of(const struct heap *heap, struct slab *slab, uint64_t number, uint64_t block) {
    if (is_ready(heap, slab, block)) {
        return BLOCK_READY;
    }
    uint64_t live_at = heap->format.field[ACRE_FIELD_SLAB_LIVE].offset;
    if (!bit_of(slab->record, live_at, number * slab->stride)) {
        return BLOCK_FREE;
    }
    if (slab->remote.data != NULL && bit_of(slab->remote, 0, number)) {
        return BLOCK_FREE;
    }
    return slab->listed[number / 64] >> number % 64 & 1 ? BLOCK_FREE : BLOCK_LIVE;
}

static void add_bytes(const struct heap *heap, const struct slab *slab, uint64_t block, uint64_t size_bytes,
                      uint32_t *pages) {
    uint64_t page_bytes = UINT64_C(1) << heap->page_shift, at = block - slab->base, end = at + size_bytes;
    while (at < end) {
        uint64_t page = at >> heap->page_shift, page_end = (page + 1) * page_bytes;
        uint64_t part_end = page_end < end ? page_end : end;
        pages[page] += (uint32_t)(part_end - at);
        at = part_end;
    }
}

/* Blocks of one size, of which no thread holds any ready: most slabs. The bits tell all. */
static void count_plainly(const struct heap *heap, const struct slab *slab, struct slab_pages *found) {
    uint64_t live[BITS_WORDS_MOST] = {0}, end = slab->fresh_bytes / slab->block_bytes;
    uint64_t live_at = heap->format.field[ACRE_FIELD_SLAB_LIVE].offset;
    unsigned shift = heap->page_shift;
    for (uint64_t word = 0; word < slab->words; word++) {
        live[word] = record_u64(slab->record, live_at + word * 8);
    }
    uint64_t offset = 0, page_bytes = UINT64_C(1) << shift;
    for (uint64_t number = 0, bit = 0; number < end; number++, bit += slab->stride, offset += slab->block_bytes) {
        if (!(live[bit / 64] >> bit % 64 & 1) || (slab->listed[number / 64] >> number % 64 & 1) ||
            (slab->remote.data != NULL && bit_of(slab->remote, 0, number))) {
            continue;
        }
        found->live_blocks++;
        uint64_t page = offset >> shift, room = page_bytes - (offset & (page_bytes - 1));
        if (slab->block_bytes <= room) {
            found->live[page] += (uint32_t)slab->block_bytes;
        } else {
            add_bytes(heap, slab, slab->base + offset, slab->block_bytes, found->live);
        }
    }
    found->live_bytes = found->live_blocks * slab->block_bytes;
}

/* Up to where blocks were handed out, less what was released since. */
static uint64_t touched_pages(const struct heap *heap, const struct slab *slab) {
    uint64_t pages = (slab->fresh_bytes + (UINT64_C(1) << heap->page_shift) - 1) >> heap->page_shift;
    uint64_t touched = pages >= 64 ? UINT64_MAX : (UINT64_C(1) << pages) - 1;
    uint64_t holes_at = heap->format.field[ACRE_FIELD_SLAB_LIVE].offset + slab->words * 8;
    if (number_of(heap, slab->record, ACRE_FIELD_SLAB_WAS_LOOKED_AT) != 0) {
        touched &= ~number_of(heap, record_part(slab->record, holes_at), ACRE_FIELD_HOLES_RELEASED);
    }
    return touched;
}

bool blocks_of_slab(struct heap *heap, uint64_t base, uint32_t pages, struct slab_pages *found) {
    struct slab slab;
    memset(found, 0, sizeof *found);
    if (!read_slab(heap, base, pages, &slab)) {
        return false;
    }
    found->block_bytes = slab.is_mixed ? 0 : slab.block_bytes;
    found->depot = number_of(heap, slab.record, ACRE_FIELD_SLAB_DEPOT);
    found->touched = touched_pages(heap, &slab);
    if (!slab.is_mixed && slab.ready_at == slab.ready_end) {
        count_plainly(heap, &slab, found);
        return true;
    }
    uint64_t end = slab.fresh_bytes / slab.block_bytes;
    for (uint64_t number = 0, next; number < end; number = next) {
        uint64_t block = slab.base + number * slab.block_bytes;
        next = next_of(&slab, number);
        enum block_state state = state_of(heap, &slab, number, block);
        uint64_t size_bytes = (next - number) * slab.block_bytes;
        if (state == BLOCK_LIVE) {
            found->live_blocks++;
            found->live_bytes += size_bytes;
            add_bytes(heap, &slab, block, size_bytes, found->live);
        } else if (state == BLOCK_READY) {
            found->ready_blocks++;
            add_bytes(heap, &slab, block, size_bytes, found->ready);
        }
    }
    return true;
}

bool blocks_each_live(struct heap *heap, uint64_t base, uint32_t pages, visit_block *visit, void *context) {
    struct slab slab;
    if (!read_slab(heap, base, pages, &slab)) {
        return false;
    }
    uint64_t end = slab.fresh_bytes / slab.block_bytes;
    for (uint64_t number = 0, next; number < end; number = next) {
        uint64_t block = slab.base + number * slab.block_bytes;
        next = next_of(&slab, number);
        if (state_of(heap, &slab, number, block) == BLOCK_LIVE) {
            visit(block, (next - number) * slab.block_bytes, context);
        }
    }
    return true;
}
