/* What the tests of arenas share. */
#ifndef ACRE_TESTS_ARENAS_H
#define ACRE_TESTS_ARENAS_H

#include "support/suite.h"

#include <acre/acre.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* Each runs the tests of one subject, in a file of that name: how many failed. */
int arenas_creation(void);
int arenas_blocks(void);
int arenas_zeroed(void);
int arenas_books(void);
int arenas_end(void);
int arenas_enter(void);

/* One of each kind: small, medium, large, and huge ones. */
static const size_t sizes[] = {0,     1,     16,    100,    1000,   1024,    3000,
                               20000, 40000, 70000, 200000, 700000, 3 * MIB, 20 * MIB};
enum { size_count = sizeof sizes / sizeof sizes[0] };

static inline acre_arena *create(const struct acre_arena_options *options) {
    acre_arena *arena = acre_arena_create(options);
    assert_non_null(arena);
    return arena;
}

static inline void refused(struct acre_arena_options options, int error) {
    errno = 0;
    assert_null(acre_arena_create(&options));
    assert_int_equal(errno, error);
}

static inline struct acre_arena_figures stats_of(acre_arena *arena) {
    struct acre_arena_figures stats;
    memset(&stats, 0xee, sizeof stats);
    acre_arena_stats(arena, &stats);
    return stats;
}

static inline void fill(void *block, size_t size_bytes, unsigned seed) {
    unsigned char *bytes = block;
    for (size_t i = 0; i < size_bytes; i++) bytes[i] = (unsigned char)(seed * 31 + i * 7 + (i >> 8));
}

static inline bool is_filled(const void *block, size_t size_bytes, unsigned seed) {
    const unsigned char *bytes = block;
    for (size_t i = 0; i < size_bytes; i++) {
        if (bytes[i] != (unsigned char)(seed * 31 + i * 7 + (i >> 8))) return false;
    }
    return true;
}

static inline bool is_zero(const void *block, size_t from, size_t to) {
    const unsigned char *bytes = block;
    for (size_t i = from; i < to; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

#endif
