/*
 * server: a line of threads; each replaces 10,000 blocks (Pareto, 16 to 4,096 bytes) at random in the 4,000 that
 * it was handed, hands them to a successor that it starts, and ends; --threads: lines side by side. count:
 * threads in a line, one after the other.
 * Stands for: a server whose worker threads are replaced while sessions live on, so that blocks outlive the
 * thread that took them and memory "bleeds" from heap to heap. Cannot show: locality or waiting, and the rate
 * of thread ends is far above that of real servers.
 */
#include "load.h"

#include <pthread.h>

enum { LIVE = 4000, REPLACED = 10000 };

struct line {
    struct random random;
    uint64_t left, sum;
    struct block blocks[LIVE];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t line_ended = PTHREAD_COND_INITIALIZER;
static unsigned lines_running;

static void *serve(void *argument)
{
    struct line *line = argument;
    for (unsigned i = 0; i < REPLACED; i++) {
        struct block *block = &line->blocks[random_below(&line->random, LIVE)];
        line->sum += block_give(block);
        block_take(block, random_pareto(&line->random, 16, 4096), (unsigned char)i);
    }
    if (--line->left > 0) {
        thread_start(NULL, serve, line);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    lines_running--;
    pthread_cond_signal(&line_ended);
    pthread_mutex_unlock(&lock);
    return NULL;
}

uint64_t load_server(const struct load_options *options)
{
    struct line *lines = books_take(options->threads * sizeof *lines);
    uint64_t sum = 0;
    lines_running = options->threads;
    for (unsigned i = 0; i < options->threads; i++) {
        lines[i].random.state = options->seed + i;
        lines[i].left = options->count;
        thread_start(NULL, serve, &lines[i]);
    }
    pthread_mutex_lock(&lock);
    while (lines_running > 0)
        pthread_cond_wait(&line_ended, &lock);
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < options->threads; i++) {
        sum += lines[i].sum;
        for (size_t slot = 0; slot < LIVE; slot++)
            sum += block_give(&lines[i].blocks[slot]);
    }
    books_give(lines, options->threads * sizeof *lines);
    return sum;
}
