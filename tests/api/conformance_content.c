/* Clauses about content: realloc, calloc, free, and C23's sized frees. */
#include "support/process.h"
#include "support/suite.h"

#include <malloc.h>

/* glibc before 2.43 has neither; weak, so that the same program starts there. */
extern void free_sized(void *block, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *block, size_t alignment, size_t size) __attribute__((weak));

static size_t opaque(size_t value) {
    volatile size_t hidden = value;
    return hidden;
}

static void fill(unsigned char *block, size_t from, size_t to, unsigned seed) {
    for (size_t i = from; i < to; i++) block[i] = (unsigned char)(i * 31 + seed);
}

static void expect_fill(const unsigned char *block, size_t length_bytes, unsigned seed) {
    for (size_t i = 0; i < length_bytes; i++)
        if (block[i] != (unsigned char)(i * 31 + seed)) fail_msg("byte %zu of %zu differs", i, length_bytes);
}

static void expect_zero(const unsigned char *block, size_t length_bytes) {
    for (size_t i = 0; i < length_bytes; i++)
        if (block[i] != 0) fail_msg("byte %zu of %zu is %u", i, length_bytes, block[i]);
}

static void realloc_keeps_content_growing_and_shrinking(void **state) {
    (void)state;
    for (size_t old = 1; old <= (size_t)(9 << 20); old = old * 5 / 2 + 1) {
        for (size_t new = 1; new <= (size_t)(9 << 20); new = new * 5 / 2 + 1) {
            unsigned char *block = malloc(old);
            assert_non_null(block);
            fill(block, 0, old, 1);
            block = realloc(block, new);
            assert_non_null(block);
            expect_fill(block, old < new ? old : new, 1);
            assert_true(malloc_usable_size(block) >= new);
            fill(block, 0, new, 2);
            free(block);
        }
    }
}

/* Programs write up to malloc_usable_size and glibc's realloc carries that over. */
static void realloc_keeps_all_usable_bytes(void **state) {
    (void)state;
    for (size_t old = 1; old <= (size_t)(3 << 20); old = old * 2 + 3) {
        unsigned char *block = malloc(old);
        assert_non_null(block);
        size_t usable_bytes = malloc_usable_size(block);
        fill(block, 0, usable_bytes, 3);
        block = realloc(block, usable_bytes * 3 + 10);
        assert_non_null(block);
        expect_fill(block, usable_bytes, 3);
        free(block);
    }
}

/* A growing vector, byte by byte at first, then by half: the common use. */
static void realloc_in_many_steps_keeps_content(void **state) {
    (void)state;
    unsigned char *block = NULL;
    size_t size = 0;
    while (size < (size_t)(16 << 20)) {
        size_t next = size < 3000 ? size + 1 : size + size / 2;
        block = realloc(block, next);
        assert_non_null(block);
        expect_fill(block, size < 4000 ? size : 4000, 4);
        fill(block, size, next, 4);
        size = next;
    }
    expect_fill(block, size, 4);
    while (size > 10) {
        size = size > 5000 ? size / 2 : size - 100 > size ? 5 : size - (size > 110 ? 100 : 1);
        block = realloc(block, size);
        assert_non_null(block);
        expect_fill(block, size, 4);
    }
    free(block);
}

static void realloc_within_usable_size_does_not_move(void **state) {
    (void)state;
    for (size_t size = 1; size < (size_t)(1 << 20); size = size * 3 + 1) {
        void *block = malloc(size);
        assert_non_null(block);
        uintptr_t before = (uintptr_t)block;
        block = realloc(block, malloc_usable_size(block));
        assert_true((uintptr_t)block == before);
        free(block);
    }
}

static void realloc_of_null_is_malloc(void **state) {
    (void)state;
    for (size_t size = 0; size < (size_t)(4 << 20); size = size * 4 + 1) {
        void *block = realloc(NULL, size);
        assert_non_null(block);
        memset(block, 1, size);
        free(block);
    }
}

/* C23 makes it undefined, POSIX leaves it open; glibc frees and returns NULL without an error. */
static void realloc_to_zero_frees_and_returns_null(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 100, 5000, 300000, 5 << 20};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        /* Enough rounds that a leak of the largest would be refused or show in resident memory. */
        size_t before_bytes = process_resident_bytes();
        for (int i = 0; i < 200; i++) {
            char *block = malloc(sizes[s]);
            assert_non_null(block);
            memset(block, 1, sizes[s]);
            errno = 77;
            assert_null(realloc(block, opaque(0)));
            assert_int_equal(errno, 77);
        }
        size_t after_bytes = process_resident_bytes();
        size_t leaked_bytes = sizes[s] * 100;
        if (leaked_bytes > (size_t)(4 << 20)) assert_true(after_bytes < before_bytes + leaked_bytes);
    }
    void *block = malloc(10);
    assert_null(reallocarray(block, opaque(0), 10));
    block = malloc(10);
    assert_null(reallocarray(block, 10, opaque(0)));
}

static void failing_realloc_keeps_the_block(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 24, 1000, 5000, 100000, 3 << 20};
    static const size_t wrong[] = {SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX - 70000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        unsigned char *block = malloc(sizes[s]);
        assert_non_null(block);
        fill(block, 0, sizes[s], 5);
        for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
            errno = 0;
            assert_null(realloc(block, opaque(wrong[w])));
            assert_int_equal(errno, ENOMEM);
            expect_fill(block, sizes[s], 5);
        }
        free(block);
    }
}

static void reallocarray_keeps_content(void **state) {
    (void)state;
    uint32_t *block = NULL;
    for (size_t count = 1; count < 300000; count = count * 2 + 1) {
        block = reallocarray(block, count, sizeof *block);
        assert_non_null(block);
        block[count - 1] = (uint32_t)count;
        for (size_t i = 1; i < count; i = i * 2 + 1) assert_int_equal(block[i - 1], i);
    }
    free(block);
}

static void calloc_is_zero_fresh_and_after_dirty_use(void **state) {
    (void)state;
    for (size_t size = 1; size <= (size_t)(64 << 20); size = size < 300 ? size + 1 : size + size / 3) {
        int alive = size < 100000 ? 8 : 1;
        unsigned char *blocks[8];
        for (int i = 0; i < alive; i++) { /* dirty what calloc is likely to be given next */
            blocks[i] = malloc(size);
            assert_non_null(blocks[i]);
            memset(blocks[i], 0xff, malloc_usable_size(blocks[i]));
        }
        for (int i = 0; i < alive; i++) free(blocks[i]);
        for (int i = 0; i < alive; i++) {
            blocks[i] = calloc(i % 2 ? 1 : size, i % 2 ? size : 1);
            assert_non_null(blocks[i]);
            expect_zero(blocks[i], size);
            assert_true(malloc_usable_size(blocks[i]) >= size);
        }
        for (int i = 0; i < alive; i++) free(blocks[i]);
    }
    unsigned char *largest = malloc(64 << 20);
    assert_non_null(largest);
    memset(largest, 0xff, 64 << 20);
    free(largest);
    largest = calloc(64, 1 << 20);
    assert_non_null(largest);
    expect_zero(largest, 64 << 20);
    free(largest);
}

/* Memory that was released, coalesced, or recut for another size class must be zero again as well. */
static void calloc_is_zero_after_mixed_dirty_use(void **state) {
    (void)state;
    enum { count = 400 };
    static unsigned char *blocks[count];
    uint64_t random = 42;
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < count; i++) {
            size_t size = (size_t)1 << (process_random(&random) % 18);
            size += process_random(&random) % size;
            blocks[i] = calloc(1, size);
            assert_non_null(blocks[i]);
            expect_zero(blocks[i], size);
            memset(blocks[i], 0xee, malloc_usable_size(blocks[i]));
            if (process_random(&random) % 2) free(blocks[i]), blocks[i] = NULL;
        }
        for (int i = 0; i < count; i++) free(blocks[i]);
    }
}

static void free_of_null_does_nothing(void **state) {
    (void)state;
    errno = 77;
    free(NULL);
    assert_int_equal(errno, 77);
}

/* POSIX.1-2024 and glibc since 2.33. Huge blocks too: their free makes a system call that may set it. */
static void free_keeps_errno(void **state) {
    (void)state;
    for (size_t size = 1; size <= (size_t)(80 << 20); size = size * 2 + 1) {
        void *block = malloc(size), *aligned = memalign(4096, size);
        assert_non_null(block);
        assert_non_null(aligned);
        memset(block, 1, size < 100000 ? size : 100000);
        errno = EINTR;
        free(block);
        assert_int_equal(errno, EINTR);
        errno = 0;
        free(aligned);
        assert_int_equal(errno, 0);
    }
}

/* Not a standard's clause, but programs set errno to 0, call something that allocates, and look. */
static void successful_allocation_keeps_errno(void **state) {
    (void)state;
    for (size_t size = 1; size <= (size_t)(8 << 20); size = size * 2 + 1) {
        errno = 77;
        void *block = malloc(size), *zeroed = calloc(1, size);
        block = realloc(block, size * 2);
        assert_true(block != NULL && zeroed != NULL);
        assert_int_equal(errno, 77);
        free(block), free(zeroed);
    }
}

static void sized_frees_free(void **state) {
    (void)state;
    if (free_sized == NULL || free_aligned_sized == NULL) {
        if (process_is_on_acre()) fail_msg("acre lacks free_sized or free_aligned_sized");
        SKIP_CLAUSE("this C library has no free_sized (C23)");
    }
    errno = 77;
    free_sized(NULL, 10);
    free_aligned_sized(NULL, 64, 10);
    size_t before_bytes = process_resident_bytes();
    for (int round = 0; round < 40; round++) {
        for (size_t size = 1; size <= (size_t)(4 << 20); size = size * 3 + 1) {
            void *a = malloc(size), *b = calloc(1, size), *c = aligned_alloc(128, size);
            void *d = realloc(malloc(size), size + 7);
            assert_true(a && b && c && d);
            memset(a, 1, size), memset(c, 1, size);
            free_sized(a, size);
            free_sized(b, size);
            free_aligned_sized(c, 128, size);
            free_sized(d, size + 7);
        }
    }
    assert_int_equal(errno, 77);
    assert_true(process_resident_bytes() < before_bytes + (size_t)(100 << 20)); /* a leak would be 300 MiB */
}

int main(void) {
    process_expect_malloc();
    process_watchdog(300);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(realloc_keeps_content_growing_and_shrinking),
        cmocka_unit_test(realloc_keeps_all_usable_bytes),
        cmocka_unit_test(realloc_in_many_steps_keeps_content),
        cmocka_unit_test(realloc_within_usable_size_does_not_move),
        cmocka_unit_test(realloc_of_null_is_malloc),
        cmocka_unit_test(realloc_to_zero_frees_and_returns_null),
        cmocka_unit_test(failing_realloc_keeps_the_block),
        cmocka_unit_test(reallocarray_keeps_content),
        cmocka_unit_test(calloc_is_zero_fresh_and_after_dirty_use),
        cmocka_unit_test(calloc_is_zero_after_mixed_dirty_use),
        cmocka_unit_test(free_of_null_does_nothing),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(successful_allocation_keeps_errno),
        cmocka_unit_test(sized_frees_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
