/* Threads that free or allocate after their last destructors: what libacre makes for them then is used again when
 * they are gone, also where no two threads have had a stack in the same place. libc            libc itself frees
 * what strerror(3) keeps for the thread key             a destructor of thread-specific data that allocates, and
 * sets itself again each time Options: THREADS. */
#include "support/check.h"
#include "support/process.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { stack_bytes = 64 << 10, first_threads = 50 };
static const size_t more_most_bytes = (size_t)4 << 20;
static pthread_key_t key;
static bool uses_key;

static void keep_on(void *block) {
    free(block);
    pthread_setspecific(key, malloc(100));
}

static void *live(void *unused) {
    void *block = malloc(1000);
    CHECK(block != NULL);
    free(block);
    if (uses_key)
        pthread_setspecific(key, malloc(100));
    else
        CHECK(strerror(9999) != NULL);
    return unused;
}

static void run_one(char *stack) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstack(&attributes, stack, stack_bytes) == 0);
    CHECK(pthread_create(&thread, &attributes, live, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    CHECK(madvise(stack, stack_bytes, MADV_DONTNEED) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    uses_key = strcmp(argv[1], "key") == 0;
    int threads = atoi(argv[2]) / ACRE_TEST_SLOWDOWN;
    size_t before_bytes = 0;
    process_expect_malloc();
    process_watchdog(120);
    CHECK(pthread_key_create(&key, keep_on) == 0);
    char *stacks = mmap(NULL, (size_t)threads * stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(stacks != MAP_FAILED);
    for (int i = 0; i < threads; i++) {
        if (i == first_threads) before_bytes = process_resident_bytes();
        run_one(stacks + (size_t)i * stack_bytes);
    }
    size_t after_bytes = process_resident_bytes();
    printf("%zu KiB resident, %zu KiB after the first %d of %d threads\n", after_bytes >> 10, before_bytes >> 10,
           first_threads, threads);
    CHECKF(after_bytes <= before_bytes + more_most_bytes, "%zu KiB more are resident",
           (after_bytes - before_bytes) >> 10);
    return 0;
}
