/* The program break, moved by hand. Nothing here calls malloc, which would move it, too. */
#include "pages.h"

#include <string.h>
#include <unistd.h>

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0); /* a buffer would come from malloc */
    long page = sysconf(_SC_PAGESIZE);
    char *start = sbrk(0);
    sbrk(32 * page);
    show_pages("32 pages up", start, 32);
    memset(start, 'x', 5 * page);
    show_pages("5 touched", start, 32);
    start[20 * page] = 'x';
    show_pages("1 byte more", start, 32);
    sbrk(-16 * page);
    show_pages("16 pages down", start, 16);
    return 0;
}
