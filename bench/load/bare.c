/*
 * bare: pairs' loop on a free list of its own, with no allocator in it: take is a pop, give is a push, each a call
 * that is not inlined, on a list of this thread's.
 * Stands for: the least that any malloc and free of small blocks could do, the floor that limit.py measures pairs
 * against. Cannot show: anything else; it has one size, never runs out, and checks nothing.
 */
#include "load.h"

enum { BLOCKS = 16 };

/* 24 bytes, as in pairs; the link lies in the block's own first word, which its user overwrites */
struct free_block {
    struct free_block *next;
    uint64_t rest[2];
};

static _Thread_local struct free_block *first;

/* limit.py counts the instructions of these two by their names */
__attribute__((noinline)) static void *bare_take(void)
{
    struct free_block *block = first;
    if (block)
        first = block->next;
    return block;
}

__attribute__((noinline)) static void bare_give(void *bytes)
{
    struct free_block *block = bytes;
    block->next = first;
    first = block;
}

uint64_t load_bare(const struct load_options *options)
{
    struct free_block stock[BLOCKS];
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCKS; i++)
        bare_give(&stock[i]);
    for (uint64_t i = 0; i < options->count; i++) {
        uint64_t *block = must(bare_take());
        *block = i;
        sum += *block;
        bare_give(block);
    }
    first = NULL;
    return sum;
}
