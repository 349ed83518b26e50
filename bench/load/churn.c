/*
 * churn: short threads, --threads of them at a time: each takes 300 blocks (Pareto, 16 to 4,096 bytes), frees
 * nine of ten, leaves the rest to the main thread, and ends. count: threads in all.
 * Stands for: thread-per-request programs; asks what a thread's first block and its end cost, and whether what
 * the dead leave behind is used again. Cannot show: long-lived threads, which a pool would have; and part of
 * the time is the system's for making a thread, the same under every allocator.
 */
#include "load.h"

#include <pthread.h>

enum { TAKEN = 300, LEFT = 30 };

struct visitor {
    pthread_t thread;
    uint64_t seed, sum;
    struct block blocks[TAKEN];
};

static void *visit(void *argument)
{
    struct visitor *visitor = argument;
    struct random random = {visitor->seed};
    for (size_t i = 0; i < TAKEN; i++)
        block_take(&visitor->blocks[i], random_pareto(&random, 16, 4096), (unsigned char)i);
    for (size_t i = LEFT; i < TAKEN; i++)
        visitor->sum += block_give(&visitor->blocks[i]);
    return NULL;
}

static uint64_t visitor_end(struct visitor *visitor)
{
    pthread_join(visitor->thread, NULL);
    uint64_t sum = visitor->sum;
    for (size_t i = 0; i < LEFT; i++)
        sum += block_give(&visitor->blocks[i]);
    return sum;
}

uint64_t load_churn(const struct load_options *options)
{
    struct visitor *visitors = books_take(options->threads * sizeof *visitors);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < options->count + options->threads; i++) {
        struct visitor *visitor = &visitors[i % options->threads];
        if (i >= options->threads)
            sum += visitor_end(visitor);
        if (i < options->count) {
            visitor->seed = options->seed + i;
            visitor->sum = 0;
            thread_start(&visitor->thread, visit, visitor);
        }
    }
    books_give(visitors, options->threads * sizeof *visitors);
    return sum;
}
