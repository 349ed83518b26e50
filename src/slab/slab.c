#include "slab/depot.h"
#include "slab/mixed.h"

#include "metadata/metadata.h"
#include "os/os.h"
#include "os/report.h"
#include "span/decay.h"
#include "span/released.h"

#include <string.h>

/* The mean of the pages that slabs touch is kept in parts of a page; a slab's end counts for a part of it. */
#define TOUCHED_UNIT 16u
#define TOUCHED_PART 4u
#define REMOTE_BYTES (ACRE_SMALL_WORDS * sizeof(uint64_t))

static enum acre_record record_kind(const struct acre_slab *slab) {
    if (acre_slab_is_small(slab) && acre_slab_is_mixed(slab)) return ACRE_RECORD_MIXED_SLAB;
    return acre_slab_is_small(slab) ? ACRE_RECORD_SMALL_SLAB : ACRE_RECORD_MEDIUM_SLAB;
}

/* Bits 0, stride, 2 * stride, ... of a word. */
static uint64_t every(unsigned stride) {
    uint64_t pattern = 1;
    for (unsigned step = stride; step < 64; step *= 2) pattern |= pattern << step;
    return pattern;
}

static void set_shape(struct acre_slab *slab, unsigned size_class) {
    size_t block_bytes = size_class == ACRE_CLASS_MIXED ? ACRE_ALIGNMENT : acre_class_bytes(size_class);
    size_t span_bytes = acre_class_granules(size_class) * ACRE_GRANULE_BYTES;
    bool small = acre_class_is_small(size_class);
    slab->span.kind = small ? ACRE_SPAN_SMALL : ACRE_SPAN_MEDIUM;
    slab->span.size_class = (uint8_t)size_class;
    slab->span.state = 0;
    slab->total = (uint16_t)(span_bytes / block_bytes);
    slab->unit_bytes = (uint32_t)acre_class_unit_bytes(size_class);
    slab->stride = (uint8_t)(block_bytes / slab->unit_bytes);
    slab->words = small ? ACRE_SMALL_WORDS : 1;
    slab->pattern = small ? every(slab->stride) : 0;
    slab->reciprocal = small ? (uint32_t)(((UINT64_C(1) << 32) + block_bytes - 1) / block_bytes) : 0;
    uint32_t steps = (uint32_t)(block_bytes / ACRE_ALIGNMENT);
    slab->block_reciprocal = ((UINT32_C(1) << ACRE_BLOCK_RECIPROCAL_SHIFT) + steps - 1) / steps;
    slab->end_bytes = (uint32_t)(slab->total * block_bytes);
}

/* Sets every field but `owner` and `queued`, which a late reader of the record's former slab may look at. */
static void clear(struct acre_slab *slab, struct acre_heap *heap) {
    atomic_store_explicit(&slab->heap, heap, memory_order_relaxed);
    slab->node = (struct acre_node){NULL, NULL};
    slab->queue_next = NULL;
    slab->armed = slab->free_at_arm = 0;
    slab->fresh_bytes = 0;
    slab->zero = slab->keeps_recent = slab->was_looked_at = false;
    acre_slab_holes(slab)->released = 0;
    slab->run_least_bits = acre_slab_run_least_bits(slab);
    slab->asked = NULL;
    slab->countdown = ACRE_COUNTDOWN_FAR;
    slab->span.flags = 0;
    bool near = acre_slab_remote_words(slab) <= ACRE_REMOTE_NEAR;
    for (unsigned word = 0; word < ACRE_REMOTE_NEAR; word++)
        atomic_store_explicit(&slab->remote_near[word], 0, memory_order_relaxed);
    atomic_store_explicit(&slab->remote_list, 0, memory_order_relaxed);
    atomic_store_explicit(&slab->remote, near ? slab->remote_near : NULL, memory_order_relaxed);
    memset(slab->live, 0, slab->words * sizeof slab->live[0]);
}

static struct acre_slab *take_record(unsigned size_class) {
    if (size_class == ACRE_CLASS_MIXED) {
        struct acre_slab *slab = acre_metadata_take(ACRE_RECORD_MIXED_SLAB, ACRE_MIXED_RECORD_BYTES);
        if (slab == NULL) return NULL;
        slab->words = ACRE_SMALL_WORDS; /* which tells where the begins are */
        memset(acre_mixed_begins(slab), 0, ACRE_SMALL_WORDS * sizeof(uint64_t));
        return slab;
    }
    bool small = acre_class_is_small(size_class);
    return acre_metadata_take(small ? ACRE_RECORD_SMALL_SLAB : ACRE_RECORD_MEDIUM_SLAB,
                              acre_slab_record_bytes(small ? ACRE_SMALL_WORDS : 1));
}

/* How many of its pages a slab of the class touches in its life, by those that came to their end; 0: none did. */
static uint32_t expected_pages(const struct acre_depot *depot, unsigned size_class) {
    uint32_t touched = atomic_load_explicit(&depot->touched[size_class], memory_order_relaxed);
    return (touched + TOUCHED_UNIT / 2) / TOUCHED_UNIT;
}

/* A moving average, which comes all the way to what stays the same. That one of two threads' may be lost does not
 * matter. */
static void note_touched(struct acre_depot *depot, unsigned size_class, size_t touched_bytes) {
    _Atomic uint16_t *touched = &depot->touched[size_class];
    size_t page_bytes = (size_t)1 << acre_page_shift();
    uint32_t before = atomic_load_explicit(touched, memory_order_relaxed);
    uint32_t now = (uint32_t)(acre_align_up(acre_max(touched_bytes, 1), page_bytes) / page_bytes) * TOUCHED_UNIT;
    if (before > now)
        now = before - (before - now + TOUCHED_PART - 1) / TOUCHED_PART;
    else if (before != 0)
        now = before + (now - before + TOUCHED_PART - 1) / TOUCHED_PART;
    atomic_store_explicit(touched, (uint16_t)now, memory_order_relaxed);
}

struct acre_slab *acre_slab_create(struct acre_page_heap *pages, unsigned size_class, struct acre_depot *depot,
                                   struct acre_heap *heap, uintptr_t owner) {
    struct acre_slab *slab = take_record(size_class);
    if (slab == NULL) return NULL;
    set_shape(slab, size_class);
    clear(slab, heap);
    slab->depot = depot;
    /* Before the slab can be found in the page heap: the child of a fork hands on what it finds there of others. */
    atomic_store(acre_slab_owner(slab), owner);
    uint32_t touched_pages = expected_pages(depot, size_class);
    struct acre_span_place place =
        acre_page_heap_take_span(pages, acre_class_granules(size_class), touched_pages, &slab->span);
    if (place.base == 0) {
        atomic_store(acre_slab_owner(slab), ACRE_OWNER_GONE);
        acre_metadata_give(record_kind(slab), slab);
        return NULL;
    }
    slab->chunk = place.chunk;
    slab->zero = place.dirty == 0;
    atomic_store(&slab->queued, ACRE_ALIVE);
    return slab;
}

static void bury(struct acre_slab *slab) {
    acre_metadata_give(record_kind(slab), slab);
    acre_decay_note(); /* its page may be due by and by */
}

void acre_slab_forget(struct acre_slab *slab, bool has_extras) {
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_relaxed);
    if (has_extras && remote != NULL && remote != slab->remote_near)
        acre_metadata_give(ACRE_RECORD_REMOTE_BITS, (void *)remote);
    if (has_extras && slab->asked != NULL) acre_metadata_give(ACRE_RECORD_ASKED, slab->asked);
    atomic_store(acre_slab_owner(slab), ACRE_OWNER_GONE);
    /* If it is queued, perhaps by one that comes late from the record's former slab, the record is another's from
     * here on. */
    if ((atomic_fetch_and(&slab->queued, ~(uint32_t)ACRE_ALIVE) & ACRE_QUEUED) == 0) bury(slab);
}

void acre_slab_destroy(struct acre_slab *slab) {
    struct acre_page_heap *pages = slab->chunk->heap;
    acre_lock(&pages->lock);
    uint64_t released = acre_slab_holes(slab)->released, still = acre_slab_released_pages(slab);
    acre_released_used_again(acre_count_bits(released & ~still) * acre_os_page_bytes());
    /* One that was begun anew may have been written to its end. */
    size_t touched_bytes = acre_slab_is_mixed(slab) && !slab->zero ? slab->end_bytes : slab->fresh_bytes;
    note_touched(slab->depot, slab->span.size_class, slab->fresh_bytes);
    acre_page_heap_give_span(pages, slab->chunk, slab->span.base, acre_class_granules(slab->span.size_class),
                             touched_bytes, still);
    acre_unlock(&pages->lock);
    acre_slab_forget(slab, true);
}

bool acre_slab_unqueue(struct acre_slab *slab) {
    bool dead = (atomic_fetch_and(&slab->queued, ~(uint32_t)ACRE_QUEUED) & ACRE_ALIVE) == 0;
    if (dead) bury(slab);
    return !dead;
}

/* Links lie in blocks, where a program that goes on writing to a block after its free reaches them. So they are
 * kept under a key and their place, which makes what is written there no block of the slab, but by a chance of one
 * in thousands of millions; and each is looked at before it is followed. */
static uintptr_t sealed(uintptr_t block, uintptr_t link) { return link ^ block ^ acre_os_secret(); }

/* What hangs on a link that was written over is lost: nobody knows which blocks those are. So is what hung on the
 * first of two places of a block that was freed twice. */
static uint32_t collect_list(struct acre_slab *slab) {
    uint32_t count = 0;
    uintptr_t before = 0;
    for (uintptr_t block = atomic_exchange(&slab->remote_list, 0); block != 0; count++) {
        uint32_t number = acre_slab_find(slab, block);
        if (number == ACRE_NO_BLOCK || block - slab->span.base >= slab->fresh_bytes) {
            acre_misuse(ACRE_MISUSE_DAMAGED, "free", before, "the block was written to after this (arena %s)",
                        acre_depot_name(slab->depot));
            break;
        }
        if (!acre_slab_set_free(slab, number)) break;
        before = block;
        block = sealed(block, *(uintptr_t *)block);
    }
    return count;
}

/* The looks come after that the slab was taken off a queue, in everybody's eyes: who frees meanwhile, and finds the
 * slab queued, counts on it. */
uint32_t acre_slab_collect(struct acre_slab *slab) {
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_acquire);
    uint32_t count = 0, words = acre_slab_remote_words(slab);
    for (uint32_t word = 0; remote != NULL && word < words; word++) {
        if (atomic_load(&remote[word]) == 0) continue;
        uint64_t blocks = atomic_exchange_explicit(&remote[word], 0, memory_order_acquire);
        for (; blocks != 0; blocks &= blocks - 1)
            count += acre_slab_set_free(slab, word * 64 + acre_lowest_bit(blocks));
    }
    if (atomic_load(&slab->remote_list) == 0) return count;
    return count + collect_list(slab);
}

bool acre_slab_has_remote(struct acre_slab *slab) {
    _Atomic uint64_t *remote = atomic_load(&slab->remote);
    bool any = atomic_load(&slab->remote_list) != 0;
    for (uint32_t word = 0; !any && remote != NULL && word < acre_slab_remote_words(slab); word++)
        any = atomic_load(&remote[word]) != 0;
    return any;
}

uint32_t acre_slab_count_free(const struct acre_slab *slab) {
    uint32_t live = 0;
    for (uint32_t word = 0, words = acre_slab_words_used(slab); word < words; word++)
        live += acre_count_bits(slab->live[word]);
    return slab->total - live;
}

/* Where blocks begin goes from word to word by 64 bits modulo the stride; instructions that no processor has to
 * guess the outcome of. */
uint64_t acre_small_words_with_free(const struct acre_slab *slab) {
    uint64_t carved = acre_slab_words_carved(slab), with_free = 0;
    uint32_t stride = slab->stride, step = 64 % stride, shift = 0, words = acre_count_bits(carved);
    for (uint32_t word = 0; word < words; word++) {
        uint64_t begins = slab->pattern << shift;
        with_free |= (uint64_t)(begins != slab->live[word]) << word;
        shift = shift < step ? shift + stride - step : shift - step;
    }
    if (words < ACRE_SMALL_WORDS || acre_small_free_bits(slab, ACRE_SMALL_WORDS - 1) != 0) return with_free;
    return with_free & ~(UINT64_C(1) << (ACRE_SMALL_WORDS - 1));
}

#define CARVED_WORDS 4u

static uint32_t carve_small(struct acre_slab *slab) {
    uint32_t word = slab->fresh_bytes / (64u * (uint32_t)ACRE_ALIGNMENT);
    uint32_t end_word = (uint32_t)acre_min(word + CARVED_WORDS, ACRE_SMALL_WORDS);
    for (; word < end_word; word++) slab->live[word] = acre_small_begins(slab, word);
    uint32_t next_bytes = acre_slab_first_bit(slab, end_word) * (uint32_t)ACRE_ALIGNMENT;
    return (uint32_t)acre_min(next_bytes, slab->end_bytes) - slab->fresh_bytes;
}

static uint32_t carve_medium(struct acre_slab *slab) {
    uint64_t block = UINT64_C(1) << slab->fresh_bytes / slab->unit_bytes;
    slab->pattern |= block;
    slab->live[0] |= block;
    return slab->unit_bytes;
}

uint32_t acre_slab_carve(struct acre_slab *slab) {
    uint32_t run_bytes = slab->words == 1 ? carve_medium(slab) : carve_small(slab);
    slab->fresh_bytes += run_bytes;
    return run_bytes;
}

void acre_small_uncarve(struct acre_slab *slab, uint32_t offset_bytes) {
    uint32_t word = (offset_bytes / (uint32_t)ACRE_ALIGNMENT + 63) / 64;
    offset_bytes = acre_slab_first_bit(slab, word) * (uint32_t)ACRE_ALIGNMENT;
    if (offset_bytes < slab->fresh_bytes) slab->fresh_bytes = offset_bytes;
}

static _Atomic uint64_t *make_remote(struct acre_slab *slab) {
    _Atomic uint64_t *none = NULL, *made = acre_metadata_take(ACRE_RECORD_REMOTE_BITS, REMOTE_BYTES);
    if (made == NULL) return NULL;
    memset((void *)made, 0, REMOTE_BYTES);
    if (atomic_compare_exchange_strong(&slab->remote, &none, made)) return made;
    acre_metadata_give(ACRE_RECORD_REMOTE_BITS, (void *)made);
    return none;
}

/* Without memory for the bitmap the blocks themselves hold the list: slow, rare, and nothing is lost. */
static void list_remote(struct acre_slab *slab, uint32_t word, uint64_t blocks) {
    for (; blocks != 0; blocks &= blocks - 1) {
        uintptr_t block = acre_slab_block(slab, word * 64 + acre_lowest_bit(blocks));
        uintptr_t first = atomic_load(&slab->remote_list);
        do *(uintptr_t *)block = sealed(block, first);
        while (!atomic_compare_exchange_weak(&slab->remote_list, &first, block));
    }
}

void acre_slab_free_remote(struct acre_slab *slab, uint32_t word, uint64_t blocks) {
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_acquire);
    if (remote == NULL) remote = make_remote(slab);
    if (remote == NULL) {
        list_remote(slab, word, blocks);
        return;
    }
    uint64_t twice = atomic_fetch_or(&remote[word], blocks) & blocks;
    for (; ACRE_UNLIKELY(twice != 0); twice &= twice - 1)
        acre_slab_tell_free(ACRE_MISUSE_DOUBLE_FREE, "free", slab,
                            acre_slab_block(slab, word * 64 + acre_lowest_bit(twice)));
}

void acre_slab_tell_free(enum acre_misuse_kind kind, const char *function, const struct acre_slab *slab,
                         uintptr_t address) {
    uint32_t number = acre_slab_find(slab, address);
    bool was_handed_out = address - slab->span.base < ACRE_PEEK(&slab->fresh_bytes);
    if (number == ACRE_NO_BLOCK || !was_handed_out || !acre_slab_is_block(slab, number)) {
        acre_slab_tell_no_block(function, slab, address);
        return;
    }
    size_t block_bytes = acre_slab_bytes_of(slab, number);
    const char *name = acre_depot_name(slab->depot);
    if (kind == ACRE_MISUSE_DOUBLE_FREE)
        acre_misuse(kind, function, address, "double free of a %zu-byte block (size class %zu, arena %s)",
                    block_bytes, block_bytes, name);
    else
        acre_misuse(kind, function, address, "the block is free (arena %s)", name);
}

void acre_slab_tell_no_block(const char *function, const struct acre_slab *slab, uintptr_t address) {
    size_t block_bytes = acre_slab_block_bytes(slab), offset = address - slab->span.base;
    const char *name = acre_depot_name(slab->depot);
    if (offset >= slab->fresh_bytes) {
        acre_misuse(ACRE_MISUSE_NOT_A_BLOCK, function, address,
                    "not a block: nothing was handed out there yet (arena %s)", name);
        return;
    }
    size_t begin = offset - offset % block_bytes;
    if (acre_slab_is_mixed(slab)) {
        uint32_t unit = acre_mixed_begin(slab, (uint32_t)(offset / ACRE_ALIGNMENT));
        begin = unit * ACRE_ALIGNMENT;
        block_bytes = acre_slab_bytes_of(slab, unit);
    }
    acre_misuse(ACRE_MISUSE_NOT_A_BLOCK, function, address,
                "not a block: %zu bytes inside the %zu-byte block at %p (arena %s)", offset - begin, block_bytes,
                (void *)(slab->span.base + begin), name);
}

static uint64_t begins_carved(const struct acre_slab *slab, uint32_t word) {
    if (acre_slab_is_mixed(slab)) return acre_mixed_begins(slab)[word];
    return acre_slab_words_carved(slab) >> word & 1 ? acre_slab_begins(slab, word) : 0;
}

bool acre_slab_is_valid(struct acre_slab *slab, uint32_t recent) {
    for (uint32_t word = 0; word < slab->words; word++) {
        if ((slab->live[word] & ~begins_carved(slab, word)) != 0) return false;
    }
    if (slab->span.state == ACRE_SLAB_WAITING || slab->span.state == ACRE_SLAB_PARTIAL)
        return acre_slab_free_now(slab) + recent == acre_slab_count_free(slab);
    return slab->fresh_bytes <= slab->end_bytes;
}
