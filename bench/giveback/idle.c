/*
 * idle PATTERN: threads build 1 GiB together, of blocks of 16 to 1,024 bytes (each size as likely, all bytes written).
 * When all are done, each frees its own but for the survivors, in the order in which it took them; then all sleep,
 * without a call to the allocator. Which survive: `random`, one block of a hundred; `clustered`, one run of 4,096
 * blocks of a hundred runs; `none`. trim: as `idle random`, but a thread that never took a block calls malloc_trim
 * as soon as all have freed.
 * Stands for: a server after a peak or a batch, which now waits; and one whose caretaker calls malloc_trim. Cannot
 * show: what it costs to take the memory again, nor programs that free a little all the time.
 */
#include "giveback.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_LEAST = 16, SIZE_MOST = 1024, MEAN = (SIZE_LEAST + SIZE_MOST) / 2, RUN = 4096, ONE_OF = 100 };
enum { SEEN_MS = 50 }; /* all blocks stay live for so long, so that whoever watches sees it */
enum pattern { RANDOM, CLUSTERED, NONE };

struct scene {
    const struct giveback_options *options;
    enum pattern pattern;
    int trims, trim_is_own;
    size_t before_bytes; /* resident before anything was built */
    struct part *parts;
    pthread_barrier_t together;
};

struct part { /* a thread's */
    pthread_t thread;
    struct scene *scene;
    struct random random;
    size_t first_run;     /* runs are counted over all threads */
    struct block *blocks; /* the survivors come first, as soon as they are chosen */
    size_t count, survivors;
    size_t built_bytes, live_bytes;
};

/* ---- building and freeing */

static int survives(struct part *part, size_t number)
{
    if (part->scene->pattern == RANDOM)
        return random_below(&part->random, ONE_OF) == 0;
    return part->scene->pattern == CLUSTERED && (part->first_run + number / RUN) % ONE_OF == 0;
}

static void build(struct part *part)
{
    part->blocks = books_take(part->count * sizeof *part->blocks);
    for (size_t i = 0; i < part->count; i++) {
        size_t size = random_between(&part->random, SIZE_LEAST, SIZE_MOST);
        block_take(&part->blocks[i], size, tag_of(size));
        part->built_bytes += size;
    }
}

static void choose(struct part *part)
{
    for (size_t i = 0; i < part->count; i++) {
        if (survives(part, i)) {
            struct block survivor = part->blocks[i];
            part->blocks[i] = part->blocks[part->survivors];
            part->blocks[part->survivors++] = survivor;
            part->live_bytes += survivor.size;
        }
    }
}

static size_t books_left_bytes(const struct part *part)
{
    return pages_round_up(part->survivors * sizeof *part->blocks);
}

/* The table of the freed goes as well: it would be resident under every allocator and hide what it still holds. */
static void free_the_others(struct part *part)
{
    size_t left_bytes = books_left_bytes(part), all_bytes = pages_round_up(part->count * sizeof *part->blocks);
    for (size_t i = part->survivors; i < part->count; i++)
        free(part->blocks[i].bytes);
    if (left_bytes < all_bytes)
        books_give((char *)part->blocks + left_bytes, all_bytes - left_bytes);
}

static void *work(void *argument)
{
    struct part *part = argument;
    pthread_barrier_t *together = &part->scene->together;
    build(part);
    choose(part);
    pthread_barrier_wait(together); /* built */
    pthread_barrier_wait(together); /* counted, by the watcher */
    free_the_others(part);
    pthread_barrier_wait(together); /* freed */
    sleep_until_ms(now_ms() + part->scene->options->idle_ms);
    blocks_check(part->blocks, part->survivors);
    return NULL;
}

/* ---- the watcher: a thread that never takes or frees a block */

static size_t floor_of(const struct scene *scene)
{
    struct page_set set;
    size_t survivors = 0, bytes = scene->before_bytes;
    for (unsigned i = 0; i < scene->options->threads; i++)
        survivors += scene->parts[i].survivors;
    page_set_open(&set, 2 * survivors);
    for (unsigned i = 0; i < scene->options->threads; i++) {
        page_set_add(&set, scene->parts[i].blocks, scene->parts[i].survivors);
        bytes += books_left_bytes(&scene->parts[i]);
    }
    return bytes + page_set_close(&set);
}

static void trim(const struct scene *scene)
{
    uint64_t start_ms = now_ms();
    int returned = malloc_trim(0);
    uint64_t end_ms = now_ms();
    mark(end_ms, "trimmed", "returned=%d own=%d took_ms=%llu", returned, scene->trim_is_own,
         (unsigned long long)(end_ms - start_ms));
}

static void *watch(void *argument)
{
    struct scene *scene = argument;
    size_t built_bytes = 0, live_bytes = 0;
    pthread_barrier_wait(&scene->together); /* built */
    for (unsigned i = 0; i < scene->options->threads; i++) {
        built_bytes += scene->parts[i].built_bytes;
        live_bytes += scene->parts[i].live_bytes;
    }
    uint64_t seen_ms = now_ms() + SEEN_MS;
    size_t floor_bytes = floor_of(scene);
    sleep_until_ms(seen_ms);
    mark(now_ms(), "built", "live_bytes=%zu", built_bytes);
    pthread_barrier_wait(&scene->together); /* counted */
    pthread_barrier_wait(&scene->together); /* freed */
    uint64_t freed_ms = now_ms();
    mark(freed_ms, "freed", "live_bytes=%zu floor_bytes=%zu", live_bytes, floor_bytes);
    if (scene->trims)
        trim(scene);
    sleep_until_ms(freed_ms + scene->options->idle_ms);
    return NULL;
}

/* ---- all of them */

static void play(struct scene *scene)
{
    unsigned threads = scene->options->threads;
    size_t count = scene->options->size_bytes / threads / MEAN + 1;
    pthread_t watcher;
    scene->parts = books_take(threads * sizeof *scene->parts);
    pthread_barrier_init(&scene->together, NULL, threads + 1);
    scene->before_bytes = resident_bytes();
    thread_start(&watcher, watch, scene);
    for (unsigned i = 0; i < threads; i++) {
        scene->parts[i] = (struct part){.scene = scene, .random = {i + 1}, .count = count,
                                        .first_run = i * ((count + RUN - 1) / RUN)};
        thread_start(&scene->parts[i].thread, work, &scene->parts[i]);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(scene->parts[i].thread, NULL);
    pthread_join(watcher, NULL);
}

static enum pattern pattern_of(const char *name)
{
    static const char *const names[] = {"random", "clustered", "none"};
    for (unsigned i = 0; name && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0)
            return (enum pattern)i;
    }
    give_up("idle random, idle clustered, or idle none");
}

void giveback_idle(const struct giveback_options *options)
{
    struct scene scene = {.options = options, .pattern = pattern_of(options->pattern)};
    play(&scene);
}

/* A library without a malloc_trim leaves the C library's in place, which knows nothing of the blocks. */
static int trim_is_own(void)
{
    Dl_info of_malloc, of_trim;
    void *allocate = dlsym(RTLD_DEFAULT, "malloc"), *release = dlsym(RTLD_DEFAULT, "malloc_trim");
    return dladdr(allocate, &of_malloc) && dladdr(release, &of_trim) && of_malloc.dli_fbase == of_trim.dli_fbase;
}

void giveback_trim(const struct giveback_options *options)
{
    struct scene scene = {.options = options, .pattern = RANDOM, .trims = 1, .trim_is_own = trim_is_own()};
    play(&scene);
}
