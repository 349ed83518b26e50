/* Forks from a busy process. Each child allocates, frees and exits 0; a deadlock ends by the watchdog.
 *   threads         threads allocate while main forks again and again
 *   stdio           the same with threads inside stdio, whose locks fork takes as well
 *   signal-single   fork in a signal handler that interrupts malloc, in a process of one thread; the child returns
 *                   from the handler, ends the interrupted call and goes on allocating
 *   signal-threads  the same with threads allocating, one of which is interrupted (glibc's own malloc can deadlock)
 *   signal-raw      the same with _Fork, as POSIX allows it there: the child only exits, the parent goes on
 *   first           fork while threads are in malloc for their first time
 *   inherit         threads exchange blocks, some of them end, and the child frees what all of them had left
 * Options: --forks N. After glibc's tst-mallocfork, -2 and -3. */
#include "support/check.h"
#include "support/exchange.h"
#include "support/process.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { worker_count = 6, window = 500 };

static _Atomic bool is_over, is_signal_child;
static _Atomic unsigned long rounds[worker_count];
static int forks = 300;

/* A window of live blocks that keeps moving; each holds its own number, so that damage shows. */
static void churn(uint64_t *random, int steps, void **blocks) {
    for (int i = 0; i < steps; i++) {
        unsigned slot = (unsigned)(process_random(random) % window);
        uint64_t *block = blocks[slot];
        if (block != NULL) {
            CHECK(block[0] == slot);
            free(block);
        }
        size_t size = 16 + process_random(random) % (process_random(random) % 50 == 0 ? 300000 : 1500);
        block = process_random(random) % 4 == 0 ? calloc(1, size) : malloc(size);
        CHECK(block != NULL);
        block[0] = slot;
        blocks[slot] = block;
    }
}

static void free_all(void **blocks) {
    for (int i = 0; i < window; i++) free(blocks[i]), blocks[i] = NULL;
}

/* What the child does with the heap that it got in the middle of others' work. */
static void work_in_child(bool with_stdio) {
    signal(SIGALRM, SIG_DFL);
    process_watchdog(60); /* alarms are not inherited */
    uint64_t random = (uint64_t)getpid();
    static void *blocks[window];
    memset(blocks, 0, sizeof blocks);
    churn(&random, 3000, blocks);
    if (with_stdio) {
        FILE *file = fopen("/dev/null", "w");
        CHECK(file != NULL);
        fprintf(file, "%d\n", 1);
        fflush(NULL);
        fclose(file);
    }
    free_all(blocks);
    malloc_trim(0);
}

/* A child of a handler comes back here, after the call that the signal interrupted. */
static void end_if_signal_child(void) {
    if (!is_signal_child) return;
    work_in_child(false);
    _exit(0);
}

static void *allocate_always(void *argument) {
    int number = (int)(intptr_t)argument;
    uint64_t random = (uint64_t)number;
    void *blocks[window] = {0};
    while (!is_over) {
        churn(&random, 20, blocks);
        end_if_signal_child();
        atomic_fetch_add(&rounds[number], 1);
    }
    free_all(blocks);
    return NULL;
}

static void *print_always(void *argument) {
    int number = (int)(intptr_t)argument;
    while (!is_over) {
        FILE *file = fopen("/dev/null", "w");
        CHECK(file != NULL);
        for (int i = 0; i < 20; i++) fprintf(file, "%d %s %f\n", i, "some text", i * 1.5);
        fflush(NULL);
        fclose(file);
        atomic_fetch_add(&rounds[number], 1);
    }
    return NULL;
}

static pthread_t workers[worker_count];

static void start_workers(void *(*even)(void *), void *(*odd)(void *)) {
    for (intptr_t i = 0; i < worker_count; i++)
        CHECK(pthread_create(&workers[i], NULL, i % 2 ? odd : even, (void *)i) == 0);
}

static void stop_workers(void) {
    is_over = true;
    for (int i = 0; i < worker_count; i++) CHECK(pthread_join(workers[i], NULL) == 0);
}

static void expect_good_end(pid_t child) {
    int status;
    pid_t ended;
    while ((ended = waitpid(child, &status, 0)) < 0 && errno == EINTR)
        continue;
    CHECK(ended == child);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with status 0x%x%s", status,
           WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? " (deadlock)" : "");
}

/* Everything of the parent must go on after each fork, too. */
static void fork_often(bool with_stdio) {
    uint64_t random = 7;
    void *blocks[window] = {0};
    for (int i = 0; i < forks; i++) {
        churn(&random, 200, blocks);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            work_in_child(with_stdio);
            if (i % 10 == 0 && fork() == 0) { /* a grandchild, as shells make them */
                work_in_child(with_stdio);
                _exit(0);
            }
            int status = 0;
            if (i % 10 == 0) CHECK(wait(&status) > 0);
            _exit(status == 0 ? 0 : 3);
        }
        expect_good_end(child);
    }
    free_all(blocks);
}

static void run_with_threads(bool with_stdio) {
    start_workers(allocate_always, with_stdio ? print_always : allocate_always);
    fork_often(with_stdio);
    stop_workers();
    for (int i = 0; i < worker_count; i++) CHECK(rounds[i] > 0);
}

/* ---- fork in a signal handler */

static _Atomic int forks_in_handler;
static bool uses_raw_fork;

/* Only what may be called in a handler: the child must not allocate before the interrupted call has ended. */
static void fork_in_handler(int signal_number) {
    (void)signal_number;
    int kept = errno;
    if (is_signal_child || forks_in_handler >= forks) return;
    pid_t child = uses_raw_fork ? _Fork() : fork();
    if (child == 0 && uses_raw_fork) _exit(0);
    if (child == 0) {
        process_watchdog(60);
        is_signal_child = true;
    } else {
        CHECK(child > 0);
        expect_good_end(child);
        forks_in_handler++;
    }
    errno = kept;
}

static void run_with_signals(bool with_threads, bool raw) {
    if (with_threads) start_workers(allocate_always, allocate_always);
    uses_raw_fork = raw;
    struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    /* Another process sends the signals: a timer alone would find a fixed place again and again. */
    pid_t target = getpid(), sender = fork();
    CHECK(sender >= 0);
    if (sender == 0) {
        process_watchdog(280);
        while (kill(target, SIGUSR1) == 0 && getppid() == target) usleep(500);
        _exit(0);
    }
    uint64_t random = 3;
    void *blocks[window] = {0};
    while (forks_in_handler < forks) {
        churn(&random, 20, blocks);
        end_if_signal_child();
    }
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    end_if_signal_child(); /* of a signal that came after the last look */
    kill(sender, SIGKILL);
    CHECK(waitpid(sender, NULL, 0) == sender);
    signal(SIGUSR1, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    free_all(blocks);
    if (with_threads) stop_workers();
}

/* ---- fork while threads are in malloc for their first time */

static void *allocate_first(void *argument) {
    while (!*(_Atomic bool *)argument) continue;
    void *block = malloc(40);
    CHECK(block != NULL);
    free(block);
    return NULL;
}

static void run_first(void) {
    for (int i = 0; i < forks; i++) {
        _Atomic bool is_started = false;
        pthread_t threads[4];
        for (int t = 0; t < 4; t++) CHECK(pthread_create(&threads[t], NULL, allocate_first, &is_started) == 0);
        is_started = true;
        for (int f = 0; f < 3; f++) {
            pid_t child = fork();
            CHECK(child >= 0);
            if (child == 0) {
                work_in_child(false);
                _exit(0);
            }
            expect_good_end(child);
        }
        for (int t = 0; t < 4; t++) CHECK(pthread_join(threads[t], NULL) == 0);
    }
}

/* ---- the child frees what threads left that it does not have */

static void run_inherit(void) {
    start_workers(exchange_steadily, exchange_in_short_lives);
    for (int i = 0; i < forks; i++) {
        usleep(1000);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            process_watchdog(60);
            pthread_t thread;
            /* By the thread that forked, or by one that may get the place of one that is gone. */
            if (i % 2 == 0) exchange_free_all(NULL);
            else if (pthread_create(&thread, NULL, exchange_free_all, NULL) == 0) pthread_join(thread, NULL);
            work_in_child(false);
            _exit(0);
        }
        expect_good_end(child);
    }
    exchange_is_over = true;
    stop_workers();
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    if (argc == 4 && strcmp(argv[2], "--forks") == 0) forks = atoi(argv[3]);
    CHECK(forks > 0);
    process_expect_malloc();
    process_watchdog(280);
    if (strcmp(argv[1], "threads") == 0) run_with_threads(false);
    else if (strcmp(argv[1], "stdio") == 0) run_with_threads(true);
    else if (strcmp(argv[1], "signal-single") == 0) run_with_signals(false, false);
    else if (strcmp(argv[1], "signal-threads") == 0) run_with_signals(true, false);
    else if (strcmp(argv[1], "signal-raw") == 0) run_with_signals(true, true);
    else if (strcmp(argv[1], "first") == 0) run_first();
    else if (strcmp(argv[1], "inherit") == 0) run_inherit();
    else CHECKF(false, "unknown variant %s", argv[1]);
    printf("ok: %d forks\n", forks);
    return 0;
}
