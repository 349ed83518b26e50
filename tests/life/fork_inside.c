/* fork in a signal handler that interrupted malloc with its locks held, in a process of several threads. Options:
 *   end             the child goes on, starts libacre's own thread, and ends with its main thread's pthread_exit
 *   arena           new threads of the child use an arena that a thread used which is not there any more */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { sleepers = 2, blocks = 40, block_bytes = 1 << 20, small_blocks = 60000, wait_most_s = 60 };
enum { arena_blocks = 30000, places = 32, hand_overs = 1000000 / ACRE_TEST_SLOWDOWN, in_use = 0x11ce11ce };
static pid_t child = -1;

static void fork_in_handler(int number) {
    (void)number;
    child = fork();
}

static void *take(void *context, size_t size_bytes, size_t alignment_bytes) {
    (void)context;
    char *room =
        mmap(NULL, size_bytes + alignment_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return NULL;
    raise(SIGUSR1);
    return (void *)(((uintptr_t)room + alignment_bytes - 1) / alignment_bytes * alignment_bytes);
}

static void *sleep_with_a_block(void *unused) {
    free(malloc(100));
    for (;;) pause();
    return unused;
}

/* Enough for libacre's own thread to start. */
static _Noreturn void go_on_and_end(void) {
    static void *kept[small_blocks];
    for (int i = 0; i < blocks; i++) {
        char *block = malloc(block_bytes);
        CHECK(block != NULL);
        memset(block, 1, block_bytes);
        free(block);
    }
    for (int i = 0; i < small_blocks; i++) CHECK((kept[i] = malloc(600)) != NULL);
    for (int i = 0; i < small_blocks; i++) free(kept[i]);
    usleep(300000);
    pthread_exit(NULL);
}

/* ---- an arena that a thread used which is not in the child */

static acre_arena *shared;
static pthread_barrier_t both_are_there;
static uint64_t *_Atomic handed_over[places];
static atomic_bool stops;

static void *use_and_sleep(void *unused) {
    static void *used[arena_blocks];
    for (int i = 0; i < arena_blocks; i++)
        CHECK((used[i] = acre_arena_malloc(shared, 16 + (size_t)i % 200)) != NULL);
    for (int i = 0; i < arena_blocks; i += 2) free(used[i]);
    pthread_barrier_wait(&both_are_there);
    return sleep_with_a_block(unused);
}

/* libc gives new threads the stacks of those that are gone, and so their thread pointers; the two that end one
 * after the other leave their records to the next two the other way round. */
static void *take_some(void *unused) {
    free(malloc(50));
    for (int i = 0; i < arena_blocks / 20; i++) CHECK(acre_arena_malloc(shared, 64) != NULL);
    usleep(20000);
    return unused;
}

static void *sleep_a_little(void *unused) {
    free(malloc(50));
    usleep(50000);
    return unused;
}

static void *take_all_the_time(void *unused) {
    free(malloc(50));
    pthread_barrier_wait(&both_are_there);
    for (int i = 0; i < hand_overs && !stops; i++) {
        while (handed_over[i % places] != NULL && !stops) continue;
        uint64_t *block = acre_arena_malloc(shared, 64);
        CHECK(block != NULL);
        CHECKF(block[1] != in_use, "block %p was handed out twice", (void *)block);
        block[1] = in_use;
        handed_over[i % places] = block;
    }
    return unused;
}

static void *free_all_the_time(void *unused) {
    free(malloc(50));
    pthread_barrier_wait(&both_are_there);
    for (int i = 0; i < hand_overs; i++) {
        uint64_t *block;
        while ((block = handed_over[i % places]) == NULL) continue;
        handed_over[i % places] = NULL;
        block[1] = 0;
        free(block);
    }
    stops = true;
    return unused;
}

static void run_two(void *first(void *), void *second(void *)) {
    pthread_t threads[2];
    CHECK(pthread_create(&threads[0], NULL, first, NULL) == 0);
    usleep(20000);
    CHECK(pthread_create(&threads[1], NULL, second, NULL) == 0);
    for (int i = 1; i >= 0; i--) CHECK(pthread_join(threads[i], NULL) == 0);
}

static _Noreturn void use_shared_arena(void) {
    process_watchdog(wait_most_s);
    CHECK(pthread_barrier_init(&both_are_there, NULL, 2) == 0);
    run_two(take_some, sleep_a_little);
    run_two(take_all_the_time, free_all_the_time);
    _exit(0);
}

int main(int argc, char **argv) {
    pthread_t thread;
    CHECK(argc == 2);
    bool shares = strcmp(argv[1], "arena") == 0;
    process_expect_malloc();
    process_watchdog(120);
    CHECK(signal(SIGUSR1, fork_in_handler) != SIG_ERR);
    CHECK((shared = acre_arena_create(NULL)) != NULL);
    CHECK(pthread_barrier_init(&both_are_there, NULL, 2) == 0);
    /* One alone that uses the arena, so that its stack is the one that the child has to give. */
    for (int i = 0; i < (shares ? 1 : sleepers); i++)
        CHECK(pthread_create(&thread, NULL, shares ? use_and_sleep : sleep_with_a_block, NULL) == 0);
    if (shares) pthread_barrier_wait(&both_are_there);
    usleep(100000);
    acre_arena *arena =
        acre_arena_create(&(struct acre_arena_options){.source = ACRE_SOURCE_CUSTOM, .functions = {.take = take}});
    CHECK(arena != NULL);
    CHECK(acre_arena_malloc(arena, 100) != NULL);
    if (child == 0 && shares) use_shared_arena();
    if (child == 0) go_on_and_end();
    CHECK(child > 0);
    process_expect_end(child, wait_most_s);
    return 0;
}
