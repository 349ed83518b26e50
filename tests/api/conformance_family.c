/* Clauses about the family as a whole: where its functions come from, threads, libc's own blocks, and those of
 * glibc's extras that say what is left open elsewhere. */
#include "support/process.h"
#include "support/suite.h"

#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <unistd.h>

/* glibc's manual: who replaces malloc replaces all of these, else a block is freed by another malloc's free. */
static void one_object_provides_the_whole_family(void **state) {
    (void)state;
    static const char *const names[] = {
        "malloc",    "free",           "calloc",      "realloc",      "reallocarray",       "aligned_alloc",
        "memalign",  "posix_memalign", "valloc",      "pvalloc",      "malloc_usable_size", "mallinfo",
        "mallinfo2", "mallopt",        "malloc_trim", "malloc_stats", "malloc_info"};
    const void *base = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Dl_info object;
        void *function = dlsym(RTLD_DEFAULT, names[i]);
        if (function == NULL) SKIP_CLAUSE("the program does not export its functions");
        assert_true(dladdr(function, &object) != 0);
        if (i == 0) base = object.dli_fbase;
        if (object.dli_fbase != base) fail_msg("%s is in %s", names[i], object.dli_fname);
    }
}

/* C: fit for any type with a fundamental alignment. */
static void max_align_t_is_kept_to(void **state) {
    (void)state;
    for (size_t size = sizeof(max_align_t); size < (size_t)(2 << 20); size = size * 3 / 2 + 1) {
        max_align_t *blocks[] = {malloc(size), calloc(1, size), realloc(NULL, size),
                                 aligned_alloc(alignof(max_align_t), size)};
        for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
            assert_non_null(blocks[i]);
            assert_true(is_aligned(blocks[i], alignof(max_align_t)));
            free(blocks[i]);
        }
    }
}

/* Before glibc 2.38 aligned_alloc is memalign; later ones say EINVAL. acre takes what memalign takes. */
static void aligned_alloc_takes_what_memalign_takes(void **state) {
    (void)state;
    if (!process_is_on_acre()) SKIP_CLAUSE("versions of glibc differ in this");
    static const size_t odd[][2] = {{0, 16}, {3, 16}, {24, 32}, {100, 128}, {4097, 8192}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        volatile size_t alignment = odd[i][0];
        void *block = aligned_alloc(alignment, 500);
        assert_non_null(block);
        assert_true(is_aligned(block, odd[i][1]));
        free(block);
    }
}

static void reallocarray_of_null_is_malloc(void **state) {
    (void)state;
    for (size_t count = 1; count < 300000; count = count * 4 + 1) {
        char *block = reallocarray(NULL, count, 3);
        assert_non_null(block);
        assert_true(malloc_usable_size(block) >= count * 3);
        memset(block, 1, count * 3);
        free(block);
    }
}

/* POSIX and glibc: what these functions return is freed by free. */
static void libcs_blocks_are_of_the_family(void **state) {
    (void)state;
    char *printed = NULL, *line = NULL, *written = NULL;
    size_t line_bytes = 0, written_bytes = 0;
    char *copied = strdup("a text"), *shortened = strndup("a text", 1), *folder = getcwd(NULL, 0);
    char *path = realpath("/proc/..", NULL);
    assert_true(asprintf(&printed, "%s %d", "a text", 7) == 8);
    FILE *stream = open_memstream(&written, &written_bytes);
    assert_non_null(stream);
    for (int i = 0; i < 1000; i++) fputs("some text\n", stream);
    fclose(stream);
    stream = fmemopen(written, written_bytes, "r");
    assert_non_null(stream);
    assert_true(getline(&line, &line_bytes, stream) == 10);
    fclose(stream);
    void *blocks[] = {copied, shortened, folder, path, printed, line, written};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        assert_non_null(blocks[i]);
        assert_true(malloc_usable_size(blocks[i]) >= strlen(blocks[i]) + 1);
        blocks[i] = realloc(blocks[i], 5000);
        assert_non_null(blocks[i]);
        free(blocks[i]);
    }
    struct dirent **entries;
    int count = scandir("/", &entries, NULL, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
}

/* ---- threads: each function may be called by several at once, and a block by any of them */

enum { threads_count = 4, handed_count = 2000, rounds = 4000 };
static unsigned char *_Atomic handed[handed_count];

static unsigned char *take_one(uint64_t *random, size_t *size) {
    void *block = NULL;
    *size = 2 + process_random(random) % (process_random(random) % 50 == 0 ? 700000 : 3000);
    switch (process_random(random) % 4) {
    case 0:
        return malloc(*size);
    case 1:
        return calloc(*size, 1);
    case 2:
        return posix_memalign(&block, 64, *size) == 0 ? block : NULL;
    default:
        return realloc(malloc(10), *size);
    }
}

/* All bytes of a block are its mark. */
static void *exchange(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (int i = 0; i < rounds; i++) {
        size_t size;
        unsigned char *block = take_one(&random, &size), mark = (unsigned char)process_random(&random);
        if (block == NULL) return "no block";
        memset(block, mark, size);
        block = __atomic_exchange_n((unsigned char **)&handed[process_random(&random) % handed_count], block,
                                    __ATOMIC_ACQ_REL);
        if (block != NULL && block[0] != block[1]) return "another block's bytes";
        free(block);
    }
    return NULL;
}

static void threads_may_call_at_once_and_free_each_others_blocks(void **state) {
    (void)state;
    pthread_t threads[threads_count];
    void *wrong;
    for (uintptr_t i = 0; i < threads_count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchange, (void *)i), 0);
    for (int i = 0; i < threads_count; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        if (wrong != NULL) fail_msg("%s", (char *)wrong);
    }
    for (int i = 0; i < handed_count; i++) { /* their threads are gone; the blocks are not */
        unsigned char *block = handed[i];
        if (block != NULL) assert_int_equal(block[0], block[1]);
        block = block == NULL ? NULL : realloc(block, 1);
        free(block);
    }
}

/* ---- extras */

/* What malloc_trim could lower is a part of what is free. */
static void keepcost_is_part_of_what_is_free(void **state) {
    (void)state;
    void *blocks[50];
    for (int i = 0; i < 50; i++) assert_non_null(blocks[i] = malloc(20000));
    for (int i = 10; i < 50; i++) free(blocks[i]);
    struct mallinfo2 info = mallinfo2();
    assert_true(info.keepcost <= info.fordblks);
    assert_int_equal(info.usmblks, 0);
    for (int i = 0; i < 10; i++) free(blocks[i]);
}

static void malloc_trim_says_that_something_went(void **state) {
    (void)state;
    static char *blocks[300];
    for (int i = 0; i < 300; i++) {
        assert_non_null(blocks[i] = malloc(30000));
        memset(blocks[i], 1, 30000);
    }
    for (int i = 0; i < 299; i++) free(blocks[i]);
    assert_int_equal(malloc_trim(0), 1);
    free(blocks[299]);
}

/* malloc_usable_size: no less than was asked, the same as long as the block is not resized, and for the program to
 * use. */
static void usable_size_stays_as_it_is(void **state) {
    (void)state;
    for (size_t size = 1; size < (size_t)(3 << 20); size = size * 5 / 2 + 1) {
        char *block = malloc(size);
        assert_non_null(block);
        size_t usable = malloc_usable_size(block);
        assert_true(usable >= size);
        memset(block, 0x7e, usable);
        void *others[20];
        for (int i = 0; i < 20; i++) others[i] = malloc(size);
        for (int i = 0; i < 20; i++) free(others[i]);
        assert_int_equal(malloc_usable_size(block), usable);
        for (size_t i = 0; i < usable; i += 97) assert_int_equal(block[i], 0x7e);
        free(block);
    }
}

/* What cannot be written is reported: -1. glibc does not look. */
static void malloc_info_to_a_full_device_fails(void **state) {
    (void)state;
    if (!process_is_on_acre()) SKIP_CLAUSE("glibc's malloc_info does not look whether it could write");
    FILE *stream = fopen("/dev/full", "w");
    assert_non_null(stream);
    setvbuf(stream, NULL, _IONBF, 0);
    assert_int_equal(malloc_info(0, stream), -1);
    fclose(stream);
}

int main(void) {
    process_expect_malloc();
    process_watchdog(300);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_object_provides_the_whole_family),
        cmocka_unit_test(max_align_t_is_kept_to),
        cmocka_unit_test(aligned_alloc_takes_what_memalign_takes),
        cmocka_unit_test(reallocarray_of_null_is_malloc),
        cmocka_unit_test(libcs_blocks_are_of_the_family),
        cmocka_unit_test(threads_may_call_at_once_and_free_each_others_blocks),
        cmocka_unit_test(keepcost_is_part_of_what_is_free),
        cmocka_unit_test(malloc_trim_says_that_something_went),
        cmocka_unit_test(usable_size_stays_as_it_is),
        cmocka_unit_test(malloc_info_to_a_full_device_fails),
    };
    return cmocka_run_group_tests_name("family", tests, NULL, NULL);
}
