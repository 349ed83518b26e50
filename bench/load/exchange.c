/*
 * exchange: threads share 20,000 places; a step puts a block (100 to 1,000 bytes) or, one time in three, nothing into
 * one of them, and frees what was there. --threads of them go on to the end; beside each two of these is a line of
 * threads that end after 2,000 steps each. count: steps of a thread that goes on, and of a line.
 * Stands for: a cache or a table of sessions that a pool of workers fills and empties, so that nearly every block is
 * freed by another thread than took it, in no order; asks what threads keep for themselves beside some 7 MiB that
 * live. Cannot show: blocks that stay long, and the table's own locks, which would take most of the time.
 */
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 20000, SHORT = 2000, LEAST = 100, MOST = 1000 };

/* At the front of a block, which nothing else knows. */
struct item {
    size_t size;
};

struct worker {
    pthread_t thread;
    struct random random;
    uint64_t steps, sum;
};

static _Atomic(struct item *) places[PLACES];

static struct item *item_take(struct random *random)
{
    size_t size = random_between(random, LEAST, MOST);
    struct item *item = must(malloc(size));
    memset(item, (int)(size % 251), size);
    item->size = size;
    return item;
}

static uint64_t item_give(struct item *item)
{
    if (!item)
        return 0;
    uint64_t sum = item->size + ((unsigned char *)item)[item->size - 1];
    free(item);
    return sum;
}

static void exchange(struct worker *worker, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        size_t place = random_below(&worker->random, PLACES);
        struct item *item = random_below(&worker->random, 3) == 0 ? NULL : item_take(&worker->random);
        worker->sum += item_give(atomic_exchange(&places[place], item));
    }
}

static void *go_on(void *argument)
{
    struct worker *worker = argument;
    exchange(worker, worker->steps);
    return NULL;
}

static void *go_once(void *argument)
{
    exchange(argument, SHORT);
    return NULL;
}

static void *go_in_line(void *argument)
{
    struct worker *worker = argument;
    for (uint64_t left = worker->steps; left >= SHORT; left -= SHORT) {
        pthread_t thread;
        thread_start(&thread, go_once, worker);
        pthread_join(thread, NULL);
    }
    return NULL;
}

uint64_t load_exchange(const struct load_options *options)
{
    unsigned steady = options->threads, all = steady + steady / 2;
    struct worker *workers = books_take(all * sizeof *workers);
    uint64_t sum = 0;
    for (unsigned i = 0; i < all; i++) {
        workers[i].random.state = options->seed + i;
        workers[i].steps = options->count;
        thread_start(&workers[i].thread, i < steady ? go_on : go_in_line, &workers[i]);
    }
    for (unsigned i = 0; i < all; i++) {
        pthread_join(workers[i].thread, NULL);
        sum += workers[i].sum;
    }
    for (size_t place = 0; place < PLACES; place++)
        sum += item_give(atomic_load(&places[place]));
    books_give(workers, all * sizeof *workers);
    return sum;
}
