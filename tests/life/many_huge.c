/* 200,000 huge blocks at once, freed and taken in turn: the process has few mappings all the time, of which Linux
 * allows 65,530 (vm.max_map_count), and loses no addresses. */
#include "support/check.h"
#include "support/process.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { COUNT = 200000, MAPPINGS_MOST = 20000 };
static const size_t block_bytes = 600 << 10;
static char *blocks[COUNT];

static size_t count_mappings(void) {
    FILE *file = fopen("/proc/self/maps", "r");
    size_t lines = 0;
    CHECK(file != NULL);
    for (int letter; (letter = getc(file)) != EOF;) lines += letter == '\n';
    fclose(file);
    return lines;
}

static size_t address_space_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    CHECK(file != NULL && fscanf(file, "%zu", &pages) == 1);
    fclose(file);
    return pages * 4096;
}

static void check_mappings(const char *when) {
    size_t mappings = count_mappings();
    CHECKF(mappings <= MAPPINGS_MOST, "%zu mappings %s", mappings, when);
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECKF(page != MAP_FAILED, "no mapping can be had %s", when);
    munmap(page, 4096);
}

/* Only its ends are written to: so many whole blocks would be more than a machine has. */
static void take(size_t number, bool zeroed) {
    char *block = zeroed ? calloc(1, block_bytes) : malloc(block_bytes);
    if (block == NULL && number < 1000) SKIP("no address space for so much here");
    CHECKF(block != NULL, "block %zu", number);
    if (zeroed) CHECK(block[0] == 0 && block[block_bytes - 1] == 0);
    if (number % 16 == 0) block[0] = block[block_bytes - 1] = 1;
    blocks[number] = block;
}

static void give(size_t number) {
    if (blocks[number] != NULL && number % 16 == 0)
        CHECK(blocks[number][0] == 1 && blocks[number][block_bytes - 1] == 1);
    free(blocks[number]);
    blocks[number] = NULL;
}

static void *shrink_or_grow(char *block, size_t size_bytes) {
    char *again = realloc(block, size_bytes);
    CHECK(again != NULL);
    return again;
}

int main(void) {
    uint64_t random = 1;
    size_t start_bytes = address_space_bytes();
    process_expect_malloc();
    process_watchdog(120);
    for (size_t i = 0; i < COUNT; i++) take(i, false);
    check_mappings("with all of them");
    for (size_t i = 0; i < COUNT; i += 2) give(i);
    check_mappings("when every second one is free");
    for (size_t i = 0; i < COUNT; i += 2) take(i, true);
    check_mappings("with all of them again");
    for (size_t i = 0; i < COUNT; i++) give(process_random(&random) % COUNT);
    check_mappings("when some are free");
    for (size_t i = 1; i < COUNT; i += 8) {
        if (blocks[i] == NULL) continue;
        blocks[i] = shrink_or_grow(blocks[i], block_bytes - 20000);
        blocks[i] = shrink_or_grow(blocks[i], block_bytes);
    }
    check_mappings("after realloc");
    for (size_t i = 0; i < COUNT; i++) give(i);
    check_mappings("without any");
    free(malloc(1 << 20));
    size_t left_bytes = address_space_bytes() - start_bytes;
    CHECKF(left_bytes < (size_t)1 << 30, "%zu MiB of addresses are left", left_bytes >> 20);
    return 0;
}
