/*
 * loop: 100,000 times a block of 8 MiB is taken, one byte of it written, and freed; then it sleeps.
 * Stands for: a buffer for each request. An allocator that gives it back at once pays system calls and a fault each
 * time; one that never does still holds it at the end. Cannot show: buffers that are filled.
 */
#include "giveback.h"

#include <stdlib.h>

void giveback_loop(const struct giveback_options *options)
{
    for (uint64_t i = 0; i < options->count; i++) {
        unsigned char *block = must(malloc(options->size_bytes));
        block[0] = (unsigned char)i;
        free(block);
    }
    uint64_t freed_ms = now_ms();
    mark(freed_ms, "freed", "live_bytes=0");
    sleep_until_ms(freed_ms + options->idle_ms);
}
