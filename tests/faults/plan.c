/* The plan is read, and calls are counted, inside of malloc: nothing here may allocate or take a lock. */
#include "faults/faults.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const char *const faults_calls[ACRE_OS_FALLIBLE] = {
    [ACRE_OS_BRK] = "brk",
    [ACRE_OS_MMAP] = "mmap",
    [ACRE_OS_MUNMAP] = "munmap",
    [ACRE_OS_MREMAP] = "mremap",
    [ACRE_OS_MADVISE] = "madvise",
    [ACRE_OS_MINCORE] = "mincore",
    [ACRE_OS_OPEN] = "openat",
    [ACRE_OS_READ] = "read",
    [ACRE_OS_MEMBARRIER] = "membarrier",
    [ACRE_OS_CLOSE_RANGE] = "close_range",
    [ACRE_OS_MEMFD] = "memfd_create",
    [ACRE_OS_FUTEX_WAIT] = "futex",
    [ACRE_OS_THREAD] = "pthread_create",
};

/* What the kernel may say; the next call that fails says the next. */
static const int errors[ACRE_OS_FALLIBLE][3] = {
    [ACRE_OS_BRK] = {ENOMEM, ENOMEM, ENOMEM},       [ACRE_OS_MMAP] = {ENOMEM, EAGAIN, ENOMEM},
    [ACRE_OS_MUNMAP] = {ENOMEM, ENOMEM, ENOMEM},    [ACRE_OS_MREMAP] = {ENOMEM, EFAULT, EAGAIN},
    [ACRE_OS_MADVISE] = {EAGAIN, EINVAL, ENOMEM},   [ACRE_OS_MINCORE] = {EAGAIN, ENOMEM, EAGAIN},
    [ACRE_OS_OPEN] = {EMFILE, EACCES, ENFILE},      [ACRE_OS_READ] = {EIO, EINTR, EAGAIN},
    [ACRE_OS_MEMBARRIER] = {ENOSYS, EPERM, EINVAL}, [ACRE_OS_CLOSE_RANGE] = {ENOSYS, ENOMEM, EPERM},
    [ACRE_OS_MEMFD] = {EMFILE, ENOSYS, ENOMEM},     [ACRE_OS_FUTEX_WAIT] = {EINTR, EAGAIN, EINTR},
    [ACRE_OS_THREAD] = {EAGAIN, ENOMEM, EPERM},
};

struct faults_count faults_count[ACRE_OS_FALLIBLE];

static struct {
    bool is_read, is_over, and_later;
    int call; /* -1: any, at random */
    unsigned nth, many;
    _Atomic uint64_t random;
} plan = {.call = ACRE_OS_FALLIBLE};

static void read_plan(void) {
    char text[64] = "", name[32] = "", *rest = text;
    const char *wanted = acre_os_environment(FAULTS_PLAN);
    plan.is_read = true;
    if (wanted == NULL) return;
    strncpy(text, wanted, sizeof text - 1);
    size_t length = strcspn(text, " ");
    memcpy(name, text, length < sizeof name ? length : 0);
    plan.nth = (unsigned)strtoul(text + length, &rest, 10);
    if (strcmp(name, "random") == 0) {
        plan.call = -1;
        plan.random = plan.nth;
        plan.many = (unsigned)strtoul(rest, &rest, 10);
    }
    for (int call = 0; call < ACRE_OS_FALLIBLE; call++)
        if (strcmp(name, faults_calls[call]) == 0) plan.call = call;
    plan.and_later = strstr(rest, "on") != NULL;
}

static bool is_unlucky(void) {
    uint64_t state = atomic_fetch_add(&plan.random, UINT64_C(0x9e3779b97f4a7c15));
    state = (state ^ state >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
    return (state ^ state >> 29) % 1000 < plan.many;
}

static int look_up(enum acre_os_call call) {
    if (plan.is_over) return 0;
    if (!plan.is_read) read_plan();
    struct faults_count *count = &faults_count[call];
    unsigned nth = __atomic_add_fetch(&count->seen, 1, __ATOMIC_RELAXED);
    bool is_due = (int)call == plan.call && (nth == plan.nth || (plan.and_later && nth > plan.nth));
    if (!is_due && (plan.call != -1 || !is_unlucky())) return 0;
    return errors[call][__atomic_fetch_add(&count->failed, 1, __ATOMIC_RELAXED) % 3];
}

int (*acre_os_fault)(enum acre_os_call call) = look_up;

void faults_end(void) { plan.is_over = true; }
