/* Threads that free each other's blocks, of many sizes, while others come and go: what they keep for themselves is to
 * stay small beside what there is. Some 7 MiB live; the most that was resident in a few seconds is bounded. */
#include "support/check.h"
#include "support/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { place_count = 20000, steady_count = 4, line_count = 2, short_steps = 2000, look_count = 300 };
static const size_t most_bytes = (size_t)100 << 20;

static _Atomic(uint64_t *) places[place_count];
static _Atomic bool is_over;

static void exchange(uint64_t *random, int steps) {
    for (int i = 0; i < steps; i++) {
        uint64_t number = process_random(random) % place_count;
        uint64_t *block = process_random(random) % 3 == 0 ? NULL : malloc(100 + process_random(random) % 900);
        if (block != NULL) block[0] = block[1] = number;
        block = atomic_exchange(&places[number], block);
        if (block != NULL) CHECK(block[0] == number && block[1] == number);
        free(block);
    }
}

static void *exchange_steadily(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument + 1;
    while (!is_over) exchange(&random, 500);
    return NULL;
}

static void *exchange_shortly(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument + 100;
    exchange(&random, short_steps);
    return NULL;
}

/* One short life after the other. */
static void *start_line(void *argument) {
    for (uintptr_t i = (uintptr_t)argument; !is_over; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, exchange_shortly, (void *)i) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[steady_count + line_count];
    size_t peak_bytes = 0;
    process_expect_malloc();
    process_watchdog(120);
    for (uintptr_t i = 0; i < steady_count + line_count; i++)
        CHECK(pthread_create(&threads[i], NULL, i < steady_count ? exchange_steadily : start_line,
                             (void *)(i * 1000)) == 0);
    for (int look = 0; look < look_count; look++) {
        usleep(10000);
        size_t resident_bytes = process_resident_bytes();
        if (resident_bytes > peak_bytes) peak_bytes = resident_bytes;
    }
    is_over = true;
    for (int i = 0; i < steady_count + line_count; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    printf("at most %zu MiB resident\n", peak_bytes >> 20);
    fflush(stdout);
    CHECKF(peak_bytes <= most_bytes, "%zu MiB were resident, of which some 7 were live", peak_bytes >> 20);
    for (int i = 0; i < place_count; i++) free(places[i]);
    return 0;
}
