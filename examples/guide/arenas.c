/* Two arenas: what belongs together lies together, and goes together. */
#include <acre/acre.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void fill(acre_arena *arena, int blocks, size_t bytes) {
    for (int i = 0; i < blocks; i++) {
        char *block = acre_arena_malloc(arena, bytes);
        if (block != NULL) {
            memset(block, 'x', bytes);
        }
    }
}

int main(void) {
    acre_arena *pictures = acre_arena_create(&(struct acre_arena_options){.name = "pictures"});
    acre_arena *request =
        acre_arena_create(&(struct acre_arena_options){.name = "request", .limit_bytes = 1 << 20});
    fill(pictures, 10, 300 << 10);
    for (int served = 0; served < 1000; served++) {
        fill(request, 200, 1000);
        acre_arena_reset(request); /* its 200 blocks are gone; the next request takes their place */
    }
    fill(request, 200, 1000);
    printf("1,000 requests served, one is being served\n");
    fflush(stdout);
    pause();
    return 0;
}
