/* vfork and exec, posix_spawn and system, from one thread and from several that allocate meanwhile: the vfork
 * child runs in the parent's memory and must leave its heap as it was. */
#include "support/check.h"
#include "support/process.h"

#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static _Atomic bool is_over;
enum { many_blocks = 60000 };

static void *allocate_always(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument;
    void *blocks[100] = {0};
    while (!is_over) {
        unsigned slot = (unsigned)(process_random(&random) % 100);
        free(blocks[slot]);
        blocks[slot] = malloc(process_random(&random) % 5000);
        CHECK(blocks[slot] != NULL);
    }
    for (int i = 0; i < 100; i++) free(blocks[i]);
    return NULL;
}

static void expect_status(pid_t child, int wanted) {
    int status;
    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == wanted, "status 0x%x, wanted exit %d", status, wanted);
}

static void start_programs(int rounds) {
    for (volatile int i = 0; i < rounds; i++) {
        char *arguments[] = {strdup("true"), NULL};
        pid_t child = vfork();
        if (child == 0) {
            execv("/bin/true", arguments);
            _exit(126);
        }
        expect_status(child, 0);
        child = vfork();
        if (child == 0) {
            execv("/nonexistent/program", arguments);
            _exit(127);
        }
        expect_status(child, 127);
        pid_t spawned;
        CHECK(posix_spawn(&spawned, "/bin/false", NULL, NULL, arguments, environ) == 0);
        expect_status(spawned, 1);
        if (i % 10 == 0) CHECK(system("exit 3") == 3 << 8);
        free(arguments[0]);
    }
}

/* A thread's first malloc is in its child: nothing of acre's may start there that ends with the child. */
static void *allocate_in_child(void *unused) {
    pid_t child = vfork();
    if (child == 0) {
        void *volatile block = malloc(64);
        _exit(block == NULL);
    }
    expect_status(child, 0);
    usleep(500000);
    return unused;
}

static _Noreturn void end_by_last_thread(void) {
    static void *kept[many_blocks];
    pthread_t thread;
    for (int i = 0; i < many_blocks; i++) CHECK((kept[i] = malloc(1000)) != NULL);
    CHECK(pthread_create(&thread, NULL, allocate_in_child, NULL) == 0);
    usleep(200000);
    for (int i = 0; i < many_blocks; i++) free(kept[i]);
    usleep(100000);
    pthread_exit(NULL);
}

static void check_first_malloc(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) end_by_last_thread();
    process_expect_end(child, 30);
}

int main(void) {
    process_expect_malloc();
    process_watchdog(120);
    check_first_malloc();
    start_programs(20);
    pthread_t threads[4];
    for (intptr_t i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, allocate_always, (void *)i) == 0);
    start_programs(40);
    is_over = true;
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
