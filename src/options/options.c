#include "options/options.h"

#include "os/report.h"

#include <string.h>

enum kind { CHOICE, SIZE, NUMBER, TIME };

struct row {
    const char *name, *choices;
    size_t offset;
    uint64_t least, most;
    enum kind kind;
};

static const struct row table[] = {
#define ACRE_OPTION_CHOICE(name, field, default_word, choices, meaning)                                            \
    {#name, choices, offsetof(struct acre_options, field), 0, 0, CHOICE},
#define ACRE_OPTION_SIZE(name, field, default_bytes, min_bytes, max_bytes, meaning)                                \
    {#name, NULL, offsetof(struct acre_options, field), min_bytes, max_bytes, SIZE},
#define ACRE_OPTION_NUMBER(name, field, default_value, min, max, meaning)                                          \
    {#name, NULL, offsetof(struct acre_options, field), min, max, NUMBER},
#define ACRE_OPTION_TIME(name, field, default_value, min, max, meaning)                                            \
    {#name, NULL, offsetof(struct acre_options, field), min, max, TIME},
#include "options/options.def"
};
static const char *const kind_words[] = {"word", "size in bytes (k, m, g, t allowed)", "whole number",
                                         "whole number (or never)"};
#define ROWS (sizeof table / sizeof table[0])
#define WORD_MOST 64

static char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? (char)(letter + 32) : letter; }

/* As strcspn, which alone would bring some pages of libc into a small program (docs/benchmarks.md, start-up).
 */
static size_t length_up_to(const char *text, char stop) {
    size_t length = 0;
    while (text[length] != 0 && text[length] != stop) length++;
    return length;
}

/* The position of the word among "a|b|c", or -1. */
static int find_choice(const char *choices, const char *word) {
    size_t length = strlen(word);
    for (int position = 0;; position++) {
        size_t span = length_up_to(choices, '|');
        if (span == length && strncmp(choices, word, length) == 0) return position;
        if (choices[span] == 0) return -1;
        choices += span + 1;
    }
}

/* "12", and for sizes also "12k", "12MiB"; false when it is none of them or too large for a word. */
static bool read_number(const char *text, bool is_size, uint64_t *value) {
    uint64_t number = 0;
    if (*text < '0' || *text > '9') return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (number > (UINT64_MAX - 9) / 10) return false;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    char unit = is_size ? lower(*text) : 0;
    unsigned shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : unit == 't' ? 40 : 0;
    if (shift != 0) {
        if (number > UINT64_MAX >> shift) return false;
        number <<= shift;
        text++;
        if (lower(text[0]) == 'i' && lower(text[1]) == 'b')
            text += 2;
        else if (lower(text[0]) == 'b')
            text++;
    }
    *value = number;
    return *text == 0;
}

static void set(struct acre_options *options, const struct row *row, uint64_t value) {
    void *field = (char *)options + row->offset;
    if (row->kind == SIZE)
        *(size_t *)field = value;
    else
        *(uint32_t *)field = (uint32_t)value;
}

static void apply(struct acre_options *options, const struct row *row, const char *word) {
    uint64_t value = 0;
    if (row->kind == CHOICE) {
        int choice = find_choice(row->choices, word);
        if (choice >= 0)
            set(options, row, (uint64_t)choice);
        else
            acre_report("ACRE_OPTIONS: %s:%s: not one of %s; it has no effect", row->name, word, row->choices);
    } else if (row->kind == TIME && strcmp(word, "never") == 0) {
        set(options, row, ACRE_OPTION_NEVER);
    } else if (read_number(word, row->kind == SIZE, &value) && value >= row->least && value <= row->most) {
        set(options, row, value);
    } else {
        acre_report("ACRE_OPTIONS: %s:%s: not a %s from %zu to %zu; it has no effect", row->name, word,
                    kind_words[row->kind], (size_t)row->least, (size_t)row->most);
    }
}

/* Levenshtein's distance, over one row of the table at a time. */
static unsigned distance(const char *a, const char *b) {
    unsigned row[WORD_MOST + 1];
    size_t length = strlen(b);
    for (unsigned i = 0; i <= length; i++) row[i] = i;
    for (unsigned i = 1; *a != 0; a++, i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            unsigned change = corner + (*a != b[j - 1]), least = row[j] < row[j - 1] ? row[j] : row[j - 1];
            corner = row[j];
            row[j] = least + 1 < change ? least + 1 : change;
        }
    }
    return row[length];
}

static void report_unknown(const char *key) {
    const struct row *nearest = &table[0];
    for (size_t i = 1; i < ROWS; i++) {
        if (distance(key, table[i].name) < distance(key, nearest->name)) nearest = &table[i];
    }
    acre_report("ACRE_OPTIONS: unknown key %s; the nearest is %s", key, nearest->name);
}

static void read_pair(struct acre_options *options, char *pair) {
    char *colon = strchr(pair, ':');
    if (colon == NULL) {
        acre_report("ACRE_OPTIONS: %s: not key:value", pair);
        return;
    }
    *colon = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(table[i].name, pair) == 0) {
            apply(options, &table[i], colon + 1);
            return;
        }
    }
    report_unknown(pair);
}

void acre_options_read(struct acre_options *options, const char *text) {
#define ACRE_OPTION_CHOICE(name, field, default_word, choices, meaning)                                            \
    options->field = (uint32_t)find_choice(choices, default_word);
#define ACRE_OPTION_SIZE(name, field, default_bytes, min_bytes, max_bytes, meaning) options->field = default_bytes;
#define ACRE_OPTION_NUMBER(name, field, default_value, min, max, meaning) options->field = default_value;
#define ACRE_OPTION_TIME(name, field, default_value, min, max, meaning) options->field = default_value;
#include "options/options.def"
    while (text != NULL && *text != 0) {
        char pair[2 * WORD_MOST];
        size_t length = length_up_to(text, ','), kept = acre_min(length, sizeof pair - 1);
        memcpy(pair, text, kept);
        pair[kept] = 0;
        if (length > kept || length_up_to(pair, ':') > WORD_MOST - 1)
            acre_report("ACRE_OPTIONS: %s...: too long to be an option", pair);
        else if (kept > 0)
            read_pair(options, pair);
        text += length + (text[length] == ',');
    }
}
