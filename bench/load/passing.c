/*
 * passing: a producer takes and fills blocks of 16 to 4,096 bytes (Pareto) and passes them, 64 at a time through
 * a short queue, to a consumer that reads and frees them; --threads: pairs of both. count: blocks a pair.
 * Stands for: pipelines, loggers, actor systems: every block is freed by a thread that did not take it. Cannot
 * show: programs where such frees are rare, which are most; and much of its wall time is the two threads
 * waiting for each other, so read its CPU time.
 */
#include "load.h"

#include <pthread.h>

enum { BATCH = 64, QUEUE = 16 };

struct pair {
    pthread_t producer, consumer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const struct load_options *options;
    uint64_t seed, sum;
    uint64_t put, got; /* batches so far, under the lock */
    struct block queue[QUEUE][BATCH];
};

static void wait_for_room(struct pair *pair)
{
    pthread_mutex_lock(&pair->lock);
    while (pair->put - pair->got == QUEUE)
        pthread_cond_wait(&pair->changed, &pair->lock);
    pthread_mutex_unlock(&pair->lock);
}

static void wait_for_batch(struct pair *pair)
{
    pthread_mutex_lock(&pair->lock);
    while (pair->put == pair->got)
        pthread_cond_wait(&pair->changed, &pair->lock);
    pthread_mutex_unlock(&pair->lock);
}

static void count_up(struct pair *pair, uint64_t *counter)
{
    pthread_mutex_lock(&pair->lock);
    ++*counter;
    pthread_cond_signal(&pair->changed);
    pthread_mutex_unlock(&pair->lock);
}

static void *produce(void *argument)
{
    struct pair *pair = argument;
    struct random random = {pair->seed};
    for (uint64_t batch = 0; batch < pair->options->count / BATCH; batch++) {
        wait_for_room(pair);
        for (size_t i = 0; i < BATCH; i++)
            block_take(&pair->queue[batch % QUEUE][i], random_pareto(&random, 16, 4096), (unsigned char)i);
        count_up(pair, &pair->put);
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct pair *pair = argument;
    for (uint64_t batch = 0; batch < pair->options->count / BATCH; batch++) {
        wait_for_batch(pair);
        for (size_t i = 0; i < BATCH; i++)
            pair->sum += block_give(&pair->queue[batch % QUEUE][i]);
        count_up(pair, &pair->got);
    }
    return NULL;
}

uint64_t load_passing(const struct load_options *options)
{
    struct pair *pairs = books_take(options->threads * sizeof *pairs);
    uint64_t sum = 0;
    for (unsigned i = 0; i < options->threads; i++) {
        pairs[i].options = options;
        pairs[i].seed = options->seed + i;
        pthread_mutex_init(&pairs[i].lock, NULL);
        pthread_cond_init(&pairs[i].changed, NULL);
        thread_start(&pairs[i].producer, produce, &pairs[i]);
        thread_start(&pairs[i].consumer, consume, &pairs[i]);
    }
    for (unsigned i = 0; i < options->threads; i++) {
        pthread_join(pairs[i].producer, NULL);
        pthread_join(pairs[i].consumer, NULL);
        sum += pairs[i].sum;
    }
    books_give(pairs, options->threads * sizeof *pairs);
    return sum;
}
