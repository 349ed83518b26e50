/* Which pages are in memory, as a line: # is, . is not. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static inline void show_pages(const char *title, void *start, size_t pages) {
    unsigned char there[256];
    size_t count = 0;
    if (pages > sizeof there || mincore(start, pages * (size_t)sysconf(_SC_PAGESIZE), there) != 0) {
        printf("%-14s not mapped\n", title);
        return;
    }
    printf("%-14s ", title);
    for (size_t i = 0; i < pages; i++) {
        putchar(there[i] & 1 ? '#' : '.');
        count += there[i] & 1;
    }
    printf("  %zu of %zu pages in memory\n", count, pages);
}
