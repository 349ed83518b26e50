/* What the end of a big arena costs, beside munmap of as much memory: ./acre-bench-arena-end MIB
 *
 * Small pages for both. An arena of MIB mebibytes of blocks of 16 to 1024 bytes, each written to, and destroyed;
 * then one mapping of as many bytes as the arena held, touched page by page, and unmapped. Prints wall, user and
 * system time of each end in microseconds. */
#include <acre/acre.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

struct times {
    double wall_us, user_us, system_us;
};

static double in_us(struct timeval time) { return (double)time.tv_sec * 1e6 + (double)time.tv_usec; }

static struct times now(void) {
    struct timespec clock;
    struct rusage usage;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    getrusage(RUSAGE_SELF, &usage);
    return (struct times){(double)clock.tv_sec * 1e6 + (double)clock.tv_nsec / 1e3, in_us(usage.ru_utime),
                          in_us(usage.ru_stime)};
}

static void print_since(const char *name, struct times before) {
    struct times after = now();
    printf("\"%s\": {\"wall_us\": %.1f, \"user_us\": %.1f, \"system_us\": %.1f}", name,
           after.wall_us - before.wall_us, after.user_us - before.user_us, after.system_us - before.system_us);
}

static size_t fill(acre_arena *arena, size_t size_bytes) {
    uint64_t random = 1;
    for (size_t done = 0, bytes; done < size_bytes; done += bytes) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes = 16 + (size_t)((random >> 33) % 1009);
        char *block = acre_arena_malloc(arena, bytes);
        if (block == NULL) exit(1);
        memset(block, 1, bytes);
    }
    struct acre_arena_figures figures;
    acre_arena_stats(arena, &figures);
    return figures.held_bytes;
}

int main(int count, char **arguments) {
    long mib = count == 2 ? atol(arguments[1]) : 0;
    if (mib < 1) {
        fprintf(stderr, "usage: %s MIB\n", arguments[0]);
        return 2;
    }
    acre_arena *arena = acre_arena_create(&(struct acre_arena_options){.thp = ACRE_THP_NEVER});
    if (arena == NULL) return 1;
    size_t held_bytes = fill(arena, (size_t)mib << 20);
    struct times before = now();
    acre_arena_destroy(arena);
    printf("{");
    print_since("arena", before);
    char *mapping = mmap(NULL, held_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return 1;
    madvise(mapping, held_bytes, MADV_NOHUGEPAGE);
    for (size_t offset = 0; offset < held_bytes; offset += 4096) mapping[offset] = 1;
    before = now();
    munmap(mapping, held_bytes);
    printf(", ");
    print_since("munmap", before);
    printf(", \"held_mib\": %zu}\n", held_bytes >> 20);
    return 0;
}
