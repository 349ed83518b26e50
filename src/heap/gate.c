#include "heap/gate.h"

#include "os/os.h"

/* A refill takes less than a microsecond, and some more with a system call. Who is inside for longer was preempted.
 */
#define LOOKS_MOST 500
#define SPINS 200

_Atomic uint32_t acre_gate_is_closed;
static bool is_possible; /* the scavenger's lock guards it */

bool acre_gate_is_possible(void) { return is_possible; }

void acre_gate_wait(struct acre_heap *heap) {
    do {
        acre_gate_leave(heap);
        for (int spin = 0; spin < SPINS && atomic_load(&acre_gate_is_closed) != 0; spin++) acre_cpu_relax();
        while (atomic_load(&acre_gate_is_closed) != 0) {
            if (acre_os_is_unnoted_process())
                acre_gate_open(); /* closed by who did not come along */
            else
                acre_os_wait(&acre_gate_is_closed, 1);
        }
        atomic_store(heap->inside, 1); /* and then the gate: both in one order for all */
    } while (atomic_load(&acre_gate_is_closed) != 0);
}

static void count_inside(struct acre_thread *thread, void *context) {
    unsigned *inside = context;
    *inside += atomic_load_explicit(&thread->inside, memory_order_acquire) != 0;
}

bool acre_gate_close(void) {
    atomic_store(&acre_gate_is_closed, 1);
    bool fenced = acre_os_fence_threads();
    is_possible = fenced;
    for (int look = 0; fenced && look < LOOKS_MOST; look++) {
        unsigned inside = 0;
        if (acre_thread_each_briefly(count_inside, &inside) && inside == 0) return true;
        acre_cpu_relax();
    }
    acre_gate_open();
    return false;
}

void acre_gate_open(void) {
    atomic_store(&acre_gate_is_closed, 0);
    acre_os_wake_all(&acre_gate_is_closed);
}
