#include "support.h"

#include "options/options.h"

#include <string.h>

enum { AUTO, BRK, MMAP };

struct reading {
    const char *text;
    struct acre_options options;
};

static void read_it(void *context) {
    struct reading *reading = context;
    acre_options_read(&reading->options, reading->text);
}

/* Reads the text; the lines that this wrote. */
static unsigned lines_of(struct reading *reading, const char *text, char *error, size_t room) {
    memset(&reading->options, 0xa5, sizeof reading->options);
    reading->text = text;
    unit_capture(read_it, reading, error, room);
    return unit_count_lines(error);
}

static bool is_default(const struct acre_options *options) {
    return options->source == AUTO && options->brk_limit_bytes == (size_t)64 << 20 &&
           options->huge_threshold_bytes == (size_t)512 << 10 && options->huge_cache == 1 && options->thp == 0 &&
           options->decay_ms == 200;
}

static void defaults(void **state) {
    (void)state;
    struct reading reading;
    char error[500];
    assert_int_equal(lines_of(&reading, NULL, error, sizeof error), 0);
    assert_true(is_default(&reading.options));
    assert_int_equal(lines_of(&reading, "", error, sizeof error), 0);
    assert_true(is_default(&reading.options));
    assert_int_equal(lines_of(&reading, ",,", error, sizeof error), 0);
    assert_true(is_default(&reading.options));
}

static void every_kind(void **state) {
    (void)state;
    struct reading reading;
    char error[500];
    const char *text = "source:mmap,brk_limit:3MiB,huge_threshold:65536,huge_cache:off,thp:never,decay_ms:0";
    assert_int_equal(lines_of(&reading, text, error, sizeof error), 0);
    assert_int_equal(reading.options.source, MMAP);
    assert_int_equal(reading.options.brk_limit_bytes, 3 << 20);
    assert_int_equal(reading.options.huge_threshold_bytes, 65536);
    assert_int_equal(reading.options.huge_cache, 0);
    assert_int_equal(reading.options.thp, 2);
    assert_int_equal(reading.options.decay_ms, 0);
    assert_int_equal(lines_of(&reading, "source:auto,source:brk", error, sizeof error), 0);
    assert_int_equal(reading.options.source, BRK);
}

static void sizes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
    } rows[] = {
        {"brk_limit:0", 0},           {"brk_limit:12", 12},
        {"brk_limit:5k", 5 << 10},    {"brk_limit:5K", 5 << 10},
        {"brk_limit:5kb", 5 << 10},   {"brk_limit:5KiB", 5 << 10},
        {"brk_limit:7M", 7 << 20},    {"brk_limit:2g", (size_t)2 << 30},
        {"brk_limit:1t", (size_t)1 << 40}, {"brk_limit:64t", (size_t)1 << 46},
    };
    struct reading reading;
    char error[500];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(lines_of(&reading, rows[i].text, error, sizeof error), 0);
        assert_int_equal(reading.options.brk_limit_bytes, rows[i].bytes);
    }
}

/* One line each, and the default. */
static void bad_values(void **state) {
    (void)state;
    static const char *const texts[] = {
        "source:disk", "source:", "source:au", "source:auto|brk", "huge_cache:1", "huge_cache:ON",
        "brk_limit:", "brk_limit:k", "brk_limit:x", "brk_limit:5kk", "brk_limit:5ki", "brk_limit:-1",
        "brk_limit:65t", "brk_limit:99999999999999999999", "brk_limit:18446744073709551615t",
        "huge_threshold:1", "huge_threshold:3m", "decay_ms:5k", "decay_ms:3600001", "decay_ms: 5",
        "decay_ms:4294967297", "source", "nothing:1", ":", ":auto",
    };
    struct reading reading;
    char error[1000];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (lines_of(&reading, texts[i], error, sizeof error) != 1 || !is_default(&reading.options))
            fail_msg("%s: %s", texts[i], error);
        assert_int_equal(strncmp(error, "acre: ACRE_OPTIONS: ", 20), 0);
    }
}

/* What is wrong does not take what is right with it. */
static void good_beside_bad(void **state) {
    (void)state;
    struct reading reading;
    char error[1000];
    assert_int_equal(lines_of(&reading, "decay_ms:x,source:brk,foo:1,huge_cache:off", error, sizeof error), 2);
    assert_int_equal(reading.options.source, BRK);
    assert_int_equal(reading.options.huge_cache, 0);
    assert_int_equal(reading.options.decay_ms, 200);
}

static void nearest_key(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"sorce:brk", "source"},       {"brk_limits:1", "brk_limit"},    {"huge-cache:on", "huge_cache"},
        {"decay:1", "decay_ms"},       {"huge_treshold:1m", "huge_threshold"},
    };
    struct reading reading;
    char error[500], wanted[100];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(lines_of(&reading, rows[i][0], error, sizeof error), 1);
        strcat(strcpy(wanted, "the nearest is "), rows[i][1]);
        assert_non_null(strstr(error, wanted));
        assert_true(is_default(&reading.options));
    }
}

static void long_texts(void **state) {
    (void)state;
    struct reading reading;
    char text[1000], error[2000];
    for (size_t length = 1; length < sizeof text - 20; length += 13) {
        memset(text, 'k', length);
        strcpy(text + length, ":1,source:brk");
        assert_int_equal(lines_of(&reading, text, error, sizeof error), 1);
        assert_int_equal(reading.options.source, BRK);
        memcpy(text, "source:", length < 7 ? length : 7);
        strcpy(text + length, "x,huge_cache:off");
        assert_int_equal(lines_of(&reading, text, error, sizeof error), 1);
        assert_int_equal(reading.options.source, AUTO);
        assert_int_equal(reading.options.huge_cache, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),   cmocka_unit_test(every_kind),      cmocka_unit_test(sizes),
        cmocka_unit_test(bad_values), cmocka_unit_test(good_beside_bad), cmocka_unit_test(nearest_key),
        cmocka_unit_test(long_texts),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
