/* What is free goes back to Linux a little later, also while the program sleeps: `giving_back SECONDS`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 500000, BLOCK_BYTES = 100, STAYS = 400 };

static void tell(const char *when) {
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%*d %ld", &pages) != 1) {
        exit(1);
    }
    fclose(statm);
    printf("%-18s %2ld MiB in memory\n", when, pages * sysconf(_SC_PAGESIZE) >> 20);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        if (blocks[i] == NULL) {
            return 1;
        }
        memset(blocks[i], 'x', BLOCK_BYTES);
    }
    tell("500,000 blocks:");
    for (int i = 0; i < BLOCKS; i++) {
        if (i % STAYS != 0) {
            free(blocks[i]);
        }
    }
    tell("1,250 left:");
    sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 2);
    tell("when it wakes up:");
    return 0;
}
