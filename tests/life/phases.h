/* The phases of a process's life in which the test allocates; each is a bit. */
#ifndef ACRE_TESTS_PHASES_H
#define ACRE_TESTS_PHASES_H

#ifdef __cplusplus
extern "C" {
#endif

enum phase {
    PHASE_PREINIT,
    PHASE_CONSTRUCTOR_FIRST,
    PHASE_CONSTRUCTOR,
    PHASE_CONSTRUCTOR_LATE,
    PHASE_STATIC_CONSTRUCTED, /* a C++ object with static storage */
    PHASE_MAIN,
    PHASE_THREAD_DATA,
    PHASE_THREAD_DATA_AGAIN, /* the third iteration of destructors */
    PHASE_THREAD_LOCAL,      /* a C++ thread_local's destructor */
    PHASE_ATEXIT,
    PHASE_QUICK_EXIT,
    PHASE_DESTRUCTOR,
    PHASE_DESTRUCTOR_LAST,
    PHASE_STATIC_DESTROYED,
    PHASE_COUNT
};

/* Allocates in many ways and sets the phase's bit. */
void phase_work(unsigned phase);

/* Makes the calling thread's C++ thread_local object. */
void phases_use_thread_local(void);

#ifdef __cplusplus
}
#endif

#endif
