/*
 * What every workload of acre-bench-load shares.
 *
 * A workload is a function from options to a checksum. The checksum depends on the options alone, not on the
 * allocator or on how threads were scheduled: run.py compares it between allocators, so a block that lost its
 * content is noticed. Books (tables of live blocks) come from mmap, not from malloc, so that an allocator is
 * asked only for what the workload is about; their resident size is the same under every allocator.
 */
#ifndef ACRE_BENCH_LOAD_H
#define ACRE_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct load_options {
    uint64_t count;    /* how much work; what one unit is, each workload says */
    unsigned threads;  /* for a workload that is not about threads: that many copies of it side by side */
    size_t live_bytes; /* roughly how much is live at the peak, where the workload can choose */
    uint64_t seed;
};

struct load {
    const char *name;
    const char *title;
    struct load_options defaults; /* a zero in what the user gave means: take this */
    int private_threads;          /* threads of this workload share nothing: main starts the copies */
    uint64_t (*run)(const struct load_options *options);
};

extern const struct load load_table[];
extern const size_t load_table_length;

/* ---- random numbers: splitmix64, small, the same everywhere */

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number in [0, limit). */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
    return ((random_next(random) >> 32) * limit) >> 32;
}

static inline size_t random_between(struct random *random, size_t least, size_t most)
{
    return least + (size_t)random_below(random, most - least + 1);
}

/* Pareto with exponent 1, cut off at `most`: each doubling of the size is half as frequent, so every octave
   holds the same number of bytes. Close to what traces of real programs show, and needs no libm. */
size_t random_pareto(struct random *random, size_t least, size_t most);

/* Every octave between least and most equally likely (both powers of two). */
size_t random_octave(struct random *random, size_t least, size_t most);

/* ---- blocks: taken, written, checked, given back */

struct block {
    unsigned char *bytes;
    size_t size;
};

/* What a clock of clock_gettime says, in nanoseconds. */
uint64_t now_ns(clockid_t clock);

/* Ends the program with a message, as the two below do where there is no memory. */
void give_up(const char *what) __attribute__((noreturn));
void *must(void *block);
void *books_take(size_t bytes);
void books_give(void *books, size_t bytes);

/* Takes a block and writes all of it. */
void block_take(struct block *block, size_t size, unsigned char tag);

/* Writes one byte in every 4 KiB and the last one: for big blocks, where writing everything would measure the
   memory bus and little else. */
void pages_touch(unsigned char *bytes, size_t size, unsigned char tag);

/* Reads the block's ends, forgets and frees it; returns what to add to the checksum. Of an empty one: 0. */
uint64_t block_give(struct block *block);

/* ---- threads */

void thread_start(void *thread, void *(*body)(void *), void *argument); /* thread: a pthread_t, or NULL: detached */
uint64_t copies_run(const struct load *load, const struct load_options *options);

/* ---- the workloads, one file each (or two that are mirror images) */

uint64_t load_pairs(const struct load_options *options);
uint64_t load_lifo(const struct load_options *options);
uint64_t load_fifo(const struct load_options *options);
uint64_t load_random(const struct load_options *options);
uint64_t load_phases(const struct load_options *options);
uint64_t load_vectors(const struct load_options *options);
uint64_t load_strings(const struct load_options *options);
uint64_t load_calloc_small(const struct load_options *options);
uint64_t load_calloc_large(const struct load_options *options);
uint64_t load_aligned(const struct load_options *options);
uint64_t load_medium(const struct load_options *options);
uint64_t load_huge(const struct load_options *options);
uint64_t load_passing(const struct load_options *options);
uint64_t load_server(const struct load_options *options);
uint64_t load_exchange(const struct load_options *options);
uint64_t load_churn(const struct load_options *options);
uint64_t load_trees(const struct load_options *options);
uint64_t load_sharing_active(const struct load_options *options);
uint64_t load_sharing_passive(const struct load_options *options);
uint64_t load_start(const struct load_options *options);
uint64_t load_bare(const struct load_options *options);
uint64_t load_scale(const struct load_options *options);

extern unsigned scale_sizes; /* --sizes: of scale alone; 0 where it is not given */

#endif
