/* A process whose heap has blocks in every state that there is, for heap_format.py: prints which it has and which
 * it has freed, and waits. Linked with acre. */
#include <acre/acre.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SMALL = 6000, OTHERS = 300, BIG = 60 };

static void *small[SMALL], *of_thread[OTHERS], *big[BIG], *in_arena[OTHERS];
static size_t small_bytes(int i) { return 1 + (size_t)i * 37 % 600; }
static size_t big_bytes(int i) { return ((size_t)4 << 10) * (1 + (size_t)i * 7 % 40) + 13; }
static pthread_barrier_t both, at_the_end;

static void *take(void *unused) {
    for (int i = 0; i < OTHERS; i++) of_thread[i] = malloc(112);
    pthread_barrier_wait(&both);
    pthread_barrier_wait(&at_the_end); /* it keeps its slabs */
    return unused;
}

static void fill(void) {
    for (int i = 0; i < SMALL; i++) small[i] = malloc(small_bytes(i));
    for (int i = 0; i < BIG; i++) big[i] = malloc(big_bytes(i));
}

/* Every third stays, in a row that leaves scattered blocks; then some come and go, as recent ones do. */
static void free_some(void) {
    for (int i = 0; i < SMALL; i++)
        if (i % 3 != 0) free(small[i]);
    for (int i = 0; i < BIG; i++)
        if (i % 4 == 0) free(big[i]);
    for (int round = 0; round < 20; round++) {
        void *block[100];
        for (int i = 0; i < 100; i++) block[i] = malloc(64);
        for (int i = 0; i < 100; i++) free(block[i]);
    }
    /* More than an outbox keeps; the last few stay there */
    for (int i = 0; i < OTHERS; i += 2) free(of_thread[i]);
}

static void use_arena(acre_arena *arena) {
    for (int i = 0; i < OTHERS; i++) in_arena[i] = acre_arena_malloc(arena, 1 + (size_t)i * 11 % 200);
    for (int i = 0; i < OTHERS; i += 2) free(in_arena[i]);
}

static void tell(const char *what, const void *block, size_t size_bytes) {
    printf("%s %p %zu\n", what, block, size_bytes);
}

int main(void) {
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* acre why is not among those who started it: Yama */
    struct acre_arena_options options = {.name = "parts"};
    acre_arena *arena = acre_arena_create(&options);
    pthread_t thread;
    static char output[1 << 16];
    setvbuf(stdout, output, _IOFBF, sizeof output); /* no block of its own */
    pthread_barrier_init(&both, NULL, 2);
    pthread_barrier_init(&at_the_end, NULL, 2);
    if (arena == NULL || pthread_create(&thread, NULL, take, NULL) != 0) return 1;
    pthread_barrier_wait(&both);
    void *huge = malloc((size_t)5 << 20), *huge_freed = malloc((size_t)3 << 20);
    fill();
    use_arena(arena);
    free_some();
    free(huge_freed);
    for (int i = 0; i < SMALL; i++)
        if (i % 3 == 0) tell("live", small[i], small_bytes(i));
    for (int i = 0; i < BIG; i++) tell(i % 4 == 0 ? "freed" : "live", big[i], big_bytes(i));
    for (int i = 0; i < OTHERS; i++) {
        tell(i % 2 == 0 ? "freed" : "live", of_thread[i], 112);
        tell(i % 2 == 0 ? "freed" : "live", in_arena[i], 1 + (size_t)i * 11 % 200);
    }
    tell("live", huge, (size_t)5 << 20);
    tell("freed", huge_freed, 1);
    printf("ready\n");
    fflush(stdout);
    pause();
}
