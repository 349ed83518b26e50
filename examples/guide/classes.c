/* Size classes: what is asked for is rounded up to one of a few sizes. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    size_t last = 0;
    printf("up to:");
    for (size_t asked = 1; asked <= 1024; asked++) {
        void *block = malloc(asked);
        if (malloc_usable_size(block) != last) {
            last = malloc_usable_size(block);
            printf(" %zu", last);
        }
        free(block);
    }
    putchar('\n');
    for (int i = 0; i < 3000; i++) {
        *(char *)malloc(i % 3 == 0 ? 20 : i % 3 == 1 ? 100 : 1000) = 'x';
    }
    printf("and now 3,000 blocks of 20, 100 and 1,000 bytes\n");
    fflush(stdout);
    pause();
    return 0;
}
