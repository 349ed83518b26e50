#include "os/lock.h"

#include "os/os.h"

#define SPINS 100 /* about the time that the longest ordinary critical section takes */

void acre_lock_contended(struct acre_lock *lock) {
    for (int spin = 0; spin < SPINS; spin++) {
        uint32_t unlocked = 0;
        if (atomic_load_explicit(&lock->state, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&lock->state, &unlocked, 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        acre_cpu_relax();
    }
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0) acre_os_wait(&lock->state, 2);
}

void acre_lock_released(struct acre_lock *lock) { acre_os_wake(&lock->state); }

#if defined(ACRE_DEBUG)
#define HELD_MOST 8
static __thread struct {
    uint32_t count;
    uint32_t ranks[HELD_MOST];
} held __attribute__((tls_model("initial-exec")));

void acre_lock_check_rank(struct acre_lock *lock, bool taken) {
    if (taken) {
        ACRE_ASSERT(held.count < HELD_MOST);
        ACRE_ASSERT(held.count == 0 || held.ranks[held.count - 1] > lock->rank);
        held.ranks[held.count++] = lock->rank;
    } else {
        ACRE_ASSERT(held.count > 0 && held.ranks[held.count - 1] == lock->rank);
        held.count--;
    }
}
#else
void acre_lock_check_rank(struct acre_lock *lock, bool taken) {
    (void)lock;
    (void)taken;
}
#endif
