/* Blocks, and what the model knows of them. */
#include "fuzz/fuzz.h"

#include "model/content.h"
#include "model/order.h"
#include "support/check.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum { live_bytes_most = 40 << 20, wild_bytes = 4 << 20 };

struct fuzz_block fuzz_single[fuzz_singles];
struct fuzz_herd fuzz_herd[fuzz_herds];
static struct order *order;
static _Atomic size_t live_bytes;
static _Atomic long live_blocks;
static _Atomic uint64_t patterns;

long fuzz_live_blocks(void) { return atomic_load(&live_blocks); }

void fuzz_blocks_begin(void) {
    if (order == NULL) order = order_create(fuzz_singles + fuzz_herds * fuzz_herd_most);
    CHECK(order_count(order) == 0 && atomic_load(&live_blocks) == 0 && atomic_load(&live_bytes) == 0);
    atomic_store(&patterns, 0);
}

/* Mostly small and middling; the last kinds are large and huge. */
static size_t choose_size(struct fuzz_thread *self) {
    unsigned kind = input_byte(&self->input), value = input_byte(&self->input);
    if (kind < 120) return value;
    if (kind < 200) return value * (size_t)(kind - 110);
    if (kind < 236) return value * KIB;
    if (kind < 250) return value * 4 * KIB;
    if (kind < 252) return value * 32 * KIB;
    return value * 16;
}

static size_t choose_alignment(struct fuzz_thread *self) {
    unsigned value = input_byte(&self->input);
    return (size_t)1 << (value < 230 ? value % 13 : value % 23);
}

static acre_arena *arena_of(int place) { return place < 0 ? NULL : fuzz_place[place].arena; }

static void count(struct fuzz_block *block, long change) {
    if (block->place < 0)
        atomic_fetch_add(&live_blocks, change);
    else
        atomic_fetch_add(&fuzz_place[block->place].live_blocks, change);
}

/* The model's books, before acre may give the address to another thread. */
static void take_off(struct fuzz_block *block) {
    if (!fuzz_is_torn)
        CHECKF(order_remove(order, (uintptr_t)block->start), "%p is not known", (void *)block->start);
    atomic_fetch_sub(&live_bytes, block->size_bytes);
    count(block, -1);
}

static void put_on(struct fuzz_block *block) {
    uintptr_t other = 0;
    size_t other_bytes = 0;
    if (!fuzz_is_torn)
        CHECKF(order_insert(order, (uintptr_t)block->start, block->usable_bytes, &other, &other_bytes),
               "%p of %zu usable bytes overlaps %p of %zu", (void *)block->start, block->usable_bytes,
               (void *)other, other_bytes);
    atomic_fetch_add(&live_bytes, block->size_bytes);
    count(block, 1);
}

void fuzz_check(const struct fuzz_block *block) {
    content_check(block->start, block->filled_bytes, block->pattern, block->filled_bytes);
}

/* What holds of every live block; all of it may be written to, or what was asked for. */
static void adopt(struct fuzz_block *block, bool whole) {
    size_t usable_bytes = malloc_usable_size(block->start);
    CHECKF((uintptr_t)block->start % block->alignment == 0, "%p of %zu bytes: alignment %zu", (void *)block->start,
           block->size_bytes, block->alignment);
    CHECKF(usable_bytes >= block->size_bytes &&
               usable_bytes <= 2 * block->size_bytes + block->alignment + wild_bytes,
           "%zu usable bytes of %zu", usable_bytes, block->size_bytes);
    CHECK(acre_arena_of(block->start) == arena_of(block->place));
    if (block->place >= 0) CHECK(acre_arena_contains(arena_of(block->place), block->start));
    block->usable_bytes = usable_bytes;
    put_on(block);
    block->pattern = atomic_fetch_add(&patterns, 1);
    block->filled_bytes = whole ? usable_bytes : block->size_bytes;
    if (block->filled_bytes > block->used_bytes) block->used_bytes = block->filled_bytes;
    if (block->used_bytes > usable_bytes) block->used_bytes = usable_bytes;
    content_fill(block->start, block->filled_bytes, block->pattern);
}

/* ---- how a block comes */

/* The heap that is entered, or the default one. */
static void *allocate_plainly(struct fuzz_block *block, unsigned way, bool *zero) {
    void *place = NULL;
    size_t size = block->size_bytes, alignment = block->alignment;
    block->alignment = 16;
    switch (way % 10) {
    case 0:
        *zero = true;
        return calloc(size, 1);
    case 1:
        *zero = true;
        return calloc(size % 2 == 0 ? size / 2 : size, size % 2 == 0 ? 2 : 1);
    case 2:
        return realloc(NULL, size);
    case 3:
        return reallocarray(NULL, size, 1);
    case 4:
        block->alignment = alignment;
        return aligned_alloc(alignment, size);
    case 5:
        block->alignment = alignment < sizeof(void *) ? sizeof(void *) : alignment;
        return posix_memalign(&place, block->alignment, size) == 0 ? place : NULL;
    case 6:
        block->alignment = alignment;
        return memalign(alignment - alignment / 4, size); /* rounds up */
    case 7:
        block->alignment = 4096;
        return way < 128 ? valloc(size) : pvalloc(size);
    default:
        return malloc(size);
    }
}

static void *allocate_in(struct fuzz_thread *self, struct fuzz_block *block, unsigned way, bool *zero) {
    acre_arena *arena = arena_of(block->place);
    void *start;
    switch (way % 8) {
    case 0:
        *zero = true;
        block->alignment = 16;
        return acre_arena_calloc(arena, 1, block->size_bytes);
    case 1:
        block->alignment = 16;
        return acre_arena_realloc(arena, NULL, block->size_bytes);
    case 2:
        return acre_arena_aligned_alloc(arena, block->alignment, block->size_bytes);
    case 3:
        if (!acre_arena_enter(arena)) return NULL;
        start = allocate_plainly(block, input_byte(&self->input), zero);
        acre_arena_leave();
        return start;
    default:
        block->alignment = 16;
        return acre_arena_malloc(arena, block->size_bytes);
    }
}

static void note_failure(const struct fuzz_block *block) {
    CHECKF(errno == ENOMEM, "errno %d", errno);
    CHECKF(block->place >= 0 && fuzz_place[block->place].may_fail, "%zu bytes aligned to %zu refused by arena %d",
           block->size_bytes, block->alignment, block->place);
}

/* The place that malloc takes from. */
static int entered(const struct fuzz_thread *self) {
    return self->depth == 0 ? -1 : self->entered[self->depth - 1];
}

static void allocate(struct fuzz_thread *self, struct fuzz_block *block, unsigned way, size_t alignment) {
    bool zero = false, plainly = block->place == entered(self);
    block->alignment = alignment;
    block->start = NULL;
    if (atomic_load(&live_bytes) + block->size_bytes > live_bytes_most) return;
    errno = ENOMEM; /* which posix_memalign leaves alone */
    block->start = plainly ? allocate_plainly(block, way, &zero) : allocate_in(self, block, way, &zero);
    if (block->start == NULL) {
        note_failure(block);
        return;
    }
    if (zero || (block->place >= 0 && fuzz_place[block->place].zeroed))
        content_expect_zero(block->start, block->size_bytes);
    block->used_bytes = 0;
    adopt(block, way % 3 == 0);
}

/* Of what is entered, if the byte says nothing else; by the default arena when there is no such arena. */
static int choose_place(struct fuzz_thread *self, unsigned byte) {
    int place = (int)(byte % (4 * fuzz_places));
    if (place >= fuzz_places || fuzz_place[place].arena == NULL) return entered(self);
    return place;
}

void fuzz_allocate(struct fuzz_thread *self, struct fuzz_block *block) {
    unsigned way = input_byte(&self->input);
    size_t alignment = choose_alignment(self);
    block->place = choose_place(self, input_byte(&self->input));
    block->size_bytes = choose_size(self);
    allocate(self, block, way, alignment);
}

/* ---- how it changes, and goes */

/* What realloc adds reads as zeros in some arenas, unless it was the block's before. */
static void check_added(const struct fuzz_block *block, const unsigned char *start, size_t size_bytes, int place) {
    size_t old_bytes = block->place == place ? block->used_bytes : block->usable_bytes;
    if (place < 0 || !fuzz_place[place].zeroed || size_bytes <= old_bytes) return;
    content_expect_zero(start + old_bytes, size_bytes - old_bytes);
}

static void *reallocate(struct fuzz_block *block, int to, unsigned way, size_t size) {
    if (to != block->place) return acre_arena_realloc(arena_of(to), block->start, size);
    if (to >= 0 && way % 2 == 0) return acre_arena_realloc(arena_of(to), block->start, size);
    return way % 3 == 0 ? reallocarray(block->start, size, 1) : realloc(block->start, size);
}

/* A block that could not be moved to another arena stays, or came to stay where it was. */
static void finish_resize(struct fuzz_block *block, unsigned char *moved, int to, size_t size) {
    size_t kept_bytes = block->filled_bytes < size ? block->filled_bytes : size;
    if (to != block->place && acre_arena_of(moved) != arena_of(to)) to = block->place;
    content_check(moved, block->filled_bytes, block->pattern, kept_bytes);
    check_added(block, moved, size, to);
    block->start = moved;
    block->place = to;
    block->size_bytes = size;
    block->alignment = 16;
}

void fuzz_resize(struct fuzz_thread *self, struct fuzz_block *block) {
    unsigned way = input_byte(&self->input);
    size_t size = choose_size(self) + 1;
    int to = block->place;
    if (way >= 200) to = (int)(way % fuzz_places);
    if (to >= 0 && arena_of(to) == NULL) to = block->place;
    if (way < 100) size = block->size_bytes * (way + 75) / 100 + 1; /* a little, in place perhaps */
    if (atomic_load(&live_bytes) + size > live_bytes_most) return;
    fuzz_check(block);
    take_off(block);
    struct fuzz_block wanted = {.size_bytes = size, .alignment = 16, .place = to};
    errno = 0;
    unsigned char *moved = reallocate(block, to, way, size);
    if (moved == NULL)
        note_failure(&wanted);
    else
        finish_resize(block, moved, to, size);
    if (moved == NULL) { /* it is as it was */
        fuzz_check(block);
        put_on(block);
    } else {
        adopt(block, way % 5 == 0);
    }
}

/* By free itself, or by another function. */
static void release(struct fuzz_block *block, unsigned way) {
    unsigned char *start = block->start;
    fuzz_check(block);
    take_off(block);
    block->start = NULL;
    errno = 77;
    if (way >= 248)
        CHECK(realloc(start, 0) == NULL);
    else if (way >= 232)
        free_sized(start, block->size_bytes);
    else if (way >= 216)
        free_aligned_sized(start, block->alignment, block->size_bytes);
    else
        free(start);
    CHECKF(errno == 77, "errno %d", errno);
}

void fuzz_free(struct fuzz_thread *self, struct fuzz_block *block) { release(block, input_byte(&self->input)); }

/* Nothing may come of it but NULL and ENOMEM. The compiler must not know the sizes. */
void fuzz_ask_too_much(struct fuzz_thread *self) {
    unsigned way = input_byte(&self->input);
    volatile size_t size = SIZE_MAX / 2 - input_byte(&self->input) * (size_t)1024 + (way < 128 ? 0 : SIZE_MAX / 4);
    volatile size_t count = SIZE_MAX / 16;
    void *place = &place;
    struct fuzz_block *block = &fuzz_single[self->number];
    errno = 0;
    switch (way % 8) {
    case 0:
        CHECK(malloc(size) == NULL);
        break;
    case 1:
        CHECK(calloc(count, 32) == NULL);
        break;
    case 2:
        CHECK(reallocarray(NULL, count, 17) == NULL);
        break;
    case 3:
        CHECK(aligned_alloc((size_t)1 << way / 12, size) == NULL);
        break;
    case 4:
        CHECK(posix_memalign(&place, 64, size) == ENOMEM && place == &place && errno == 0);
        return;
    case 5:
        CHECK(way < 128 ? valloc(size) == NULL : pvalloc(size) == NULL);
        break;
    case 6:
        if (block->start == NULL) return;
        CHECK(realloc(block->start, size) == NULL);
        fuzz_check(block);
        break;
    default:
        if (arena_of(3) == NULL) return;
        CHECK((way < 128 ? acre_arena_malloc(arena_of(3), size) : acre_arena_calloc(arena_of(3), count, 32)) ==
              NULL);
    }
    CHECKF(errno == ENOMEM, "errno %d", errno);
}

/* ---- herds */

void fuzz_grow_herd(struct fuzz_thread *self, struct fuzz_herd *herd) {
    unsigned way = input_byte(&self->input), many = input_short(&self->input) % (fuzz_herd_most / 2);
    int place = choose_place(self, input_byte(&self->input));
    size_t size = input_byte(&self->input) * (size_t)(way < 200 ? 4 : 64);
    for (unsigned each = 0; each < many && herd->used < fuzz_herd_most; each++) {
        struct fuzz_block *block = &herd->blocks[herd->used];
        block->place = place;
        block->size_bytes = size;
        /* Neither those ways that are aligned nor those that enter. */
        allocate(self, block, place == entered(self) ? 8 : 12, 16);
        if (block->start == NULL) return;
        herd->used++;
    }
}

static void close_up(struct fuzz_herd *herd) {
    unsigned kept = 0;
    for (unsigned at = 0; at < herd->used; at++)
        if (herd->blocks[at].start != NULL) herd->blocks[kept++] = herd->blocks[at];
    herd->used = kept;
}

/* One in every few, from the front or from the back; the others close up. */
void fuzz_thin_herd(struct fuzz_thread *self, struct fuzz_herd *herd) {
    unsigned way = input_byte(&self->input), each = 1 + way % 5;
    for (unsigned i = 0; i < herd->used; i++) {
        unsigned at = way < 128 ? i : herd->used - 1 - i;
        if (at % each != way % each) continue;
        release(&herd->blocks[at], 0);
    }
    close_up(herd);
}

/* ---- all of them */

static void forget(struct fuzz_block *block, int place) {
    if (block->start == NULL || block->place != place) return;
    take_off(block);
    block->start = NULL;
}

void fuzz_forget_blocks_of(int place) {
    for (unsigned i = 0; i < fuzz_singles; i++) forget(&fuzz_single[i], place);
    for (unsigned i = 0; i < fuzz_herds; i++) {
        for (unsigned at = 0; at < fuzz_herd[i].used; at++) forget(&fuzz_herd[i].blocks[at], place);
        close_up(&fuzz_herd[i]);
    }
}

/* Those of its own, where the others were in the middle of something. */
void fuzz_free_all(struct fuzz_thread *self) {
    for (unsigned i = 0; i < fuzz_singles; i++) {
        bool is_mine = !fuzz_is_torn || i % fuzz_threads == (unsigned)self->number;
        if (is_mine && fuzz_single[i].start != NULL) release(&fuzz_single[i], 0);
    }
    for (unsigned i = 0; i < fuzz_herds; i++) {
        struct fuzz_herd *herd = &fuzz_herd[i];
        if (fuzz_is_torn && i != (unsigned)self->number) continue;
        for (unsigned at = 0; at < herd->used; at++)
            if (herd->blocks[at].start != NULL) release(&herd->blocks[at], 0);
        herd->used = 0;
    }
}
