/* One thread and its blocks. */
#include "misuse/misuse.h"

#include "support/process.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Where the malloc in effect is not such that the case can be had. */
static void need(bool there) {
    if (!there) exit(77);
}

static void double_free(void) {
    void *p = take();
    take_and_keep();
    free(hide(p));
    free(hide(p));
    churn();
}
static void double_free_with_another_between(void) {
    void *p = take(), *q = take();
    take_and_keep();
    free(hide(p));
    free(hide(q));
    free(hide(p));
    churn();
}
/* It may wait in what malloc hands out next: then its next owner's free is the one too many. */
static void double_free_after_churn(void) {
    void *p = take();
    take_and_keep();
    free(hide(p));
    churn();
    free(hide(p));
    churn();
}
static void double_free_of_aligned(void) {
    void *p = memalign(256, kind->size);
    free(hide(p));
    free(hide(p));
    churn();
}
/* The block belongs to a new owner, and nobody can know that the second free is not that one's. The third one is.
 */
static void free_of_a_new_owners_block(void) {
    enum { tries = 10000, around = 200 };
    static void *other[tries];
    for (int i = 0; i < around; i++) other[i] = take();
    void *p = other[around / 2];
    for (int i = 0; i < around; i++) free(other[i]);
    int count = 0;
    while (count < tries && (other[count] = take()) != p) count++;
    need(count < tries);
    free(hide(p));
    free(hide(other[count]));
    churn();
}

static void inside_by_1(void) { free((char *)hide(take_and_keep()) + 1); }
static void inside_by_8(void) { free((char *)hide(take_and_keep()) + 8); }
/* Aligned as blocks are: noticed at the latest when that part of the slab is looked at again. */
static void inside_by_16(void) {
    free((char *)hide(take_and_keep()) + 16);
    churn();
}
static void inside_by_4096(void) {
    char *p = take_and_keep();
    while (kind->size < 4096 && (uintptr_t)p % 65536 + 2 * 4096 > 65536) p = take();
    free((char *)hide(p) + 4096);
    churn();
}
static void inside_by_65536(void) { free((char *)hide(take_and_keep()) + 65536); }
static void inside_by_1_mib(void) { free((char *)hide(take_and_keep()) + (1 << 20)); }

/* All around a block are freed, and its memory must not go. */
static void inside_then_all_around(void) {
    enum { count = 5000 };
    static void *around[count];
    for (int i = 0; i < count / 2; i++) around[i] = take();
    char *p = take_and_keep();
    for (int i = count / 2; i < count; i++) around[i] = take();
    free(hide(p + 16));
    for (int i = 0; i < count; i++) free(around[i]);
    malloc_trim(0);
    churn();
}

/* Blocks that malloc has ready and never handed out: the next one, and one far behind. */
static void never_handed_out_next(void) {
    char *p = take_and_keep();
    size_t usable = malloc_usable_size(p);
    free(hide(p + usable));
    churn();
}
static void never_handed_out_far(void) {
    char *p = take_and_keep();
    size_t usable = malloc_usable_size(p);
    free(hide(p + usable * ((65536 - (uintptr_t)p % 65536) / usable - 2)));
    churn();
}
static void never_handed_out_then_trim(void) {
    char *p = malloc(208);
    free(hide(p + malloc_usable_size(p)));
    free(hide(p));
    malloc_trim(0);
    churn();
}

static void expect_null(const void *block) {
    if (block != NULL) took();
}
static void realloc_of_freed(void) {
    void *p = take();
    take_and_keep();
    free(hide(p));
    expect_null(realloc(hide(p), kind->size + 100));
}
static void realloc_of_freed_to_less(void) {
    void *p = take();
    take_and_keep();
    free(hide(p));
    expect_null(realloc(hide(p), kind->size - 1));
}
static void realloc_of_freed_to_nothing(void) {
    void *p = take();
    take_and_keep();
    free(hide(p));
    expect_null(realloc(hide(p), 0));
}
static void realloc_inside_by_8(void) { expect_null(realloc((char *)hide(take_and_keep()) + 8, 500)); }
static void realloc_inside_by_16(void) { expect_null(realloc((char *)hide(take_and_keep()) + 16, 500)); }
static void realloc_of_never_handed_out(void) {
    char *p = take_and_keep();
    size_t usable = malloc_usable_size(p);
    expect_null(realloc(hide(p + usable * ((65536 - (uintptr_t)p % 65536) / usable - 2)), 500));
}
static void usable_size_of_freed(void) {
    void *p = take();
    take_and_keep();
    free(hide(p));
    if (malloc_usable_size(hide(p)) != 0) took();
}
static void usable_size_inside_by_16(void) {
    if (malloc_usable_size((char *)hide(take_and_keep()) + 16) != 0) took();
}

/* ---- what must go well */

/* Whatever the program writes into freed blocks, no address of its making is handed out. */
static void overwritten_freed_blocks(void) {
    enum { count = 100 };
    static void *blocks[count], *next[count];
    for (int i = 0; i < count; i++) blocks[i] = take();
    take_and_keep();
    for (int i = 0; i < count; i++) free(hide(blocks[i]));
    for (int i = 0; i < count; i++) {
        uintptr_t word = i % 3 == 0 ? UINT64_C(0x4141414141414141) : i % 3 == 1 ? (uintptr_t)&blocks[i] : 0;
        for (size_t at = 0; at + sizeof word <= kind->size; at += sizeof word)
            memcpy((char *)blocks[i] + at, &word, sizeof word);
    }
    for (int i = 0; i < count; i++) next[i] = take();
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++) {
            uintptr_t apart = (uintptr_t)next[i] - (uintptr_t)next[j];
            if (apart < kind->size || -apart < kind->size) fail("a block was handed out twice");
        }
        if ((void *)&blocks[0] <= next[i] && next[i] < (void *)&blocks[count]) fail("the address of a static");
    }
    for (int i = 0; i < count; i++) free(next[i]);
    churn();
}

/* The neighbour's content is lost. acre has nothing there. */
static void overflow_into_the_neighbour(void) {
    enum { count = 60 };
    char *blocks[count];
    for (int i = 0; i < count; i++) blocks[i] = take();
    for (int i = 0; i < count; i += 2) memset(blocks[i] + malloc_usable_size(blocks[i]), 0x41, 24);
    for (int i = 0; i < count; i++) free(blocks[i]);
    churn();
}

static void wrong_sizes(void) {
    need(free_sized != NULL);
    free_sized(take(), 1);
    free_sized(take(), 0);
    free_sized(take(), (size_t)1 << 20);
    free_sized(take(), SIZE_MAX);
    take_and_keep();
    churn();
}
static void wrong_sizes_of_aligned(void) {
    need(free_aligned_sized != NULL);
    free_aligned_sized(aligned_alloc(64, kind->size), 4096, 1);
    free_aligned_sized(aligned_alloc(64, kind->size), 3, (size_t)1 << 20);
    take_and_keep();
    churn();
}
static void wrong_sizes_of_delete(void) {
    need(sized_delete != NULL);
    sized_delete(take(), 1);
    sized_delete(take(), 0);
    sized_delete(take(), (size_t)1 << 20);
    take_and_keep();
    churn();
}
static void wrong_sizes_of_aligned_delete(void) {
    need(sized_aligned_delete != NULL);
    sized_aligned_delete(aligned_alloc(64, kind->size), 1, 64);
    sized_aligned_delete(aligned_alloc(64, kind->size), (size_t)1 << 20, 4096);
    take_and_keep();
    churn();
}

/* No content is mistaken for something of acre's. */
static void fill(unsigned char *block, size_t size, uint64_t *random) {
    uint64_t value = process_random(random);
    switch (value % 6) {
    case 0:
        value = (uintptr_t)block;
        break;
    case 1:
        value = (uintptr_t)block + 16 * (value >> 8 & 1023);
        break;
    case 2:
        value = ~UINT64_C(0);
        break;
    case 3:
        value = 0;
        break;
    case 4:
        value = size + 17;
        break;
    default:
        break;
    }
    for (size_t at = 0; at + sizeof value <= size && at < 4096; at += sizeof value)
        memcpy(block + at, &value, sizeof value);
}
static void mix(void *seed) {
    enum { count = 500, steps = 60000 };
    static const size_t sizes[] = {8, 16, 24, 48, 48, 100, 256, 700, 3000, 20000, 200000, 700000};
    uint64_t random = (uintptr_t)seed;
    unsigned char *blocks[count] = {NULL};
    for (int step = 0; step < steps; step++) {
        unsigned char **place = &blocks[process_random(&random) % count];
        uint64_t choice = process_random(&random);
        size_t size = sizes[choice % (sizeof sizes / sizeof sizes[0] - (choice >> 32 & 15 ? 2 : 0))];
        if (*place != NULL) fill(*place, malloc_usable_size(*place), &random); /* also what is about to be freed */
        if (choice >> 40 & 1)
            *place = realloc(*place, size);
        else
            free(*place), *place = choice >> 41 & 1 ? malloc(size) : NULL;
        if (*place != NULL) fill(*place, size, &random);
    }
    for (int i = 0; i < count; i++) free(blocks[i]);
}
static void any_content(void) { mix((void *)1); }
static void any_content_on_two_threads(void) {
    start_thread(mix, (void *)2);
    mix((void *)3);
}

#define TWICE(bytes) "free(0x*): double free of a " bytes "-byte block (size class " bytes ", arena *)"
#define LARGE_TWICE                                                                                                \
    "free(0x*): double free of a large block (arena *)|free(0x*): not a block: inside a large block*|" GONE
#define HUGE_TWICE "free(0x*): double free of a huge block|" GONE
#define GONE "free(0x*): not a block of acre: *"
/* Or its slab has gone meanwhile, and something else, or nothing, lies there. */
#define LATER "|free(0x*): not a block: *|" GONE
#define INSIDE(bytes, of) "free(0x*): not a block: " bytes " bytes inside the " of "-byte block at 0x* (arena *)"
#define LARGE_INSIDE "free(0x*): not a block: inside a large block or between blocks (arena *)"
#define HUGE_INSIDE "free(0x*): not a block: inside a huge block*|" GONE
#define NEVER "free(0x*): not a block: nothing was handed out there yet (arena *)"

#define ROW(run, kind, line)                                                                                       \
    { #run, run, &kind##_kind, line }
#define ROWS_OF_TWICE(run, later)                                                                                  \
    ROW(run, small, TWICE("48") later), ROW(run, recent, TWICE("48") later),                                       \
        ROW(run, medium, TWICE("3072") later), ROW(run, large, LARGE_TWICE), ROW(run, huge, HUGE_TWICE),           \
        ROW(run, unmapped, GONE), ROW(run, mixed, TWICE("48") later), ROW(run, arena_small, TWICE("48") later),    \
        ROW(run, arena_medium, TWICE("6144") later), ROW(run, arena_large, LARGE_TWICE),                           \
        ROW(run, arena_huge, HUGE_TWICE)
#define ROWS_OF_INSIDE(run, bytes)                                                                                 \
    ROW(run, small, INSIDE(bytes, "48")), ROW(run, recent, INSIDE(bytes, "48")),                                   \
        ROW(run, medium, INSIDE(bytes, "3072")), ROW(run, large, LARGE_INSIDE), ROW(run, huge, HUGE_INSIDE),       \
        ROW(run, mixed, INSIDE(bytes, "48")), ROW(run, arena_small, INSIDE(bytes, "48")),                          \
        ROW(run, arena_medium, INSIDE(bytes, "6144")), ROW(run, arena_large, LARGE_INSIDE),                        \
        ROW(run, arena_huge, HUGE_INSIDE)
#define IS_FREE(function) function "(0x*): the block is free (arena *)"
#define ROWS_OF_FREED(run, function)                                                                               \
    ROW(run, small, IS_FREE(function)), ROW(run, recent, IS_FREE(function)), ROW(run, medium, IS_FREE(function)),  \
        ROW(run, large, function "(0x*): *"), ROW(run, huge, function "(0x*): not a block of acre: *"),            \
        ROW(run, unmapped, function "(0x*): not a block of acre: *"), ROW(run, mixed, IS_FREE(function)),          \
        ROW(run, arena_small, IS_FREE(function)), ROW(run, arena_medium, IS_FREE(function)),                       \
        ROW(run, arena_huge, function "(0x*): not a block of acre: *")
#define ROWS_OF_SLABS(run)                                                                                         \
    ROW(run, small, NULL), ROW(run, recent, NULL), ROW(run, medium, NULL), ROW(run, mixed, NULL),                  \
        ROW(run, arena_small, NULL), ROW(run, arena_medium, NULL)
#define ROWS_OF_SIZES(run)                                                                                         \
    ROW(run, small, NULL), ROW(run, medium, NULL), ROW(run, large, NULL), ROW(run, huge, NULL)

const struct row rows_of_blocks[] = {
    ROWS_OF_TWICE(double_free, ""),
    ROWS_OF_TWICE(double_free_with_another_between, ""),
    ROWS_OF_TWICE(double_free_after_churn, LATER),
    ROW(double_free_of_aligned, small, TWICE("256") LATER),
    ROW(double_free_of_aligned, medium, TWICE("3072") LATER),
    ROW(double_free_of_aligned, large, LARGE_TWICE),
    ROW(double_free_of_aligned, huge, HUGE_TWICE),
    ROW(free_of_a_new_owners_block, small, TWICE("48") LATER),
    ROW(free_of_a_new_owners_block, recent, TWICE("48") LATER),
    ROW(free_of_a_new_owners_block, medium, TWICE("3072") LATER),
    ROW(free_of_a_new_owners_block, large, LARGE_TWICE),
    ROWS_OF_INSIDE(inside_by_1, "1"),
    ROWS_OF_INSIDE(inside_by_8, "8"),
    ROWS_OF_INSIDE(inside_by_16, "16"),
    ROW(inside_by_4096, small, "free(0x*): not a block: *"),
    ROW(inside_by_4096, recent, "free(0x*): not a block: *"),
    ROW(inside_by_4096, medium, "free(0x*): not a block: *"),
    ROW(inside_by_4096, large, LARGE_INSIDE),
    ROW(inside_by_4096, huge, HUGE_INSIDE),
    ROW(inside_by_4096, mixed, "free(0x*): not a block: *"),
    ROW(inside_by_4096, arena_small, "free(0x*): not a block: *"),
    ROW(inside_by_4096, arena_medium, INSIDE("4096", "6144")),
    ROW(inside_by_4096, arena_large, LARGE_INSIDE),
    ROW(inside_by_4096, arena_huge, HUGE_INSIDE),
    ROW(inside_by_65536, large, LARGE_INSIDE),
    ROW(inside_by_65536, huge, HUGE_INSIDE),
    ROW(inside_by_1_mib, huge, HUGE_INSIDE),
    ROW(inside_then_all_around, small, INSIDE("16", "48")),
    ROW(inside_then_all_around, recent, INSIDE("16", "48")),
    ROW(inside_then_all_around, mixed, INSIDE("16", "48")),
    ROW(inside_then_all_around, arena_small, INSIDE("16", "48")),
    ROW(never_handed_out_next, small, NEVER "|" TWICE("48")),
    ROW(never_handed_out_next, medium, NEVER),
    ROW(never_handed_out_next, mixed, NEVER "|" TWICE("48")),
    ROW(never_handed_out_next, arena_medium, NEVER),
    ROW(never_handed_out_far, small, NEVER),
    ROW(never_handed_out_far, medium, NEVER),
    ROW(never_handed_out_far, arena_medium, NEVER),
    ROW(never_handed_out_then_trim, small, NEVER),
    ROWS_OF_FREED(realloc_of_freed, "realloc"),
    ROWS_OF_FREED(realloc_of_freed_to_less, "realloc"),
    ROWS_OF_FREED(realloc_of_freed_to_nothing, "realloc"),
    ROWS_OF_FREED(usable_size_of_freed, "malloc_usable_size"),
    ROW(realloc_inside_by_8, small, "realloc(0x*): not a block: 8 bytes inside the 48-byte block at 0x*"),
    ROW(realloc_inside_by_8, large, "realloc(0x*): not a block: inside*"),
    ROW(realloc_inside_by_8, huge, "realloc(0x*): not a block of acre*"),
    ROW(realloc_inside_by_16, small, "realloc(0x*): not a block: 16 bytes inside the 48-byte block at 0x*"),
    ROW(realloc_inside_by_16, mixed, "realloc(0x*): not a block: 16 bytes inside the 48-byte block at 0x*"),
    ROW(realloc_of_never_handed_out, small, "realloc(0x*): not a block: nothing was handed out there yet*"),
    ROW(usable_size_inside_by_16, small, "malloc_usable_size(0x*): not a block: 16 bytes inside the 48-byte*"),
    ROW(usable_size_inside_by_16, mixed, "malloc_usable_size(0x*): not a block: 16 bytes inside the 48-byte*"),
    ROWS_OF_SLABS(overwritten_freed_blocks),
    ROWS_OF_SLABS(overflow_into_the_neighbour),
    ROWS_OF_SIZES(wrong_sizes),
    ROWS_OF_SIZES(wrong_sizes_of_aligned),
    ROWS_OF_SIZES(wrong_sizes_of_delete),
    ROWS_OF_SIZES(wrong_sizes_of_aligned_delete),
    ROW(any_content, small, NULL),
    ROW(any_content_on_two_threads, small, NULL),
    {NULL, NULL, NULL, NULL},
};
