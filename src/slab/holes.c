#include "slab/mixed.h"

#include "os/os.h"
#include "span/released.h"

static bool keeps_recent(const struct acre_slab *slab) { return ACRE_PEEK(&slab->keeps_recent); }

static size_t span_bytes(const struct acre_slab *slab) {
    return acre_class_granules(slab->span.size_class) * ACRE_GRANULE_BYTES;
}

static void copy_live(const struct acre_slab *slab, uint64_t *live) {
    for (uint32_t word = 0; word < slab->words; word++) live[word] = ACRE_PEEK(&slab->live[word]);
}

static uint32_t count_set(const uint64_t *live, uint32_t words) {
    uint32_t count = 0;
    for (uint32_t word = 0; word < words; word++)
        count += acre_count_bits(live[word]); /* NOLINT(clang-analyzer-core.CallAndMessage): see any_live */
    return count;
}

/* What the owner knows of how many are free. It sets these one after the other, to a higher free_at_arm each time.
 */
struct known {
    int32_t free_at_arm, armed, countdown;
    bool is_current;
};

static struct known read_known(const struct acre_slab *slab) {
    struct known known;
    known.is_current = ACRE_PEEK(&slab->span.state) == ACRE_SLAB_CURRENT;
    known.free_at_arm = ACRE_PEEK(&slab->free_at_arm);
    known.armed = ACRE_PEEK(&slab->armed);
    known.countdown = ACRE_PEEK(&slab->countdown);
    return known;
}

static uint32_t sum_of(const struct known *known) {
    return (uint32_t)(known->free_at_arm + known->armed - known->countdown);
}
static uint32_t known_free(const struct acre_slab *slab) {
    struct known known = read_known(slab);
    return sum_of(&known);
}

static bool are_same(const struct known *a, const struct known *b) {
    return a->free_at_arm == b->free_at_arm && a->armed == b->armed && a->countdown == b->countdown &&
           !a->is_current && !b->is_current;
}

/* Of a slab that keeps recent blocks, which count as live here; all blocks do when that cannot be told now. */
static void copy_live_and_recent(struct acre_slab *slab, acre_slab_recent *recent, uint64_t *live) {
    uintptr_t block[ACRE_SLAB_RECENT_MOST];
    struct known before = read_known(slab);
    uint32_t count = recent(slab, block);
    copy_live(slab, live);
    for (uint32_t i = 0; i < count; i++) {
        size_t bit = (block[i] - slab->span.base) / ACRE_ALIGNMENT;
        live[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    struct known after = read_known(slab);
    bool can_be_told = ACRE_STORES_ARRIVE_IN_ORDER && are_same(&before, &after) &&
                       slab->total - count_set(live, slab->words) == sum_of(&before);
    for (uint32_t word = 0; !can_be_told && word < slab->words; word++) live[word] = acre_slab_begins(slab, word);
}

/* Blocks whose frees by others were not collected yet are free, too. They go from `remote` to the bits, which are
 * read first: one on its way counts as live. */
static void take_off_remote(struct acre_slab *slab, uint64_t *live) {
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_acquire);
    for (uint32_t word = 0; remote != NULL && word < acre_slab_remote_words(slab); word++) {
        uint64_t blocks = atomic_load_explicit(&remote[word], memory_order_relaxed);
        for (; blocks != 0; blocks &= blocks - 1) {
            uint32_t bit = (word * 64 + acre_lowest_bit(blocks)) * slab->stride;
            live[bit / 64] &= ~(UINT64_C(1) << bit % 64);
        }
    }
}

/* Whether a block from number `first` to `last` is live. */
static bool any_live(const struct acre_slab *slab, const uint64_t *live, uint32_t first, uint32_t last) {
    uint32_t first_bit = first * slab->stride, last_bit = last * slab->stride;
    for (uint32_t word = first_bit / 64; word <= last_bit / 64; word++) {
        uint64_t blocks = ~UINT64_C(0);
        if (word == first_bit / 64) blocks &= ~UINT64_C(0) << first_bit % 64;
        if (word == last_bit / 64) blocks &= ~UINT64_C(0) >> (63 - last_bit % 64);
        /* As many words are set as the slab has.
         * NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
        if ((blocks & live[word]) != 0) return true;
    }
    return false;
}

uint64_t acre_slab_free_pages(struct acre_slab *slab, acre_slab_recent *recent) {
    uint64_t live[ACRE_SMALL_WORDS], free_pages = 0;
    size_t page_bytes = acre_os_page_bytes(), block_bytes = acre_slab_block_bytes(slab);
    uint32_t fresh_bytes = ACRE_PEEK(&slab->fresh_bytes);
    uint32_t handed_out = (uint32_t)(fresh_bytes / block_bytes);
    if (keeps_recent(slab))
        copy_live_and_recent(slab, recent, live);
    else
        copy_live(slab, live);
    take_off_remote(slab, live);
    for (size_t page = 0; page < span_bytes(slab) / page_bytes; page++) {
        size_t from = page * page_bytes, to = from + page_bytes;
        bool is_fresh = from >= fresh_bytes;
        if (is_fresh && ACRE_PEEK(&slab->zero)) break;
        uint32_t first = (uint32_t)(from / block_bytes);
        uint32_t last = acre_min((uint32_t)((to - 1) / block_bytes), handed_out - 1);
        if (acre_slab_is_mixed(slab) && !is_fresh) first = acre_mixed_begin(slab, first);
        if (is_fresh || !any_live(slab, live, first, last)) free_pages |= UINT64_C(1) << page;
    }
    return free_pages;
}

/* Whether there is nothing new since the last look, and nothing was left to do then. */
static bool is_settled(struct acre_slab *slab, const struct acre_holes *holes) {
    return ACRE_PEEK(&slab->was_looked_at) && holes->free_blocks == known_free(slab) &&
           (holes->idle & ~holes->released) == 0 && !acre_slab_is_queued(slab);
}

/* Forgets what holds no more if blocks were handed out since the last look. Only then is was_looked_at set, and
 * when nothing is left: a refill that clears it meanwhile finds no page that is said to be released. Returns which
 * pages were. */
static uint64_t begin_look(struct acre_slab *slab, struct acre_holes *holes) {
    if (ACRE_PEEK(&slab->was_looked_at)) return 0;
    uint64_t released = holes->released;
    holes->idle = holes->due = holes->released = 0;
    ACRE_POKE(&slab->was_looked_at, true);
    return released;
}

/* What was released and is not free any more was used again, at the least. */
static void note_used(uint64_t pages) { acre_released_used_again(acre_count_bits(pages) * acre_os_page_bytes()); }

uint32_t acre_slab_look(struct acre_slab *slab, acre_slab_recent *recent, bool *waits) {
    struct acre_holes *holes = acre_slab_holes(slab);
    if (is_settled(slab, holes)) return 0;
    uint64_t before = begin_look(slab, holes);
    holes->free_blocks = known_free(slab);
    uint64_t free_pages = acre_slab_free_pages(slab, recent), unreleased = free_pages & ~holes->released;
    note_used(before & ~free_pages);
    *waits |= (unreleased & ~holes->idle) != 0;
    holes->due = unreleased & holes->idle;
    holes->idle = free_pages;
    return acre_count_bits(holes->due);
}

uint32_t acre_slab_unreleased(struct acre_slab *slab, acre_slab_recent *recent) {
    return acre_count_bits(acre_slab_free_pages(slab, recent) & ~acre_slab_released_pages(slab));
}

/* Returns the pages that could be given back. */
static uint64_t release(struct acre_slab *slab, uint64_t due) {
    size_t page_bytes = acre_os_page_bytes();
    uint64_t done = 0;
    while (due != 0) {
        uint32_t page = acre_lowest_bit(due);
        uint64_t rest = due >> page;
        uint32_t pages = ~rest == 0 ? 64 : acre_lowest_bit(~rest);
        uint64_t run = (pages < 64 ? (UINT64_C(1) << pages) - 1 : ~UINT64_C(0)) << page;
        due &= ~run;
        if (acre_os_release((void *)(slab->span.base + page * page_bytes), pages * page_bytes)) done |= run;
    }
    return done;
}

size_t acre_slab_release_holes(struct acre_slab *slab, acre_slab_recent *recent, bool all) {
    struct acre_holes *holes = acre_slab_holes(slab);
    uint64_t before = begin_look(slab, holes);
    holes->free_blocks = known_free(slab);
    uint64_t free_pages = acre_slab_free_pages(slab, recent), due = free_pages & ~holes->released;
    note_used(before & ~free_pages);
    if (!all) due &= holes->due;
    uint64_t done = release(slab, due);
    holes->idle = free_pages & ~(due & ~done); /* what is locked in memory is not tried again at the next look */
    holes->released |= done;
    return acre_count_bits(done) * acre_os_page_bytes();
}

/* A refill that runs meanwhile clears was_looked_at before it hands out a block: what its owner sees is true. */
uint64_t acre_slab_released_pages(struct acre_slab *slab) {
    return ACRE_PEEK(&slab->was_looked_at) ? ACRE_PEEK(&acre_slab_holes(slab)->released) : 0;
}
