/*
 * pairs: a block of 24 bytes taken, written and freed at once, over and over.
 * Stands for: short-lived temporaries (boxed numbers, iterators), the best case of every allocator, and so the
 * length of its fast path; the instruction count is taken on it. Cannot show: anything about memory, caches or
 * a second size: one block is in use, and the branch predictor knows everything.
 */
#include "load.h"

#include <stdlib.h>

uint64_t load_pairs(const struct load_options *options)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < options->count; i++) {
        uint64_t *block = must(malloc(24));
        *block = i;
        sum += *block;
        free(block);
    }
    return sum;
}
