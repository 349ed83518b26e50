#include "heap/pages.h"

#include "heap/blocks.h"

#include <stdlib.h>
#include <string.h>

const char *const bucket_keys[BUCKETS] = {"live",         "partly_used",    "thread_stock", "waiting",
                                          "pinned_break", "not_handed_out", "metadata"};
const char *const bucket_names[BUCKETS] = {"live",
                                           "partly used pages",
                                           "thread stock",
                                           "waiting to decay",
                                           "pinned below the break",
                                           "not handed out yet",
                                           "metadata"};

/* Pages whose state is asked for at once. */
enum { WINDOW_PAGES = 16384 };

struct walk {
    struct heap *heap;
    visit_page *visit_page;
    visit_piece *visit_piece;
    void *context;
    const struct mapping *mapping;     /* of the last page, or the one behind it */
    uint64_t window_start, window_end; /* of which the states are known */
    uint8_t states[WINDOW_PAGES];
};

/* What is behind a page, and in *alike how many from it on it is known to be behind, up to `count`. Pages come in
 * the order of their addresses, mostly close to each other; `end` is how far acre's go on. */
static enum page_state state_of(struct walk *walk, uint64_t address, size_t count, uint64_t end, size_t *alike) {
    uint64_t page_bytes = walk->heap->target->page_bytes;
    if (walk->heap->target->is_core) {
        *alike = count;
        return PAGE_UNKNOWN;
    }
    if (address < walk->window_start || address >= walk->window_end) {
        uint64_t pages = (end - address) / page_bytes;
        pages = pages < WINDOW_PAGES ? pages : WINDOW_PAGES;
        walk->window_start = address;
        walk->window_end = address + pages * page_bytes;
        target_pages(walk->heap->target, address, (size_t)pages, walk->states);
    }
    size_t first = (size_t)((address - walk->window_start) / page_bytes), at = first + 1;
    size_t known = (size_t)((walk->window_end - walk->window_start) / page_bytes);
    known = known < first + count ? known : first + count;
    while (at < known && walk->states[at] == walk->states[first]) {
        at++;
    }
    *alike = at - first;
    return walk->states[first];
}

/* The mapping that the address lies in, or the first one behind it; NULL: there is none. */
static const struct mapping *mapping_from(struct walk *walk, uint64_t address) {
    const struct mapping *mapping = walk->mapping;
    if (mapping == NULL || address < mapping->start || address >= mapping->end) {
        walk->mapping = mapping = target_mapping_from(walk->heap->target, address);
    }
    return mapping;
}

/* `count` pages from that one on, of which acre's books say the same. Those that are not mapped are left out: they
 * were unmapped since the mappings were read, or the books are damaged. */
static void give_pages(struct walk *walk, struct page page, size_t count, uint64_t end) {
    uint64_t page_bytes = walk->heap->target->page_bytes, pages_end = page.address + count * page_bytes;
    while (page.address < pages_end) {
        const struct mapping *mapping = mapping_from(walk, page.address);
        if (mapping == NULL || mapping->start >= pages_end) {
            return;
        }
        if (mapping->start > page.address) {
            page.address = (mapping->start + page_bytes - 1) / page_bytes * page_bytes;
            continue;
        }
        uint64_t part_end = mapping->end < pages_end ? mapping->end : pages_end;
        size_t part = (size_t)((part_end - page.address + page_bytes - 1) / page_bytes);
        page.state = state_of(walk, page.address, part, end, &page.count);
        page.is_resident = page.state == PAGE_ANONYMOUS || (page.state == PAGE_UNKNOWN && page.is_touched);
        walk->visit_page(&page, walk->context);
        page.address += page.count * page_bytes;
    }
}

/* All pages of a piece that has its live bytes, if any, at its beginning. */
static void give_plain(struct walk *walk, struct piece *piece, uint64_t live_bytes, bool is_touched, uint64_t end) {
    uint64_t page_bytes = walk->heap->target->page_bytes;
    size_t live_pages = (size_t)(live_bytes / page_bytes), rest = live_bytes % page_bytes > 0;
    struct page page = {
        .address = piece->base, .is_touched = is_touched, .live = (uint32_t)page_bytes, .piece = piece};
    live_pages = live_pages < piece->pages ? live_pages : piece->pages;
    rest = live_pages < piece->pages ? rest : 0;
    give_pages(walk, page, live_pages, end);
    page.address += live_pages * page_bytes;
    page.live = (uint32_t)(live_bytes % page_bytes);
    give_pages(walk, page, rest, end);
    page.address += rest * page_bytes;
    page.live = 0;
    give_pages(walk, page, piece->pages - live_pages - rest, end);
    if (walk->visit_piece != NULL) {
        walk->visit_piece(piece, walk->context);
    }
}

static void give_free(struct walk *walk, struct piece *piece, struct record chunk, uint32_t first, uint64_t end) {
    const struct heap_format *format = &walk->heap->format;
    piece->kind = PIECE_FREE;
    for (size_t i = 0; i < piece->pages; i++) {
        size_t index = first + i;
        uint64_t dirty = record_word(format, chunk, ACRE_FIELD_CHUNK_DIRTY, index / 64, 8);
        struct page page = {.address = piece->base + (i << walk->heap->page_shift),
                            .is_touched = dirty >> index % 64 & 1,
                            .piece = piece};
        give_pages(walk, page, 1, end);
    }
    if (walk->visit_piece != NULL) {
        walk->visit_piece(piece, walk->context);
    }
}

static void give_slab(struct walk *walk, struct piece *piece, uint64_t end) {
    struct slab_pages slab;
    piece->kind = PIECE_SLAB;
    if (!blocks_of_slab(walk->heap, piece->base, (uint32_t)piece->pages, &slab)) {
        walk->heap->torn++; /* it is being made or done away with: nothing is known to be live in it */
        slab.touched = UINT64_MAX;
    } else {
        piece->arena = heap_arena_by_depot(walk->heap, slab.depot);
    }
    piece->block_bytes = slab.block_bytes;
    piece->live_blocks = slab.live_blocks;
    piece->live_bytes = slab.live_bytes;
    piece->ready_blocks = slab.ready_blocks;
    for (size_t i = 0; i < piece->pages; i++) {
        struct page page = {.address = piece->base + (i << walk->heap->page_shift),
                            .is_touched = i >= SLAB_PAGES_MOST || (slab.touched >> i & 1),
                            .live = i < SLAB_PAGES_MOST ? slab.live[i] : 0,
                            .ready = i < SLAB_PAGES_MOST ? slab.ready[i] : 0,
                            .piece = piece};
        give_pages(walk, page, 1, end);
    }
    if (walk->visit_piece != NULL) {
        walk->visit_piece(piece, walk->context);
    }
}

static void give_large(struct walk *walk, struct piece *piece, uint32_t slack_bytes, uint64_t end) {
    uint64_t bytes = (uint64_t)piece->pages << walk->heap->page_shift;
    piece->kind = PIECE_LARGE;
    piece->live_blocks = 1;
    piece->live_bytes = bytes - (slack_bytes < bytes ? slack_bytes : bytes);
    give_plain(walk, piece, piece->live_bytes, true, end);
}

static void give_chunk(struct walk *walk, const struct heap_chunk *chunk) {
    struct heap *heap = walk->heap;
    struct record record = heap_chunk_record(heap, chunk);
    uint64_t end = chunk->base + ((uint64_t)chunk->pages << heap->page_shift);
    size_t arena = heap_arena_by_page_heap(heap, chunk->page_heap);
    for (uint32_t index = 0; index < chunk->pages;) {
        struct heap_run run = heap_run_at(heap, record, index, chunk->pages);
        struct piece piece = {.base = chunk->base + ((uint64_t)index << heap->page_shift),
                              .pages = run.pages,
                              .arena = arena,
                              .from_break = chunk->from_break};
        piece.is_below_live = chunk->from_break && piece.base < heap->live_break_end;
        if (run.pages == 0) {
            return; /* it was whole when it was read: not reached */
        }
        if (run.state == HEAP_RUN_FREE) {
            give_free(walk, &piece, record, index, end);
        } else if (run.state == HEAP_RUN_SLAB) {
            give_slab(walk, &piece, end);
        } else {
            give_large(walk, &piece, run.slack_bytes, end);
        }
        index += run.pages;
    }
}

static void give_huge(struct walk *walk, const struct heap_huge *huge) {
    static const enum piece_kind kinds[] = {PIECE_HUGE, PIECE_CACHED, PIECE_VACANT};
    bool is_live = huge->kind == HEAP_HUGE_LIVE;
    struct piece piece = {.base = huge->base,
                          .pages = (size_t)(huge->mapped_bytes / walk->heap->target->page_bytes),
                          .kind = kinds[huge->kind],
                          .arena = is_live ? heap_arena_by_huge_space(walk->heap, huge->space) : HEAP_NO_ARENA,
                          .live_blocks = is_live,
                          .live_bytes = is_live ? huge->asked_bytes : 0,
                          .from_break = huge->from_break};
    piece.is_below_live = huge->from_break && huge->base < walk->heap->live_break_end;
    give_plain(walk, &piece, piece.live_bytes, huge->kind != HEAP_HUGE_VACANT, huge->base + huge->mapped_bytes);
}

static void give_spans(struct walk *walk) {
    const struct heap *heap = walk->heap;
    size_t chunk = 0, huge = 0;
    while (chunk < heap->chunk_count || huge < heap->huge_count) {
        bool chunk_first = huge == heap->huge_count ||
                           (chunk < heap->chunk_count && heap->chunks[chunk].base < heap->huge[huge].base);
        if (chunk_first) {
            give_chunk(walk, &heap->chunks[chunk++]);
        } else {
            give_huge(walk, &heap->huge[huge++]);
        }
    }
}

/* A core does not say which pages were there; nearly all that were have something in them. */
static bool may_have_been_there(struct target *target, uint64_t page) {
    static uint64_t words[65536 / sizeof(uint64_t)];
    size_t got = target_read(target, page, words, (size_t)target->page_bytes) / sizeof words[0], at = 0;
    while (at < got && words[at] == 0) {
        at++;
    }
    return at < got;
}

/* The whole pages of a range that are acre's alone. */
static void give_metadata(struct walk *walk, uint64_t start, uint64_t end) {
    struct target *target = walk->heap->target;
    uint64_t page_bytes = target->page_bytes;
    start = (start + page_bytes - 1) / page_bytes * page_bytes;
    end = end / page_bytes * page_bytes;
    for (uint64_t at = start; at < end;) {
        bool is_touched = !target->is_core || may_have_been_there(target, at);
        uint64_t part_end = target->is_core ? at + page_bytes : end;
        while (target->is_core && part_end < end && may_have_been_there(target, part_end) == is_touched) {
            part_end += page_bytes;
        }
        struct piece piece = {.base = at,
                              .pages = (size_t)((part_end - at) / page_bytes),
                              .kind = PIECE_METADATA,
                              .arena = HEAP_NO_ARENA};
        give_plain(walk, &piece, 0, is_touched, end);
        at = part_end;
    }
}

static void give_all_metadata(struct walk *walk) {
    const struct heap *heap = walk->heap;
    const struct heap_format *format = &heap->format;
    uint64_t page_bytes = heap->target->page_bytes;
    for (size_t i = 0; i < heap->snapshot.count; i++) {
        const struct copy *copy = &heap->snapshot.copies[i];
        bool is_in_module = copy->start >= format->data_start && copy->start < format->data_end;
        if (copy->bytes >= page_bytes && !(format->is_own_module && is_in_module)) {
            give_metadata(walk, copy->start, copy->start + copy->bytes);
        }
    }
    if (format->is_own_module) { /* from the first page on that is not another file's */
        give_metadata(walk, format->data_start / page_bytes * page_bytes,
                      (format->data_end + page_bytes - 1) / page_bytes * page_bytes);
    }
}

bool pages_each(struct heap *heap, visit_page *page, visit_piece *piece, void *context) {
    struct walk *walk = malloc(sizeof *walk);
    if (walk == NULL) {
        return false;
    }
    *walk = (struct walk){.heap = heap, .visit_page = page, .visit_piece = piece, .context = context};
    give_spans(walk);
    give_all_metadata(walk);
    free(walk);
    return true;
}

void page_split(const struct heap *heap, const struct page *page, uint64_t bytes[BUCKETS]) {
    const struct piece *piece = page->piece;
    uint64_t left_bytes = heap->target->page_bytes;
    memset(bytes, 0, BUCKETS * sizeof bytes[0]);
    bytes[BUCKET_LIVE] = page->live < left_bytes ? page->live : left_bytes;
    left_bytes -= bytes[BUCKET_LIVE];
    bytes[BUCKET_STOCK] = page->ready < left_bytes ? page->ready : left_bytes;
    left_bytes -= bytes[BUCKET_STOCK];
    if (piece->kind == PIECE_METADATA) {
        bytes[BUCKET_METADATA] = left_bytes;
    } else if (page->live > 0 || piece->kind == PIECE_LARGE || piece->kind == PIECE_HUGE) {
        bytes[BUCKET_PARTLY] = left_bytes;
    } else if (!page->is_touched) {
        bytes[BUCKET_FRESH] = left_bytes;
    } else if (page->ready > 0) {
        bytes[BUCKET_STOCK] += left_bytes;
    } else {
        bytes[piece->is_below_live ? BUCKET_PINNED : BUCKET_WAITING] = left_bytes;
    }
}
