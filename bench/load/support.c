/* What every workload shares: see load.h. */
#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void give_up(const char *what)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(3);
}

uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

size_t random_pareto(struct random *random, size_t least, size_t most)
{
    /* 32 random bits as a fraction in (0, 1]; the inverse of the distribution function is least / fraction */
    uint64_t fraction = (random_next(random) >> 32) + 1;
    uint64_t size = ((uint64_t)least << 32) / fraction;
    return size < most ? (size_t)size : most;
}

size_t random_octave(struct random *random, size_t least, size_t most)
{
    unsigned octaves = (unsigned)(__builtin_ctzl(most) - __builtin_ctzl(least));
    size_t low = least << random_below(random, octaves);
    return random_between(random, low, 2 * low);
}

void *must(void *block)
{
    if (!block)
        give_up("out of memory");
    return block;
}

void *books_take(size_t bytes)
{
    void *books = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (books == MAP_FAILED)
        give_up("no memory for the workload's own tables");
    return books;
}

void books_give(void *books, size_t bytes)
{
    munmap(books, bytes);
}

void block_take(struct block *block, size_t size, unsigned char tag)
{
    block->bytes = must(malloc(size));
    block->size = size;
    memset(block->bytes, tag, size);
}

void pages_touch(unsigned char *bytes, size_t size, unsigned char tag)
{
    for (size_t at = 0; at < size; at += 4096)
        bytes[at] = tag;
    bytes[size - 1] = tag;
}

uint64_t block_give(struct block *block)
{
    if (!block->bytes)
        return 0;
    uint64_t sum = (uint64_t)block->bytes[0] + block->bytes[block->size - 1] + block->size;
    free(block->bytes);
    block->bytes = NULL;
    return sum;
}

void thread_start(void *thread, void *(*body)(void *), void *argument)
{
    pthread_t id;
    if (pthread_create(&id, NULL, body, argument) != 0)
        give_up("cannot start a thread");
    if (thread)
        *(pthread_t *)thread = id;
    else
        pthread_detach(id);
}

struct copy {
    pthread_t thread;
    const struct load *load;
    struct load_options options;
    uint64_t sum;
};

static void *copy_body(void *argument)
{
    struct copy *copy = argument;
    copy->sum = copy->load->run(&copy->options);
    return NULL;
}

/* With one thread the work is done by the main thread: several allocators have a shorter path for a process
   that never had a second one, and a single-threaded program would take it. */
uint64_t copies_run(const struct load *load, const struct load_options *options)
{
    if (options->threads == 1 || !load->private_threads)
        return load->run(options);
    size_t bytes = options->threads * sizeof(struct copy);
    struct copy *copies = books_take(bytes);
    uint64_t sum = 0;
    for (unsigned i = 0; i < options->threads; i++) {
        copies[i] = (struct copy){.load = load, .options = *options};
        copies[i].options.seed += i;
        thread_start(&copies[i].thread, copy_body, &copies[i]);
    }
    for (unsigned i = 0; i < options->threads; i++) {
        pthread_join(copies[i].thread, NULL);
        sum += copies[i].sum;
    }
    books_give(copies, bytes);
    return sum;
}
