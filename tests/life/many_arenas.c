/* Many small arenas: what they cost empty, and with ten blocks of ten sizes in each, resident, in address space and
 * in mappings. */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { arena_count = 10000, block_count = 10 };
/* The most that they may cost; where pages are of 4 KiB. */
static const size_t empty_bytes = 4096, filled_bytes = (size_t)500 << 20;
enum { mappings_most = 1000 };
static const size_t sizes[block_count] = {16, 32, 48, 64, 100, 150, 200, 300, 500, 1000};

static unsigned count_mappings(void) {
    char text[4096];
    unsigned lines = 0;
    ssize_t got;
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    while ((got = read(file, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < got; i++) lines += text[i] == '\n';
    }
    close(file);
    return lines;
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void say(const char *when, size_t resident_before, double since_s) {
    printf("%-24s resident %7zu KiB more, address space %8zu KiB, mappings %5u, %.3f s\n", when,
           (process_resident_bytes() - resident_before) / 1024, process_address_space_bytes() / 1024,
           count_mappings(), now_s() - since_s);
}

static void expect_at_most(size_t resident_before, size_t most_bytes) {
    size_t bytes = process_resident_bytes() - resident_before;
    unsigned mappings = count_mappings();
    if (sysconf(_SC_PAGESIZE) == 4096) CHECKF(bytes <= most_bytes, "%zu bytes are resident", bytes);
    CHECKF(mappings <= mappings_most, "%u mappings", mappings);
}

struct cell {
    acre_arena *arena;
    unsigned char *blocks[block_count];
};

static void make(struct cell *cell) { CHECK((cell->arena = acre_arena_create(NULL)) != NULL); }

static void fill(struct cell *cell, int number) {
    for (int i = 0; i < block_count; i++) {
        CHECK((cell->blocks[i] = acre_arena_malloc(cell->arena, sizes[i])) != NULL);
        memset(cell->blocks[i], number + i, sizes[i]);
    }
}

static void check(const struct cell *cell, int number) {
    for (int i = 0; i < block_count; i++) {
        const unsigned char *block = cell->blocks[i];
        CHECK(block[0] == (unsigned char)(number + i) && memcmp(block, block + 1, sizes[i] - 1) == 0);
    }
}

int main(void) {
    size_t cells_bytes = sizeof(struct cell) * arena_count;
    process_expect_malloc();
    process_watchdog(280);
    struct cell *cells =
        mmap(NULL, cells_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(cells != MAP_FAILED);
    free(malloc(100));
    size_t resident_bytes = process_resident_bytes();
    say("before", resident_bytes, now_s());
    double from_s = now_s();
    for (int i = 0; i < arena_count; i++) make(&cells[i]);
    say("10,000 arenas, empty", resident_bytes, from_s);
    expect_at_most(resident_bytes, arena_count * empty_bytes);
    from_s = now_s();
    for (int i = 0; i < arena_count; i++) fill(&cells[i], i);
    say("filled", resident_bytes, from_s);
    expect_at_most(resident_bytes, filled_bytes);
    for (int i = 0; i < arena_count; i++) check(&cells[i], i);
    from_s = now_s();
    for (int i = 0; i < arena_count; i++) acre_arena_destroy(cells[i].arena);
    say("all destroyed", resident_bytes, from_s);
    acre_release();
    say("and released", resident_bytes, from_s);
    return 0;
}
