#include "span/chunk.h"

#include "os/os.h"

unsigned acre_page_shift(void) {
    size_t bytes = acre_os_page_bytes();
    return bytes > 4096 ? acre_log2_floor(bytes) : 12;
}

static uint32_t granule_pages(void) { return (uint32_t)(ACRE_GRANULE_BYTES >> acre_page_shift()); }

static void set_run(struct acre_chunk *chunk, uint32_t index, uint32_t pages, enum acre_run_state state) {
    uint32_t tag = (uint32_t)state | pages << 2;
    chunk->page[index] = tag;
    chunk->page[index + pages - 1] = tag;
}

void acre_run_set_slack(struct acre_chunk *chunk, uint32_t index, uint32_t slack_bytes) {
    chunk->page[index] = (chunk->page[index] & 0x1fffu) | slack_bytes << 13;
}

static uint64_t low_bits(uint32_t count) { return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1; }

static void mark(uint64_t *bits, uint32_t index, uint32_t pages, bool value) {
    while (pages > 0) {
        uint32_t offset = index % 64, part = 64 - offset < pages ? 64 - offset : pages;
        uint64_t mask = low_bits(part) << offset;
        if (value)
            bits[index / 64] |= mask;
        else
            bits[index / 64] &= ~mask;
        index += part;
        pages -= part;
    }
}

static void mark_dirty(struct acre_chunk *chunk, uint32_t index, uint32_t pages, bool dirty) {
    mark(chunk->dirty, index, pages, dirty);
}

static uint32_t count_marks(const uint64_t *bits, uint32_t index, uint32_t pages) {
    uint32_t count = 0;
    while (pages > 0) {
        uint32_t offset = index % 64, part = 64 - offset < pages ? 64 - offset : pages;
        count += acre_count_bits(bits[index / 64] >> offset & low_bits(part));
        index += part;
        pages -= part;
    }
    return count;
}

uint32_t acre_chunk_count_dirty(const struct acre_chunk *chunk, uint32_t index, uint32_t pages) {
    return count_marks(chunk->dirty, index, pages);
}

static void clean(struct acre_chunk *chunk, uint32_t index, uint32_t pages) {
    chunk->dirty_pages -= acre_chunk_count_dirty(chunk, index, pages);
    mark_dirty(chunk, index, pages, false);
}

void acre_chunk_note_released(struct acre_chunk *chunk, uint32_t index, uint32_t pages) {
    clean(chunk, index, pages);
    mark(chunk->released, index, pages, true);
}

static void note_taken(struct acre_chunk *chunk, uint32_t index, uint32_t pages) {
    uint32_t again = count_marks(chunk->released, index, pages);
    if (again == 0) return;
    chunk->again_pages += again;
    mark(chunk->released, index, pages, false);
}

static void set_granules_free(struct acre_chunk *chunk, uint32_t index, uint32_t pages) {
    uint32_t unit = granule_pages(), first = (index + unit - 1) / unit, end = (index + pages) / unit;
    if (end > first) chunk->free_granules |= low_bits(end - first) << first;
}

static void set_granules_used(struct acre_chunk *chunk, uint32_t index, uint32_t pages) {
    uint32_t unit = granule_pages(), first = index / unit, last = (index + pages - 1) / unit;
    chunk->free_granules &= ~(low_bits(last - first + 1) << first);
}

static uint32_t find_longest(const struct acre_chunk *chunk) {
    uint32_t longest = 0;
    for (uint32_t index = 0; index < chunk->pages; index += acre_run_pages(chunk, index)) {
        uint32_t pages = acre_run_pages(chunk, index);
        if (acre_run_state(chunk, index) == ACRE_RUN_FREE && pages > longest) longest = pages;
    }
    return longest;
}

void acre_chunk_start(struct acre_chunk *chunk, uintptr_t base, bool from_break) {
    atomic_store_explicit(&chunk->span.owner, ACRE_OWNER_NONE, memory_order_relaxed);
    chunk->span.kind = ACRE_SPAN_CHUNK;
    chunk->span.base = base;
    chunk->pages = chunk->free_pages = chunk->dirty_pages = chunk->longest_run = 0;
    chunk->filed_free_pages = chunk->filed_dirty_pages = 0;
    chunk->free_granules = 0;
    chunk->from_break = from_break;
    chunk->huge_pages = chunk->advised = chunk->has_holes = false;
    chunk->all_node = chunk->run_node = chunk->granule_node = (struct acre_node){NULL, NULL};
    mark_dirty(chunk, 0, ACRE_CHUNK_PAGES, false);
    mark(chunk->waited, 0, ACRE_CHUNK_PAGES, false);
    mark(chunk->released, 0, ACRE_CHUNK_PAGES, false);
    chunk->again_pages = 0;
}

/* Makes [index, index + pages) a free run, joined with free neighbours. */
static void join_free(struct acre_chunk *chunk, uint32_t index, uint32_t pages) {
    if (index > 0 && acre_run_state(chunk, index - 1) == ACRE_RUN_FREE) {
        uint32_t before = acre_run_pages(chunk, index - 1);
        index -= before;
        pages += before;
    }
    if (index + pages < chunk->pages && acre_run_state(chunk, index + pages) == ACRE_RUN_FREE)
        pages += acre_run_pages(chunk, index + pages);
    set_run(chunk, index, pages, ACRE_RUN_FREE);
    set_granules_free(chunk, index, pages);
    if (pages > chunk->longest_run) chunk->longest_run = pages;
}

void acre_chunk_extend(struct acre_chunk *chunk, uint32_t pages) {
    uint32_t index = chunk->pages;
    mark_dirty(chunk, index, pages, false);
    mark(chunk->released, index, pages, false);
    chunk->pages += pages;
    chunk->free_pages += pages;
    join_free(chunk, index, pages);
    ACRE_ASSERT(acre_chunk_is_valid(chunk));
}

void acre_chunk_cut(struct acre_chunk *chunk, uint32_t pages) {
    uint32_t index = acre_chunk_last_free(chunk), length = acre_run_pages(chunk, index);
    set_granules_used(chunk, chunk->pages - pages, pages);
    clean(chunk, chunk->pages - pages, pages);
    chunk->pages -= pages;
    chunk->free_pages -= pages;
    if (length > pages) set_run(chunk, index, length - pages, ACRE_RUN_FREE);
    chunk->longest_run = find_longest(chunk);
    ACRE_ASSERT(acre_chunk_is_valid(chunk));
}

/* Cuts [at, at + pages) out of the free run at index. */
static void carve(struct acre_chunk *chunk, uint32_t index, uint32_t at, uint32_t pages,
                  enum acre_run_state state) {
    uint32_t length = acre_run_pages(chunk, index), behind = index + length - (at + pages);
    if (at > index) set_run(chunk, index, at - index, ACRE_RUN_FREE);
    if (behind > 0) set_run(chunk, at + pages, behind, ACRE_RUN_FREE);
    set_run(chunk, at, pages, state);
    set_granules_used(chunk, at, pages);
    chunk->free_pages -= pages;
    chunk->dirty_pages -= acre_chunk_count_dirty(chunk, at, pages);
    note_taken(chunk, at, pages);
    if (length == chunk->longest_run) chunk->longest_run = find_longest(chunk);
    ACRE_ASSERT(acre_chunk_is_valid(chunk));
}

uint32_t acre_chunk_take(struct acre_chunk *chunk, uint32_t pages, uint32_t alignment_pages,
                         enum acre_run_state state, uint32_t *dirty) {
    uint32_t best = ACRE_NO_RUN, best_at = 0, best_pages = UINT32_MAX;
    uint32_t first_page = (uint32_t)(chunk->span.base >> acre_page_shift());
    for (uint32_t index = 0, length; index < chunk->pages && best_pages != pages; index += length) {
        length = acre_run_pages(chunk, index);
        if (acre_run_state(chunk, index) != ACRE_RUN_FREE || length < pages || length >= best_pages) continue;
        uint32_t at = (uint32_t)acre_align_up(first_page + index, alignment_pages) - first_page;
        if (at + pages > index + length) continue;
        best = index;
        best_at = at;
        best_pages = length;
    }
    if (best == ACRE_NO_RUN) return ACRE_NO_RUN;
    *dirty = acre_chunk_count_dirty(chunk, best_at, pages);
    carve(chunk, best, best_at, pages, state);
    return best_at;
}

/* Where `granules` set bits in a row begin in the word, or 64. */
static uint32_t find_row(uint64_t word, uint32_t granules) {
    for (uint32_t more = 1; more < granules; more++) word &= word >> 1;
    return word == 0 ? 64 : acre_lowest_bit(word);
}

/* Of a granule with old data in these pages, by their bits. */
static uint32_t price_of(uint64_t dirty, uint32_t touched_pages) {
    uint32_t front = acre_count_bits(dirty & low_bits(touched_pages)), behind = acre_count_bits(dirty) - front;
    return (touched_pages - front) * granule_pages() + behind;
}

uint32_t acre_chunk_find_granules(const struct acre_chunk *chunk, uint32_t granules, uint32_t touched_pages,
                                  uint32_t most, uint32_t *price) {
    uint32_t unit = granule_pages(), best = find_row(chunk->free_granules, granules);
    *price = 0;
    if (best == 64) return ACRE_NO_RUN;
    if (granules > 1 || touched_pages == 0) return best * unit;
    touched_pages = (uint32_t)acre_min(touched_pages, unit);
    /* All alike. Of a huge page nobody knows what is there. */
    bool all_dirty = chunk->dirty_pages == chunk->free_pages || chunk->advised;
    *price = price_of(all_dirty ? low_bits(unit) : 0, touched_pages);
    if (all_dirty || chunk->dirty_pages == 0) return best * unit;
    *price = UINT32_MAX;
    for (uint64_t left = chunk->free_granules; left != 0 && most > 0 && *price > ACRE_PRICE_FINE;
         left &= left - 1) {
        most--;
        uint32_t granule = acre_lowest_bit(left), page = granule * unit;
        uint32_t granule_price = price_of(chunk->dirty[page / 64] >> page % 64 & low_bits(unit), touched_pages);
        if (granule_price >= *price) continue;
        *price = granule_price;
        best = granule;
    }
    return best * unit;
}

void acre_chunk_take_granules(struct acre_chunk *chunk, uint32_t index, uint32_t granules) {
    uint32_t run = 0;
    while (run + acre_run_pages(chunk, run) <= index) run += acre_run_pages(chunk, run);
    carve(chunk, run, index, granules * granule_pages(), ACRE_RUN_SLAB);
}

void acre_chunk_free(struct acre_chunk *chunk, uint32_t index, uint32_t pages, uint32_t touched_pages) {
    if (chunk->huge_pages) touched_pages = pages;
    mark_dirty(chunk, index, touched_pages, true);
    mark(chunk->waited, index, pages, false);
    chunk->free_pages += pages;
    chunk->dirty_pages += acre_chunk_count_dirty(chunk, index, pages);
    join_free(chunk, index, pages);
    ACRE_ASSERT(acre_chunk_is_valid(chunk));
}

void acre_chunk_free_all(struct acre_chunk *chunk) {
    if (chunk->pages == 0) return;
    for (uint32_t index = 0, pages; index < chunk->pages; index += pages) {
        pages = acre_run_pages(chunk, index);
        if (acre_run_state(chunk, index) == ACRE_RUN_FREE) continue;
        mark_dirty(chunk, index, pages, true);
        mark(chunk->waited, index, pages, false);
    }
    set_run(chunk, 0, chunk->pages, ACRE_RUN_FREE);
    set_granules_free(chunk, 0, chunk->pages);
    chunk->free_pages = chunk->longest_run = chunk->pages;
    chunk->dirty_pages = acre_chunk_count_dirty(chunk, 0, chunk->pages);
    ACRE_ASSERT(acre_chunk_is_valid(chunk));
}

static bool has_waited(const struct acre_chunk *chunk, uint32_t page) {
    return (chunk->dirty[page / 64] & chunk->waited[page / 64] & UINT64_C(1) << page % 64) != 0;
}

uint32_t acre_chunk_find_waited(const struct acre_chunk *chunk, uint32_t *page, uint32_t end) {
    uint32_t first = *page, last;
    while (first < end && !has_waited(chunk, first)) first++;
    for (last = first; last < end && has_waited(chunk, last);) last++;
    *page = first;
    return last - first;
}

void acre_chunk_mark_dirty(struct acre_chunk *chunk) {
    for (uint32_t index = 0; index < chunk->pages; index += acre_run_pages(chunk, index)) {
        if (acre_run_state(chunk, index) == ACRE_RUN_FREE)
            mark_dirty(chunk, index, acre_run_pages(chunk, index), true);
    }
    chunk->dirty_pages = chunk->free_pages;
}

void acre_chunk_look(struct acre_chunk *chunk) {
    mark(chunk->waited, 0, ACRE_CHUNK_PAGES, false);
    for (uint32_t index = 0; index < chunk->pages; index += acre_run_pages(chunk, index)) {
        if (acre_run_state(chunk, index) == ACRE_RUN_FREE)
            mark(chunk->waited, index, acre_run_pages(chunk, index), true);
    }
}

bool acre_chunk_grow_run(struct acre_chunk *chunk, uint32_t index, uint32_t pages) {
    uint32_t length = acre_run_pages(chunk, index), next = index + length, more = pages - length;
    if (next >= chunk->pages || acre_run_state(chunk, next) != ACRE_RUN_FREE || acre_run_pages(chunk, next) < more)
        return false;
    carve(chunk, next, next, more, ACRE_RUN_LARGE);
    set_run(chunk, index, pages, ACRE_RUN_LARGE);
    ACRE_ASSERT(acre_chunk_is_valid(chunk));
    return true;
}

void acre_chunk_shrink_run(struct acre_chunk *chunk, uint32_t index, uint32_t pages) {
    uint32_t length = acre_run_pages(chunk, index);
    if (length == pages) return;
    set_run(chunk, index, pages, ACRE_RUN_LARGE);
    set_run(chunk, index + pages, length - pages, ACRE_RUN_LARGE);
    acre_chunk_free(chunk, index + pages, length - pages, length - pages);
}

uint32_t acre_chunk_last_free(const struct acre_chunk *chunk) {
    if (chunk->pages == 0 || acre_run_state(chunk, chunk->pages - 1) != ACRE_RUN_FREE) return ACRE_NO_RUN;
    return chunk->pages - acre_run_pages(chunk, chunk->pages - 1);
}

bool acre_chunk_run_begins(const struct acre_chunk *chunk, uint32_t index) {
    uint32_t at = 0;
    while (at < index) at += acre_run_pages(chunk, at);
    return at == index && index < chunk->pages;
}

void acre_chunk_each_run(struct acre_chunk *chunk, acre_visit_run *visit, void *context) {
    for (uint32_t index = 0; index < chunk->pages; index += acre_run_pages(chunk, index))
        visit(chunk, index, acre_run_pages(chunk, index), context);
}

bool acre_chunk_is_valid(const struct acre_chunk *chunk) {
    uint32_t free_pages = 0, dirty_pages = 0, unit = granule_pages();
    uint64_t granules = 0;
    bool was_free = false;
    for (uint32_t index = 0; index < chunk->pages;) {
        uint32_t pages = acre_run_pages(chunk, index);
        bool is_free = acre_run_state(chunk, index) == ACRE_RUN_FREE;
        if (pages == 0 || index + pages > chunk->pages || (is_free && was_free)) return false;
        if ((chunk->page[index + pages - 1] & 0x1fffu) != (chunk->page[index] & 0x1fffu)) return false;
        if (is_free) {
            free_pages += pages;
            dirty_pages += acre_chunk_count_dirty(chunk, index, pages);
            if (pages > chunk->longest_run) return false;
            for (uint32_t g = (index + unit - 1) / unit; (g + 1) * unit <= index + pages; g++)
                granules |= UINT64_C(1) << g;
        }
        was_free = is_free;
        index += pages;
    }
    return free_pages == chunk->free_pages && dirty_pages == chunk->dirty_pages && granules == chunk->free_granules;
}
