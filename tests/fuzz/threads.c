/* Who runs when. */
#include "fuzz/fuzz.h"

#include "support/check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { forks_most = 3, hang_s = 60 };

struct fuzz_thread fuzz_thread[fuzz_threads];
bool fuzz_is_alone, fuzz_is_torn;

/* Thread 0 is the caller; the others wait here for their turn. */
struct worker {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t id;
    enum { ABSENT, WAITS, RUNS, LEAVES } state;
    enum fuzz_turn turn;
    int next_thread;
};
static struct worker workers[fuzz_threads];
static _Atomic int forks;

static void *work(void *argument) {
    struct worker *worker = argument;
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        while (worker->state == WAITS) pthread_cond_wait(&worker->changed, &worker->lock);
        if (worker->state == LEAVES) break;
        pthread_mutex_unlock(&worker->lock);
        worker->turn = fuzz_run(&fuzz_thread[worker - workers], &worker->next_thread);
        pthread_mutex_lock(&worker->lock);
        worker->state = WAITS;
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->lock);
    struct fuzz_thread *self = &fuzz_thread[worker - workers];
    while (self->depth > 0) fuzz_leave(self);
    return NULL;
}

static void set_state(struct worker *worker, int state) {
    pthread_mutex_lock(&worker->lock);
    worker->state = state;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

static void start(int number) {
    struct worker *worker = &workers[number];
    if (worker->state == ABSENT) {
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->changed, NULL);
        worker->state = WAITS;
        CHECK(pthread_create(&worker->id, NULL, work, worker) == 0);
    }
    set_state(worker, RUNS);
}

static enum fuzz_turn wait_for(int number, int *next_thread) {
    struct worker *worker = &workers[number];
    pthread_mutex_lock(&worker->lock);
    while (worker->state == RUNS) pthread_cond_wait(&worker->changed, &worker->lock);
    pthread_mutex_unlock(&worker->lock);
    *next_thread = worker->next_thread;
    return worker->turn;
}

void fuzz_end_thread(int number) {
    struct worker *worker = &workers[number];
    if (number == 0 || worker->state != WAITS) return;
    set_state(worker, LEAVES);
    pthread_join(worker->id, NULL);
    worker->state = ABSENT;
}

static enum fuzz_turn run_one(int number, int *next_thread) {
    if (number == 0) return fuzz_run(&fuzz_thread[0], next_thread);
    start(number);
    return wait_for(number, next_thread);
}

/* Each with a share of the next bytes. */
static void run_all_at_once(struct input *input) {
    size_t share = input_byte(input), rest = (size_t)(input->end - input->next);
    int unused;
    if (share > rest / fuzz_threads) share = rest / fuzz_threads;
    for (int number = 0; number < fuzz_threads; number++) {
        fuzz_thread[number].concurrent = true;
        fuzz_thread[number].input = (struct input){input->next, input->next + share};
        input->next += share;
    }
    for (int number = 1; number < fuzz_threads; number++) start(number);
    fuzz_run(&fuzz_thread[0], &unused);
    for (int number = 1; number < fuzz_threads; number++) wait_for(number, &unused);
    for (int number = 0; number < fuzz_threads; number++) fuzz_thread[number].concurrent = false;
}

void fuzz_run_all(const uint8_t *bytes, size_t size_bytes) {
    struct input input = {bytes, bytes + size_bytes};
    int number = 0;
    atomic_store(&forks, 0);
    for (int each = 0; each < fuzz_threads; each++) fuzz_thread[each] = (struct fuzz_thread){.number = each};
    while (!input_is_empty(&input)) {
        int next_thread = number;
        fuzz_thread[number].input = input;
        enum fuzz_turn turn = run_one(number, &next_thread);
        input = fuzz_thread[number].input;
        if (turn == FUZZ_ALL_AT_ONCE) run_all_at_once(&input);
        if (turn == FUZZ_NEXT_THREAD) number = next_thread;
    }
    for (int each = 1; each < fuzz_threads; each++) fuzz_end_thread(each);
}

/* What the others had entered they have left, since they are not there. */
static void run_in_child(struct fuzz_thread *self, struct input input) {
    int unused;
    signal(SIGALRM, SIG_DFL); /* libFuzzer has its own */
    alarm(hang_s);
    fuzz_is_alone = true;
    fuzz_is_torn = self->concurrent;
    for (int number = 0; number < fuzz_threads; number++)
        if (number != self->number) fuzz_thread[number].depth = 0;
    self->input = input;
    fuzz_run(self, &unused);
    fuzz_free_all(self);
    if (!fuzz_is_torn) fuzz_destroy_all(self);
    fuzz_validate();
    _exit(0);
}

void fuzz_fork(struct fuzz_thread *self) {
    size_t size_bytes = input_byte(&self->input), rest = (size_t)(self->input.end - self->input.next);
    int status;
    if (size_bytes > rest) size_bytes = rest;
    if (fuzz_is_alone || atomic_fetch_add(&forks, 1) >= forks_most) return;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) run_in_child(self, (struct input){self->input.next, self->input.next + size_bytes});
    pid_t ended;
    do ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR); /* libFuzzer's clock */
    CHECK(ended == child);
    CHECKF(status == 0, "the child of a fork ended with status %d", status);
}
