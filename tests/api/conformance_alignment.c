/* Clauses about alignment: malloc's own, aligned_alloc, posix_memalign, memalign, valloc, pvalloc. */
#include "support/process.h"
#include "support/suite.h"

#include <malloc.h>
#include <unistd.h>

static size_t opaque(size_t value) {
    volatile size_t hidden = value;
    return hidden;
}

/* C allows 8 for malloc(8); glibc gives 16 always, and compilers and programs have come to rely on it. */
static void malloc_and_its_kin_align_to_16(void **state) {
    (void)state;
    for (size_t size = 0; size <= (size_t)(4 << 20); size = size < 2200 ? size + 1 : size + size / 9) {
        void *blocks[5] = {malloc(size), calloc(1, size), realloc(NULL, size), reallocarray(NULL, size, 1),
                           malloc(size)};
        blocks[4] = realloc(blocks[4], size + 1);
        for (int i = 0; i < 5; i++) {
            assert_non_null(blocks[i]);
            if (!is_aligned(blocks[i], 16)) fail_msg("way %d of size %zu: %p", i, size, blocks[i]);
            free(blocks[i]);
        }
    }
}

static void eight_byte_blocks_align_to_16_when_many_live(void **state) {
    (void)state;
    enum { count = 20000 };
    static void *blocks[count];
    for (int i = 0; i < count; i++) {
        blocks[i] = malloc(opaque(8));
        assert_non_null(blocks[i]);
        assert_true(is_aligned(blocks[i], 16));
    }
    for (int i = 0; i < count; i++) free(blocks[i]);
}

/* Every power of two up to 64 MiB, sizes around it, several alive at once, each filled to its end. */
static void check_alignment(size_t alignment, size_t size) {
    enum { alive = 3 };
    unsigned char *blocks[alive * 3];
    for (int i = 0; i < alive; i++) {
        void *block = NULL;
        blocks[i * 3] = memalign(alignment, size);
        blocks[i * 3 + 1] = aligned_alloc(alignment, size);
        size_t posix_alignment = alignment < sizeof(void *) ? sizeof(void *) : alignment;
        assert_int_equal(posix_memalign(&block, posix_alignment, size), 0);
        blocks[i * 3 + 2] = block;
    }
    for (int i = 0; i < alive * 3; i++) {
        assert_non_null(blocks[i]);
        if (!is_aligned(blocks[i], alignment)) fail_msg("alignment %zu size %zu: %p", alignment, size, blocks[i]);
        /* Ends only: writing 64 MiB blocks in whole would make a slow test of the kernel. */
        size_t edge_bytes = size < 4096 ? size : 4096;
        memset(blocks[i], i + 1, edge_bytes);
        memset(blocks[i] + size - edge_bytes, i + 1, edge_bytes);
    }
    for (int i = 0; i < alive * 3; i++) {
        if (size > 0) assert_true(blocks[i][0] == i + 1 && blocks[i][size - 1] == i + 1);
        free(blocks[i]);
    }
}

static void alignments_from_1_to_64_mib(void **state) {
    (void)state;
    for (size_t alignment = 1; alignment <= (size_t)(64 << 20); alignment *= 2) {
        const size_t sizes[] = {0, 1, 8, 24, 100, 1000, 4096, 5000, 70000, 1200000, alignment - 1, alignment,
                                alignment + 1, alignment / 2 * 3};
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) check_alignment(alignment, sizes[s]);
    }
}

static void aligned_blocks_of_size_zero_are_aligned_and_unique(void **state) {
    (void)state;
    for (size_t alignment = 16; alignment <= (size_t)(1 << 20); alignment *= 2) {
        void *a = memalign(alignment, opaque(0)), *b = aligned_alloc(alignment, opaque(0)), *c = NULL;
        assert_int_equal(posix_memalign(&c, alignment, 0), 0);
        assert_true(a && b && c && a != b && b != c && a != c);
        assert_true(is_aligned(a, alignment) && is_aligned(b, alignment) && is_aligned(c, alignment));
        free(a), free(b), free(c);
    }
}

static void posix_memalign_rejects_bad_alignments(void **state) {
    (void)state;
    static const size_t bad[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 15, 17, 24, 48, 100, 4095, 4097, 3 << 20,
                                 SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2, ((size_t)1 << 63) + 8};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        void *const before = &state;
        void *block = before;
        errno = 77;
        int result = posix_memalign(&block, opaque(bad[i]), 100);
        if (result != EINVAL) fail_msg("alignment %zu gives %d", bad[i], result);
        assert_ptr_equal(block, before); /* POSIX leaves it open; the manual page says untouched */
        assert_int_equal(errno, 77);     /* posix_memalign reports by its result, never by errno */
    }
}

static void posix_memalign_failing_for_memory_touches_nothing(void **state) {
    (void)state;
    void *const before = &state;
    void *block = before;
    assert_int_equal(posix_memalign(&block, 64, opaque(SIZE_MAX - 100)), ENOMEM);
    assert_ptr_equal(block, before);
    assert_int_equal(posix_memalign(&block, opaque((size_t)1 << 62), opaque((size_t)1 << 62)), ENOMEM);
    assert_ptr_equal(block, before);
}

static void posix_memalign_success_keeps_errno(void **state) {
    (void)state;
    for (size_t size = 1; size < (size_t)(4 << 20); size *= 5) {
        void *block = NULL;
        errno = 77;
        assert_int_equal(posix_memalign(&block, 256, size), 0);
        assert_int_equal(errno, 77);
        free(block);
    }
}

/* glibc's memalign takes any alignment and rounds it up to a power of two. */
static void memalign_rounds_alignment_up(void **state) {
    (void)state;
    static const size_t cases[][2] = {{0, 16},    {1, 16},    {3, 16},      {15, 16},     {17, 32},
                                      {24, 32},   {33, 64},   {48, 64},     {100, 128},   {1000, 1024},
                                      {4095, 4096}, {4097, 8192}, {70000, 131072}, {(1 << 20) + 1, 2 << 20}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t size = 0; size < 9000; size = size * 2 + 5) {
            void *block = memalign(opaque(cases[i][0]), size);
            assert_non_null(block);
            if (!is_aligned(block, cases[i][1])) fail_msg("memalign(%zu, %zu): %p", cases[i][0], size, block);
            memset(block, 1, size);
            free(block);
        }
    }
}

/* glibc: an alignment that cannot be rounded up to a power of two is EINVAL. */
static void memalign_above_the_last_power_of_two_is_einval(void **state) {
    (void)state;
    static const size_t bad[] = {((size_t)1 << 63) + 1, SIZE_MAX, SIZE_MAX - 4095};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        assert_null(memalign(opaque(bad[i]), 100));
        assert_int_equal(errno, EINVAL);
    }
}

static void absurd_alignment_is_null_and_enomem(void **state) {
    (void)state;
    for (int shift = 48; shift <= 63; shift++) {
        errno = 0;
        assert_null(memalign(opaque((size_t)1 << shift), 100));
        if (errno != ENOMEM) fail_msg("memalign(1 << %d): errno %d", shift, errno);
        errno = 0;
        assert_null(aligned_alloc(opaque((size_t)1 << shift), 100));
        if (errno != ENOMEM) fail_msg("aligned_alloc(1 << %d): errno %d", shift, errno);
    }
}

/* C23: an alignment that the implementation does not support fails; C17 made a size that is no multiple
 * undefined, and all implementations accept it. A bad alignment must at the least never give a misaligned block. */
static void aligned_alloc_takes_sizes_that_are_no_multiple(void **state) {
    (void)state;
    for (size_t size = 1; size < 3000; size += 77) {
        void *block = aligned_alloc(256, opaque(size));
        assert_non_null(block);
        assert_true(is_aligned(block, 256));
        memset(block, 2, size);
        free(block);
    }
}

static void valloc_and_pvalloc_align_to_the_page(void **state) {
    (void)state;
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t size = 0; size < (size_t)(8 << 20); size = size * 3 + 1) {
        void *a = valloc(size), *b = pvalloc(size);
        assert_non_null(a);
        assert_non_null(b);
        assert_true(is_aligned(a, page_bytes) && is_aligned(b, page_bytes));
        free(a), free(b);
    }
}

/* realloc promises malloc's alignment only, but must accept and free aligned blocks. */
static void aligned_blocks_can_be_reallocated(void **state) {
    (void)state;
    for (size_t alignment = 32; alignment <= (size_t)(4 << 20); alignment *= 4) {
        for (size_t size = 10; size < (size_t)(2 << 20); size *= 9) {
            unsigned char *block = memalign(alignment, size);
            assert_non_null(block);
            memset(block, 0x3c, size);
            block = realloc(block, size * 2);
            assert_non_null(block);
            for (size_t i = 0; i < size; i++) assert_true(block[i] == 0x3c);
            block = realloc(block, 5);
            assert_non_null(block);
            assert_true(block[0] == 0x3c && block[4] == 0x3c);
            free(block);
        }
    }
}

int main(void) {
    process_expect_malloc();
    process_watchdog(300);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_and_its_kin_align_to_16),
        cmocka_unit_test(eight_byte_blocks_align_to_16_when_many_live),
        cmocka_unit_test(alignments_from_1_to_64_mib),
        cmocka_unit_test(aligned_blocks_of_size_zero_are_aligned_and_unique),
        cmocka_unit_test(posix_memalign_rejects_bad_alignments),
        cmocka_unit_test(posix_memalign_failing_for_memory_touches_nothing),
        cmocka_unit_test(posix_memalign_success_keeps_errno),
        cmocka_unit_test(memalign_rounds_alignment_up),
        cmocka_unit_test(memalign_above_the_last_power_of_two_is_einval),
        cmocka_unit_test(absurd_alignment_is_null_and_enomem),
        cmocka_unit_test(aligned_alloc_takes_sizes_that_are_no_multiple),
        cmocka_unit_test(valloc_and_pvalloc_align_to_the_page),
        cmocka_unit_test(aligned_blocks_can_be_reallocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
