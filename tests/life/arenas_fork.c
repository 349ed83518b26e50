/* fork and arenas. `still`: one thread; what the child does to an arena does not touch the parent. `storm`: other
 * threads allocate from arenas, free each other's blocks, and create and destroy arenas all the while; every child
 * must find all arenas usable.
 *
 *     arenas_fork still|storm [--forks N]
 */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
enum { arena_count = 5, block_count = 300, workers = 4, patience_s = 10, exchange_slots = 64 };

static acre_arena *arenas[arena_count];
static unsigned char *blocks[block_count];
static const size_t sizes[] = {16, 100, 1000, 6000, 70000};
static atomic_bool stop;
static void *_Atomic exchange[exchange_slots];

static size_t size_of(int i) { return sizes[i % 5]; }

static void *take(void *context, size_t size_bytes, size_t alignment) {
    (void)context;
    free(malloc(200));
    char *all = mmap(NULL, size_bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return all == MAP_FAILED ? NULL : (void *)(((uintptr_t)all + alignment - 1) & ~(alignment - 1));
}

static void create_arenas(void) {
    struct acre_arena_options options[arena_count] = {
        {.name = "plain"},
        {.name = "zeroed", .zeroed = true, .source = ACRE_SOURCE_BRK},
        {.name = "reserved", .reserve_bytes = 256 * MIB},
        {.name = "custom", .source = ACRE_SOURCE_CUSTOM, .functions = {take, NULL, NULL}},
        {.name = "limited", .limit_bytes = 64 * MIB},
    };
    for (int i = 0; i < arena_count; i++) CHECK((arenas[i] = acre_arena_create(&options[i])) != NULL);
    for (int i = 0; i < block_count; i++) {
        CHECK((blocks[i] = acre_arena_malloc(arenas[i % arena_count], size_of(i))) != NULL);
        memset(blocks[i], i, size_of(i));
    }
}

static void check_blocks(void) {
    for (int i = 0; i < block_count; i++) {
        CHECK(acre_arena_of(blocks[i]) == arenas[i % arena_count]);
        CHECK(blocks[i][0] == (unsigned char)i && memcmp(blocks[i], blocks[i] + 1, size_of(i) - 1) == 0);
    }
}

static bool count_arena(acre_arena *arena, const char *name, void *context) {
    (void)arena, (void)name;
    ++*(int *)context;
    return true;
}

static void use(acre_arena *arena) {
    static void *taken[200];
    for (int i = 0; i < 200; i++) {
        CHECK((taken[i] = acre_arena_malloc(arena, size_of(i))) != NULL);
        memset(taken[i], 1, size_of(i));
    }
    for (int i = 0; i < 200; i += 2) free(taken[i]);
    CHECK(acre_arena_enter(arena));
    void *block = malloc(3000);
    acre_arena_leave();
    CHECK(acre_arena_of(block) == arena);
}

static void live_as_a_child(void) {
    int found = 0;
    struct acre_arena_figures stats;
    alarm(patience_s);
    check_blocks();
    CHECK(acre_arena_each(count_arena, &found) && found >= arena_count);
    for (int i = 0; i < arena_count; i++) {
        acre_arena_stats(arenas[i], &stats);
        CHECK(stats.live_blocks >= block_count / arena_count);
        use(arenas[i]);
    }
    check_blocks();
    for (int i = 0; i < block_count; i += 2) free(blocks[i]);
    acre_arena_release(arenas[0]);
    acre_arena_reset(arenas[1]);
    acre_arena_stats(arenas[1], &stats);
    CHECK(stats.live_blocks == 0);
    use(arenas[1]);
    for (int i = 0; i < arena_count; i++) acre_arena_destroy(arenas[i]);
    acre_arena *more = acre_arena_create(NULL);
    CHECK(more != NULL);
    use(more);
    acre_arena_destroy(more);
    acre_release();
    _exit(0);
}

/* Signals are blocked in the handlers of fork, so that a timer does not end a child that hangs there. */
static int wait_for(pid_t child, int number) {
    int status = 0;
    for (int ms = 0; waitpid(child, &status, WNOHANG) != child; ms++) {
        if (ms == patience_s * 1000) {
            kill(child, SIGKILL);
            CHECKF(false, "child %d hangs", number);
        }
        usleep(1000);
    }
    return status;
}

static void fork_once(int number) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) live_as_a_child();
    int status = wait_for(child, number);
    CHECKF(status == 0, "child %d: %s %d", number, WIFSIGNALED(status) ? "signal" : "exit status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    check_blocks();
}

/* Short lives. */
static void *churn_arenas(void *number) {
    uint64_t random = (uintptr_t)number;
    while (!atomic_load(&stop)) {
        acre_arena *arena = acre_arena_create(NULL);
        CHECK(arena != NULL);
        for (int i = 0; i < 30; i++) {
            void *block = acre_arena_malloc(arena, process_random(&random) % 2000 + 1);
            CHECK(block != NULL);
            if (i % 3 == 0) free(block);
        }
        if (process_random(&random) % 4 == 0) acre_arena_reset(arena);
        acre_arena_destroy(arena);
    }
    return NULL;
}

/* Blocks of the lasting arenas, which others free. */
static void *churn_blocks(void *number) {
    uint64_t random = (uintptr_t)number;
    while (!atomic_load(&stop)) {
        uint64_t dice = process_random(&random);
        void *block = acre_arena_malloc(arenas[dice % arena_count], size_of((int)(dice >> 8 & 0xff)));
        free(atomic_exchange(&exchange[(dice >> 16) % exchange_slots], block));
    }
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t threads[workers];
    int forks = count > 3 ? atoi(arguments[3]) : 20;
    process_expect_malloc();
    process_watchdog(280);
    create_arenas();
    bool storm = count > 1 && strcmp(arguments[1], "storm") == 0;
    for (uintptr_t i = 0; storm && i < workers; i++)
        CHECK(pthread_create(&threads[i], NULL, i % 2 == 0 ? churn_arenas : churn_blocks, (void *)i) == 0);
    for (int i = 0; i < forks; i++) fork_once(i);
    atomic_store(&stop, true);
    for (int i = 0; storm && i < workers; i++) pthread_join(threads[i], NULL);
    check_blocks();
    return 0;
}
