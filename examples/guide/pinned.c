/* The top of the program break is pinned: what is free below cannot go by it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 120 };

static size_t size_of(int i) { return (size_t)(36 + i * 7 % 60) << 10; }

int main(void) {
    static char *blocks[BLOCKS];
    size_t live_bytes = 0, all_bytes = 0;
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(size_of(i));
        if (blocks[i] == NULL) {
            return 1;
        }
        all_bytes += size_of(i);
        memset(blocks[i], 'x', size_of(i));
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (i % 6 == 3) {
            free(blocks[i]);
        } else {
            live_bytes += size_of(i);
        }
    }
    printf("%zu of %zu KiB are live, the last block among them\n", live_bytes >> 10, all_bytes >> 10);
    fflush(stdout);
    pause();
    return 0;
}
