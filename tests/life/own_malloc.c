/* An executable that defines malloc itself. The program's malloc must win over a preloaded acre, and what libc
 * makes with it (strdup, realpath, getline) must come from the program's, not from another heap: an allocator that
 * also replaced strdup would hand out blocks that the program's free does not know. */
#include "support/check.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { heap_bytes = 64 << 20 };
static char *heap;
static size_t used_bytes;
static unsigned long foreign_frees, calls;

/* A bump allocator that never reuses; the size is kept in front of the block. */
void *malloc(size_t size) {
    if (heap == NULL) {
        heap = mmap(NULL, heap_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (heap == MAP_FAILED) _exit(90);
    }
    size_t total = (size + 31) / 16 * 16;
    if (size > heap_bytes || total > heap_bytes - used_bytes) {
        errno = ENOMEM;
        return NULL;
    }
    char *start = heap + used_bytes;
    used_bytes += total;
    calls++;
    *(size_t *)(void *)start = size;
    return start + 16;
}

static bool is_own(const void *block) {
    return heap != NULL && (const char *)block >= heap && (const char *)block < heap + heap_bytes;
}

void free(void *block) {
    if (block != NULL && !is_own(block)) foreign_frees++;
}

void *calloc(size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    return malloc(total); /* fresh pages are zero and nothing is reused */
}

void *realloc(void *block, size_t size) {
    if (block == NULL) return malloc(size);
    if (!is_own(block)) foreign_frees++;
    size_t old = ((size_t *)block)[-2];
    void *moved = malloc(size);
    if (moved != NULL) memcpy(moved, block, old < size ? old : size);
    return moved;
}

static void expect_own(const char *what, void *block) {
    CHECKF(block != NULL, "%s", what);
    CHECKF(is_own(block), "%s gave %p, which is not from the program's malloc", what, block);
    free(block);
}

/* A preload that the loader could not find would leave nothing to test. */
static int is_acre(struct dl_phdr_info *object, size_t size, void *found) {
    (void)size;
    if (object->dlpi_name != NULL && strstr(object->dlpi_name, "libacre") != NULL) *(bool *)found = true;
    return 0;
}

int main(void) {
    alarm(60);
    bool is_loaded = false;
    dl_iterate_phdr(is_acre, &is_loaded);
    const char *expected = getenv("ACRE_TEST_EXPECT");
    CHECK(expected == NULL || is_loaded == (strcmp(expected, "acre") == 0));
    expect_own("malloc", malloc(10));
    expect_own("strdup", strdup("text"));
    expect_own("strndup", strndup("text", 2));
    expect_own("realpath", realpath("/", NULL));
    char *line = NULL;
    size_t capacity = 0;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    CHECK(getline(&line, &capacity, file) > 0);
    expect_own("getline", line);
    fclose(file);
    char *text = NULL;
    CHECK(asprintf(&text, "%d", 5) == 1);
    expect_own("asprintf", text);
    expect_own("getcwd", getcwd(NULL, 0));
    void *math = dlopen("libm.so.6", RTLD_NOW); /* the loader allocates with the program's malloc, too */
    CHECK(math != NULL);
    dlclose(math);
    CHECKF(foreign_frees == 0, "%lu blocks of another heap were freed", foreign_frees);
    CHECK(calls > 5);
    puts("ok");
    return 0;
}
