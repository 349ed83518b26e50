/*
 * calloc-small: 16 to 512 bytes, 4,096 live, random life, one field written and one read;
 * calloc-large: 64 KiB to 2 MiB, sixteen live, every page read, every other written.
 * count: blocks.
 * Stands for: records and hash tables that start as zeros, most of them sparsely used when large; asks whether
 * zeros are written twice. Cannot show: the later cost of pages whose zeroing was only put off, where a program
 * goes on to write them all.
 */
#include "load.h"

#include <stdlib.h>

enum { SMALL_LIVE = 4096, LARGE_LIVE = 16 };

uint64_t load_calloc_small(const struct load_options *options)
{
    struct random random = {options->seed};
    struct block *blocks = books_take(SMALL_LIVE * sizeof *blocks);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < options->count; i++) {
        struct block *block = &blocks[random_below(&random, SMALL_LIVE)];
        sum += block_give(block);
        block->size = random_between(&random, 16, 512);
        block->bytes = must(calloc(1, block->size));
        sum += block->bytes[block->size / 2]; /* zero, or the checksum shows it */
        block->bytes[0] = (unsigned char)i;
    }
    for (size_t slot = 0; slot < SMALL_LIVE; slot++)
        sum += block_give(&blocks[slot]);
    books_give(blocks, SMALL_LIVE * sizeof *blocks);
    return sum;
}

static uint64_t large_use(const struct block *block, unsigned char tag)
{
    uint64_t sum = 0;
    for (size_t at = 64; at < block->size; at += 4096)
        sum += block->bytes[at];
    for (size_t at = 0; at < block->size; at += 8192)
        block->bytes[at + 64] = tag; /* sizes are at least 64 KiB and even in pages, so this stays inside */
    return sum;
}

uint64_t load_calloc_large(const struct load_options *options)
{
    struct random random = {options->seed};
    struct block blocks[LARGE_LIVE] = {{0}};
    uint64_t sum = 0;
    for (uint64_t i = 0; i < options->count; i++) {
        struct block *block = &blocks[random_below(&random, LARGE_LIVE)];
        sum += block_give(block);
        block->size = random_octave(&random, 64 << 10, 2 << 20) & ~(size_t)8191;
        block->bytes = must(calloc(block->size / 16, 16));
        sum += large_use(block, (unsigned char)i);
    }
    for (size_t slot = 0; slot < LARGE_LIVE; slot++)
        sum += block_give(&blocks[slot]);
    return sum;
}
