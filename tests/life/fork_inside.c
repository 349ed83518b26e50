/* fork in a signal handler that interrupted malloc with its locks held, in a process of several threads. The child
 * goes on, starts libacre's own thread, and ends with its main thread's pthread_exit like any process. */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { sleepers = 2, blocks = 40, block_bytes = 1 << 20, small_blocks = 60000, wait_most_s = 60 };
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

/* Signals do not reach a process whose threads that would take them are gone. */
static void expect_end(void) {
    int status;
    for (int waited_ms = 0; waitpid(child, &status, WNOHANG) == 0; waited_ms += 20) {
        if (waited_ms >= wait_most_s * 1000) {
            kill(child, SIGKILL);
            CHECKF(false, "the child is still there after %d s", wait_most_s);
        }
        usleep(20000);
    }
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with status 0x%x", status);
}

int main(void) {
    pthread_t thread;
    process_expect_malloc();
    process_watchdog(120);
    CHECK(signal(SIGUSR1, fork_in_handler) != SIG_ERR);
    for (int i = 0; i < sleepers; i++) CHECK(pthread_create(&thread, NULL, sleep_with_a_block, NULL) == 0);
    usleep(100000);
    acre_arena *arena =
        acre_arena_create(&(struct acre_arena_options){.source = ACRE_SOURCE_CUSTOM, .functions = {.take = take}});
    CHECK(arena != NULL);
    CHECK(acre_arena_malloc(arena, 100) != NULL);
    if (child == 0) go_on_and_end();
    CHECK(child > 0);
    expect_end();
    return 0;
}
