/*
 * random: Pareto sizes (16 bytes to 64 KiB); fifteen blocks of sixteen are young and replaced soon, one joins
 * 65,536 old ones and pushes out a random one of them. count: blocks.
 * Stands for: the general-purpose heap of an interpreter or server in steady state, where the young die early
 * and the old die at random and leave holes. With --threads: the same in threads that share nothing. Cannot
 * show: links between size and age, or bursts, which real programs have; steady state favours nobody who
 * gives memory back.
 */
#include "load.h"

enum { YOUNG = 256, OLD = 65536, SIZE_LEAST = 16, SIZE_MOST = 65536 };

uint64_t load_random(const struct load_options *options)
{
    struct random random = {options->seed};
    struct block *blocks = books_take((YOUNG + OLD) * sizeof *blocks);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < options->count; i++) {
        uint64_t pick = random_next(&random);
        size_t slot = (pick & 15) != 0 ? (pick >> 8) % YOUNG : YOUNG + (pick >> 8) % OLD;
        sum += block_give(&blocks[slot]);
        block_take(&blocks[slot], random_pareto(&random, SIZE_LEAST, SIZE_MOST), (unsigned char)i);
    }
    for (size_t slot = 0; slot < YOUNG + OLD; slot++)
        sum += block_give(&blocks[slot]);
    books_give(blocks, (YOUNG + OLD) * sizeof *blocks);
    return sum;
}
