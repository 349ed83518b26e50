/* fork: the child must find the books whole and its own heap usable.
 *
 * The handlers are registered at the first allocation, before almost anybody else's, and so run last before the
 * fork: what the program's own handlers wait for is not held up by our locks. One lock must still come before
 * ours: stdio's list of files, which libc takes for the fork itself, after our handler; a thread that holds it (in
 * fflush(NULL), say) may be waiting for one that holds a file and calls malloc. It is recursive, so taking it
 * twice is harmless. */
#include "api/api.h"
#include "inspect/count.h"
#include "os/os.h"

#include <pthread.h>
#include <signal.h>

extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));
extern char __libc_single_threaded __attribute__((weak));

/* Of the fork that this thread is in. Signals are blocked from the first lock to the last: a handler that forks in
 * between would find every lock held by its own thread and leave the outer fork unable to tell which to give back.
 */
static __thread struct {
    sigset_t mask;
    bool stdio_locked;
} during_fork __attribute__((tls_model("initial-exec")));

/* Threads may fork at once, each in a handler that interrupted it in malloc or in stdio: then each holds what
 * another waits for. So a thread that does not get everything soon gives all back, sleeps so that those who wait
 * for stdio's lock get it, tries again, and in the end goes on without: a fork that hangs is worse than a child
 * that lost blocks. */
#define TRIES 4000
#define PAUSE_US 1000
/* In a busy process hardly a look finds every lock free. */
#define PUSHING_EACH 4

static enum acre_fork_try how_to_try(int tries) {
    if (tries == TRIES) return ACRE_FORK_AT_ANY_PRICE;
    return tries % PUSHING_EACH == 0 ? ACRE_FORK_PUSHING : ACRE_FORK_POLITELY;
}

static void before_fork(void) {
    bool threads = &__libc_single_threaded == NULL || !__libc_single_threaded;
    bool lock_stdio = threads && _IO_list_lock != NULL && _IO_list_unlock != NULL;
    for (int tries = 1;; tries++) {
        acre_os_block_signals(&during_fork.mask);
        if (lock_stdio) _IO_list_lock();
        if (acre_arena_lock_all(how_to_try(tries))) break;
        if (lock_stdio) _IO_list_unlock();
        acre_os_restore_signals(&during_fork.mask);
        acre_os_sleep_us(PAUSE_US);
    }
    during_fork.stdio_locked = lock_stdio;
    acre_count_fork();
}

static void after_fork_in_parent(void) {
    acre_arena_unlock_all(false);
    if (during_fork.stdio_locked) _IO_list_unlock();
    acre_os_restore_signals(&during_fork.mask);
}

/* libc has made stdio's lock anew in the child of a process with threads; ours are our thread's still. */
static void after_fork_in_child(void) {
    bool inside = acre_arena_forked_inside();
    acre_os_note_process();
    acre_arena_unlock_all(true);
    /* A fork out of a signal handler that interrupted malloc: the structures are in the middle of a change, which
     * this thread will finish when the handler returns. What other threads owned stays lost to this child. */
    acre_arena_others_left();
    if (!inside) acre_arena_after_fork();
    acre_scavenger_after_fork();
    acre_count_child();
    acre_os_restore_signals(&during_fork.mask);
}

void acre_register_fork(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }
