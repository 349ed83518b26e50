#include "support/exchange.h"

#include "support/check.h"
#include "support/process.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { place_count = 20000, short_steps = 2000, least_bytes = 100, more_bytes = 900 };

static _Atomic(uint64_t *) places[place_count];
_Atomic bool exchange_is_over;

static void check_and_free(uint64_t *block, uint64_t place) {
    if (block != NULL) CHECK(block[0] == place && block[1] == place);
    free(block);
}

static void exchange(uint64_t *random, int steps) {
    for (int i = 0; i < steps; i++) {
        uint64_t place = process_random(random) % place_count;
        uint64_t *block = NULL;
        if (process_random(random) % 3 != 0) block = malloc(least_bytes + process_random(random) % more_bytes);
        if (block != NULL) block[0] = block[1] = place;
        check_and_free(atomic_exchange(&places[place], block), place);
    }
}

void *exchange_steadily(void *number) {
    uint64_t random = (uintptr_t)number + 1;
    while (!exchange_is_over) exchange(&random, 500);
    return NULL;
}

static void *exchange_shortly(void *number) {
    uint64_t random = (uintptr_t)number + 100;
    exchange(&random, short_steps);
    return NULL;
}

void *exchange_in_short_lives(void *number) {
    for (uintptr_t i = (uintptr_t)number; !exchange_is_over; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, exchange_shortly, (void *)i) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

void *exchange_free_all(void *unused) {
    (void)unused;
    for (uint64_t place = 0; place < place_count; place++) check_and_free(places[place], place);
    return NULL;
}
