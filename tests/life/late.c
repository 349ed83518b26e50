/* Threads that free or allocate after their last destructors: what libacre makes for them then is used again when
 * they are gone, also where no two threads have had a stack in the same place.
 *   libc            libc itself frees what strerror(3) keeps for the thread
 *   key             a destructor of thread-specific data that allocates, and sets itself again each time
 *   fork            such a destructor forks: in the child its thread goes on beside others
 *   first           a thread's very first malloc is in such a destructor; the process ends all the same
 *   last            the same, where that thread is the last one
 * Options: THREADS. */
#include "support/check.h"
#include "support/process.h"

#include <pthread.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { stack_bytes = 64 << 10, first_threads = 50 };
static const size_t more_most_bytes = (size_t)4 << 20;
static pthread_key_t key;
static bool uses_key;

static void keep_on(void *block) {
    free(block);
    pthread_setspecific(key, malloc(100));
}

static void *live(void *unused) {
    void *block = malloc(1000);
    CHECK(block != NULL);
    free(block);
    if (uses_key)
        pthread_setspecific(key, malloc(100));
    else
        CHECK(strerror(9999) != NULL);
    return unused;
}

/* ---- a thread that forks so late */

static pid_t child;
static pthread_barrier_t all_are_there;
enum { held_blocks = 300, child_threads = 20, child_rounds = 150, many_blocks = 60000 };

static void fill(unsigned char **blocks, int number) {
    for (int i = 0; i < held_blocks; i++) {
        CHECK((blocks[i] = malloc(50 + (size_t)i)) != NULL);
        memset(blocks[i], number + i, 50 + (size_t)i);
    }
}

static void check_and_free(unsigned char **blocks, int number) {
    for (int i = 0; i < held_blocks; i++) {
        for (int at = 0; at < 50 + i; at++) CHECK(blocks[i][at] == (unsigned char)(number + i));
        free(blocks[i]);
    }
}

static void *hold_blocks(void *unused) {
    unsigned char *blocks[held_blocks];
    fill(blocks, 3);
    pthread_barrier_wait(&all_are_there);
    check_and_free(blocks, 3);
    for (int round = 0; round < child_rounds; round++) fill(blocks, 7), check_and_free(blocks, 7);
    return unused;
}

static _Noreturn void live_in_child(void) {
    pthread_t threads[child_threads];
    unsigned char *blocks[held_blocks];
    process_watchdog(60);
    usleep(10000); /* the thread that forked has ended, and nobody has its number */
    CHECK(pthread_barrier_init(&all_are_there, NULL, child_threads) == 0);
    for (int i = 0; i < child_threads; i++) CHECK(pthread_create(&threads[i], NULL, hold_blocks, NULL) == 0);
    for (int round = 0; round < child_rounds; round++) fill(blocks, 100), check_and_free(blocks, 100);
    for (int i = 0; i < child_threads; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    _exit(0);
}

static void fork_at_last(void *calls_left) {
    if ((uintptr_t)calls_left > 1) {
        pthread_setspecific(key, (void *)((uintptr_t)calls_left - 1));
        return;
    }
    free(malloc(100));
    child = fork();
    CHECK(child >= 0);
    if (child == 0) live_in_child();
}

static void *set_key(void *unused) {
    free(malloc(100));
    pthread_setspecific(key, (void *)PTHREAD_DESTRUCTOR_ITERATIONS);
    return unused;
}

static void run_forks(int forks) {
    CHECK(pthread_key_create(&key, fork_at_last) == 0);
    for (int i = 0; i < forks; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, set_key, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with status 0x%x", status);
    }
}

/* ---- a thread that allocates only then */

static bool is_last;

static void allocate_at_last(void *calls_left) {
    if ((uintptr_t)calls_left > 1)
        pthread_setspecific(key, (void *)((uintptr_t)calls_left - 1));
    else {
        free(malloc(100));
        if (is_last) usleep(5000000);
    }
}

static void *set_key_alone(void *unused) {
    pthread_setspecific(key, (void *)PTHREAD_DESTRUCTOR_ITERATIONS);
    return unused;
}

/* Enough that libacre's own thread starts. */
static _Noreturn void end_without_first_thread(void) {
    static void *kept[many_blocks], *kept_of_sizes[65536 / 16 + 1];
    pthread_t thread;
    CHECK(pthread_key_create(&key, allocate_at_last) == 0);
    /* With some left of each size, and of every four, nothing whole comes back as this thread ends. */
    for (size_t size = 16; is_last && size <= 65536; size += 16)
        CHECK((kept_of_sizes[size / 16] = malloc(size)) != NULL);
    for (int i = 0; i < many_blocks; i++) CHECK((kept[i] = malloc(1000)) != NULL);
    for (int i = 0; i < many_blocks; i++)
        if (!is_last || i % 4 != 0) free(kept[i]);
    CHECK(pthread_create(&thread, NULL, set_key_alone, NULL) == 0);
    CHECK(is_last ? pthread_detach(thread) == 0 : pthread_join(thread, NULL) == 0);
    usleep(is_last ? 3000000 : 300000);
    pthread_exit(NULL);
}

static void run_first(void) {
    child = fork();
    CHECK(child >= 0);
    if (child == 0) end_without_first_thread();
    process_expect_end(child, 40);
}

/* ---- many threads */

static void run_one(char *stack) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstack(&attributes, stack, stack_bytes) == 0);
    CHECK(pthread_create(&thread, &attributes, live, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    CHECK(madvise(stack, stack_bytes, MADV_DONTNEED) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    uses_key = strcmp(argv[1], "key") == 0;
    int threads = atoi(argv[2]) / ACRE_TEST_SLOWDOWN;
    size_t before_bytes = 0;
    process_expect_malloc();
    process_watchdog(120);
    is_last = strcmp(argv[1], "last") == 0;
    bool forks = strcmp(argv[1], "fork") == 0, is_first = is_last || strcmp(argv[1], "first") == 0;
    if (forks) run_forks(threads);
    if (is_first) run_first();
    if (forks || is_first) return 0;
    CHECK(pthread_key_create(&key, keep_on) == 0);
    char *stacks = mmap(NULL, (size_t)threads * stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(stacks != MAP_FAILED);
    for (int i = 0; i < threads; i++) {
        if (i == first_threads) before_bytes = process_resident_bytes();
        run_one(stacks + (size_t)i * stack_bytes);
    }
    size_t after_bytes = process_resident_bytes();
    printf("%zu KiB resident, %zu KiB after the first %d of %d threads\n", after_bytes >> 10, before_bytes >> 10,
           first_threads, threads);
    CHECKF(after_bytes <= before_bytes + more_most_bytes, "%zu KiB more are resident",
           (after_bytes - before_bytes) >> 10);
    return 0;
}
