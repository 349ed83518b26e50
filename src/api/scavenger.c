/* The scavenger: a thread that gives free memory back while the program does something else, or nothing.
 *
 * A thread more can be seen: libc leaves its single-threaded paths, and unshare of a user namespace fails. So it
 * starts only in a process that has threads already and holds some memory, or else when much is free in one that
 * has none. It starts in malloc's slow path: libc frees under locks of its own that pthread_create takes, but does
 * not allocate there. free may start it where there is no other thread yet whose stack could be freed.
 *
 * It sleeps without a timer when nothing is due. It ends when no thread with a heap is left, since a process whose
 * main thread has called pthread_exit ends with its last thread. That one waits until the scavenger is gone, so
 * that the program's own handlers of exit run on its own thread. */
#include "api/api.h"
#include "arena/cgroup.h"
#include "arena/scavenge.h"
#include "os/os.h"
#include "span/released.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <unistd.h>

extern char __libc_single_threaded __attribute__((weak));

#define NAME "acre"
#define STACK_BYTES ((size_t)64 << 10)
#define RETAINED_LEAST ((size_t)32 << 20)
/* A look costs no more than this part of the time while nothing comes of it. */
#define LOOK_PART 32
#define LOOK_MOST_TIMES 4
#define REST_AT_ONCE_MS 250
/* Between two looks it rests for this part of what is usual at the least. */
#define REST_LEAST_PART 4
/* Looks in a row without any effect before it sleeps, though something waits that cannot be released. */
#define VAIN_LOOKS_MOST 4

/* How often it looks whether any thread is left, where the process ends with the last one. */
#define ENDS_MS 1000

/* How long until one that could not be started is tried again, the first time. */
#define RETRY_MS 100
#define RETRY_MOST_MS 10000

enum { ABSENT, PRESENT };
static _Atomic uint32_t state;
static pthread_t scavenger;
static _Atomic uint32_t is_joinable; /* `scavenger` is one that was started and nobody has waited for */
static bool has_own_descriptors;     /* the scavenger's alone */
static struct {
    _Atomic uint64_t not_before_ms;
    uint32_t wait_ms;
} failure;

static uint32_t tick_ms(void) { return acre_max(acre_decay_shorten(acre_options.decay_ms) / 2, 1); }

struct look {
    uint64_t began_ms, began_us; /* by the clock; of the thread's own time */
    uint64_t spent_us;
    bool any; /* something came of it */
};

/* From the beginning of the look to that of the next. */
static uint64_t period_ms(const struct look *look) {
    uint64_t ms = tick_ms(), fair_ms = look->spent_us * LOOK_PART / 1000;
    return look->any ? ms : acre_max(ms, acre_min(fair_ms, ms * LOOK_MOST_TIMES));
}

/* Waits before the next look; one that took long and came to nothing is not made as often. Memory may become short
 * meanwhile. */
static void rest(const struct look *look) {
    uint64_t passed_ms = acre_os_clock_ms() - look->began_ms, least_ms = acre_max(tick_ms() / REST_LEAST_PART, 1);
    for (uint64_t rested_ms = 0, left_ms; passed_ms < period_ms(look) || rested_ms < least_ms;
         rested_ms += left_ms) {
        left_ms = passed_ms < period_ms(look) ? period_ms(look) - passed_ms : 0;
        left_ms = acre_min(acre_max(left_ms, least_ms), REST_AT_ONCE_MS);
        acre_decay_rest((uint32_t)left_ms);
        passed_ms += left_ms;
        if (acre_decay_is_asked_outside()) return;
        if (has_own_descriptors) acre_cgroup_look();
    }
}

/* Who is last to leave says so after it left: what is forgotten here is seen there. */
static bool is_needed(void) {
    atomic_store(&acre_decay.hurry, 0);
    return acre_heap_is_any();
}

/* A page in a table of descriptors that is not the program's; the page stays where it is from scavenger to
 * scavenger, since others may be about to ring. */
static void open_post(void) {
    static struct acre_decay_post *page;
    int descriptor;
    if (!has_own_descriptors) return;
    void *shared = acre_os_share_page(page, &descriptor);
    if (shared == NULL) return;
    page = shared;
    acre_scavenger_place.descriptor = (uint32_t)descriptor;
    atomic_store(&acre_scavenger_place.thread_id, acre_os_thread_id());
    atomic_store(&acre_decay.post, page);
}

static void serve_post(void) {
    struct acre_decay_post *post = atomic_load(&acre_decay.post);
    if (!acre_decay_is_asked_outside()) return;
    uint32_t wanted = atomic_load(&post->wanted);
    uint64_t before_bytes = acre_released_bytes();
    acre_arena_end_parked();
    acre_scavenge_all(0);
    atomic_fetch_add(&post->released_bytes, acre_released_bytes() - before_bytes);
    atomic_store(&post->served, wanted);
    acre_os_wake_shared(&post->served);
}

static void look_while_needed(void) {
    for (unsigned vain_looks = 0; is_needed();) {
        serve_post();
        if (acre_decay_look()) vain_looks = 0;
        struct look look = {acre_os_clock_ms(), acre_os_thread_us(), 0, false};
        struct acre_scavenged done = acre_scavenge_due();
        look.spent_us = acre_os_thread_us() - look.began_us;
        look.any = done.any;
        bool noted = atomic_load(&acre_decay.noted) != 0;
        vain_looks = done.any || done.busy ? 0 : vain_looks + 1;
        if (noted || done.any || (done.waits && vain_looks < VAIN_LOOKS_MOST))
            rest(&look);
        else if (acre_heap_is_without_first())
            acre_decay_rest(ENDS_MS);
        else
            acre_decay_sleep();
    }
}

static void *scavenge(void *unused) {
    (void)unused;
    uint32_t absent;
    acre_heap_never_count();
    atomic_store(&acre_os_scavenger, acre_thread_pointer());
    acre_os_name_thread(NAME);
    has_own_descriptors = acre_os_own_descriptors();
    open_post();
    do {
        look_while_needed();
        absent = ABSENT;
        atomic_store(&acre_scavenger_place.thread_id, 0);
        atomic_store(&state, ABSENT); /* a thread may have come that was told that there is a scavenger */
        acre_os_wake_all(&state);
    } while (acre_heap_is_any() && atomic_compare_exchange_strong(&state, &absent, PRESENT));
    return NULL;
}

/* libc puts a thread's copy of all thread-local variables on its stack. */
static int add_tls(struct dl_phdr_info *object, size_t info_bytes, void *sum_bytes) {
    (void)info_bytes;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type == PT_TLS) *(size_t *)sum_bytes += segment->p_memsz + segment->p_align;
    }
    return 0;
}

static size_t stack_bytes(void) {
    size_t tls_bytes = 0;
    dl_iterate_phdr(add_tls, &tls_bytes);
    return acre_max(STACK_BYTES, (size_t)sysconf(_SC_THREAD_STACK_MIN)) + tls_bytes;
}

/* The one before has ended, or is about to. */
static void join(void) {
    if (atomic_exchange(&is_joinable, 0) != 0) pthread_join(scavenger, NULL);
}

static bool start(void) {
    int kept = errno;
    struct acre_heap *entered = acre_this_heap;
    /* What libc allocates for the thread outlives an arena, and is not to hold the break up where it ends now. */
    acre_this_heap = &acre_this_thread->heap;
    if (acre_default_arena.supplier.source != ACRE_SOURCE_BRK) acre_heap_set_apart();
    join();
    bool started = acre_os_start_thread(&scavenger, stack_bytes(), scavenge);
    if (started) atomic_store(&is_joinable, 1);
    acre_this_heap = entered != &acre_no_thread.heap ? entered : &acre_this_thread->heap;
    errno = kept;
    return started;
}

/* A thread with a heap may come meanwhile, and then the scavenger stays. */
static void last_leaves(void) {
    acre_decay_hurry();
    while (atomic_load(&state) == PRESENT && !acre_heap_is_any()) acre_os_wait_ms(&state, PRESENT, REST_AT_ONCE_MS);
    if (!acre_heap_is_any()) join();
}

static bool has_threads(void) { return &__libc_single_threaded == NULL || !__libc_single_threaded; }

/* What its one thread knows of: free pages and cached blocks, and free blocks of its slabs. */
static bool retains_much(void) {
    return acre_page_heap_spare_bytes(&acre_default_arena.pages) + acre_this_thread->heap.partial_free_bytes >=
           RETAINED_LEAST;
}

/* With `state` taken. Each failure makes the next try come later. */
static void try_to_start(void) {
    if (start()) return;
    failure.wait_ms = (uint32_t)acre_min(acre_max(2 * failure.wait_ms, RETRY_MS), RETRY_MOST_MS);
    atomic_store(&failure.not_before_ms, acre_os_clock_ms() + failure.wait_ms);
    atomic_store(&state, ABSENT);
}

static void start_if_absent(void) {
    uint32_t absent = ABSENT;
    if (acre_os_is_unnoted_process()) return; /* vfork's child, with which it would end */
    uint64_t not_before_ms = atomic_load_explicit(&failure.not_before_ms, memory_order_relaxed);
    if (not_before_ms != 0 && acre_os_clock_ms() < not_before_ms) return;
    if (atomic_compare_exchange_strong(&state, &absent, PRESENT)) try_to_start();
}

static bool is_absent(void) { return atomic_load_explicit(&state, memory_order_relaxed) == ABSENT; }

static void look_in_malloc(void) {
    if (is_absent() && (has_threads() || retains_much())) start_if_absent();
}

/* Where there are threads, libc may be freeing under a lock that pthread_create takes: then it is left to the next
 * look in malloc. */
void acre_scavenger_look_in_free(void) {
    if (!is_absent() || acre_decay.answer == NULL) return;
    if (has_threads())
        acre_decay_ask();
    else if (retains_much())
        start_if_absent();
}

void acre_scavenger_prepare(void) {
    if (acre_options.scavenger != 0 && acre_options.decay_ms != ACRE_OPTION_NEVER)
        acre_decay.answer = look_in_malloc;
    acre_decay.last_leaves = last_leaves;
}

void acre_scavenger_after_fork(void) {
    atomic_store(&state, ABSENT);
    atomic_store(&acre_os_scavenger, 0);
    atomic_store(&is_joinable, 0);
    atomic_store(&acre_decay.post, NULL);
    atomic_store(&acre_scavenger_place.thread_id, 0);
    acre_cgroup_forget();
}
