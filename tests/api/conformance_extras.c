/* glibc's extras: mallinfo, mallinfo2, mallopt, malloc_trim, malloc_stats, malloc_info. They must tell the truth,
 * not return zeros. Passes on glibc too; where glibc's own figures differ, the clause says so. */
#include "support/process.h"
#include "support/suite.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* mallinfo is deprecated, and must work */

enum { small_count = 20000, small_bytes = 100 };
static void *small[small_count];

static size_t in_use_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Bytes of small blocks: between what was asked and half more (classes and headers), exact to no byte. */
static void uordblks_follows_small_blocks(void **state) {
    (void)state;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < small_count; i++) {
        small[i] = malloc(small_bytes);
        assert_non_null(small[i]);
        memset(small[i], 1, small_bytes);
    }
    size_t grown = mallinfo2().uordblks - before, asked = (size_t)small_count * small_bytes;
    if (grown < asked || grown > asked * 3 / 2) fail_msg("%zu bytes asked, uordblks grew by %zu", asked, grown);
    for (int i = 0; i < small_count; i++) free(small[i]);
    size_t after = mallinfo2().uordblks;
    if (after > before + asked / 10) fail_msg("uordblks %zu before, %zu after all was freed", before, after);
}

/* Above glibc's mmap threshold and acre's slabs alike, below its huge ones: large blocks count in whole. */
static void in_use_follows_large_blocks(void **state) {
    (void)state;
    enum { count = 20 };
    const size_t size = 100000;
    void *blocks[count];
    size_t before = in_use_bytes();
    for (int i = 0; i < count; i++) assert_non_null(blocks[i] = malloc(size));
    size_t grown = in_use_bytes() - before;
    if (grown < size * count || grown > size * count * 5 / 4) fail_msg("asked %zu, grew %zu", size * count, grown);
    for (int i = 0; i < count; i++) free(blocks[i]);
    assert_true(in_use_bytes() <= before + size);
}

static void hblks_counts_huge_mappings(void **state) {
    (void)state;
    const size_t size = (size_t)48 << 20;
    struct mallinfo2 before = mallinfo2();
    size_t in_use_before = in_use_bytes();
    void *block = malloc(size);
    assert_non_null(block);
    struct mallinfo2 during = mallinfo2();
    if (!process_has_source("brk")) { /* there a huge block comes from the break, and no mapping is to be counted */
        assert_int_equal(during.hblks, before.hblks + 1);
        assert_true(during.hblkhd >= before.hblkhd + size && during.hblkhd < before.hblkhd + size + (4 << 20));
    }
    assert_true(in_use_bytes() >= in_use_before + size && in_use_bytes() < in_use_before + size + (4 << 20));
    free(block);
    struct mallinfo2 after = mallinfo2();
    assert_int_equal(after.hblks, before.hblks);
    assert_true(after.hblkhd <= before.hblkhd);
    assert_true(in_use_bytes() < in_use_before + (1 << 20));
}

/* arena: bytes from the system apart from huge mappings; it must hold what is in use and what is free in it. */
static void arena_holds_used_and_free(void **state) {
    (void)state;
    void *block = malloc(50000);
    assert_non_null(block);
    struct mallinfo2 info = mallinfo2();
    assert_true(info.arena > 0);
    assert_true(info.uordblks > 0);
    assert_true(info.uordblks <= info.arena);
    assert_true(info.uordblks + info.fordblks <= info.arena + 4096);
    free(block);
}

static void fordblks_grows_by_what_is_freed(void **state) {
    (void)state;
    for (int i = 0; i < small_count; i++) assert_non_null(small[i] = malloc(small_bytes));
    size_t before = mallinfo2().fordblks;
    for (int i = 0; i < small_count; i += 2) free(small[i]); /* every other: nothing can go back to the system */
    size_t grown = mallinfo2().fordblks - before, freed = (size_t)small_count / 2 * small_bytes;
    if (grown < freed * 9 / 10 || grown > freed * 2) fail_msg("freed %zu, fordblks grew by %zu", freed, grown);
    for (int i = 1; i < small_count; i += 2) free(small[i]);
}

static void mallinfo_agrees_with_mallinfo2(void **state) {
    (void)state;
    void *block = malloc(30000);
    assert_non_null(block);
    struct mallinfo2 wide = mallinfo2();
    struct mallinfo narrow = mallinfo();
    assert_int_equal((unsigned)narrow.uordblks, (unsigned)wide.uordblks);
    assert_int_equal((unsigned)narrow.arena, (unsigned)wide.arena);
    assert_int_equal((unsigned)narrow.hblkhd, (unsigned)wide.hblkhd);
    assert_int_equal(narrow.hblks, (int)wide.hblks);
    free(block);
}

/* glibc returns 1 for whatever number it does not know, in spite of its manual. */
static void mallopt_of_unknown_parameter_is_zero(void **state) {
    (void)state;
    if (!process_is_on_acre()) SKIP_CLAUSE("glibc's mallopt returns 1 for unknown parameters, against its manual");
    assert_int_equal(mallopt(12345, 1), 0);
    assert_int_equal(mallopt(-100, 0), 0);
}

/* Known parameters: 1 if taken, 0 if it has no meaning here; never anything else, and malloc goes on. */
static void mallopt_of_known_parameters_is_0_or_1(void **state) {
    (void)state;
    static const int parameters[] = {M_MXFAST, M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX};
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        int result = mallopt(parameters[i], 64);
        assert_true(result == 0 || result == 1);
        void *block = malloc(1000);
        assert_non_null(block);
        free(block);
    }
}

static void malloc_trim_returns_0_or_1_and_harms_nothing(void **state) {
    (void)state;
    for (int i = 0; i < small_count; i++) assert_non_null(small[i] = malloc(small_bytes));
    for (int i = 0; i < small_count; i++) memset(small[i], i & 0x7f, small_bytes);
    for (int i = 0; i < small_count; i += 3) free(small[i]), small[i] = NULL;
    int first = malloc_trim(0), second = malloc_trim((size_t)1 << 30);
    assert_true((first == 0 || first == 1) && (second == 0 || second == 1));
    for (int i = 0; i < small_count; i++) {
        if (small[i] != NULL) assert_true(((char *)small[i])[0] == (i & 0x7f) &&
                                          ((char *)small[i])[small_bytes - 1] == (i & 0x7f));
        free(small[i]);
    }
}

/* What is free for good must be back with the system after a trim. */
static void malloc_trim_gives_memory_back(void **state) {
    (void)state;
    enum { count = 1000 };
    static void *blocks[count];
    size_t start_bytes = process_resident_bytes();
    for (int i = 0; i < count; i++) {
        assert_non_null(blocks[i] = malloc(40000));
        memset(blocks[i], 1, 40000);
    }
    size_t full_bytes = process_resident_bytes();
    assert_true(full_bytes > start_bytes + (size_t)count * 35000);
    for (int i = 0; i < count; i++) free(blocks[i]);
    malloc_trim(0);
    size_t end_bytes = process_resident_bytes();
    if (end_bytes > start_bytes + (8 << 20)) fail_msg("resident %zu, then %zu, after trim %zu", start_bytes, full_bytes, end_bytes);
}

/* Collects what a call writes to file descriptor 2. */
static size_t capture_stderr(void (*call)(void), char *text, size_t capacity_bytes) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stderr);
    int kept = dup(2);
    dup2(ends[1], 2);
    call();
    fflush(stderr);
    dup2(kept, 2);
    close(kept), close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while (used + 1 < capacity_bytes && (got = read(ends[0], text + used, capacity_bytes - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    close(ends[0]);
    return used;
}

static void malloc_stats_writes_to_stderr(void **state) {
    (void)state;
    char text[16384];
    assert_true(capture_stderr(malloc_stats, text, sizeof text) > 20);
    assert_non_null(strchr(text, '\n'));
    assert_non_null(strpbrk(text, "123456789")); /* figures, and not only zeros */
}

/* Just enough of an XML reader: tags nest and close, attributes are quoted, one root element. */
static bool is_well_formed(const char *at) {
    char open_tags[32][64];
    int depth = 0, roots = 0;
    while ((at = strchr(at, '<')) != NULL) {
        const char *end = strchr(at, '>');
        if (end == NULL) return false;
        int quotes = 0;
        for (const char *c = at; c < end; c++) quotes += *c == '"';
        if (quotes % 2 != 0) return false;
        char name[64];
        if (at[1] == '/') {
            if (depth == 0 || sscanf(at + 2, "%63[^ >]", name) != 1 || strcmp(name, open_tags[--depth])) return false;
        } else if (at[1] != '?' && at[1] != '!') {
            if (sscanf(at + 1, "%63[^ />]", name) != 1) return false;
            if (depth == 0) roots++;
            if (end[-1] != '/') {
                if (depth == 32) return false;
                strcpy(open_tags[depth++], name);
            }
        }
        at = end;
    }
    return depth == 0 && roots == 1;
}

static void malloc_info_writes_xml(void **state) {
    (void)state;
    assert_false(is_well_formed("<a><b></a></b>")); /* the reader can tell */
    assert_true(is_well_formed("<a x=\"1\"><b/></a>"));
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(malloc_info(0, file), 0);
    rewind(file);
    static char text[1 << 20];
    size_t used = fread(text, 1, sizeof text - 1, file);
    text[used] = '\0';
    fclose(file);
    assert_non_null(strstr(text, "<malloc"));
    assert_true(is_well_formed(text));
}

static void malloc_info_rejects_options(void **state) {
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(malloc_info(1, file), EINVAL); /* glibc's manual: options must be zero */
    assert_int_equal(ftell(file), 0);
    fclose(file);
}

int main(void) {
    process_expect_malloc();
    process_watchdog(300);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uordblks_follows_small_blocks),
        cmocka_unit_test(in_use_follows_large_blocks),
        cmocka_unit_test(hblks_counts_huge_mappings),
        cmocka_unit_test(arena_holds_used_and_free),
        cmocka_unit_test(fordblks_grows_by_what_is_freed),
        cmocka_unit_test(mallinfo_agrees_with_mallinfo2),
        cmocka_unit_test(mallopt_of_unknown_parameter_is_zero),
        cmocka_unit_test(malloc_trim_returns_0_or_1_and_harms_nothing),
        cmocka_unit_test(malloc_trim_gives_memory_back),
        cmocka_unit_test(malloc_stats_writes_to_stderr),
        cmocka_unit_test(malloc_info_writes_xml),
        cmocka_unit_test(malloc_info_rejects_options),
        cmocka_unit_test(mallopt_of_known_parameters_is_0_or_1), /* last: on glibc it changes the heap's ways */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
