/* acre sources: the measurements. */
#include "sources.h"

#include "complain.h"
#include "library_path.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES ((size_t)4096) /* what costs are given for, whatever the machine's pages are */
#define HUGE_BYTES ((size_t)2 << 20)
#define BACK_BYTES ((size_t)16 << 20)
/* Small sizes are measured several times over, so that a round has at least so much. */
#define ROUND_BYTES ((size_t)8 << 20)
enum { ROUNDS_MOST = 101, PAIRS = 200000, CALLS = 20000, MAPS = 2000 };

const size_t source_sizes[SOURCE_SIZES] = {(size_t)64 << 10, (size_t)1 << 20, (size_t)16 << 20, (size_t)64 << 20};
const char *const source_call_names[SOURCE_CALLS] = {"malloc and free of 24 bytes, on acre",
                                                     "the least system call", "asking where the break is",
                                                     "mmap and munmap of 64 KiB, untouched"};
const char *const source_way_names[SOURCE_WAYS] = {"break", "mmap", "break, huge pages", "mmap, huge pages"};
const char *const source_back_names[SOURCE_BACKS] = {"munmap", "advice (MADV_DONTNEED)", "a lower break",
                                                     "touched again after advice"};
const char *const source_call_keys[SOURCE_CALLS] = {"malloc_free", "system_call", "break_query", "mmap_munmap"};
const char *const source_way_keys[SOURCE_WAYS] = {"break", "mmap", "break_huge", "mmap_huge"};
const char *const source_back_keys[SOURCE_BACKS] = {"munmap", "advice", "break", "again"};

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *one, const void *other) {
    const double *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

static struct cost cost_of(double *rounds_ns, unsigned rounds) {
    qsort(rounds_ns, rounds, sizeof *rounds_ns, by_value);
    return (struct cost){true, rounds_ns[rounds / 2], rounds_ns[rounds / 4], rounds_ns[rounds - 1 - rounds / 4]};
}

/* ---- calls */

static void *(*take)(size_t);
static void (*give)(void *);

/* acre's own, loaded beside libc's. */
static bool load_acre(void) {
    char path[PATH_MAX];
    if (!library_path(ACRE_LIBRARY_PLAIN, path)) {
        return false;
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library != NULL) {
        take = (void *(*)(size_t))dlsym(library, "malloc");
        give = (void (*)(void *))dlsym(library, "free");
    }
    if (library == NULL || take == NULL || give == NULL) {
        complain("cannot load %s: %s", path, dlerror());
        return false;
    }
    return true;
}

static double malloc_ns(void) {
    void *volatile block;
    double start_ns = now_ns();
    for (int i = 0; i < PAIRS; i++) {
        block = take(24);
        give(block);
    }
    return (now_ns() - start_ns) / PAIRS;
}

static double system_ns(void) {
    double start_ns = now_ns();
    for (int i = 0; i < CALLS; i++) {
        syscall(SYS_getppid);
    }
    return (now_ns() - start_ns) / CALLS;
}

static double break_ns(void) {
    double start_ns = now_ns();
    for (int i = 0; i < CALLS; i++) {
        syscall(SYS_brk, 0);
    }
    return (now_ns() - start_ns) / CALLS;
}

static void *map(size_t size_bytes) {
    void *start = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}

static double mmap_ns(void) {
    double start_ns = now_ns();
    for (int i = 0; i < MAPS; i++) {
        void *start = map((size_t)64 << 10);
        if (start == NULL) {
            return -1;
        }
        munmap(start, (size_t)64 << 10);
    }
    return (now_ns() - start_ns) / MAPS;
}

/* ---- grow, touch, shrink */

static void touch(char *start, size_t size_bytes) {
    for (size_t at = 0; at < size_bytes; at += PAGE_BYTES) {
        ((volatile char *)start)[at] = 1;
    }
}

/* Of the range, the part that huge pages can lie behind; small pages are asked for where the system gives huge ones
 * to all. */
static void advise(char *start, size_t size_bytes, bool huge) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)start + page - 1) / page * page;
    madvise((void *)from, size_bytes - (from - (uintptr_t)start), huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

/* The length that is asked for: with room to begin at a huge page. */
static size_t taken_bytes(enum source_way way, size_t size_bytes) {
    bool huge = way == WAY_BREAK_HUGE || way == WAY_MMAP_HUGE;
    return huge ? size_bytes + HUGE_BYTES : size_bytes;
}

static char *grow(enum source_way way, size_t size_bytes) {
    bool from_break = way == WAY_BREAK || way == WAY_BREAK_HUGE;
    void *start = from_break ? sbrk((intptr_t)size_bytes) : map(size_bytes);
    return start == (void *)-1 ? NULL : start;
}

static void shrink(enum source_way way, char *start, size_t size_bytes) {
    if (way == WAY_BREAK || way == WAY_BREAK_HUGE) {
        sbrk(-(intptr_t)size_bytes);
    } else {
        munmap(start, size_bytes);
    }
}

/* One round: nanoseconds for a page to grow and touch, and to shrink; false when there is no memory. */
static bool grow_and_shrink(enum source_way way, size_t size_bytes, double *touch_ns, double *shrink_ns) {
    size_t times = size_bytes < ROUND_BYTES ? ROUND_BYTES / size_bytes : 1,
           all_bytes = taken_bytes(way, size_bytes);
    *touch_ns = *shrink_ns = 0;
    for (size_t i = 0; i < times; i++) {
        double start_ns = now_ns();
        char *start = grow(way, all_bytes);
        if (start == NULL) {
            return false;
        }
        char *from = start;
        if (all_bytes > size_bytes) {
            from = (char *)(((uintptr_t)start + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES);
        }
        advise(start, all_bytes, all_bytes > size_bytes);
        touch(from, size_bytes);
        double touched_ns = now_ns();
        shrink(way, start, all_bytes);
        *touch_ns += touched_ns - start_ns;
        *shrink_ns += now_ns() - touched_ns;
    }
    size_t pages = times * (size_bytes / PAGE_BYTES);
    *touch_ns /= (double)pages;
    *shrink_ns /= (double)pages;
    return true;
}

/* ---- giving back */

static void back(double ns[SOURCE_BACKS]) {
    const size_t back_pages = BACK_BYTES / PAGE_BYTES;
    const double pages = (double)back_pages;
    char *start = map(BACK_BYTES);
    double before_ns, given_ns;
    for (int i = 0; i < SOURCE_BACKS; i++) {
        ns[i] = -1;
    }
    if (start != NULL) {
        advise(start, BACK_BYTES, false);
        touch(start, BACK_BYTES);
        before_ns = now_ns();
        madvise(start, BACK_BYTES, MADV_DONTNEED);
        given_ns = now_ns();
        touch(start, BACK_BYTES);
        ns[BACK_AGAIN] = (now_ns() - given_ns) / pages;
        ns[BACK_ADVICE] = (given_ns - before_ns) / pages;
        before_ns = now_ns();
        munmap(start, BACK_BYTES);
        ns[BACK_UNMAP] = (now_ns() - before_ns) / pages;
    }
    start = grow(WAY_BREAK, BACK_BYTES);
    if (start != NULL) {
        advise(start, BACK_BYTES, false);
        touch(start, BACK_BYTES);
        before_ns = now_ns();
        shrink(WAY_BREAK, start, BACK_BYTES);
        ns[BACK_BREAK] = (now_ns() - before_ns) / pages;
    }
}

/* ---- all of it: a round of everything, and then the next, so that what disturbs one disturbs all alike */

struct rounds {
    double call[SOURCE_CALLS][ROUNDS_MOST];
    double touch[SOURCE_WAYS][SOURCE_SIZES][ROUNDS_MOST], shrink[SOURCE_WAYS][SOURCE_SIZES][ROUNDS_MOST];
    double back[SOURCE_BACKS][ROUNDS_MOST];
};

static void measure_round(struct rounds *all, unsigned round) {
    double back_ns[SOURCE_BACKS];
    all->call[CALL_MALLOC][round] = malloc_ns();
    all->call[CALL_SYSTEM][round] = system_ns();
    all->call[CALL_BREAK][round] = break_ns();
    all->call[CALL_MMAP][round] = mmap_ns();
    for (int way = 0; way < SOURCE_WAYS; way++) {
        for (int size = 0; size < SOURCE_SIZES; size++) {
            bool done = grow_and_shrink(way, source_sizes[size], &all->touch[way][size][round],
                                        &all->shrink[way][size][round]);
            if (!done) {
                all->touch[way][size][round] = all->shrink[way][size][round] = -1;
            }
        }
    }
    back(back_ns);
    for (int i = 0; i < SOURCE_BACKS; i++) {
        all->back[i][round] = back_ns[i];
    }
}

/* A negative one says that it could not be had. */
static struct cost sum_up(double *rounds_ns, unsigned rounds) {
    for (unsigned i = 0; i < rounds; i++) {
        if (rounds_ns[i] < 0) {
            return (struct cost){.known = false};
        }
    }
    return cost_of(rounds_ns, rounds);
}

bool sources_measure(struct sources *sources, unsigned rounds, void (*tell)(unsigned done, unsigned all)) {
    struct rounds *all = malloc(sizeof *all);
    rounds = rounds < ROUNDS_MOST ? rounds : ROUNDS_MOST;
    if (all == NULL || !load_acre()) {
        free(all);
        return false;
    }
    measure_round(all, 0); /* once, so that nothing is done for the first time afterwards */
    for (unsigned round = 0; round < rounds; round++) {
        if (tell != NULL) {
            tell(round, rounds);
        }
        measure_round(all, round);
    }
    *sources = (struct sources){.rounds = rounds};
    for (int i = 0; i < SOURCE_CALLS; i++) {
        sources->call[i] = sum_up(all->call[i], rounds);
    }
    for (int way = 0; way < SOURCE_WAYS; way++) {
        for (int size = 0; size < SOURCE_SIZES; size++) {
            sources->touch[way][size] = sum_up(all->touch[way][size], rounds);
            sources->shrink[way][size] = sum_up(all->shrink[way][size], rounds);
        }
    }
    for (int i = 0; i < SOURCE_BACKS; i++) {
        sources->back[i] = sum_up(all->back[i], rounds);
    }
    free(all);
    return true;
}
