/* Ranked locks that know their owner. They sleep in the kernel, so they live here and not in base.
 *
 * A thread takes only locks of a lower rank than those it holds; debug builds check it. The owner is known because
 * a signal handler may interrupt a holder and fork: the fork handlers must then not wait for a lock that their own
 * thread holds. */
#ifndef ACRE_OS_LOCK_H
#define ACRE_OS_LOCK_H

#include "base/base.h"

enum acre_rank { /* the number of the layer that owns the lock; held inside out */
                 ACRE_RANK_METADATA = 20,
                 ACRE_RANK_MAP = 25,
                 ACRE_RANK_SOURCE = 30,
                 ACRE_RANK_RANGES = 35,
                 ACRE_RANK_HUGE = 40,
                 ACRE_RANK_PAGES = 45,
                 ACRE_RANK_DEPOT = 50,
                 ACRE_RANK_HEAPS = 52, /* such a malloc may be a thread's first */
                 ACRE_RANK_CUSTOM_PAGES = 55, /* of an arena whose source is the program's, which may call malloc */
                 ACRE_RANK_CUSTOM_DEPOT = 57,
                 ACRE_RANK_SCAVENGE = 70,
                 ACRE_RANK_VISITORS = 75,
                 ACRE_RANK_ARENAS = 80, /* what acre_arena_each calls may release */
};

struct acre_lock {
    _Atomic uintptr_t holder; /* thread pointer, with bit 0 set when somebody may sleep; 0: free */
    uint32_t rank;
};
#define ACRE_LOCK(rank_)                                                                                           \
    { 0, (rank_) }
#define ACRE_LOCK_SLEEPERS ((uintptr_t)1)

void acre_lock_contended(struct acre_lock *lock);
void acre_lock_released(struct acre_lock *lock);
/* Debug builds: that the order is kept, and what this thread holds. Noted while the lock is held, so that a fork in
 * a signal handler, which asks the lock itself, never finds more noted than held. */
void acre_lock_check_rank(struct acre_lock *lock);
void acre_lock_note(const struct acre_lock *lock, bool taken);

/* One step from free to held by this thread: a signal finds it one or the other. */
ACRE_INLINE bool acre_lock_try(struct acre_lock *lock) {
    uintptr_t unheld = 0;
    return atomic_compare_exchange_strong_explicit(&lock->holder, &unheld, acre_thread_pointer(),
                                                   memory_order_acquire, memory_order_relaxed);
}

ACRE_INLINE void acre_lock(struct acre_lock *lock) {
    if (ACRE_CHECKS) acre_lock_check_rank(lock);
    if (!acre_lock_try(lock)) acre_lock_contended(lock);
    if (ACRE_CHECKS) acre_lock_note(lock, true);
}

ACRE_INLINE void acre_lock_give(struct acre_lock *lock) {
    if ((atomic_exchange_explicit(&lock->holder, 0, memory_order_release) & ACRE_LOCK_SLEEPERS) != 0)
        acre_lock_released(lock);
}

ACRE_INLINE void acre_unlock(struct acre_lock *lock) {
    if (ACRE_CHECKS) acre_lock_note(lock, false);
    acre_lock_give(lock);
}

ACRE_INLINE bool acre_lock_is_mine(struct acre_lock *lock) {
    uintptr_t holder = atomic_load_explicit(&lock->holder, memory_order_relaxed);
    return (holder & ~ACRE_LOCK_SLEEPERS) == acre_thread_pointer();
}

/* Takes the lock unless others keep it for some microseconds, whatever its rank. For who holds another and must not
 * wait with it: a fork in a signal handler, whose thread holds the one, would wait for the other. */
bool acre_lock_briefly(struct acre_lock *lock);

/* In the handlers of fork alone, which take no part in the ranks; given back by acre_lock_give. Takes the lock
 * unless another thread keeps it for about a millisecond; makes it free, whoever held it. */
bool acre_lock_for_fork(struct acre_lock *lock);
void acre_lock_reset(struct acre_lock *lock);

#endif
