/* Threads with the smallest stack that POSIX allows: the allocator's slow paths must fit in it, at the thread's
 * first allocation, for every kind of block, and at its exit. */
#include "support/check.h"
#include "support/process.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *allocate_everything(void *argument) {
    (void)argument;
    void *chain = NULL; /* blocks hold the list: an array on this stack would use it up */
    for (size_t size = 16; size <= (size_t)(2 << 20); size += size / 2) {
        for (int i = 0; i < 20; i++) {
            void **block = i % 4 == 0 ? calloc(1, size) : i % 4 == 1 ? memalign(128, size) : malloc(size);
            CHECK(block != NULL);
            if (i % 4 == 3) block = realloc(block, size * 2);
            CHECK(block != NULL);
            *block = chain;
            chain = block;
        }
    }
    while (chain != NULL) {
        void *next = *(void **)chain;
        free(chain);
        chain = next;
    }
    malloc_trim(0);
    return NULL;
}

int main(void) {
    process_expect_malloc();
    process_watchdog(120);
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN) == 0);
    for (int round = 0; round < 20; round++) {
        pthread_t threads[8];
        for (int i = 0; i < 8; i++)
            CHECK(pthread_create(&threads[i], &attributes, allocate_everything, NULL) == 0);
        for (int i = 0; i < 8; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    }
    return 0;
}
