/*
 * start: takes one block, writes it, ends.
 * Stands for: the tiny programs that shell scripts run by the thousand: what loading the allocator, starting it
 * and its first block cost, and the least memory a process can have. Cannot show: anything past the first
 * block; most of its time is the system's and the loader's.
 */
#include "load.h"

uint64_t load_start(const struct load_options *options)
{
    struct block block;
    block_take(&block, 100, (unsigned char)options->seed);
    return block_give(&block);
}
