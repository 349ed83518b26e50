/*
 * aligned: posix_memalign with alignments of 32 to 4096, sizes of one to four alignments (not always whole),
 * 2,048 live, random life. count: blocks.
 * Stands for: vector code, cache-line padded records, I/O buffers. Asks for the time, and by the peak for the
 * memory that alignment wastes. Cannot show: C++'s aligned new, and alignments above a page.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

enum { LIVE = 2048 };

uint64_t load_aligned(const struct load_options *options)
{
    struct random random = {options->seed};
    struct block *blocks = books_take(LIVE * sizeof *blocks);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < options->count; i++) {
        struct block *block = &blocks[random_below(&random, LIVE)];
        sum += block_give(block);
        /* the larger the rarer: 32 for half of them, 4096 for one in 128 */
        size_t alignment = (size_t)32 << (__builtin_ctzl(random_next(&random) | 128));
        void *bytes;
        block->size = random_between(&random, alignment, 4 * alignment);
        must(posix_memalign(&bytes, alignment, block->size) == 0 ? bytes : NULL);
        block->bytes = bytes;
        memset(bytes, (unsigned char)i, block->size);
        sum += (uintptr_t)bytes & (alignment - 1); /* zero, or the checksum shows it */
    }
    for (size_t slot = 0; slot < LIVE; slot++)
        sum += block_give(&blocks[slot]);
    books_give(blocks, LIVE * sizeof *blocks);
    return sum;
}
