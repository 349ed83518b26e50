/* What ThreadSanitizer is told about acre. In every other build this is nothing, but for the loads and stores.
 *
 * It knows what locks and atomics order. It does not know of acre's looks at what another thread may be writing by
 * plain stores: a slab's bits and figures, whose owner pays for no atomics. Who looks knows that a value may be
 * old, and such looks are marked here, each by itself. It is told of reuse, too: that handing a block out and
 * freeing it write it. So a program's race is seen on the block that it is on, and whatever thread frees or takes
 * it next must come after in an order that acre makes. */
#ifndef ACRE_BASE_TSAN_H
#define ACRE_BASE_TSAN_H

#include <stddef.h>

#if defined(__SANITIZE_THREAD__)
#define ACRE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ACRE_TSAN 1
#endif
#endif

#if defined(ACRE_TSAN)
#define ACRE_WATCHED 1

void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
void __tsan_write_range(void *start, long size_bytes);

/* This thread's reads and writes are not looked at until the next one; its atomics order others' as ever. */
#define ACRE_LOOK_AWAY()                                                                                           \
    (AnnotateIgnoreReadsBegin(__FILE__, __LINE__), AnnotateIgnoreWritesBegin(__FILE__, __LINE__))
#define ACRE_LOOK_AGAIN() (AnnotateIgnoreWritesEnd(__FILE__, __LINE__), AnnotateIgnoreReadsEnd(__FILE__, __LINE__))

/* More of a block is not worth the time. */
#define ACRE_REUSE_MOST_BYTES ((size_t)4 << 10)
static inline void acre_note_reuse(void *block, size_t size_bytes) {
    __tsan_write_range(block, (long)(size_bytes < ACRE_REUSE_MOST_BYTES ? size_bytes : ACRE_REUSE_MOST_BYTES));
}

#else

#define ACRE_WATCHED 0
#define ACRE_LOOK_AWAY() ((void)0)
#define ACRE_LOOK_AGAIN() ((void)0)
static inline void acre_note_reuse(void *block, size_t size_bytes) {
    (void)block;
    (void)size_bytes;
}

#endif

/* A look at a word that its owner writes by plain stores; and a store where the owner may do so at the same time.
 */
#define ACRE_PEEK(place)                                                                                           \
    __extension__({                                                                                                \
        ACRE_LOOK_AWAY();                                                                                          \
        __typeof__(*(place)) acre_seen = __atomic_load_n(place, __ATOMIC_ACQUIRE);                                 \
        ACRE_LOOK_AGAIN();                                                                                         \
        acre_seen;                                                                                                 \
    })
#define ACRE_POKE(place, value)                                                                                    \
    do {                                                                                                           \
        ACRE_LOOK_AWAY();                                                                                          \
        __atomic_store_n(place, value, __ATOMIC_RELAXED);                                                          \
        ACRE_LOOK_AGAIN();                                                                                         \
    } while (0)

#endif
