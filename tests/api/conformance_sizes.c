/* Clauses about sizes: zero, too large, overflowing products, usable size. From C17/C23 7.22.3, POSIX malloc,
 * and glibc's manual; where the standards leave a choice, what glibc does. Passes on glibc too. */
#include "support/process.h"
#include "support/suite.h"

#include <malloc.h>
#include <unistd.h>

/* Read through a volatile, so that no compiler warns about, or folds, a size that is wrong on purpose. */
static size_t opaque(size_t value) {
    volatile size_t hidden = value;
    return hidden;
}

static void *call_malloc(size_t size) { return malloc(size); }
static void *call_calloc(size_t size) { return calloc(1, size); }
static void *call_calloc_of_bytes(size_t size) { return calloc(size, 1); }
static void *call_realloc_of_null(size_t size) { return realloc(NULL, size); }
static void *call_reallocarray(size_t size) { return reallocarray(NULL, 1, size); }
static void *call_aligned_alloc_16(size_t size) { return aligned_alloc(16, size); }
static void *call_aligned_alloc_64(size_t size) { return aligned_alloc(64, size); }
static void *call_aligned_alloc_1m(size_t size) { return aligned_alloc(1 << 20, size); }
static void *call_memalign_8(size_t size) { return memalign(8, size); }
static void *call_memalign_32(size_t size) { return memalign(32, size); }
static void *call_memalign_4096(size_t size) { return memalign(4096, size); }
static void *call_memalign_64m(size_t size) { return memalign(64 << 20, size); }
static void *call_valloc(size_t size) { return valloc(size); }
static void *call_pvalloc(size_t size) { return pvalloc(size); }

static const struct allocator {
    const char *name;
    void *(*call)(size_t size);
} allocators[] = {
    {"malloc", call_malloc},
    {"calloc(1, n)", call_calloc},
    {"calloc(n, 1)", call_calloc_of_bytes},
    {"realloc(NULL, n)", call_realloc_of_null},
    {"reallocarray(NULL, 1, n)", call_reallocarray},
    {"aligned_alloc(16, n)", call_aligned_alloc_16},
    {"aligned_alloc(64, n)", call_aligned_alloc_64},
    {"aligned_alloc(1 MiB, n)", call_aligned_alloc_1m},
    {"memalign(8, n)", call_memalign_8},
    {"memalign(32, n)", call_memalign_32},
    {"memalign(4096, n)", call_memalign_4096},
    {"memalign(64 MiB, n)", call_memalign_64m},
    {"valloc", call_valloc},
    {"pvalloc", call_pvalloc},
};
enum { allocator_count = sizeof allocators / sizeof allocators[0] };

/* Around every boundary where rounding up could wrap: the half, the whole, and just below by header-, slab-,
 * page-, granule- and alignment-sized steps. */
static const size_t too_large[] = {
    (size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX + 2, (size_t)PTRDIFF_MAX + 4096,
    SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 7, SIZE_MAX - 8, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX - 31,
    SIZE_MAX - 63, SIZE_MAX - 64, SIZE_MAX - 4094, SIZE_MAX - 4095, SIZE_MAX - 4096, SIZE_MAX - 4097,
    SIZE_MAX - 65535, SIZE_MAX - 65536, SIZE_MAX - (1 << 20), SIZE_MAX - (2 << 20), SIZE_MAX - (64 << 20),
    SIZE_MAX / 2 + 2, SIZE_MAX - SIZE_MAX / 4,
};
enum { too_large_count = sizeof too_large / sizeof too_large[0] };

static void above_ptrdiff_max_is_null_and_enomem(void **state) {
    (void)state;
    for (int a = 0; a < allocator_count; a++) {
        for (int s = 0; s < too_large_count; s++) {
            errno = 0;
            void *block = allocators[a].call(opaque(too_large[s]));
            if (block != NULL || errno != ENOMEM)
                fail_msg("%s of %zu: block %p, errno %d", allocators[a].name, too_large[s], block, errno);
        }
    }
}

/* PTRDIFF_MAX itself is allowed to be asked for and can never be had: x86-64 and aarch64 give a process less. */
static void ptrdiff_max_is_null_and_enomem(void **state) {
    (void)state;
    static const size_t below[] = {0, 1, 15, 16, 4095, 4096, 65536, 1 << 20};
    for (int a = 0; a < allocator_count; a++) {
        for (size_t s = 0; s < sizeof below / sizeof below[0]; s++) {
            errno = 0;
            void *block = allocators[a].call(opaque((size_t)PTRDIFF_MAX - below[s]));
            if (block != NULL || errno != ENOMEM)
                fail_msg("%s of PTRDIFF_MAX-%zu: block %p, errno %d", allocators[a].name, below[s], block, errno);
        }
    }
}

static void posix_memalign_of_huge_sizes_returns_enomem(void **state) {
    (void)state;
    static const size_t alignments[] = {8, 16, 64, 4096, 1 << 16, 1 << 21, 64 << 20};
    for (size_t a = 0; a < sizeof alignments / sizeof alignments[0]; a++) {
        for (int s = 0; s < too_large_count; s++) {
            void *const before = &state;
            void *block = before;
            assert_int_equal(posix_memalign(&block, alignments[a], opaque(too_large[s])), ENOMEM);
            assert_ptr_equal(block, before);
        }
    }
}

static void heap_works_after_refused_sizes(void **state) {
    (void)state;
    char *block = malloc(1000);
    assert_non_null(block);
    memset(block, 1, 1000);
    free(block);
}

static void overflowing_products_are_null_and_enomem(void **state) {
    (void)state;
    static const size_t factors[][2] = {
        {SIZE_MAX, 2}, {2, SIZE_MAX}, {SIZE_MAX / 2 + 1, 2}, {(size_t)1 << 32, (size_t)1 << 32},
        {((size_t)1 << 32) + 1, (size_t)1 << 32}, {SIZE_MAX / 16 + 1, 16}, {SIZE_MAX / 24 + 1, 24},
        {SIZE_MAX, SIZE_MAX}, {SIZE_MAX / 3 + 1, 3}, {(size_t)PTRDIFF_MAX / 4 + 1, 4}};
    void *kept = malloc(100);
    assert_non_null(kept);
    memset(kept, 0x5a, 100);
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        size_t count = opaque(factors[i][0]), size = opaque(factors[i][1]);
        errno = 0;
        assert_null(calloc(count, size));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(reallocarray(NULL, count, size));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(reallocarray(kept, count, size)); /* and keeps the block */
        assert_int_equal(errno, ENOMEM);
    }
    for (int i = 0; i < 100; i++) assert_int_equal(((unsigned char *)kept)[i], 0x5a);
    free(kept);
}

/* C leaves it open; glibc gives a block, and programs compare such pointers. */
static void zero_sizes_give_unique_freeable_blocks(void **state) {
    (void)state;
    enum { rounds = 300 };
    void **blocks = calloc((size_t)rounds * (allocator_count + 2), sizeof *blocks);
    size_t used = 0;
    for (int i = 0; i < rounds; i++) {
        for (int a = 0; a < allocator_count; a++) {
            /* 64 MiB of alignment for each of hundreds would only test address space. */
            if (allocators[a].call == call_memalign_64m && i > 2) continue;
            if (allocators[a].call == call_aligned_alloc_1m && i > 20) continue;
            blocks[used] = allocators[a].call(opaque(0));
            if (blocks[used++] == NULL) fail_msg("%s of 0 gives NULL", allocators[a].name);
        }
        blocks[used++] = calloc(opaque(0), 10);
        assert_int_equal(posix_memalign(&blocks[used++], 64, 0), 0);
    }
    for (size_t i = 0; i < used; i++) assert_non_null(blocks[i]);
    for (size_t i = 0; i < used; i++)
        for (size_t j = i + 1; j < used; j++) assert_ptr_not_equal(blocks[i], blocks[j]);
    for (size_t i = 0; i < used; i++) free(blocks[i]);
    free(blocks);
}

static void all_sizes_are_served_and_usable_in_whole(void **state) {
    (void)state;
    for (size_t size = 0; size <= (size_t)(40 << 20); size = size < 5000 ? size + 1 : size + size / 7) {
        unsigned char *block = malloc(size);
        assert_non_null(block);
        size_t usable_bytes = malloc_usable_size(block);
        if (usable_bytes < size) fail_msg("malloc(%zu) has usable size %zu", size, usable_bytes);
        memset(block, 0xa5, usable_bytes);
        assert_int_equal(malloc_usable_size(block), usable_bytes);
        free(block);
    }
}

/* Writing all usable bytes of one block must leave its neighbours alone. */
static void usable_bytes_belong_to_one_block(void **state) {
    (void)state;
    enum { count = 2000 };
    static unsigned char *blocks[count];
    for (int i = 0; i < count; i++) {
        blocks[i] = malloc((size_t)i * 7 % 3000);
        assert_non_null(blocks[i]);
        memset(blocks[i], i & 0xff, malloc_usable_size(blocks[i]));
    }
    for (int i = 0; i < count; i++) {
        for (size_t b = 0; b < malloc_usable_size(blocks[i]); b++)
            if (blocks[i][b] != (i & 0xff)) fail_msg("block %d, byte %zu was overwritten", i, b);
    }
    for (int i = 0; i < count; i++) free(blocks[i]);
}

static void usable_size_of_null_is_zero(void **state) {
    (void)state;
    assert_int_equal(malloc_usable_size(NULL), 0);
}

static void usable_size_holds_for_aligned_blocks(void **state) {
    (void)state;
    for (size_t alignment = 16; alignment <= (size_t)(16 << 20); alignment *= 2) {
        for (size_t size = 0; size <= 70000; size = size * 3 + 1) {
            unsigned char *block = memalign(alignment, size);
            assert_non_null(block);
            assert_true(malloc_usable_size(block) >= size);
            memset(block, 0x77, malloc_usable_size(block));
            free(block);
        }
    }
}

/* glibc's pvalloc gives whole pages; its valloc need not. */
static void pvalloc_rounds_up_to_whole_pages(void **state) {
    (void)state;
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t size = 1; size < 5 * page_bytes; size += 511) {
        void *block = pvalloc(size);
        assert_non_null(block);
        assert_true(malloc_usable_size(block) >= (size + page_bytes - 1) / page_bytes * page_bytes);
        memset(block, 1, malloc_usable_size(block));
        free(block);
    }
}

int main(void) {
    process_expect_malloc();
    process_watchdog(300);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(above_ptrdiff_max_is_null_and_enomem),
        cmocka_unit_test(ptrdiff_max_is_null_and_enomem),
        cmocka_unit_test(posix_memalign_of_huge_sizes_returns_enomem),
        cmocka_unit_test(heap_works_after_refused_sizes),
        cmocka_unit_test(overflowing_products_are_null_and_enomem),
        cmocka_unit_test(zero_sizes_give_unique_freeable_blocks),
        cmocka_unit_test(all_sizes_are_served_and_usable_in_whole),
        cmocka_unit_test(usable_bytes_belong_to_one_block),
        cmocka_unit_test(usable_size_of_null_is_zero),
        cmocka_unit_test(usable_size_holds_for_aligned_blocks),
        cmocka_unit_test(pvalloc_rounds_up_to_whole_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
