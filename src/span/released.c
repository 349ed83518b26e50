#include "span/released.h"

struct acre_released acre_released;

static void add(_Atomic uint64_t *sum, uint64_t value) {
    atomic_fetch_add_explicit(sum, value, memory_order_relaxed);
}

uint64_t acre_released_bytes(void) {
    uint64_t sum = 0;
    for (unsigned how = 0; how < ACRE_RELEASED_HOWS; how++)
        sum += atomic_load_explicit(&acre_released.bytes[how], memory_order_relaxed);
    return sum;
}

void acre_released_note(enum acre_released_how how, size_t size_bytes) {
    if (size_bytes == 0) return;
    add(&acre_released.bytes[how], size_bytes);
    if (how == ACRE_RELEASED_MAPPINGS || how == ACRE_RELEASED_BREAK) add(&acre_released.gone_bytes, size_bytes);
}

void acre_released_used_again(size_t size_bytes) {
    if (size_bytes > 0) add(&acre_released.again_bytes, size_bytes);
}

void acre_released_mapped_anew(size_t size_bytes) {
    uint64_t gone = atomic_load_explicit(&acre_released.gone_bytes, memory_order_relaxed), part;
    do part = acre_min(gone, size_bytes);
    while (part > 0 && !atomic_compare_exchange_weak_explicit(&acre_released.gone_bytes, &gone, gone - part,
                                                              memory_order_relaxed, memory_order_relaxed));
    acre_released_used_again(part);
}
