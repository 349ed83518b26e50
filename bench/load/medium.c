/*
 * medium: 2 KiB to 1 MiB, every octave equally likely, 256 live, random life, every page touched;
 * huge: 1 to 16 MiB, eight live, likewise. count: blocks.
 * Stands for: buffers, images, columns, matrices that come and go. Between a slab and a mapping of its own is
 * where rounding costs most memory, and where an allocator that goes to the system each time pays a fault per
 * page. Cannot show: the work real programs do on such blocks, which hides much of either.
 */
#include "load.h"

#include <stdlib.h>

enum { MEDIUM_LIVE = 256, HUGE_LIVE = 8 };

static uint64_t come_and_go(const struct load_options *options, size_t live, size_t least, size_t most)
{
    struct random random = {options->seed};
    struct block *blocks = books_take(live * sizeof *blocks);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < options->count; i++) {
        struct block *block = &blocks[random_below(&random, live)];
        sum += block_give(block);
        block->size = random_octave(&random, least, most);
        block->bytes = must(malloc(block->size));
        pages_touch(block->bytes, block->size, (unsigned char)i);
    }
    for (size_t slot = 0; slot < live; slot++)
        sum += block_give(&blocks[slot]);
    books_give(blocks, live * sizeof *blocks);
    return sum;
}

uint64_t load_medium(const struct load_options *options)
{
    return come_and_go(options, MEDIUM_LIVE, 2 << 10, 1 << 20);
}

uint64_t load_huge(const struct load_options *options)
{
    return come_and_go(options, HUGE_LIVE, 1 << 20, 16 << 20);
}
