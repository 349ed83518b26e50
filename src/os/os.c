#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/mman.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

struct acre_os_figures acre_os_figures;

/* Asked in front of each system call that can fail. */
#if defined(ACRE_FAULTS)
__attribute__((weak)) int (*acre_os_fault)(enum acre_os_call call);
static bool fails(enum acre_os_call call) {
    int error = acre_os_fault == NULL ? 0 : acre_os_fault(call);
    if (error != 0) errno = error;
    return error != 0;
}
#else
static bool fails(enum acre_os_call call) {
    (void)call;
    return false;
}
#endif

static void count(enum acre_os_call call) {
    atomic_fetch_add_explicit(&acre_os_figures.calls[call], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&acre_os_figures.calls_together, 1, memory_order_relaxed);
}

static void raise_to(_Atomic uint64_t *peak, uint64_t value) {
    uint64_t seen = atomic_load_explicit(peak, memory_order_relaxed);
    while (seen < value &&
           !atomic_compare_exchange_weak_explicit(peak, &seen, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void add_mapped(int64_t delta_bytes) {
    uint64_t now =
        atomic_fetch_add_explicit(&acre_os_figures.mapped_bytes, (uint64_t)delta_bytes, memory_order_relaxed) +
        (uint64_t)delta_bytes;
    raise_to(&acre_os_figures.mapped_peak_bytes, now);
}

size_t acre_os_page_bytes(void) {
    static _Atomic size_t known;
    size_t bytes = atomic_load_explicit(&known, memory_order_relaxed);
    if (bytes == 0) {
        bytes = getauxval(AT_PAGESZ);
        if (bytes == 0) bytes = 4096;
        atomic_store_explicit(&known, bytes, memory_order_relaxed);
    }
    return bytes;
}

static void note_break(uintptr_t now) {
    uint64_t none = 0;
    atomic_compare_exchange_strong_explicit(&acre_os_figures.break_start, &none, now, memory_order_relaxed,
                                            memory_order_relaxed);
    atomic_store_explicit(&acre_os_figures.break_now, now, memory_order_relaxed);
    raise_to(&acre_os_figures.break_peak, now);
}

uintptr_t acre_os_break(intptr_t delta_bytes) {
    int kept = errno;
    /* libc remembers the break: asking for it is a system call the first time only. */
    bool asks_kernel =
        delta_bytes != 0 || atomic_load_explicit(&acre_os_figures.break_start, memory_order_relaxed) == 0;
    void *before = delta_bytes != 0 && fails(ACRE_OS_BRK) ? (void *)-1 : sbrk(delta_bytes);
    if (asks_kernel) count(ACRE_OS_BRK);
    errno = kept;
    if (before == (void *)-1) return ACRE_BREAK_FAILED;
    note_break((uintptr_t)before + (uintptr_t)delta_bytes);
    return (uintptr_t)before;
}

static void *map(void *at, size_t size_bytes, int protection, int flags) {
    int kept = errno;
    void *start = MAP_FAILED;
    if (!fails(ACRE_OS_MMAP)) start = mmap(at, size_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    count(ACRE_OS_MMAP);
    errno = kept;
    return start == MAP_FAILED ? NULL : start;
}

void *acre_os_map(size_t size_bytes) {
    void *start = map(NULL, size_bytes, PROT_READ | PROT_WRITE, 0);
    if (start != NULL) add_mapped((int64_t)size_bytes);
    return start;
}

void *acre_os_map_huge_pages(size_t size_bytes) {
    void *start = map(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_HUGETLB | 21 << MAP_HUGE_SHIFT);
    if (start != NULL) add_mapped((int64_t)size_bytes);
    return start;
}

void *acre_os_reserve(size_t size_bytes) {
    void *start = map(NULL, size_bytes, PROT_NONE, MAP_NORESERVE);
    if (start != NULL) add_mapped((int64_t)size_bytes);
    return start;
}

bool acre_os_commit(void *start, size_t size_bytes) {
    return map(start, size_bytes, PROT_READ | PROT_WRITE, MAP_FIXED) != NULL;
}

bool acre_os_decommit(void *start, size_t size_bytes) {
    return map(start, size_bytes, PROT_NONE, MAP_NORESERVE | MAP_FIXED) != NULL;
}

void *acre_os_map_file(const char *path, size_t size_bytes) {
    int kept = errno;
    void *start = MAP_FAILED;
    int file = fails(ACRE_OS_OPEN) ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file >= 0) {
        if (!fails(ACRE_OS_MMAP)) start = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
    }
    errno = kept;
    return start == MAP_FAILED ? NULL : start;
}

bool acre_os_unmap(void *start, size_t size_bytes) {
    int kept = errno;
    bool done = !fails(ACRE_OS_MUNMAP) && munmap(start, size_bytes) == 0;
    count(ACRE_OS_MUNMAP);
    errno = kept;
    if (done) add_mapped(-(int64_t)size_bytes);
    return done;
}

static bool remap(void *start, size_t old_bytes, size_t new_bytes, int flags, void *to, bool *whole) {
    int kept = errno;
    bool done = !fails(ACRE_OS_MREMAP) && mremap(start, old_bytes, new_bytes, flags, to) != MAP_FAILED;
    count(ACRE_OS_MREMAP);
    if (whole != NULL) *whole = done || errno != EFAULT;
    errno = kept;
    return done;
}

bool acre_os_resize(void *start, size_t old_bytes, size_t new_bytes, bool *whole) {
    *whole = true;
    bool done = remap(start, old_bytes, new_bytes, 0, NULL, whole);
    if (done) add_mapped((int64_t)new_bytes - (int64_t)old_bytes);
    return done;
}

bool acre_os_move(void *start, size_t old_bytes, void *to, size_t new_bytes) {
    bool done = remap(start, old_bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to, NULL);
    if (done) add_mapped(-(int64_t)old_bytes);
    return done;
}

/* Since Linux 6.17 a move that fails leaves its destination as it was. Before it could be unmapped first. */
static bool leaves_destination(void) {
    struct utsname kernel;
    unsigned version = 0, patch_level = 0;
    if (uname(&kernel) != 0 || sscanf(kernel.release, "%u.%u", &version, &patch_level) != 2) return false;
    return version > 6 || (version == 6 && patch_level >= 17);
}

void acre_os_unmap_after_move(void *to, size_t size_bytes) {
    int kept = errno;
    void *found = leaves_destination()
                      ? to
                      : mmap(to, size_bytes, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (found == to) /* else something is there, and whose it is nobody knows */
        acre_os_unmap(to, size_bytes);
    else if (found != MAP_FAILED) /* a kernel that does not know the flag placed it elsewhere */
        munmap(found, size_bytes);
    errno = kept;
}

bool acre_os_release(void *start, size_t size_bytes) {
    int kept = errno;
    bool done = !fails(ACRE_OS_MADVISE) && madvise(start, size_bytes, MADV_DONTNEED) == 0;
    count(ACRE_OS_MADVISE);
    errno = kept;
    return done;
}

size_t acre_os_resident_bytes(void *start, size_t size_bytes) {
    enum { PAGES_MOST = 1024 };
    unsigned char in_memory[PAGES_MOST];
    size_t page_bytes = acre_os_page_bytes(), pages = acre_min(size_bytes / page_bytes, PAGES_MOST), resident = 0;
    int kept = errno;
    if (fails(ACRE_OS_MINCORE) || mincore(start, pages * page_bytes, in_memory) != 0) pages = 0;
    errno = kept;
    for (size_t page = 0; page < pages; page++) resident += in_memory[page] & 1;
    return resident * page_bytes;
}

void acre_os_advise_huge_pages(void *start, size_t size_bytes, bool wanted) {
    int kept = errno;
    if (!fails(ACRE_OS_MADVISE)) madvise(start, size_bytes, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    count(ACRE_OS_MADVISE);
    errno = kept;
}

size_t acre_os_read_file(const char *path, char *text, size_t room_bytes) {
    size_t length_bytes = 0;
    int kept = errno, file = -1;
    if (!fails(ACRE_OS_OPEN)) file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    for (ssize_t part = 1; file >= 0 && part > 0 && length_bytes < room_bytes - 1; length_bytes += (size_t)part) {
        part =
            fails(ACRE_OS_READ) ? -1 : syscall(SYS_read, file, text + length_bytes, room_bytes - 1 - length_bytes);
        if (part < 0) part = 0;
    }
    if (file >= 0) syscall(SYS_close, file);
    errno = kept;
    text[length_bytes] = 0;
    return length_bytes;
}

bool acre_os_huge_pages_are_for_all(void) {
    enum { UNKNOWN, NO, YES };
    static _Atomic uint32_t known;
    uint32_t answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == UNKNOWN) {
        char text[64];
        acre_os_read_file("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
        answer = strstr(text, "[always]") != NULL ? YES : NO;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == YES;
}

size_t acre_os_memory_limit_bytes(void) {
    struct rlimit address_space = {RLIM_INFINITY, RLIM_INFINITY}, data = {RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(RLIMIT_AS, &address_space);
    getrlimit(RLIMIT_DATA, &data);
    return (size_t)(address_space.rlim_cur < data.rlim_cur ? address_space.rlim_cur : data.rlim_cur);
}

uint64_t acre_os_clock_ms(void) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint64_t acre_os_thread_us(void) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint32_t acre_os_process_id(void) { return (uint32_t)getpid(); }

static _Atomic uint32_t noted_process;
_Atomic uintptr_t acre_os_scavenger;

void acre_os_note_process(void) {
    atomic_store_explicit(&noted_process, acre_os_process_id(), memory_order_relaxed);
}

bool acre_os_is_unnoted_process(void) {
    uint32_t noted = atomic_load_explicit(&noted_process, memory_order_relaxed);
    return noted != 0 && noted != acre_os_process_id();
}
uint32_t acre_os_parent_id(void) { return (uint32_t)getppid(); }
void acre_os_program_name(char name[16]) { prctl(PR_GET_NAME, name); }

/* Out of the 16 random bytes that the kernel gives each program. libc has secrets of its own from them, which this
 * must not give away: so much is lost in the multiplication that they do not follow from it. */
uintptr_t acre_os_secret(void) {
    const uintptr_t *random = (const uintptr_t *)getauxval(AT_RANDOM); /* not aligned, perhaps */
    uintptr_t words[2] = {0, 0};
    if (random != NULL) memcpy(words, random, sizeof words);
    unsigned __int128 product =
        (unsigned __int128)(words[0] ^ UINT64_C(0x9e3779b97f4a7c15)) * (words[1] ^ UINT64_C(0xbf58476d1ce4e5b9));
    return (uintptr_t)product ^ (uintptr_t)(product >> 64);
}

bool acre_os_is_secure(void) { return getauxval(AT_SECURE) != 0; }

/* The loader calls malloc before libc has stored `environ`; the kernel's own copy then lies above argc. */
extern void *__libc_stack_end __attribute__((weak));

static char **environment_strings(void) {
    if (environ != NULL) return environ;
    if (&__libc_stack_end == NULL || __libc_stack_end == NULL) return NULL;
    long argument_count = *(long *)__libc_stack_end;
    return (char **)__libc_stack_end + 1 + argument_count + 1;
}

const char *acre_os_environment(const char *name) {
    char **strings = environment_strings();
    size_t length = strlen(name);
    for (; strings != NULL && *strings != NULL; strings++) {
        if (strncmp(*strings, name, length) == 0 && (*strings)[length] == '=') return *strings + length + 1;
    }
    return NULL;
}

void acre_os_wait(_Atomic uint32_t *word, uint32_t expected) {
    int kept = errno;
    if (!fails(ACRE_OS_FUTEX_WAIT)) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
    errno = kept;
}

void acre_os_wait_ms(_Atomic uint32_t *word, uint32_t expected, uint32_t ms) {
    const struct timespec most = {ms / 1000, (long)(ms % 1000) * 1000000};
    int kept = errno;
    if (!fails(ACRE_OS_FUTEX_WAIT)) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &most, NULL, 0);
    errno = kept;
}

static void wake(_Atomic uint32_t *word, int sleepers) {
    int kept = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, sleepers, NULL, NULL, 0);
    errno = kept;
}

void acre_os_wake(_Atomic uint32_t *word) { wake(word, 1); }
void acre_os_wake_all(_Atomic uint32_t *word) { wake(word, INT_MAX); }

void acre_os_wait_shared(_Atomic uint32_t *word, uint32_t expected) {
    int kept = errno;
    if (!fails(ACRE_OS_FUTEX_WAIT)) syscall(SYS_futex, word, FUTEX_WAIT, expected, NULL, NULL, 0);
    errno = kept;
}

void acre_os_wake_shared(_Atomic uint32_t *word) {
    int kept = errno;
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    errno = kept;
}

static bool membarrier(int command) {
    return !fails(ACRE_OS_MEMBARRIER) && syscall(SYS_membarrier, command, 0, 0) == 0;
}

/* A process says once that it will ask for this; in a child it may have to be said again. */
bool acre_os_fence_threads(void) {
    int kept = errno;
    bool done = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) ||
                (errno == EPERM && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
                 membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
    errno = kept;
    return done;
}

bool acre_os_own_descriptors(void) {
    int kept = errno;
    bool done = !fails(ACRE_OS_CLOSE_RANGE) && syscall(SYS_close_range, 0u, ~0u, CLOSE_RANGE_UNSHARE) == 0;
    errno = kept;
    return done;
}

/* As a usual thread, since whoever starts it may be a real-time one; where that is not allowed, as that is. */
static int create(pthread_t *thread, pthread_attr_t *attributes, void *run(void *)) {
    if (fails(ACRE_OS_THREAD)) return errno;
    pthread_attr_setinheritsched(attributes, PTHREAD_EXPLICIT_SCHED);
    int error = pthread_create(thread, attributes, run, NULL);
    if (error != EPERM) return error;
    pthread_attr_setinheritsched(attributes, PTHREAD_INHERIT_SCHED);
    return pthread_create(thread, attributes, run, NULL);
}

void acre_os_block_signals(sigset_t *mask) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, mask); /* which leaves libc's own alone */
}

void acre_os_restore_signals(const sigset_t *mask) { pthread_sigmask(SIG_SETMASK, mask, NULL); }

bool acre_os_start_thread(pthread_t *thread, size_t stack_bytes, void *run(void *)) {
    pthread_attr_t attributes;
    sigset_t mask;
    int kept = errno;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    acre_os_block_signals(&mask); /* the program's signals are for its own threads */
    bool started = create(thread, &attributes, run) == 0;
    acre_os_restore_signals(&mask);
    pthread_attr_destroy(&attributes);
    errno = kept;
    return started;
}

uint32_t acre_os_thread_id(void) { return (uint32_t)syscall(SYS_gettid); }

bool acre_os_is_thread(uint32_t thread_id) {
    int kept = errno;
    if (acre_os_is_unnoted_process())
        return true; /* vfork's child, which is asked about the threads of its parent */
    bool is_gone = syscall(SYS_tgkill, getpid(), thread_id, 0) != 0 && errno == ESRCH;
    errno = kept;
    return !is_gone;
}

void *acre_os_share_page(void *earlier, int *descriptor) {
    int kept = errno;
    size_t page_bytes = acre_os_page_bytes();
    void *page = MAP_FAILED;
    *descriptor = fails(ACRE_OS_MEMFD) ? -1 : (int)syscall(SYS_memfd_create, "acre", MFD_CLOEXEC);
    if (*descriptor >= 0 && ftruncate(*descriptor, (off_t)page_bytes) == 0 && !fails(ACRE_OS_MMAP))
        page = mmap(earlier, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | (earlier != NULL ? MAP_FIXED : 0),
                    *descriptor, 0);
    errno = kept;
    return page == MAP_FAILED ? NULL : page;
}

void acre_os_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

void acre_os_sleep_us(uint32_t us) {
    const struct timespec pause = {us / 1000000, (long)(us % 1000000) * 1000};
    int kept = errno;
    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, NULL);
    errno = kept;
}

void acre_os_write_error(const char *text, size_t length_bytes) {
    int kept = errno;
    while (length_bytes > 0) {
        ssize_t written = write(STDERR_FILENO, text, length_bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) break;
        text += written;
        length_bytes -= (size_t)written;
    }
    errno = kept;
}

#if defined(ACRE_COVERAGE)
extern void __gcov_dump(void); /* who aborts does not come to its own */
_Noreturn void acre_os_abort(void) {
    __gcov_dump();
    abort();
}
#else
_Noreturn void acre_os_abort(void) { abort(); }
#endif
