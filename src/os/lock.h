/* Ranked locks that know their owner. They sleep in the kernel, so they live here and not in base.
 *
 * Lock order is the rank, low to high address of nothing: a thread takes only locks of a lower rank than those it
 * holds; debug builds check it. The owner is known because a signal handler may interrupt a holder and fork: the
 * fork handlers must then not wait for a lock that their own thread holds. */
#ifndef ACRE_OS_LOCK_H
#define ACRE_OS_LOCK_H

#include "base/base.h"

enum acre_rank { /* the number of the layer that owns the lock; held inside out */
    ACRE_RANK_METADATA = 20,
    ACRE_RANK_MAP = 25,
    ACRE_RANK_SOURCE = 30,
    ACRE_RANK_HUGE = 40,
    ACRE_RANK_PAGES = 45,
    ACRE_RANK_DEPOT = 50,
    ACRE_RANK_HEAPS = 60,
};

struct acre_lock {
    _Atomic uint32_t state; /* 0 free, 1 held, 2 held and somebody may sleep */
    uint32_t rank;
    _Atomic uintptr_t owner; /* thread pointer of the holder, 0 when free */
};
#define ACRE_LOCK(rank_) {0, (rank_), 0}

void acre_lock_contended(struct acre_lock *lock);
void acre_lock_released(struct acre_lock *lock);
void acre_lock_check_rank(struct acre_lock *lock, bool taken);

ACRE_INLINE void acre_lock(struct acre_lock *lock) {
    uint32_t unlocked = 0;
    if (ACRE_CHECKS) acre_lock_check_rank(lock, true);
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &unlocked, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        acre_lock_contended(lock);
    atomic_store_explicit(&lock->owner, acre_thread_pointer(), memory_order_relaxed);
}

ACRE_INLINE void acre_unlock(struct acre_lock *lock) {
    if (ACRE_CHECKS) acre_lock_check_rank(lock, false);
    atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
    if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2) acre_lock_released(lock);
}

ACRE_INLINE bool acre_lock_is_mine(struct acre_lock *lock) {
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == acre_thread_pointer();
}

#endif
