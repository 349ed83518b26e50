/* A process with much that is free and is not to go back by itself, for trim.py. With "alone" it has no thread, and
 * so little that nobody is there to be asked. Prints "ready" and waits. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

enum { BLOCKS = 100000, BYTES = 1000, STAYS = 100 };

static void *wait_for_ever(void *unused) {
    pause();
    return unused;
}

int main(int count, char **arguments) {
    static char *blocks[BLOCKS];
    int wanted = BLOCKS;
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (count > 1 && strcmp(arguments[1], "alone") == 0)
        wanted = STAYS;
    else if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
        return 1;
    for (int i = 0; i < wanted; i++) {
        blocks[i] = malloc(BYTES);
        if (blocks[i] == NULL) return 1;
        memset(blocks[i], i % 251, BYTES);
    }
    for (int i = 0; i < wanted; i++)
        if (i % STAYS != 0) free(blocks[i]);
    puts("ready");
    fflush(stdout);
    /* What stayed is whole afterwards. */
    getchar();
    for (int i = 0; i < wanted; i += STAYS)
        for (int k = 0; k < BYTES; k++)
            if (blocks[i][k] != (char)(i % 251)) return 1;
    return 0;
}
