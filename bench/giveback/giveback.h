/*
 * What every case of acre-bench-giveback shares.
 *
 * A case takes and frees blocks and says on standard output, a line for each mark and at once, how far it is;
 * giveback.py watches its resident memory from outside meanwhile. It asks the allocator for nothing but the blocks:
 * books come from mmap (load.h), marks are written without stdio's buffers. Each case checks the contents of its
 * blocks, and ends with a message if one was lost.
 */
#ifndef ACRE_BENCH_GIVEBACK_H
#define ACRE_BENCH_GIVEBACK_H

#include "../load/load.h"

struct giveback_options {
    size_t size_bytes;   /* live at the most; in `loop` the size of the block */
    uint64_t count;      /* how often, where a case repeats something */
    unsigned threads;    /* of `idle` and `trim` alone */
    uint64_t idle_ms;    /* how long it sleeps at the end */
    const char *pattern; /* of `idle` alone: which blocks survive */
};

/* ---- time and marks; clocks are CLOCK_MONOTONIC, which whoever watches can read as well */

uint64_t now_ms(void);
void sleep_until_ms(uint64_t at_ms);
void mark(uint64_t at_ms, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- memory as Linux sees it */

size_t page_bytes(void);
size_t pages_round_up(size_t bytes);
size_t resident_bytes(void);
uint64_t minor_faults(void);

/* The pages that blocks touch, each counted once: what no allocator could give back while these are live. The
   set's own table is there only while it counts. */
struct page_set {
    uintptr_t *pages;
    size_t slots, count;
};

void page_set_open(struct page_set *set, size_t pages_most);
void page_set_add(struct page_set *set, const struct block *blocks, size_t count);
size_t page_set_close(struct page_set *set); /* returns the bytes of all pages in it */

/* ---- blocks whose every byte says their size, so that what another block or a fresh page put there shows */

static inline unsigned char tag_of(size_t size)
{
    return (unsigned char)(1 + size % 255);
}

void blocks_check(const struct block *blocks, size_t count);

/* ---- the cases */

void giveback_idle(const struct giveback_options *options);
void giveback_trim(const struct giveback_options *options);
void giveback_sawtooth(const struct giveback_options *options);
void giveback_realloc(const struct giveback_options *options);
void giveback_loop(const struct giveback_options *options);

#endif
