#include "misuse/misuse.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A class of 48 bytes whose frees lie scattered: acre keeps the blocks freed last at hand then. */
static void scatter(void) {
    enum { count = 6000 };
    static void *blocks[count];
    for (int i = 0; i < count; i++) blocks[i] = malloc(48);
    for (int round = 0; round < 4; round++) {
        for (int i = round % 2; i < count; i += 2) free(blocks[i]);
        for (int i = round % 2; i < count; i += 2) blocks[i] = malloc(48);
    }
}

static acre_arena *arena;

static void make_arena(void) {
    arena = acre_arena_create(NULL);
    if (arena == NULL) fail("no arena");
}

/* More than fits the slabs of mixed sizes that an arena begins with. */
static void fill_arena(void) {
    make_arena();
    for (int i = 0; i < 40000; i++) acre_arena_malloc(arena, 48);
}

const struct kind small_kind = {"small", 48, false, NULL, 3000};
const struct kind recent_kind = {"recent", 48, false, scatter, 3000};
const struct kind medium_kind = {"medium", 3000, false, NULL, 300};
const struct kind large_kind = {"large", 200000, false, NULL, 20};
const struct kind huge_kind = {"huge", (size_t)32 << 20, false, NULL, 2};
const struct kind unmapped_kind = {"unmapped", (size_t)200 << 20, false, NULL, 2};
const struct kind mixed_kind = {"arena_mixed", 48, true, make_arena, 3000};
const struct kind arena_small_kind = {"arena_small", 48, true, fill_arena, 3000};
const struct kind arena_medium_kind = {"arena_medium", 6000, true, make_arena, 300};
const struct kind arena_large_kind = {"arena_large", 200000, true, make_arena, 20};
const struct kind arena_huge_kind = {"arena_huge", (size_t)20 << 20, true, make_arena, 2};

const struct kind *kind;

void *take(void) {
    unsigned char *block = kind->in_arena ? acre_arena_malloc(arena, kind->size) : malloc(kind->size);
    if (block == NULL) fail("no memory");
    memset(block, 0x11, kind->size < 4096 ? kind->size : 4096);
    return block;
}

static unsigned char *kept[8];
static unsigned kept_count;

void *take_and_keep(void) { return kept[kept_count++] = take(); }

void look_at_kept(void) {
    size_t length = kind->size < 4096 ? kind->size : 4096;
    for (unsigned i = 0; i < kept_count; i++) {
        if (kept[i][0] != 0x11 || memcmp(kept[i], kept[i] + 1, length - 1) != 0) fail("a live block was lost");
    }
}

void churn(void) {
    static void *blocks[3000];
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < kind->churn; i++) blocks[i] = take();
        for (unsigned i = 0; i < kind->churn; i++) free(blocks[i]);
    }
}

void *hide(void *pointer) {
    void *volatile hidden = pointer;
    return hidden;
}

/* ---- threads */

struct job {
    void (*run)(void *);
    void *argument;
};
static struct {
    pthread_t thread;
    pthread_barrier_t is_done, may_end;
    struct job job;
} later;

static void *run_job(void *argument) {
    const struct job *job = argument;
    job->run(job->argument);
    return NULL;
}

void in_thread(void (*run)(void *), void *argument) {
    struct job job = {run, argument};
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_job, &job) != 0 || pthread_join(thread, NULL) != 0) fail("no thread");
}

static void *run_and_wait(void *unused) {
    (void)unused;
    later.job.run(later.job.argument);
    pthread_barrier_wait(&later.is_done);
    pthread_barrier_wait(&later.may_end);
    return NULL;
}

void start_thread(void (*run)(void *), void *argument) {
    later.job = (struct job){run, argument};
    pthread_barrier_init(&later.is_done, NULL, 2);
    pthread_barrier_init(&later.may_end, NULL, 2);
    if (pthread_create(&later.thread, NULL, run_and_wait, NULL) != 0) fail("no thread");
    pthread_barrier_wait(&later.is_done);
}

void finish(void) {
    if (later.job.run == NULL) return;
    later.job.run = NULL;
    pthread_barrier_wait(&later.may_end);
    pthread_join(later.thread, NULL);
}
