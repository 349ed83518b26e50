/* Other code and the program break. No memory may be lost or overlap, whatever that code does.
 *   up-down     it calls sbrk up and, on its own part, down between mallocs
 *   stepped     it takes a little after every few mallocs, so that acre's part is full of gaps
 *   neighbour   a foreign mapping stands right above the break: blocks must come from elsewhere
 *   forbidden   RLIMIT_DATA forbids growth: NULL and ENOMEM, and all is well when the limit is lifted
 *   threads     threads allocate, then their memory meets a program that moves the break */
#include "support/check.h"
#include "support/process.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { block_count = 3000, part_count = 400 };

struct part {
    unsigned char *start;
    size_t length_bytes;
    unsigned char mark;
};

static struct part blocks[block_count], parts[part_count];
static int parts_used;

static void paint(struct part *part, unsigned mark) {
    part->mark = (unsigned char)mark;
    memset(part->start, part->mark, part->length_bytes);
}

static void expect_paint(const struct part *part, const char *what) {
    for (size_t i = 0; i < part->length_bytes; i++)
        CHECKF(part->start[i] == part->mark, "%s %p of %zu bytes: byte %zu", what, (void *)part->start,
               part->length_bytes, i);
}

static void change_block(uint64_t *random) {
    struct part *block = &blocks[process_random(random) % block_count];
    if (block->start != NULL) {
        expect_paint(block, "block");
        free(block->start);
    }
    block->length_bytes = 1 + process_random(random) % (process_random(random) % 64 == 0 ? 200000 : 2000);
    block->start = malloc(block->length_bytes);
    CHECK(block->start != NULL);
    for (int i = 0; i < parts_used; i++) /* by address too, not only by content */
        CHECK(block->start + block->length_bytes <= parts[i].start ||
              block->start >= parts[i].start + parts[i].length_bytes);
    paint(block, (unsigned)process_random(random));
}

static bool take_part(uint64_t *random, size_t most_bytes) {
    if (parts_used == part_count) return false;
    struct part *part = &parts[parts_used];
    part->length_bytes = 1 + process_random(random) % most_bytes;
    void *start = sbrk((intptr_t)part->length_bytes);
    CHECK(start != (void *)-1);
    part->start = start;
    for (int i = 0; i < block_count; i++)
        CHECK(blocks[i].start == NULL || blocks[i].start + blocks[i].length_bytes <= part->start ||
              blocks[i].start >= part->start + part->length_bytes);
    paint(part, 0xf0u + (unsigned)parts_used % 16);
    parts_used++;
    return true;
}

/* Gives the last part back, but only while it is the top: what lies above would not be ours. */
static void give_part_back(void) {
    if (parts_used == 0) return;
    struct part *part = &parts[parts_used - 1];
    expect_paint(part, "sbrk part");
    if ((unsigned char *)sbrk(0) != part->start + part->length_bytes) return;
    CHECK(sbrk(-(intptr_t)part->length_bytes) != (void *)-1);
    parts_used--;
}

static void check_and_free_all(void) {
    for (int i = 0; i < parts_used; i++) expect_paint(&parts[i], "sbrk part");
    for (int i = 0; i < block_count; i++) {
        if (blocks[i].start == NULL) continue;
        expect_paint(&blocks[i], "block");
        free(blocks[i].start);
        blocks[i].start = NULL;
    }
    for (int i = 0; i < parts_used; i++) expect_paint(&parts[i], "sbrk part"); /* not lowered away by the frees */
}

static void run_up_down(int rounds) {
    uint64_t random = 11;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < 300; i++) change_block(&random);
        if (process_random(&random) % 2) take_part(&random, 300000);
        else give_part_back();
        if (round % 50 == 49) check_and_free_all(); /* acre would lower the break here */
    }
    check_and_free_all();
    while (parts_used > 0) { /* all of it may be ours to give back now, or not */
        int before = parts_used;
        give_part_back();
        if (parts_used == before) break;
    }
    for (int i = 0; i < 3000; i++) change_block(&random);
    check_and_free_all();
}

static void run_stepped(void) {
    uint64_t random = 13;
    for (int step = 0; step < part_count; step++) {
        for (int i = 0; i < 40; i++) change_block(&random);
        CHECK(take_part(&random, 100));
    }
    check_and_free_all();
    for (int i = 0; i < 10000; i++) change_block(&random);
    check_and_free_all();
}

/* The nearest page above the break is taken by someone else, for good. */
static void *block_the_break(void) {
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t above = ((uintptr_t)sbrk(0) + page_bytes - 1) / page_bytes * page_bytes;
    void *wall = mmap((void *)above, page_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECKF(wall == (void *)above, "no wall at %p: errno %d", (void *)above, errno);
    memset(wall, 0x99, page_bytes);
    CHECK(sbrk((intptr_t)page_bytes * 2) == (void *)-1); /* it does stand in the way */
    return wall;
}

static void run_neighbour(void) {
    enum { count = 40000 };
    static unsigned char *small[count];
    char *before = malloc(100);
    CHECK(before != NULL);
    strcpy(before, "from before the wall");
    void *wall = block_the_break();
    for (int i = 0; i < count; i++) { /* 40 MiB: more than any stock that acre holds */
        size_t size = 500 + (size_t)i % 1000;
        small[i] = malloc(size);
        CHECKF(small[i] != NULL, "block %d, errno %d", i, errno);
        memset(small[i], i & 0xff, size);
    }
    unsigned char *huge = calloc(1, 20 << 20), *large = malloc(300000);
    CHECK(huge != NULL && large != NULL && huge[20 << 19] == 0);
    for (int i = 0; i < count; i++) {
        size_t size = 500 + (size_t)i % 1000;
        CHECK(small[i][0] == (i & 0xff) && small[i][size - 1] == (i & 0xff));
        free(small[i]);
    }
    free(huge), free(large);
    CHECK(strcmp(before, "from before the wall") == 0);
    free(before);
    for (int i = 0; i < 100; i++) CHECK(((unsigned char *)wall)[i] == 0x99);
    uint64_t random = 17;
    for (int i = 0; i < 10000; i++) change_block(&random);
    check_and_free_all();
}

static void run_forbidden(void) {
    struct rlimit old;
    CHECK(getrlimit(RLIMIT_DATA, &old) == 0);
    char *before = strdup("from before the limit");
    /* A little more than is used: since Linux 4.7 it limits the break and private mappings together. */
    struct rlimit tight = {process_data_bytes() + (1 << 20), old.rlim_max};
    CHECK(setrlimit(RLIMIT_DATA, &tight) == 0);
    void **list = NULL, **block;
    size_t total_bytes = 0;
    while ((errno = 0, block = malloc(50000)) != NULL) {
        *block = list;
        list = block;
        total_bytes += 50000;
        CHECKF(total_bytes < (size_t)256 << 20, "the limit is not met");
    }
    CHECKF(errno == ENOMEM, "errno %d", errno);
    errno = 0;
    CHECK(calloc(1, 64 << 20) == NULL && errno == ENOMEM);
    while (list != NULL) {
        void **next = *list;
        free(list);
        list = next;
    }
    CHECK(setrlimit(RLIMIT_DATA, &old) == 0);
    CHECK(strcmp(before, "from before the limit") == 0);
    free(before);
    uint64_t random = 19;
    for (int i = 0; i < 20000; i++) change_block(&random);
    check_and_free_all();
}

static _Atomic bool is_over;

static void *allocate_always(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument;
    struct part own[200] = {0};
    while (!is_over) {
        struct part *block = &own[process_random(&random) % 200];
        if (block->start != NULL) expect_paint(block, "block of a thread");
        free(block->start);
        block->length_bytes = 1 + process_random(&random) % 20000;
        block->start = malloc(block->length_bytes);
        CHECK(block->start != NULL);
        paint(block, (unsigned)random);
    }
    for (int i = 0; i < 200; i++) free(own[i].start);
    return NULL;
}

/* libc's sbrk is not thread-safe, so no correct program moves the break while others allocate: first threads, then
 * sbrk on the heap that they leave. */
static void run_threads(void) {
    pthread_t threads[3];
    for (intptr_t i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, allocate_always, (void *)(i + 1)) == 0);
    uint64_t random = 23;
    for (int round = 0; round < 200; round++)
        for (int i = 0; i < 50; i++) change_block(&random);
    is_over = true;
    for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    run_up_down(60);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    process_expect_malloc();
    process_watchdog(200);
    if (strcmp(argv[1], "up-down") == 0) run_up_down(300);
    else if (strcmp(argv[1], "stepped") == 0) run_stepped();
    else if (strcmp(argv[1], "neighbour") == 0) run_neighbour();
    else if (strcmp(argv[1], "forbidden") == 0) run_forbidden();
    else if (strcmp(argv[1], "threads") == 0) run_threads();
    else CHECKF(false, "unknown variant %s", argv[1]);
    return 0;
}
