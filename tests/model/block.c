/* One block of the model: how it is taken, filled, checked, resized and freed. */
#include "model/content.h"
#include "model/model.h"

#include "support/check.h"
#include "support/process.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

extern void free_sized(void *block, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *block, size_t alignment, size_t size) __attribute__((weak));

static void fill(const struct block *block) { content_fill(block->start, block->usable_bytes, block->pattern); }

void block_check(const struct block *block) {
    content_check(block->start, block->usable_bytes, block->pattern, block->usable_bytes);
}

/* Mostly small, often middling, now and then up to 8 MiB; log-uniform within each kind. */
static size_t random_size(struct run *run) {
    uint64_t kind = process_random(&run->random) % 256;
    unsigned bits = kind < 1 ? 23 : kind < 24 ? 17 : 10;
    uint64_t top = UINT64_C(1) << (process_random(&run->random) % bits);
    size_t size_bytes = (size_t)(top + process_random(&run->random) % top);
    return kind == 255 ? 0 : size_bytes;
}

static size_t random_alignment(struct run *run) {
    return (size_t)16 << (process_random(&run->random) % 512 == 0 ? process_random(&run->random) % 18
                                                                  : process_random(&run->random) % 9);
}

/* One of the functions, by chance; sets alignment and is_sized. */
static void *allocate_somehow(struct run *run, struct block *block) {
    size_t size = block->size_bytes;
    unsigned way = (unsigned)(process_random(&run->random) % 32);
    block->alignment = 16;
    block->is_sized = way < 22;
    if (way < 14) return malloc(size);
    if (way < 18) {
        void *start = way % 2 ? calloc(1, size) : calloc(size, 1);
        if (start != NULL) content_expect_zero(start, size);
        return start;
    }
    if (way < 20) return realloc(NULL, size);
    if (way < 22) return reallocarray(NULL, 1, size);
    void *start = NULL;
    block->alignment = random_alignment(run);
    if (way < 25) return aligned_alloc(block->alignment, size);
    if (way < 28) return posix_memalign(&start, block->alignment, size) == 0 ? start : NULL;
    if (way < 30) return memalign(block->alignment - block->alignment / 4, size); /* rounds up */
    block->alignment = 4096;
    return way < 31 ? valloc(size) : pvalloc(size);
}

/* What holds for every block that any function gives. */
static void adopt(struct run *run, struct block *block) {
    CHECKF(((uintptr_t)block->start & (block->alignment - 1)) == 0, "%p is not aligned to %zu (size %zu)",
           (void *)block->start, block->alignment, block->size_bytes);
    block->usable_bytes = malloc_usable_size(block->start);
    CHECKF(block->usable_bytes >= block->size_bytes, "usable %zu of %zu", block->usable_bytes, block->size_bytes);
    CHECKF(block->usable_bytes <= block->size_bytes * 2 + (4 << 20), "usable %zu of %zu: a wild figure",
           block->usable_bytes, block->size_bytes);
    if (run->order != NULL) {
        uintptr_t other = 0;
        size_t other_bytes = 0;
        CHECKF(order_insert(run->order, (uintptr_t)block->start, block->usable_bytes, &other, &other_bytes),
               "block %p of %zu usable bytes overlaps %p of %zu", (void *)block->start, block->usable_bytes,
               (void *)other, other_bytes);
    }
    block->pattern = process_random(&run->random);
    run->live_bytes += block->usable_bytes;
    fill(block);
}

void block_allocate(struct run *run, struct block *block) {
    block->size_bytes = random_size(run);
    block->start = allocate_somehow(run, block);
    CHECKF(block->start != NULL, "%zu bytes refused, errno %d", block->size_bytes, errno);
    adopt(run, block);
}

/* Takes the block from the order before it goes, since another thread may be given its address at once. */
static void disown(struct run *run, struct block *block) {
    if (run->order != NULL) CHECK(order_remove(run->order, (uintptr_t)block->start));
    run->live_bytes -= block->usable_bytes;
}

void block_reallocate(struct run *run, struct block *block) {
    size_t new_bytes = random_size(run) + 1;
    if (process_random(&run->random) % 2) /* grow or shrink a little: the in-place paths */
        new_bytes = block->size_bytes * (90 + process_random(&run->random) % 40) / 100 + 1;
    block_check(block);
    disown(run, block);
    size_t old_usable_bytes = block->usable_bytes;
    size_t kept_bytes = old_usable_bytes < new_bytes ? old_usable_bytes : new_bytes;
    unsigned char *start = process_random(&run->random) % 2 ? realloc(block->start, new_bytes)
                                                            : reallocarray(block->start, new_bytes, 1);
    CHECKF(start != NULL, "%zu bytes refused, errno %d", new_bytes, errno);
    block->start = start;
    block->size_bytes = new_bytes;
    block->alignment = 16;
    block->is_sized = true;
    content_check(start, old_usable_bytes, block->pattern, kept_bytes);
    adopt(run, block);
}

void block_free(struct run *run, struct block *block) {
    block_check(block);
    disown(run, block);
    errno = 99;
    unsigned way = (unsigned)(process_random(&run->random) % 16);
    if (way == 0 && free_sized != NULL && block->is_sized)
        free_sized(block->start, block->size_bytes);
    else if (way == 1)
        CHECK(realloc(block->start, 0) == NULL);
    else
        free(block->start);
    CHECK(errno == 99);
    block->start = NULL;
}
