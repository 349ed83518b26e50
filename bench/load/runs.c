/*
 * lifo, fifo: a run of blocks is taken, then all of it freed, newest or oldest first; sizes 16 to 256, runs of
 * 100, 1,000 and 10,000 in turn. count: blocks.
 * Stands for: a request's or a scope's objects that live and die together (lifo: unwinding a stack of them;
 * fifo: emptying a queue or list). The longer runs overflow any per-thread stock. Cannot show: fragmentation,
 * since nothing survives a run, nor the mixing of ages that real heaps have.
 */
#include "load.h"

enum { RUN_MAX = 10000 };

typedef uint64_t (*give_run)(struct block *blocks, size_t length);

static uint64_t give_newest_first(struct block *blocks, size_t length)
{
    uint64_t sum = 0;
    while (length-- > 0)
        sum += block_give(&blocks[length]);
    return sum;
}

static uint64_t give_oldest_first(struct block *blocks, size_t length)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum += block_give(&blocks[i]);
    return sum;
}

static uint64_t runs(const struct load_options *options, give_run give)
{
    static const size_t lengths[] = {100, 1000, 100, RUN_MAX};
    struct random random = {options->seed};
    struct block *blocks = books_take(RUN_MAX * sizeof *blocks);
    uint64_t taken = 0, sum = 0;
    for (size_t turn = 0; taken < options->count; turn++) {
        size_t length = lengths[turn % 4];
        for (size_t i = 0; i < length; i++)
            block_take(&blocks[i], random_between(&random, 16, 256), (unsigned char)i);
        sum += give(blocks, length);
        taken += length;
    }
    books_give(blocks, RUN_MAX * sizeof *blocks);
    return sum;
}

uint64_t load_lifo(const struct load_options *options)
{
    return runs(options, give_newest_first);
}

uint64_t load_fifo(const struct load_options *options)
{
    return runs(options, give_oldest_first);
}
