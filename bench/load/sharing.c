/*
 * sharing-active: threads take a block of 8 bytes at the same time, write it 500 times, free it; sharing-passive:
 * the same, but each thread first frees a block that the main thread took next to the others'. count: blocks a
 * thread.
 * Stands for: false sharing, two threads' blocks in one cache line, made by the allocator in the first case
 * (active) or inherited from the program and kept up by the allocator (passive). Cannot show: anything on one
 * core, nor how rarely real programs write so hard; other costs of the allocator are drowned on purpose.
 */
#include "load.h"

#include <pthread.h>
#include <stdlib.h>

enum { WRITES = 500, BLOCK_BYTES = 8 };

struct writer {
    pthread_t thread;
    uint64_t count, sum;
    void *handed;
    pthread_barrier_t *start;
};

static void *write_hard(void *argument)
{
    struct writer *writer = argument;
    uint64_t sum = 0;
    pthread_barrier_wait(writer->start);
    free(writer->handed);
    for (uint64_t i = 0; i < writer->count; i++) {
        volatile uint64_t *block = must(malloc(BLOCK_BYTES));
        *block = i;
        for (unsigned written = 0; written < WRITES; written++)
            *block += written;
        sum += *block;
        free((void *)block);
    }
    writer->sum = sum;
    return NULL;
}

static uint64_t share(const struct load_options *options, int handed)
{
    struct writer *writers = books_take(options->threads * sizeof *writers);
    pthread_barrier_t start;
    uint64_t sum = 0;
    pthread_barrier_init(&start, NULL, options->threads);
    for (unsigned i = 0; i < options->threads; i++) {
        writers[i].count = options->count;
        writers[i].start = &start;
        writers[i].handed = handed ? must(malloc(BLOCK_BYTES)) : NULL;
    }
    for (unsigned i = 0; i < options->threads; i++)
        thread_start(&writers[i].thread, write_hard, &writers[i]);
    for (unsigned i = 0; i < options->threads; i++) {
        pthread_join(writers[i].thread, NULL);
        sum += writers[i].sum;
    }
    pthread_barrier_destroy(&start);
    books_give(writers, options->threads * sizeof *writers);
    return sum;
}

uint64_t load_sharing_active(const struct load_options *options)
{
    return share(options, 0);
}

uint64_t load_sharing_passive(const struct load_options *options)
{
    return share(options, 1);
}
