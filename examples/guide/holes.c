/* A heap full of holes: of 60,000 blocks every 16th stays, and keeps its page. `holes apart` takes the blocks that
 * stay from an arena of their own. */
#include <acre/acre.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 60000, BLOCK_BYTES = 100, STAYS = 16 };

int main(int argc, char **argv) {
    static char *blocks[BLOCKS];
    bool apart = argc > 1 && strcmp(argv[1], "apart") == 0;
    acre_arena *staying = apart ? acre_arena_create(NULL) : NULL;
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = apart && i % STAYS == 0 ? acre_arena_malloc(staying, BLOCK_BYTES) : malloc(BLOCK_BYTES);
        if (blocks[i] == NULL) {
            return 1;
        }
        memset(blocks[i], 'x', BLOCK_BYTES);
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (i % STAYS != 0) {
            free(blocks[i]);
        }
    }
    printf("%d of %d blocks are left\n", BLOCKS / STAYS, BLOCKS);
    fflush(stdout);
    pause();
    return 0;
}
