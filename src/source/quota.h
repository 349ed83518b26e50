/* How much may be held, and is: charged before it is asked for, so that it never is more than the limit. */
#ifndef ACRE_SOURCE_QUOTA_H
#define ACRE_SOURCE_QUOTA_H

#include "base/base.h"

struct acre_quota {
    _Atomic size_t held_bytes, peak_bytes;
    size_t limit_bytes;
};

ACRE_INLINE size_t acre_quota_held_bytes(const struct acre_quota *quota) {
    return atomic_load_explicit(&quota->held_bytes, memory_order_relaxed);
}

/* Within the limit or not at all. */
ACRE_INLINE bool acre_quota_charge(struct acre_quota *quota, size_t size_bytes) {
    size_t held_bytes = acre_quota_held_bytes(quota);
    do
        if (held_bytes > quota->limit_bytes || size_bytes > quota->limit_bytes - held_bytes) return false;
    while (!atomic_compare_exchange_weak_explicit(&quota->held_bytes, &held_bytes, held_bytes + size_bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* What was charged is held now: the most that was. */
ACRE_INLINE void acre_quota_note_peak(struct acre_quota *quota) {
    size_t held_bytes = acre_quota_held_bytes(quota);
    size_t peak_bytes = atomic_load_explicit(&quota->peak_bytes, memory_order_relaxed);
    while (peak_bytes < held_bytes &&
           !atomic_compare_exchange_weak_explicit(&quota->peak_bytes, &peak_bytes, held_bytes, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

/* As much as there is of the two; 0: not even the least. */
ACRE_INLINE size_t acre_quota_charge_some(struct acre_quota *quota, size_t least_bytes, size_t wanted_bytes) {
    if (acre_quota_charge(quota, wanted_bytes)) return wanted_bytes;
    return acre_quota_charge(quota, least_bytes) ? least_bytes : 0;
}

ACRE_INLINE void acre_quota_discharge(struct acre_quota *quota, size_t size_bytes) {
    atomic_fetch_sub_explicit(&quota->held_bytes, size_bytes, memory_order_relaxed);
}
/* What came out otherwise than it was charged. */
ACRE_INLINE void acre_quota_correct(struct acre_quota *quota, size_t charged_bytes, size_t size_bytes) {
    atomic_fetch_add_explicit(&quota->held_bytes, size_bytes - charged_bytes, memory_order_relaxed);
}

#endif
