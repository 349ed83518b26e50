/* Threads that come and go.
 *   short   thousands of short threads; some free what others left behind
 *   rounds  200 threads that each allocate, hand blocks to each other and exit, 100 rounds: resident memory after
 *           round 100 must be within 10 % of that after round 10; prints both */
#include "support/check.h"
#include "support/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { thread_count = 200, round_count = 100, handed_count = 60, kept_count = 100 };

/* ---- short */

static _Atomic(unsigned char *) left_behind[64];

static void *live_shortly(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (int i = 0; i < 30; i++) {
        size_t size = 1 + process_random(&random) % (i == 0 ? 100000 : 500);
        unsigned char *block = malloc(size + 8);
        CHECK(block != NULL);
        memcpy(block, &size, sizeof size);
        memset(block + 8, (int)(size & 0xff), size);
        /* Leave it for a later thread and free what an earlier one left, whose owner is gone by then. */
        unsigned char *old = atomic_exchange(&left_behind[process_random(&random) % 64], block);
        if (old == NULL) continue;
        memcpy(&size, old, sizeof size);
        for (size_t b = 0; b < size; b++) CHECK(old[8 + b] == (size & 0xff));
        free(old);
    }
    return NULL;
}

static void run_short(int total) {
    for (int done = 0; done < total; done += 8) {
        pthread_t threads[8];
        for (int i = 0; i < 8; i++)
            CHECK(pthread_create(&threads[i], NULL, live_shortly, (void *)(intptr_t)(done + i)) == 0);
        for (int i = 0; i < 8; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    }
    for (int i = 0; i < 64; i++) free(left_behind[i]);
}

/* ---- rounds */

static pthread_barrier_t barrier;
static unsigned char **handed; /* thread_count * handed_count */

static size_t some_size(uint64_t *random) {
    uint64_t kind = process_random(random) % 100;
    return 16 + process_random(random) % (kind < 1 ? 100000 : kind < 10 ? 8000 : 400);
}

static unsigned char *make_block(uint64_t *random, int mark) {
    size_t size = some_size(random);
    unsigned char *block = malloc(size);
    CHECK(block != NULL);
    memset(block, mark, size);
    return block;
}

/* Each allocates for the others and for itself, meets them all, frees what its neighbours made, and exits. */
static void *live_one_round(void *argument) {
    int number = (int)(intptr_t)argument;
    uint64_t random = (uint64_t)number * 77;
    unsigned char *own[kept_count];
    for (int i = 0; i < kept_count; i++) own[i] = make_block(&random, number & 0xff);
    for (int i = 0; i < handed_count; i++) handed[number * handed_count + i] = make_block(&random, number & 0xff);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < handed_count; i++) {
        int maker = (number + 1 + i) % thread_count;
        unsigned char *block = handed[maker * handed_count + i];
        CHECK(block[0] == (maker & 0xff) && block[15] == (maker & 0xff));
        free(block);
    }
    for (int i = 0; i < kept_count; i++) {
        CHECK(own[i][0] == (number & 0xff));
        free(own[i]);
    }
    return NULL;
}

static void run_round(pthread_attr_t *attributes) {
    pthread_t threads[thread_count];
    for (intptr_t i = 0; i < thread_count; i++)
        CHECK(pthread_create(&threads[i], attributes, live_one_round, (void *)i) == 0);
    for (int i = 0; i < thread_count; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

/* What waits to be given back is not growth: it has its time first. */
static size_t settled_resident_bytes(void) {
    usleep(1200000); /* a scavenger whose looks are slow looks less often */
    return process_resident_bytes();
}

static void run_rounds(void) {
    handed = calloc((size_t)thread_count * handed_count, sizeof *handed);
    CHECK(handed != NULL);
    CHECK(pthread_barrier_init(&barrier, NULL, thread_count) == 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    /* Small stacks: libc keeps 40 MiB of them, and how much of that is resident is not the allocator's matter. */
    pthread_attr_setstacksize(&attributes, 64 << 10);
    size_t early_bytes = 0, late_bytes = 0;
    for (int round = 1; round <= round_count; round++) {
        run_round(&attributes);
        if (round == 10) early_bytes = settled_resident_bytes();
    }
    late_bytes = settled_resident_bytes();
    printf("resident after round 10: %zu KiB, after round %d: %zu KiB (%+.1f %%)\n", early_bytes / 1024,
           round_count, late_bytes / 1024, ((double)late_bytes / (double)early_bytes - 1) * 100);
    fflush(stdout);
    CHECKF(late_bytes <= early_bytes + early_bytes / 10, "resident memory grew by more than 10 %%");
    free(handed);
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    process_expect_malloc();
    process_watchdog(280);
    if (strcmp(argv[1], "short") == 0)
        run_short(argc > 2 ? atoi(argv[2]) : 8000);
    else if (strcmp(argv[1], "rounds") == 0)
        run_rounds();
    else
        CHECKF(false, "unknown variant %s", argv[1]);
    return 0;
}
