/* Threads that get what others left behind, records and thread pointers, and use the same arena.
 *
 *     successors child     in the child of a fork, of a thread that is not there
 *     successors late      of one that allocated in the last round of its destructors
 *     successors torn      in children of forks that come while a thread takes blocks: none is handed out twice
 */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { few = 64, many = 2000, most = 40000, patience_s = 10 };

static acre_arena *arena;
static sem_t ready, go;
static char *blocks[most];

static void run(void *(*body)(void *)) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* ---- child */

static void *allocate_and_stay(void *unused) {
    for (int i = 0; i < 3; i++) CHECK(acre_arena_malloc(arena, 48) != NULL);
    sem_post(&ready);
    pause();
    return unused;
}

static void take_few(void) {
    for (int i = 0; i < few; i++) CHECK((blocks[i] = acre_arena_malloc(arena, 48)) != NULL);
}

static void *allocate_for_another(void *unused) {
    take_few();
    sem_post(&ready);
    sem_wait(&go);
    return unused;
}

static void free_those_of_another(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, allocate_for_another, NULL) == 0);
    sem_wait(&ready);
    for (int i = 0; i < few; i++) free(blocks[i]);
    sem_post(&go);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* What was reset is another arena's by now; nothing of it is handed out again. */
static void *reset_and_allocate(void *unused) {
    take_few();
    acre_arena_reset(arena);
    acre_arena *other = acre_arena_create(NULL);
    for (int i = 0; i < many; i++) {
        CHECK((blocks[i] = acre_arena_malloc(other, 48)) != NULL);
        memset(blocks[i], 1, 48);
    }
    for (int i = 0; i < 200; i++) {
        char *block = acre_arena_malloc(arena, 48);
        CHECK(acre_arena_of(block) == arena);
        memset(block, 2, 48);
    }
    for (int i = 0; i < many; i++) CHECK(blocks[i][0] == 1 && memcmp(blocks[i], blocks[i] + 1, 47) == 0);
    acre_arena_destroy(other);
    return unused;
}

static void check_child(void) {
    pthread_t thread;
    CHECK((arena = acre_arena_create(NULL)) != NULL);
    CHECK(pthread_create(&thread, NULL, allocate_and_stay, NULL) == 0);
    sem_wait(&ready);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(patience_s);
        run(reset_and_allocate);
        free_those_of_another();
        run(reset_and_allocate);
        acre_arena_destroy(arena);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(status == 0, "the child ended with status %#x", (unsigned)status);
}

/* ---- late */

static pthread_key_t key;
static int rounds;

/* Each time libc calls it anew, for as many rounds as it makes. */
static void allocate_late(void *value) {
    CHECK(acre_arena_malloc(arena, 32) != NULL);
    rounds++;
    pthread_setspecific(key, value);
}

static void *leave_late(void *unused) {
    free(malloc(32));
    pthread_setspecific(key, &key);
    return unused;
}

static size_t size_of(int i) {
    static const size_t sizes[] = {16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256};
    return sizes[i % 12];
}

static int allocate_many(int wanted) {
    int count = 0;
    for (; count < wanted && (blocks[count] = acre_arena_malloc(arena, size_of(count))) != NULL; count++)
        memset(blocks[count], count, size_of(count));
    return count;
}

static void free_all(int count) {
    for (int i = 0; i < count; i++) {
        CHECK(blocks[i][0] == (char)i && memcmp(blocks[i], blocks[i] + 1, size_of(i) - 1) == 0);
        free(blocks[i]);
    }
}

/* Up to the limit, where slabs are looked for that would else be too full. */
static void *use_up(void *unused) {
    free_all(allocate_many(8000));
    int count = allocate_many(most);
    CHECK(count > 1000 && count < most);
    free_all(count);
    return unused;
}

static void check_late(void) {
    struct acre_arena_options options = {.limit_bytes = 2 << 20};
    CHECK((arena = acre_arena_create(&options)) != NULL);
    CHECK(pthread_key_create(&key, allocate_late) == 0);
    run(leave_late);
    CHECK(rounds == PTHREAD_DESTRUCTOR_ITERATIONS);
    alarm(patience_s);
    run(use_up);
    acre_arena_destroy(arena);
}

/* ---- torn */

enum { torn_forks = 1000, torn_blocks = 2500, torn_bytes = 2048 };

static void *take_and_give(void *unused) {
    static void *taken[torn_blocks];
    for (;;) {
        for (int i = 0; i < torn_blocks - 500; i++) CHECK((taken[i] = malloc(torn_bytes)) != NULL);
        for (int i = 0; i < torn_blocks - 500; i++) free(taken[i]);
    }
    return unused;
}

static int by_address(const void *left, const void *right) {
    const char *a = *(char *const *)left, *b = *(char *const *)right;
    return a < b ? -1 : a > b;
}

static _Noreturn void take_all(void) {
    alarm(patience_s);
    for (int i = 0; i < torn_blocks; i++) CHECK((blocks[i] = malloc(torn_bytes)) != NULL);
    qsort(blocks, torn_blocks, sizeof blocks[0], by_address);
    for (int i = 1; i < torn_blocks; i++) CHECK(blocks[i] - blocks[i - 1] >= torn_bytes);
    _exit(0);
}

static void check_torn(void) {
    uint64_t random = 1;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, take_and_give, NULL) == 0);
    for (int i = 0; i < torn_forks; i++) {
        usleep((useconds_t)(process_random(&random) % 700));
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) take_all();
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECKF(status == 0, "child %d ended with status %#x", i, (unsigned)status);
    }
}

int main(int count, char **arguments) {
    process_expect_malloc();
    CHECK(sem_init(&ready, 0, 0) == 0 && sem_init(&go, 0, 0) == 0);
    free(malloc(1));
    CHECK(count == 2);
    if (strcmp(arguments[1], "child") == 0)
        check_child();
    else if (strcmp(arguments[1], "torn") == 0)
        check_torn();
    else
        check_late();
    return 0;
}
