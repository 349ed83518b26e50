/* Huge pages behind heaps, of MiB of small blocks. Variants, by the option thp:
 *
 * auto: a small heap has none, whatever the system's setting is; a big one has them behind most of what it grew by,
 * in the break and in mappings, and no more memory for it; freed, they are given back.
 *
 * sparse: none behind blocks of which little is touched. never: none, however big. always: a small heap has some. */
#include "support/check.h"
#include "support/process.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { block_bytes = 1000, small_mib = 24, middle_mib = 96, big_mib = 200 };
static const size_t mib = 1 << 20;

static size_t huge_page_kib(void) {
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    size_t kib = 0;
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "AnonHugePages: %zu", &kib) != 1) continue;
    fclose(file);
    return kib;
}

/* Whether Linux gives any here, on advice: containers and kernels differ. */
static bool are_there_any(void) {
    size_t size = 8 * mib, before_kib = huge_page_kib();
    char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    bool advised = madvise(pages, size, MADV_HUGEPAGE) == 0;
    memset(pages, 1, size);
    bool any = advised && huge_page_kib() > before_kib;
    munmap(pages, size);
    return any;
}

static char **blocks;
static size_t block_count;

static void grow_to(size_t size_mib) {
    for (; block_count < size_mib * mib / block_bytes; block_count++) {
        blocks[block_count] = malloc(block_bytes);
        CHECK(blocks[block_count] != NULL);
        memset(blocks[block_count], 1, block_bytes);
    }
}

static void expect_huge_pages(size_t size_mib) {
    size_t kib = huge_page_kib(), least_kib = (size_mib - 40) * 1024 * 3 / 4;
    CHECKF(kib >= least_kib, "only %zu KiB of huge pages for %zu MiB", kib, size_mib);
    CHECKF(process_resident_bytes() < (size_mib + 2) * mib * 21 / 20, "%zu MiB resident of %zu",
           process_resident_bytes() / mib, size_mib);
}

static void run_auto(void) {
    grow_to(small_mib);
    CHECKF(huge_page_kib() == 0, "%zu KiB of huge pages for %d MiB", huge_page_kib(), small_mib);
    grow_to(middle_mib);
    expect_huge_pages(middle_mib);
    grow_to(big_mib);
    expect_huge_pages(big_mib);
    for (size_t i = 0; i < block_count; i++) free(blocks[i]);
    malloc_trim(0);
    CHECKF(process_resident_bytes() < small_mib * mib, "%zu MiB stay resident", process_resident_bytes() / mib);
}

/* Large blocks of which a page is touched. */
static void run_sparse(void) {
    for (size_t i = 0; i < big_mib * 4; i++) {
        char *block = malloc(mib / 4);
        CHECK(block != NULL);
        block[0] = 1;
    }
    CHECKF(huge_page_kib() == 0, "%zu KiB of huge pages", huge_page_kib());
}

static void run_always(void) {
    grow_to(small_mib);
    CHECKF(huge_page_kib() >= small_mib * 1024 / 2, "only %zu KiB of huge pages", huge_page_kib());
}

static void run_never(void) {
    grow_to(big_mib);
    CHECKF(huge_page_kib() == 0, "%zu KiB of huge pages", huge_page_kib());
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    process_expect_malloc();
    process_watchdog(120);
    if (!are_there_any()) SKIP("no huge pages on advice here");
    blocks = mmap(NULL, big_mib * mib / block_bytes * sizeof *blocks, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(blocks != MAP_FAILED);
    madvise(blocks, big_mib * mib / block_bytes * sizeof *blocks, MADV_NOHUGEPAGE);
    if (strcmp(argv[1], "auto") == 0)
        run_auto();
    else if (strcmp(argv[1], "sparse") == 0)
        run_sparse();
    else if (strcmp(argv[1], "never") == 0)
        run_never();
    else if (strcmp(argv[1], "always") == 0)
        run_always();
    else
        CHECKF(false, "unknown variant %s", argv[1]);
    return 0;
}
