/* Layer 1: the only place with system calls. Every function keeps errno; failure is a return value. */
#ifndef ACRE_OS_OS_H
#define ACRE_OS_OS_H

#include "base/base.h"

#include <pthread.h>
#include <signal.h>

/* System calls that the allocator makes: those that are counted, in the order of the counting record, and others
 * that can fail. */
enum acre_os_call {
    ACRE_OS_BRK,
    ACRE_OS_MMAP,
    ACRE_OS_MUNMAP,
    ACRE_OS_MREMAP,
    ACRE_OS_MADVISE,
    ACRE_OS_CALLS,
    ACRE_OS_MINCORE = ACRE_OS_CALLS,
    ACRE_OS_OPEN,
    ACRE_OS_READ,
    ACRE_OS_MEMBARRIER,
    ACRE_OS_CLOSE_RANGE,
    ACRE_OS_MEMFD,
    ACRE_OS_FUTEX_WAIT,
    ACRE_OS_THREAD, /* pthread_create */
    ACRE_OS_FALLIBLE
};

/* Figures of this layer. mapped_bytes is what acre holds by mmap; the break's three are addresses.
 * Each is right by itself at any time (relaxed atomics). */
struct acre_os_figures {
    _Atomic uint64_t calls[ACRE_OS_CALLS];
    _Atomic uint64_t calls_together; /* tells cheaply whether anything changed */
    _Atomic uint64_t mapped_bytes, mapped_peak_bytes;
    _Atomic uint64_t break_start, break_now, break_peak;
};
extern struct acre_os_figures acre_os_figures;

#define ACRE_BREAK_FAILED ((uintptr_t)-1)

/* Bytes of an OS page, a power of two. */
size_t acre_os_page_bytes(void);

/* The program break, moved by delta bytes (0: only asked for): the break before the move, or
 * ACRE_BREAK_FAILED. Goes through libc's sbrk, since other code that uses it must see the same break. */
uintptr_t acre_os_break(intptr_t delta_bytes);

/* Private anonymous zeroed pages; NULL when there are none. */
void *acre_os_map(size_t size_bytes);
/* The same of huge pages of 2 MiB that were set aside (size_bytes: a multiple of it, and so is the address). */
void *acre_os_map_huge_pages(size_t size_bytes);
bool acre_os_unmap(void *start, size_t size_bytes);
/* Addresses without memory, which cannot be touched and count toward no limit but that on address space; NULL:
 * none. Pages for some of them, zeroed; and without again. acre_os_unmap ends it, with what has no pages then. */
void *acre_os_reserve(size_t size_bytes);
bool acre_os_commit(void *start, size_t size_bytes);
bool acre_os_decommit(void *start, size_t size_bytes);
/* Makes a mapping longer or shorter where it lies; false when that cannot be done. *whole: it is one mapping, so
 * that it can be moved (a part of it that the program gave advice on is one of its own). */
bool acre_os_resize(void *start, size_t old_bytes, size_t new_bytes, bool *whole);
/* Moves the pages of a mapping over another one of new_bytes, which they replace and which is not shorter; the rest
 * of it reads as zeros. false: the first is as before, and of the second nothing is known (before Linux 6.17 it may
 * be unmapped, and somebody else's). */
bool acre_os_move(void *start, size_t old_bytes, void *to, size_t new_bytes);
/* Unmaps what a move failed to come to, if that is there still: what another thread has mapped there since stays.
 */
void acre_os_unmap_after_move(void *to, size_t size_bytes);
/* The pages' memory back to the kernel at once (MADV_DONTNEED); they read as zeros afterwards. */
bool acre_os_release(void *start, size_t size_bytes);
/* How much of these pages is in memory (mincore); 0 where the kernel does not say. At most 1024 pages are looked
 * at. */
size_t acre_os_resident_bytes(void *start, size_t size_bytes);
/* Whether the kernel may put huge pages behind these pages: at their first touch, or later by copying. Only advice.
 */
void acre_os_advise_huge_pages(void *start, size_t size_bytes, bool wanted);
/* Whether the system gives huge pages to who did not ask as well (its setting for transparent huge pages is
 * always), as it was when this was first called. */
bool acre_os_huge_pages_are_for_all(void);
/* The first bytes of a small file, as text that ends with a 0; how many. 0 as well when it cannot be read. Past
 * libc, whose functions others may have put theirs before. */
size_t acre_os_read_file(const char *path, char *text, size_t room_bytes);
/* A shared mapping of a file, for the counting record; NULL when it cannot be had. */
void *acre_os_map_file(const char *path, size_t size_bytes);

/* The least of the limits on address space and data (RLIMIT_AS, RLIMIT_DATA), SIZE_MAX when there is none. */
size_t acre_os_memory_limit_bytes(void);
uint64_t acre_os_clock_ms(void);  /* monotonic, coarse; no system call where there is a vDSO */
uint64_t acre_os_thread_us(void); /* processor time of the calling thread */
uint32_t acre_os_process_id(void);
uint32_t acre_os_parent_id(void);
/* The process is noted at the start, and in the child of a fork that libc knows of. Whether this is another one: a
 * child that was made past libc (_Fork, clone), in which the scavenger is not there. A system call. */
void acre_os_note_process(void);
bool acre_os_is_unnoted_process(void);
/* The scavenger's thread pointer, while it is there. */
extern _Atomic uintptr_t acre_os_scavenger;
void acre_os_program_name(char name[16]);
uintptr_t acre_os_secret(void); /* a number that only this process knows, the same at every call */
bool acre_os_is_secure(void);   /* AT_SECURE: the environment is not to be trusted */
/* The value of an environment variable, also before libc has set up `environ`; NULL when there is none. */
const char *acre_os_environment(const char *name);

void acre_os_wait(_Atomic uint32_t *word, uint32_t expected); /* sleep while *word == expected; may wake early */
void acre_os_wait_ms(_Atomic uint32_t *word, uint32_t expected, uint32_t ms); /* but no longer than this */
void acre_os_wake(_Atomic uint32_t *word);                                    /* wake one sleeper */
void acre_os_wake_all(_Atomic uint32_t *word);
/* The same on a page that processes share. */
void acre_os_wait_shared(_Atomic uint32_t *word, uint32_t expected);
void acre_os_wake_shared(_Atomic uint32_t *word);
/* A page of zeros that another process can open as /proc/PID/task/TID/fd/N of the calling thread, where *descriptor
 * is N; in the place of an earlier one, unless that is NULL. NULL when it cannot be had. */
void *acre_os_share_page(void *earlier, int *descriptor);
void acre_os_sleep_us(uint32_t us); /* no cancellation point; a signal may end it early */

/* Every thread of the process passes a full memory barrier before this returns (membarrier, Linux 4.14); false
 * where the kernel does not offer it. */
bool acre_os_fence_threads(void);
/* The calling thread has a table of file descriptors of its own from now on, which is empty: what it opens takes no
 * number from the others, and what they close is not kept open (close_range, Linux 5.9). false: it shares theirs
 * still. */
bool acre_os_own_descriptors(void);
/* No handler runs on the calling thread until its mask is what it was before. */
void acre_os_block_signals(sigset_t *mask);
void acre_os_restore_signals(const sigset_t *mask);
/* A thread of acre's own, with all signals blocked; false when there can be none. */
bool acre_os_start_thread(pthread_t *thread, size_t stack_bytes, void *run(void *));
uint32_t acre_os_thread_id(void);
/* Whether the process has a thread of this number; true where that cannot be told (tgkill). */
bool acre_os_is_thread(uint32_t thread_id);
void acre_os_name_thread(const char *name); /* the calling one, up to 15 characters */

void acre_os_write_error(const char *text, size_t length_bytes); /* to standard error, as far as it goes */
_Noreturn void acre_os_abort(void);

#if defined(ACRE_FAULTS)
/* Test builds: asked before every call that can fail, with errno its own to change; the errno to fail with, or 0.
 * A program that defines it itself has it from its first allocation on. */
extern int (*acre_os_fault)(enum acre_os_call call);
#endif

#endif
