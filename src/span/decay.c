#include "span/decay.h"

#include "os/os.h"

/* Who holds so much, in a process with threads, is worth a scavenger. */
#define ENOUGH_BYTES ((size_t)8 << 20)

struct acre_decay acre_decay;
struct acre_scavenger_place acre_scavenger_place;

void acre_decay_note_held(size_t held_bytes) {
    if (held_bytes < ENOUGH_BYTES) return;
    atomic_store_explicit(&acre_decay.enough, 1, memory_order_relaxed);
    acre_decay_ask();
}

uint32_t acre_decay_shorten(uint32_t ms) {
    uint32_t percent = atomic_load_explicit(&acre_decay.pressure_percent, memory_order_relaxed);
    return percent == 0 ? ms : (uint32_t)((uint64_t)ms * (100 - acre_min(percent, 100u)) / 100);
}

void acre_decay_wake(void) {
    atomic_store(&acre_decay.noted, 1);
    if (atomic_load(&acre_decay.asleep) == 0) return;
    struct acre_decay_post *post = atomic_load(&acre_decay.post);
    if (post == NULL) {
        acre_os_wake(&acre_decay.noted);
    } else {
        atomic_fetch_add(&post->bell, 1);
        acre_os_wake_shared(&post->bell);
    }
}

bool acre_decay_look(void) { return atomic_exchange(&acre_decay.noted, 0) != 0; }

void acre_decay_rest(uint32_t ms) { acre_os_wait_ms(&acre_decay.hurry, 0, ms); }

void acre_decay_hurry(void) {
    atomic_store(&acre_decay.hurry, 1);
    acre_os_wake(&acre_decay.hurry);
    acre_decay_wake();
}

/* `asleep` before the last look at `noted`, and in acre_decay_wake the other way round: one of the two sees the
 * other. */
void acre_decay_sleep(void) {
    atomic_store(&acre_decay.asleep, 1);
    struct acre_decay_post *post = atomic_load(&acre_decay.post);
    for (;;) {
        uint32_t rung = post == NULL ? 0 : atomic_load(&post->bell);
        if (atomic_load(&acre_decay.noted) != 0 || acre_decay_is_asked_outside()) break;
        if (post == NULL)
            acre_os_wait(&acre_decay.noted, 0);
        else
            acre_os_wait_shared(&post->bell, rung);
    }
    atomic_store(&acre_decay.asleep, 0);
}
