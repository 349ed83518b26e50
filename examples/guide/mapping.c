/* A mapping: pages come when they are touched, and any of them can go. */
#include "pages.h"

#include <string.h>

int main(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 32 * page;
    char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        return 1;
    }
    madvise(start, bytes, MADV_NOHUGEPAGE);
    show_pages("mapped", start, 32);
    for (size_t i = 0; i < 32; i += 4) {
        start[i * page] = 'x';
    }
    show_pages("8 bytes", start, 32);
    memset(start, 'x', bytes);
    show_pages("all bytes", start, 32);
    madvise(start + 8 * page, 16 * page, MADV_DONTNEED);
    show_pages("advice", start, 32);
    munmap(start + 16 * page, 16 * page);
    show_pages("half of it", start, 16);
    show_pages("the other half", start + 16 * page, 16);
    return 0;
}
