/* The load that steady.sh watches with strace, between two marker system calls: write(-1, "marker N", 8), which
 * fails and does nothing.
 *   steady  one million malloc/free pairs of mixed small sizes, after a warm-up of the same
 *   none    nothing between the markers
 *   work    blocks of all kinds from every source, huge ones resized: every allocator system call there is */
#include "support/check.h"
#include "support/process.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { window = 2000 };
static void *blocks[window];

static void mark(const char *text) {
    if (write(-1, text, 8) != -1) _exit(97);
}

/* A window of live blocks; each step frees one and takes another: one pair. */
static void run_pairs(uint64_t *random, int pairs) {
    for (int i = 0; i < pairs; i++) {
        unsigned slot = (unsigned)(process_random(random) % window);
        free(blocks[slot]);
        /* The sizes follow the slot, so that the live set stays the same: that is what steady means. */
        blocks[slot] = malloc(16 + slot * 7 % 1000);
        CHECK(blocks[slot] != NULL);
        memset(blocks[slot], 1, 16);
    }
}

static void run_steady(void) {
    uint64_t random = 5;
    run_pairs(&random, 1000000);
    mark("marker 1");
    run_pairs(&random, 1000000);
    mark("marker 2");
}

static void work(void) {
    enum { count = 30000 };
    static void *many[count];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < count; i++) {
            many[i] = malloc(16 + (size_t)i % 3000);
            CHECK(many[i] != NULL);
            memset(many[i], 1, 16 + (size_t)i % 3000);
        }
        for (int i = 0; i < count; i++) free(many[i]);
    }
    for (size_t size = 100000; size < ((size_t)40 << 20); size = size * 3 / 2) {
        void *block = malloc(size);
        CHECK(block != NULL);
        block = realloc(block, size * 2);
        CHECK(block != NULL);
        free(block);
        free(memalign(1 << 21, size));
    }
    malloc_trim(0);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    process_expect_malloc();
    if (strcmp(argv[1], "steady") == 0) {
        run_steady();
        return 0;
    }
    free(malloc(100)); /* start-up of the library is before the first marker */
    mark("marker 1");
    if (strcmp(argv[1], "work") == 0) work();
    else CHECK(strcmp(argv[1], "none") == 0);
    mark("marker 2");
    return 0;
}
