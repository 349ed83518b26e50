/* Huge blocks have a mapping of their own. Variants:
 *   off   huge_cache:off: mapped by malloc, unmapped by free at once, as /proc/self/maps says
 *   on    the cache is bounded: of many freed huge blocks most resident memory is back at once
 *   many  thousands of huge blocks with one page touched stay small (huge pages would make gigabytes of them)
 *   grow  realloc of a huge block moves pages, it does not copy them: resident memory never holds both */
#include "support/check.h"
#include "support/process.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const size_t mib = 1 << 20;

static void run_off(void) {
    for (size_t size = 4 * mib; size <= 64 * mib; size *= 2) {
        char *block = malloc(size);
        CHECK(block != NULL);
        memset(block, 1, size);
        CHECK(process_is_mapped(block) && process_is_mapped(block + size - 1));
        size_t before_bytes = process_address_space_bytes();
        free(block);
        CHECKF(!process_is_mapped(block) && !process_is_mapped(block + size / 2), "%zu bytes stay mapped", size);
        CHECKF(process_address_space_bytes() + size <= before_bytes, "address space fell by less than %zu", size);
        block = memalign(8 * mib, size);
        CHECK(block != NULL && (uintptr_t)block % (8 * mib) == 0);
        block[0] = block[size - 1] = 1;
        free(block);
        CHECK(!process_is_mapped(block));
    }
}

static void run_on(void) {
    enum { count = 64 };
    char *blocks[count];
    size_t start_bytes = process_resident_bytes();
    for (int i = 0; i < count; i++) {
        blocks[i] = malloc(4 * mib);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], i, 4 * mib);
    }
    CHECK(process_resident_bytes() >= start_bytes + count * 4 * mib * 9 / 10);
    for (int i = 0; i < count; i++) free(blocks[i]);
    size_t end_bytes = process_resident_bytes();
    CHECKF(end_bytes <= start_bytes + count * 4 * mib / 2, "%zu MiB stay resident", (end_bytes - start_bytes) / mib);
    malloc_trim(0); /* the cache is part of what a trim gives back */
    end_bytes = process_resident_bytes();
    CHECKF(end_bytes <= start_bytes + 8 * mib, "%zu MiB stay after malloc_trim", (end_bytes - start_bytes) / mib);
}

static void run_many(void) {
    enum { count = 3000 };
    static char *blocks[count];
    size_t start_bytes = process_resident_bytes();
    for (int i = 0; i < count; i++) {
        blocks[i] = malloc(2 * mib + 5000);
        CHECK(blocks[i] != NULL);
        blocks[i][mib] = (char)i;
    }
    size_t grown_bytes = process_resident_bytes() - start_bytes;
    CHECKF(grown_bytes < count * (size_t)40000, "%zu MiB resident for %d pages", grown_bytes / mib, count);
    for (int i = 0; i < count; i++) {
        CHECK(blocks[i][mib] == (char)i && blocks[i][mib + 1] == 0);
        free(blocks[i]);
    }
}

static void run_grow(void) {
    size_t size = 4 * mib;
    unsigned char *block = malloc(size);
    CHECK(block != NULL);
    memset(block, 4, size);
    while (size < 128 * mib) {
        block = realloc(block, size * 2);
        CHECK(block != NULL);
        for (size_t i = 0; i < size; i += 4096) CHECK(block[i] == 4);
        memset(block + size, 4, size);
        size *= 2;
    }
    /* Above it lie only neighbours: growing by a page at a time must not be quadratic in copying. */
    for (int i = 0; i < 200; i++) {
        size += 65536;
        block = realloc(block, size);
        CHECK(block != NULL);
        block[size - 1] = 5;
    }
    CHECKF(process_resident_bytes() < size * 3 / 2, "%zu MiB resident for a block of %zu",
           process_resident_bytes() / mib, size / mib);
    while (size > 8 * mib) {
        size /= 2;
        block = realloc(block, size);
        CHECK(block != NULL && block[0] == 4 && block[size / 2 / 4096 * 4096] == 4);
    }
    CHECKF(process_resident_bytes() < 32 * mib, "%zu MiB resident after shrinking", process_resident_bytes() / mib);
    free(block);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    process_expect_malloc();
    process_watchdog(120);
    if (strcmp(argv[1], "off") == 0) run_off();
    else if (strcmp(argv[1], "on") == 0) run_on();
    else if (strcmp(argv[1], "many") == 0) run_many();
    else if (strcmp(argv[1], "grow") == 0) run_grow();
    else CHECKF(false, "unknown variant %s", argv[1]);
    return 0;
}
