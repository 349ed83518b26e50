/*
 * realloc: one block grows from 1 MiB to 1 GiB in steps of 1 MiB, and every new page is written.
 * Stands for: a buffer that is appended to without a plan. An allocator that moves pages faults each in once; one that
 * copies faults them in again with every step, and needs both blocks at once. Cannot show: anything else; no program
 * does only this.
 */
#include "giveback.h"

#include <stdlib.h>

enum { STEP_BYTES = 1 << 20 };

static void check(const unsigned char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += page_bytes()) {
        if (bytes[at] != tag_of(at / STEP_BYTES))
            give_up("the block lost its contents");
    }
}

void giveback_realloc(const struct giveback_options *options)
{
    unsigned char *block = NULL;
    uint64_t before = minor_faults();
    for (size_t size = 0; size < options->size_bytes; size += STEP_BYTES) {
        block = must(realloc(block, size + STEP_BYTES));
        pages_touch(block + size, STEP_BYTES, tag_of(size / STEP_BYTES));
    }
    mark(now_ms(), "grown", "live_bytes=%zu minor_faults=%llu pages=%zu", options->size_bytes,
         (unsigned long long)(minor_faults() - before), options->size_bytes / page_bytes());
    check(block, options->size_bytes);
}
