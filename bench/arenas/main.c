/* Arenas that come and go: create, a number of blocks, the end; by one thread, or by several side by side.
 *
 *   ./acre-bench-arenas-NAME BLOCKS LEAST MOST THREADS ROUNDS
 *
 * Each block has LEAST to MOST bytes, by a fixed row of random numbers, and its first byte and last byte are
 * written. Prints the nanoseconds of a block (creation and end spread over them), processor time, peak resident
 * memory. It stands for requests that are served out of an arena each; it cannot show blocks that are freed singly,
 * or arenas that live long. */
#include "backend.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long blocks, rounds;
static size_t least_bytes, most_bytes;

static void one_request(uint64_t *random) {
    void *arena = backend_create();
    if (arena == NULL) {
        fprintf(stderr, "bench: %s: no arena\n", backend_name);
        exit(1);
    }
    for (long block = 0; block < blocks; block++) {
        *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t size_bytes = least_bytes + (size_t)((*random >> 33) % (most_bytes - least_bytes + 1));
        char *start = backend_take(arena, size_bytes);
        if (start == NULL) {
            fprintf(stderr, "bench: %s: no memory\n", backend_name);
            exit(1);
        }
        start[0] = start[size_bytes - 1] = 1;
    }
    backend_end(arena);
}

static void *serve(void *number) {
    uint64_t random = (uint64_t)(uintptr_t)number;
    backend_start();
    for (long round = 0; round < rounds; round++) one_request(&random);
    return NULL;
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int count, char **arguments) {
    enum { THREADS_MOST = 64 };
    pthread_t threads[THREADS_MOST];
    if (count != 6) {
        fprintf(stderr, "usage: %s BLOCKS LEAST MOST THREADS ROUNDS\n", arguments[0]);
        return 2;
    }
    blocks = atol(arguments[1]);
    least_bytes = (size_t)atol(arguments[2]);
    most_bytes = (size_t)atol(arguments[3]);
    long thread_count = atol(arguments[4]);
    rounds = atol(arguments[5]);
    if (blocks < 1 || rounds < 1 || least_bytes < 1 || most_bytes < least_bytes || thread_count < 1 ||
        thread_count > THREADS_MOST) {
        fprintf(stderr, "bench: %s: numbers out of range\n", arguments[0]);
        return 2;
    }
    double start_s = seconds(CLOCK_MONOTONIC), cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (long thread = 1; thread < thread_count; thread++)
        pthread_create(&threads[thread], NULL, serve, (void *)(uintptr_t)(thread + 1));
    serve((void *)(uintptr_t)1);
    for (long thread = 1; thread < thread_count; thread++) pthread_join(threads[thread], NULL);
    double wall_s = seconds(CLOCK_MONOTONIC) - start_s;
    cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    double each = (double)blocks * (double)rounds * (double)thread_count;
    printf("{\"name\": \"%s\", \"frees_blocks\": %d, \"wall_ns\": %.3f, \"cpu_ns\": %.3f}\n",
           backend_name, backend_frees_blocks, wall_s * (double)thread_count * 1e9 / each, cpu_s * 1e9 / each);
    return 0;
}
