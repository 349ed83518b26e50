/* acre: malloc that is fast, gives memory back, and shows you where it went.
 *
 * A program linked with libacre (or started with LD_PRELOAD=libacre.so.1) has its malloc family served by
 * acre; nothing needs to be called here for that.
 */
#ifndef ACRE_ACRE_H
#define ACRE_ACRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ACRE_VERSION_MAJOR 0
#define ACRE_VERSION_MINOR 1
#define ACRE_VERSION_PATCH 0
#define ACRE_VERSION "0.1.0"

/* The version of the library in use, "MAJOR.MINOR.PATCH"; a constant string. Never fails.
 * Thread-safe and async-signal-safe. */
const char *acre_version(void);

/* Gives everything that is free back to Linux at once, whichever thread freed it, sleeping ones' included; what is
 * freed otherwise goes back by itself some time later (option decay_ms). 1 when anything was given back, else 0;
 * errno is kept. malloc_trim(0) does the same. Other threads that call malloc meanwhile may wait for about a
 * millisecond at a time. Thread-safe; not async-signal-safe. */
int acre_release(void);

/* ---- misuse
 *
 * A double free, a free of what is no block, and the like: option misuse says what becomes of it (abort: a line on
 * standard error, and the program ends; report: the line, and the call does nothing; ignore: the call does
 * nothing). free and its kin then leave everything as it is, realloc returns NULL with errno EINVAL and leaves the
 * block, malloc_usable_size is 0, and a function of arenas returns NULL or false with errno EINVAL, or does
 * nothing. docs/misuse.md says what is noticed and when. */
enum acre_misuse_kind {
    ACRE_MISUSE_DOUBLE_FREE = 1, /* of a block that is free */
    ACRE_MISUSE_FREED,           /* realloc or malloc_usable_size of one */
    ACRE_MISUSE_NOT_A_BLOCK,     /* of an address in acre's memory where no block begins, or none was handed out */
    ACRE_MISUSE_FOREIGN,         /* of an address that is not acre's, or is so no more */
    ACRE_MISUSE_DAMAGED,         /* a block was written to after its free, where acre had noted something in it */
    ACRE_MISUSE_ARENA,           /* a function of arenas was given none, or one that is destroyed */
    ACRE_MISUSE_ARENA_ORDER      /* an arena left that was not entered, or destroyed while it is; or one made, reset
                                  * or destroyed by what acre_arena_each calls */
};

struct acre_misuse {
    enum acre_misuse_kind kind;
    const char *function; /* that was called wrongly, "free"; of what is noticed later: that must have been */
    const void *address;  /* as it was given; NULL for ACRE_MISUSE_ARENA_ORDER */
    const char *line;     /* that is written to standard error, without its newline */
};

/* Calls handler for each misuse, before its line is written and the program ends, in the thread that comes upon it;
 * also when option misuse is ignore. NULL: nobody (the default). Returns the handler before, or NULL.
 *
 * The handler is called in the middle of malloc or free, perhaps with locks held: it may do what a signal handler
 * may, write and _exit among it, and must not call malloc, free and their kin, any function of acre, nor what does,
 * and must not leave by longjmp or an exception. What it is given is valid until it returns. Several threads may
 * call it at once, and it is not called for a misuse of its own. Thread-safe and async-signal-safe. */
typedef void acre_misuse_handler(const struct acre_misuse *misuse);
acre_misuse_handler *acre_set_misuse_handler(acre_misuse_handler *handler);

/* ---- arenas
 *
 * An arena is a heap of its own. Its blocks are apart from all others in memory, have a limit that hurts nobody
 * else, and go all at once. They are otherwise as any blocks: free, realloc and malloc_usable_size take them in any
 * thread, and realloc leaves a block in its arena.
 *
 * Any number of threads may allocate from an arena and free into it. An arena that was destroyed is noticed by its
 * handle, which is misuse as above, until the record serves its sixteenth arena since.
 *
 * acre_arena_reset and acre_arena_destroy are
 * for one thread alone: no other may use the arena or a block of it at that time. None of these functions is
 * async-signal-safe.
 *
 * In the child of a fork every arena is there, and what is done to it there does not touch the parent (but for
 * memory that the program itself gave to it and shares). */
typedef struct acre_arena_place acre_arena;

/* Where an arena's memory comes from. */
enum acre_source {
    ACRE_SOURCE_AUTO,    /* acre chooses; for an arena that is ACRE_SOURCE_MMAP */
    ACRE_SOURCE_BRK,     /* the program break, and mmap where it cannot grow */
    ACRE_SOURCE_MMAP,    /* anonymous mappings */
    ACRE_SOURCE_RANGE,   /* memory that the caller has */
    ACRE_SOURCE_HUGETLB, /* anonymous mappings of pages of 2 MiB that the administrator has set aside */
    ACRE_SOURCE_CUSTOM   /* the caller's functions */
};

/* Whether transparent huge pages are to lie behind it. */
enum acre_thp { ACRE_THP_AUTO, ACRE_THP_ALWAYS, ACRE_THP_NEVER };

/* The caller's own source. Called with a lock of the arena held: they may call malloc, but no function of
 * arenas, nor malloc while this one is entered. take: size_bytes (a multiple of 64 KiB) of memory that may be read
 * and written, at a multiple of alignment (a power of two, at least 64 KiB), which is not acre's (no block of
 * malloc) and may hold anything; NULL: there is none. What acre sees not to be so is given back at once, and counts
 * as none. give: what take gave, whole; false: it stays with the caller anyway. May be NULL: then nothing is given
 * back. */
struct acre_source_functions {
    void *(*take)(void *context, size_t size_bytes, size_t alignment);
    bool (*give)(void *context, void *start, size_t size_bytes);
    void *context;
};

/* Zero in a field means what is written first. */
struct acre_arena_options {
    /* "arena"; up to 31 bytes of it are copied. */
    const char *name;
    /* ACRE_SOURCE_AUTO. */
    enum acre_source source;
    /* As option thp says. */
    enum acre_thp thp;
    /* No limit; else what the arena may hold, at least 64 KiB, rounded down to a multiple of that. Its records,
     * about 1.5 % of its memory, come on top. */
    size_t limit_bytes;
    /* None; else address space in one piece, taken at once and used as needed: all that the arena will ever have.
     * ACRE_SOURCE_AUTO and ACRE_SOURCE_MMAP only. */
    size_t reserve_bytes;
    /* ACRE_SOURCE_RANGE: the caller's memory, of which the arena uses whole steps of 64 KiB. It is not acre's to
     * give back, and holds anything afterwards. */
    void *range;
    size_t range_bytes;
    /* ACRE_SOURCE_CUSTOM. */
    struct acre_source_functions functions;
    /* Blocks hold anything; else they come zeroed, from every function, and so does what realloc adds, unless it
     * was the block's before. */
    bool zeroed;
    /* Any thread may use it; else only the one that creates it, which acre need not check. */
    bool single_thread;
    /* Nothing is defined yet. */
    unsigned flags;
};

/* A new arena, or NULL and errno (options: NULL means all zero):
 * - EINVAL: an option out of its range, a combination that has no meaning, a flag; a range without one whole step
 *   of 64 KiB
 * - EEXIST: the range, or a part of it, is in use by acre already
 * - ENOMEM: no memory for it, or no huge pages set aside (ACRE_SOURCE_HUGETLB, see /proc/sys/vm/nr_hugepages)
 * - EAGAIN: called from inside malloc's own start */
acre_arena *acre_arena_create(const struct acre_arena_options *options);

/* As malloc, calloc, realloc and aligned_alloc, from this arena. NULL and ENOMEM at its limit, or when there is no
 * memory. acre_arena_realloc moves a block of another arena here. alignment: a power of two (else NULL and EINVAL).
 */
void *acre_arena_malloc(acre_arena *arena, size_t size);
void *acre_arena_calloc(acre_arena *arena, size_t count, size_t size);
void *acre_arena_realloc(acre_arena *arena, void *block, size_t size);
void *acre_arena_aligned_alloc(acre_arena *arena, size_t alignment, size_t size);

/* All blocks are gone; the arena keeps its memory and goes on. */
void acre_arena_reset(acre_arena *arena);
/* What of it is free goes back to Linux at once; true when something did. */
bool acre_arena_release(acre_arena *arena);
/* All blocks are gone, and the arena with all that it has. A thread that has entered it must have left it. */
void acre_arena_destroy(acre_arena *arena);

/* The arena of a live block; NULL for one of the default arena and for addresses that are not acre's. Of a free
 * block, or an address inside a block, it is one or the other. */
acre_arena *acre_arena_of(const void *block);
/* Whether the address lies in memory that the arena holds for blocks now, in a live block or not. */
bool acre_arena_contains(acre_arena *arena, const void *address);

/* Bytes, but for counts. An arena's own books; for NULL, the default arena's. */
struct acre_arena_figures {
    size_t live_bytes,
        live_blocks; /* blocks that the program holds: of small ones the size class, else what was asked */
    size_t held_bytes, held_peak_bytes; /* address space from its source */
    size_t resident_bytes;              /* of that: in memory now, as the kernel says (mincore); 0: it does not */
    size_t retained_bytes;              /* may be resident though no live block is there */
    size_t released_bytes;              /* given back since it was created */
    size_t limit_bytes;                 /* 0: none */
    uint64_t source_calls;              /* calls of its source: system calls, or those of the caller's functions */
    uint64_t library_calls; /* in libacre-count, under acre run: calls that asked it for a block; else 0 */
};
void acre_arena_stats(acre_arena *arena, struct acre_arena_figures *stats);

/* Calls visit for every live block, in no certain order, as long as it returns true; false when one did not. Nobody
 * may use the arena meanwhile, visit included; a thread that has used it and ends uses it, too. */
typedef bool acre_visit_block(void *block, size_t size_bytes, void *context);
bool acre_arena_walk(acre_arena *arena, acre_visit_block *visit, void *context);
/* Calls visit for every arena but the default one, as long as it returns true; false when one did not. visit must
 * not create, reset or destroy arenas, which is misuse, and must return: not leave by longjmp or an exception. */
typedef bool acre_visit_arena(acre_arena *arena, const char *name, void *context);
bool acre_arena_each(acre_visit_arena *visit, void *context);

/* From acre_arena_enter to acre_arena_leave the calling thread's malloc, calloc, operator new and the like come
 * from this arena. They nest, 32 deep at the most. false, and nothing is entered: no memory, or too deep (errno
 * ENOMEM). */
bool acre_arena_enter(acre_arena *arena);
void acre_arena_leave(void);

/* ---- C23 */

/* C23's sized frees, for C libraries that do not declare them yet. `size` (bytes) and `alignment` are those of
 * the allocation; a wrong size is undefined in C23 and harmless here. NULL does nothing; errno is kept.
 * Thread-safe; not async-signal-safe. */
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

#ifdef __cplusplus
}
#endif

#endif
