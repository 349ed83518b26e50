#include "os/lock.h"

#include "os/os.h"
#include "os/report.h"

#define SPINS 100        /* about the time that the longest ordinary critical section takes */
#define FORK_SPINS 20000 /* about a millisecond */

/* The kernel looks at 32 bits: the low half, which has the bit for sleepers. */
static _Atomic uint32_t *low_half(struct acre_lock *lock) { return (_Atomic uint32_t *)(void *)&lock->holder; }

static void sleep_while_held(struct acre_lock *lock) {
    uintptr_t holder = atomic_load_explicit(&lock->holder, memory_order_relaxed);
    if (holder == 0) return;
    if ((holder & ACRE_LOCK_SLEEPERS) == 0 &&
        !atomic_compare_exchange_strong_explicit(&lock->holder, &holder, holder | ACRE_LOCK_SLEEPERS,
                                                 memory_order_relaxed, memory_order_relaxed))
        return;
    if ((holder & ~ACRE_LOCK_SLEEPERS) == atomic_load(&acre_os_scavenger) && acre_os_is_unnoted_process())
        acre_lock_reset(lock); /* held by who did not come along */
    else
        acre_os_wait(low_half(lock), (uint32_t)(holder | ACRE_LOCK_SLEEPERS));
}

/* It would wait for ever. */
static void stop_if_mine(struct acre_lock *lock) {
    if (acre_lock_is_mine(lock))
        acre_fail(
            "this thread would wait for itself: acre was called by a signal handler that interrupted it, or by "
            "a function of the program's that it had called");
}

void acre_lock_contended(struct acre_lock *lock) {
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&lock->holder, memory_order_relaxed) == 0 && acre_lock_try(lock)) return;
        acre_cpu_relax();
    }
    stop_if_mine(lock);
    /* Others may sleep as well, so who has slept takes the lock with the bit set. */
    for (uintptr_t unheld = 0; !atomic_compare_exchange_strong_explicit(&lock->holder, &unheld,
                                                                        acre_thread_pointer() | ACRE_LOCK_SLEEPERS,
                                                                        memory_order_acquire, memory_order_relaxed);
         unheld = 0)
        sleep_while_held(lock);
}

void acre_lock_released(struct acre_lock *lock) { acre_os_wake(low_half(lock)); }

static bool try_often(struct acre_lock *lock, int spins) {
    for (int spin = 0; spin < spins; spin++) {
        if (acre_lock_try(lock)) return true;
        acre_cpu_relax();
    }
    return false;
}

bool acre_lock_for_fork(struct acre_lock *lock) { return try_often(lock, FORK_SPINS); }

bool acre_lock_briefly(struct acre_lock *lock) {
    if (!try_often(lock, SPINS)) return false;
    if (ACRE_CHECKS) acre_lock_note(lock, true);
    return true;
}

void acre_lock_reset(struct acre_lock *lock) { atomic_store(&lock->holder, 0); }

#if defined(ACRE_DEBUG)
#define HELD_MOST 8
static __thread struct {
    uint32_t count;
    uint32_t ranks[HELD_MOST];
} held __attribute__((tls_model("initial-exec")));

void acre_lock_check_rank(struct acre_lock *lock) {
    stop_if_mine(lock);
    ACRE_ASSERT(held.count == 0 || held.ranks[held.count - 1] > lock->rank);
}

void acre_lock_note(const struct acre_lock *lock, bool taken) {
    if (taken) {
        ACRE_ASSERT(held.count < HELD_MOST);
        held.ranks[held.count++] = lock->rank;
    } else {
        ACRE_ASSERT(held.count > 0 && held.ranks[held.count - 1] == lock->rank);
        held.count--;
    }
}
#else
void acre_lock_check_rank(struct acre_lock *lock) { (void)lock; }
void acre_lock_note(const struct acre_lock *lock, bool taken) {
    (void)lock;
    (void)taken;
}
#endif
