/* Allocation in every phase of a process's life: before main by .preinit_array and constructors with priorities,
 * in atexit handlers, destructors, thread-specific-data destructors of several iterations, C++ thread_local
 * destructors (phases_cxx.cc), and with blocks that cross from one phase into another.
 *
 * The last phases run after main returned, so main cannot report on them: each phase sets a bit, and a parent
 * process reads them from shared memory when the child has ended. */
#include "support/check.h"
#include "support/process.h"
#include "life/phases.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

_Atomic unsigned *phases_seen;
static unsigned seen_early; /* before main there is no shared memory yet */
static void *from_preinit, *from_constructor;

void phase_work(unsigned phase) {
    void *blocks[64];
    for (int i = 0; i < 64; i++) {
        size_t size = (size_t)1 << (i % 18);
        blocks[i] = i % 3 == 0 ? calloc(1, size) : i % 3 == 1 ? malloc(size) : memalign(64, size);
        CHECKF(blocks[i] != NULL, "phase %u: no %zu bytes", phase, size);
        memset(blocks[i], i, size);
    }
    void *huge = malloc(3 << 20);
    CHECK(huge != NULL);
    huge = realloc(huge, 5 << 20);
    CHECK(huge != NULL);
    errno = 55;
    free(huge);
    for (int i = 0; i < 64; i++) {
        blocks[i] = realloc(blocks[i], 200000u >> (i % 10));
        CHECK(blocks[i] != NULL && *(unsigned char *)blocks[i] == i);
        if (i != 63) free(blocks[i]); /* one is left: exiting with live blocks is allowed */
    }
    CHECK(errno == 55);
    if (phases_seen != NULL) atomic_fetch_or(phases_seen, 1u << phase);
    else seen_early |= 1u << phase;
}

static void *take_marked(char mark) {
    char *block = malloc(500);
    CHECK(block != NULL);
    memset(block, mark, 500);
    return block;
}

static void free_marked(void *block, char mark) {
    CHECK(((char *)block)[0] == mark && ((char *)block)[499] == mark);
    free(block);
}

#ifndef PHASES_WITHOUT_PREINIT
/* Runs before any library's constructor, acre's own too. Gets main's arguments and may use libc little. */
static void preinit(void) {
    from_preinit = take_marked('p');
    phase_work(PHASE_PREINIT);
}
__attribute__((section(".preinit_array"), used)) static void (*preinit_entry)(void) = preinit;
#endif

__attribute__((constructor(101))) static void construct_first(void) {
    from_constructor = take_marked('c');
    phase_work(PHASE_CONSTRUCTOR_FIRST);
}
__attribute__((constructor(65000))) static void construct_late(void) { phase_work(PHASE_CONSTRUCTOR_LATE); }
__attribute__((constructor)) static void construct(void) { phase_work(PHASE_CONSTRUCTOR); }
__attribute__((destructor)) static void destruct(void) { phase_work(PHASE_DESTRUCTOR); }
__attribute__((destructor(101))) static void destruct_last(void) {
    if (phases_seen == NULL) return; /* in the parent */
    free_marked(from_constructor, 'c');
    phase_work(PHASE_DESTRUCTOR_LAST);
}

static void at_exit(void) { phase_work(PHASE_ATEXIT); }
static void end_quickly(void) { phase_work(PHASE_QUICK_EXIT); }

/* ---- thread-specific data */

static pthread_key_t keys[3];
static _Thread_local int iterations;

/* Sets its value again, so that the destructors run for all of POSIX's four iterations: a thread heap that is
 * given up at the first would be used after that. */
static void destroy_value(void *value) {
    free_marked(value, 't');
    phase_work(PHASE_THREAD_DATA);
    if (++iterations < 9) CHECK(pthread_setspecific(keys[iterations % 3], take_marked('t')) == 0);
    if (iterations == 7) phase_work(PHASE_THREAD_DATA_AGAIN);
}

static void *run_thread(void *argument) {
    for (int i = 0; i < 3; i++) CHECK(pthread_setspecific(keys[i], take_marked('t')) == 0);
    if (argument != NULL) phases_use_thread_local();
    return NULL;
}

static void run_threads(void) {
    for (int i = 0; i < 3; i++) CHECK(pthread_key_create(&keys[i], destroy_value) == 0);
    for (intptr_t i = 0; i < 50; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, run_thread, (void *)(i % 2)) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

static void live(bool quickly) {
    CHECK(atexit(at_exit) == 0);
    CHECK(at_quick_exit(end_quickly) == 0);
    atomic_fetch_or(phases_seen, seen_early);
    phase_work(PHASE_MAIN);
    if (from_preinit != NULL) free_marked(from_preinit, 'p');
    run_threads();
    phases_use_thread_local(); /* main's own: destroyed after main returned */
    if (quickly) quick_exit(0);
    exit(0);
}

static void expect_phases(bool quickly, unsigned wanted) {
    *phases_seen = 0;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        process_watchdog(60);
        live(quickly);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x, phases 0x%x", status, *phases_seen);
    CHECKF(*phases_seen == wanted, "phases 0x%x of 0x%x", *phases_seen, wanted);
}

int main(void) {
    process_expect_malloc();
    process_watchdog(120);
    phases_seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(phases_seen != MAP_FAILED);
    unsigned all = (1u << PHASE_COUNT) - 1, ending = 1u << PHASE_ATEXIT | 1u << PHASE_DESTRUCTOR |
                                                     1u << PHASE_DESTRUCTOR_LAST | 1u << PHASE_STATIC_DESTROYED;
#ifdef PHASES_WITHOUT_PREINIT
    all &= ~(1u << PHASE_PREINIT);
#endif
    expect_phases(false, all & ~(1u << PHASE_QUICK_EXIT));
    expect_phases(true, all & ~ending);
    phases_seen = NULL; /* our own end: destructors run once more, in the parent */
    return 0;
}
