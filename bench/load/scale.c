/*
 * scale: live_bytes of small blocks are taken, then `count` times a random one is freed and another taken in its
 * place, of which only the first word is written. The second part times itself: a line on stderr says what it
 * took (the sum of the threads' CPU time, and wall time from the first start to the last end). Sizes: 16 to 512
 * bytes, all alike; with --sizes K different ones from 25 to 4,096, of 320 bytes in the mean for every K.
 * --threads: both count and live_bytes are shared out among that many, each with its own blocks.
 * Stands for: one steady state, made larger in one direction at a time, so that a curve has one cause; scale.py
 * draws the curves. Cannot show: how a big heap ages (the more blocks, the fewer of them are ever replaced: the
 * largest heaps stay as they were filled), nor links between age, size and place. The cost of an operation
 * includes the misses of reaching a random block, which grow with the heap under every allocator alike.
 */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SIZE_LEAST = 16, UNIFORM_MOST = 512, PICKS = 4096, MEAN = 320, ROOT_LEAST = 5, ROOT_MOST = 64 };

unsigned scale_sizes;

struct part {
    pthread_t thread;
    pthread_barrier_t *together;
    const uint16_t *sizes;
    uint64_t count, slots, seed;
    uint64_t **blocks;
    uint64_t sum, live_bytes;
    uint64_t cpu_ns, start_ns, end_ns;
};

/* ---- sizes: a table to pick from, so that picking costs the same for any number of them */

static double power(double base, unsigned exponent)
{
    double result = 1;
    while (exponent-- > 0)
        result *= base;
    return result;
}

/* The factor that leads from ROOT_LEAST to ROOT_MOST in so many steps; by halving, since it needs no libm. */
static double root_step(unsigned steps)
{
    double low = 1, high = (double)ROOT_MOST / ROOT_LEAST;
    for (unsigned i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (power(middle, steps) * ROOT_LEAST < ROOT_MOST)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Sizes in equal ratios from 25 to 4,096, each as frequent as the inverse of its root: then the mean is the
   middle, 320, for any number of them, and a heap of so many bytes has so many blocks. Not 16 and 256: the
   first words of blocks 256 bytes apart all fall into a quarter of a cache's sets, and one size alone would
   look dear for it. */
static void pick_different(uint16_t *sizes, unsigned different)
{
    double step = root_step(different - 1), weights = 0, before = 0;
    for (unsigned i = 0; i < different; i++)
        weights += 1 / (ROOT_LEAST * power(step, i));
    for (unsigned i = 0, pick = 0; i < different; i++) {
        double root = ROOT_LEAST * power(step, i);
        before += 1 / root;
        while (pick < PICKS && pick < before / weights * PICKS - 0.5)
            sizes[pick++] = (uint16_t)(root * root + 0.5);
    }
}

static void pick_one(uint16_t *sizes)
{
    for (unsigned pick = 0; pick < PICKS; pick++)
        sizes[pick] = MEAN;
}

static void pick_uniform(uint16_t *sizes)
{
    for (unsigned pick = 0; pick < PICKS; pick++)
        sizes[pick] = (uint16_t)(SIZE_LEAST + pick * (UNIFORM_MOST - SIZE_LEAST + 1) / PICKS);
}

static uint64_t mean_size(const uint16_t *sizes)
{
    uint64_t sum = 0;
    for (unsigned pick = 0; pick < PICKS; pick++)
        sum += sizes[pick];
    return sum / PICKS;
}

/* ---- one thread's part */

static uint64_t *take(size_t size, uint64_t word)
{
    uint64_t *block = must(malloc(size));
    *block = word;
    return block;
}

static void fill(struct part *part, struct random *random)
{
    for (uint64_t slot = 0; slot < part->slots; slot++) {
        size_t size = part->sizes[random_next(random) % PICKS];
        part->blocks[slot] = take(size, slot);
        part->live_bytes += size;
    }
}

static uint64_t replace(const struct part *part, struct random random)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < part->count; i++) {
        uint64_t pick = random_next(&random);
        uint64_t **block = &part->blocks[((pick >> 32) * part->slots) >> 32];
        sum += **block;
        free(*block);
        *block = take(part->sizes[pick % PICKS], i);
    }
    return sum;
}

static void *part_run(void *argument)
{
    struct part *part = argument;
    struct random random = {part->seed};
    part->blocks = books_take(part->slots * sizeof *part->blocks);
    fill(part, &random);
    pthread_barrier_wait(part->together);
    part->start_ns = now_ns(CLOCK_MONOTONIC);
    uint64_t before_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    part->sum = replace(part, random);
    part->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns;
    part->end_ns = now_ns(CLOCK_MONOTONIC);
    pthread_barrier_wait(part->together); /* nobody ends while another is still timed */
    for (uint64_t slot = 0; slot < part->slots; slot++)
        part->sum += *part->blocks[slot]; /* not freed: the process ends, and big heaps would take long */
    books_give(part->blocks, part->slots * sizeof *part->blocks);
    return NULL;
}

/* ---- all of them */

static uint64_t report(const struct part *parts, unsigned threads)
{
    struct part all = parts[0];
    for (unsigned i = 1; i < threads; i++) {
        all.sum += parts[i].sum;
        all.cpu_ns += parts[i].cpu_ns;
        all.live_bytes += parts[i].live_bytes;
        all.start_ns = parts[i].start_ns < all.start_ns ? parts[i].start_ns : all.start_ns;
        all.end_ns = parts[i].end_ns > all.end_ns ? parts[i].end_ns : all.end_ns;
    }
    fprintf(stderr, "timed operations=%llu cpu_ns=%llu wall_ns=%llu live_bytes=%llu table_bytes=%llu\n",
            (unsigned long long)all.count * threads, (unsigned long long)all.cpu_ns,
            (unsigned long long)(all.end_ns - all.start_ns), (unsigned long long)all.live_bytes,
            (unsigned long long)(all.slots * threads * sizeof *all.blocks));
    return all.sum;
}

/* One thread's part is done by the main thread, for the reason that copies_run has. */
uint64_t load_scale(const struct load_options *options)
{
    static uint16_t sizes[PICKS];
    struct part *parts = books_take(options->threads * sizeof *parts);
    pthread_barrier_t together;
    if (scale_sizes == 0)
        pick_uniform(sizes);
    else if (scale_sizes == 1)
        pick_one(sizes);
    else
        pick_different(sizes, scale_sizes);
    pthread_barrier_init(&together, NULL, options->threads);
    for (unsigned i = 0; i < options->threads; i++) {
        parts[i] = (struct part){.together = &together, .sizes = sizes, .count = options->count / options->threads,
                                 .slots = options->live_bytes / options->threads / mean_size(sizes) + 1,
                                 .seed = options->seed + i};
        if (options->threads > 1)
            thread_start(&parts[i].thread, part_run, &parts[i]);
        else
            part_run(&parts[i]);
    }
    for (unsigned i = 0; i < options->threads && options->threads > 1; i++)
        pthread_join(parts[i].thread, NULL);
    uint64_t sum = report(parts, options->threads);
    pthread_barrier_destroy(&together);
    books_give(parts, options->threads * sizeof *parts);
    return sum;
}
