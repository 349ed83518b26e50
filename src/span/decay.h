/* What time will make due: who makes such a thing notes it here, and the scavenger sleeps until somebody has.
 *
 * Due are free pages that hold old data, freed huge blocks that wait in the cache, and pages without a live block
 * in partly used slabs. A note is one load where there is one already. */
#ifndef ACRE_SPAN_DECAY_H
#define ACRE_SPAN_DECAY_H

#include "base/base.h"

/* A page that the scavenger shares with whoever asks it from outside the process (acre trim). Who asks adds 1 to
 * `wanted`, then to `bell`, and wakes who waits for `bell`; then waits until `served` is no less. */
struct acre_decay_post {
    _Atomic uint32_t bell; /* what the scavenger sleeps on */
    _Atomic uint32_t wanted, served;
    uint32_t reserved;
    _Atomic uint64_t released_bytes; /* for all that was served */
};

struct acre_decay {
    _Atomic uint32_t noted;               /* something may be due by and by */
    _Atomic uint32_t asleep;              /* the scavenger sleeps on `noted` */
    _Atomic uint32_t hurry;               /* it is not to rest */
    struct acre_decay_post *_Atomic post; /* NULL: nobody can ask from outside */
    _Atomic uint32_t pressure_percent;    /* of the waiting time is not to be waited, since memory is short */
    _Atomic uint32_t enough;              /* is held for a scavenger to be worth its thread */
    _Atomic uint32_t
        asked;            /* more was taken: whether to start one is to be looked at, where malloc holds no lock */
    void (*answer)(void); /* by this, which the layer that has threads sets before there is any */
    void (*last_leaves)(void); /* likewise: called when the last thread that has a heap has left it */
};
extern struct acre_decay acre_decay;

/* Where that page is to be had from outside: a descriptor of this thread's own table; 0: there is none. */
struct acre_scavenger_place {
    _Atomic uint32_t thread_id;
    uint32_t descriptor;
};
extern struct acre_scavenger_place acre_scavenger_place;

void acre_decay_wake(void);

/* Whether to start a scavenger is to be looked at in malloc. */
ACRE_INLINE void acre_decay_ask(void) { atomic_store_explicit(&acre_decay.asked, 1, memory_order_relaxed); }
/* More memory was taken, and there is now so much. */
void acre_decay_note_held(size_t held_bytes);
/* In malloc's slow paths, with no lock held and nothing of the heap in the middle of a change: may call malloc. */
ACRE_INLINE void acre_decay_answer(void) {
    if (ACRE_LIKELY(atomic_load_explicit(&acre_decay.asked, memory_order_relaxed) == 0)) return;
    atomic_store_explicit(&acre_decay.asked, 0, memory_order_relaxed);
    if (acre_decay.answer != NULL) acre_decay.answer();
}

/* How long free memory may wait, where option decay_ms says `ms`. */
uint32_t acre_decay_shorten(uint32_t ms);

/* Any thread, with any lock held. */
ACRE_INLINE void acre_decay_note(void) {
    if (atomic_load_explicit(&acre_decay.noted, memory_order_relaxed) == 0) acre_decay_wake();
}

/* For the scavenger alone: forgets what was noted, before it looks; whether something was. */
bool acre_decay_look(void);
/* Waits for the next look, unless it is told to hurry; and that, when it is to see that it is needed no more. */
void acre_decay_rest(uint32_t ms);
void acre_decay_hurry(void);
/* Whether somebody asks from outside. */
ACRE_INLINE bool acre_decay_is_asked_outside(void) {
    struct acre_decay_post *post = atomic_load_explicit(&acre_decay.post, memory_order_relaxed);
    return post != NULL && atomic_load(&post->wanted) != atomic_load(&post->served);
}
/* Sleeps until something is noted, or somebody asks; returns at once if something was since the last look. */
void acre_decay_sleep(void);

#endif
