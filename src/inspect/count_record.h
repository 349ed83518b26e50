/* The record that the counting library writes and `acre run` reads.
 *
 * `acre run` makes an anonymous file (memfd) of sizeof(struct acre_count_file) and passes its path in the
 * environment variable ACRE_COUNT ("/proc/PID/fd/N"). libacre-count.so opens and maps it at its first use,
 * claims a process slot and counts there, so that the figures survive _exit, SIGKILL and exec.
 *
 * All numbers are native 64-bit words, written with relaxed atomics by the process that owns the slot; each
 * is right by itself, and all together are consistent once that process has ended.
 */
#ifndef ACRE_INSPECT_COUNT_RECORD_H
#define ACRE_INSPECT_COUNT_RECORD_H

#include <stdatomic.h>
#include <stdint.h>

#define ACRE_COUNT_ENVIRONMENT "ACRE_COUNT"
#define ACRE_COUNT_MAGIC UINT64_C(0x31746e756f637261) /* "arcount1" */
#define ACRE_COUNT_VERSION 4u
#define ACRE_COUNT_PROCESSES 4096u /* process images that one run can hold; later ones are only tallied */
#define ACRE_COUNT_ARENAS 32u      /* names of arenas that an image's table can tell apart */
#define ACRE_COUNT_ARENA_NAME 32u  /* bytes of such a name, with its NUL */

/* Library calls by kind; C++ new counts as malloc (or aligned), delete as free */
enum acre_count_call {
    ACRE_COUNT_MALLOC,
    ACRE_COUNT_CALLOC,
    ACRE_COUNT_REALLOC, /* realloc and reallocarray */
    ACRE_COUNT_FREE,    /* free(NULL) too: it is a call */
    ACRE_COUNT_ALIGNED, /* aligned_alloc, posix_memalign, memalign, valloc, pvalloc and aligned new */
    ACRE_COUNT_CALLS
};

/* System calls made by the allocator */
enum acre_count_syscall {
    ACRE_COUNT_SYS_BRK,
    ACRE_COUNT_SYS_MMAP,
    ACRE_COUNT_SYS_MUNMAP,
    ACRE_COUNT_SYS_MREMAP,
    ACRE_COUNT_SYS_MADVISE,
    ACRE_COUNT_SYSCALLS
};

/* How memory went back to the kernel */
enum acre_count_released {
    ACRE_COUNT_RELEASED_PAGES,    /* free pages, by advice */
    ACRE_COUNT_RELEASED_HOLES,    /* pages without a live block between live ones, by advice */
    ACRE_COUNT_RELEASED_MAPPINGS, /* unmapped */
    ACRE_COUNT_RELEASED_BREAK,    /* by a lower break */
    ACRE_COUNT_RELEASED_HOWS
};

#define ACRE_COUNT_PICTURE_CELLS 64u

/* Blocks that the program holds, in bytes as requested. */
struct acre_count_live {
    _Atomic uint64_t now, peak, blocks;
};

/* The arenas that the program made, added up by name. What they hold is looked at when they allocate; peaks of it
 * are since each was made, be it in the parent of a fork. */
struct acre_count_arena {
    _Atomic uint64_t made;                /* those there at the start among them; 0: the row is unused */
    _Atomic uint64_t left;                /* not destroyed */
    _Atomic uint64_t calls, failed_calls; /* that allocate; for want of memory, be it the limit */
    _Atomic uint64_t resets;
    struct acre_count_live live;
    _Atomic uint64_t held_now, held_peak; /* by all of them together */
    _Atomic uint64_t held_most;           /* by any one */
    _Atomic uint64_t limit;               /* the highest of them; 0: one has none */
    char name[ACRE_COUNT_ARENA_NAME];     /* NUL-terminated */
};

struct acre_count_process {
    _Atomic uint64_t pid; /* 0: slot unused */
    _Atomic uint64_t parent_pid;
    _Atomic uint64_t image; /* 1 for the first program this pid ran on acre, 2 after its next exec, ... */
    _Atomic uint64_t ended; /* 1 once the library saw a regular exit */
    _Atomic uint64_t calls[ACRE_COUNT_CALLS];
    _Atomic uint64_t failed_calls; /* allocation calls that returned NULL for want of memory */
    _Atomic uint64_t syscalls[ACRE_COUNT_SYSCALLS];
    _Atomic uint64_t break_start, break_peak, break_end; /* addresses; 0: the break was never looked at */
    _Atomic uint64_t mapped_now, mapped_peak;            /* bytes mapped by the allocator with mmap */
    struct acre_count_live live;
    _Atomic uint64_t looked_ms;    /* CLOCK_MONOTONIC_COARSE when retained_now, picture and what arenas hold were made */
    _Atomic uint64_t retained_now; /* bytes that may be resident and hold no live block (own books) */
    _Atomic uint64_t metadata_now; /* bytes of acre's own records (mapped) */
    _Atomic uint64_t released[ACRE_COUNT_RELEASED_HOWS]; /* bytes in all that may have been resident */
    _Atomic uint64_t released_again;                     /* of these, what was put to use again */
    _Atomic uint64_t threads_peak;                       /* thread heaps in use at once */
    /* A picture of the heap: break and chunk address space in equal cells, 0..100 per cent live, 255: nothing
     * there. picture_cells is 0 when there is none. */
    _Atomic uint64_t picture_cells;
    uint8_t picture[ACRE_COUNT_PICTURE_CELLS];
    char name[64]; /* program name (comm-like, NUL-terminated) */
    /* The names whose arenas held most, each since it has its row; in the first row, without a name, the arenas of
     * all others, which are too many to be told apart. */
    struct acre_count_arena arenas[1 + ACRE_COUNT_ARENAS];
};

struct acre_count_file {
    uint64_t magic;
    uint32_t version;
    uint32_t process_bytes; /* sizeof(struct acre_count_process), as the maker of the file saw it */
    uint64_t root_pid;      /* the process that `acre run` started; 0 until known */
    uint64_t children;      /* 1: count every descendant on acre, 0: only root_pid */
    _Atomic uint64_t used;  /* slots claimed, also beyond ACRE_COUNT_PROCESSES */
    struct acre_count_process process[ACRE_COUNT_PROCESSES];
};

#endif
