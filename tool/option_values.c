#include "option_values.h"

#include "complain.h"
#include "nearest.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct option_entry option_table[OPTION_COUNT] = {
#define ACRE_OPTION_CHOICE(name, field, default_, choices_, meaning_)                                              \
    {.key = #name,                                                                                                 \
     .kind = OPTION_CHOICE,                                                                                        \
     .choices = (choices_),                                                                                        \
     .default_choice = (default_),                                                                                 \
     .meaning = (meaning_)},
#define ACRE_OPTION_SIZE(name, field, default_, least_, most_, meaning_)                                           \
    {.key = #name,                                                                                                 \
     .kind = OPTION_SIZE,                                                                                          \
     .default_value = (default_),                                                                                  \
     .least = (least_),                                                                                            \
     .most = (most_),                                                                                              \
     .meaning = (meaning_)},
#define ACRE_OPTION_NUMBER(name, field, default_, least_, most_, meaning_)                                         \
    {.key = #name,                                                                                                 \
     .kind = OPTION_NUMBER,                                                                                        \
     .default_value = (default_),                                                                                  \
     .least = (least_),                                                                                            \
     .most = (most_),                                                                                              \
     .meaning = (meaning_)},
#define ACRE_OPTION_TIME(name, field, default_, least_, most_, meaning_)                                           \
    {.key = #name,                                                                                                 \
     .kind = OPTION_TIME,                                                                                          \
     .default_value = (default_),                                                                                  \
     .least = (least_),                                                                                            \
     .most = (most_),                                                                                              \
     .meaning = (meaning_)},
#include "options/options.def"
};

int option_choice_position(const char *choices, const char *word) {
    size_t length = strlen(word);
    for (int position = 0;; position++) {
        size_t choice_length = strcspn(choices, "|");
        if (choice_length == length && memcmp(choices, word, length) == 0) {
            return position;
        }
        if (choices[choice_length] == '\0') {
            return -1;
        }
        choices += choice_length + 1;
    }
}

struct figure_text option_choice_word(const char *choices, uint64_t position) {
    struct figure_text word = {""};
    for (; position > 0 && *choices != '\0'; position--) {
        choices += strcspn(choices, "|");
        choices += *choices == '|';
    }
    snprintf(word.text, sizeof word.text, "%.*s", (int)strcspn(choices, "|"), choices);
    return word;
}

void option_values_default(struct option_value values[OPTION_COUNT]) {
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_entry *entry = &option_table[i];
        values[i].given = false;
        values[i].value = entry->kind == OPTION_CHOICE
                              ? (uint64_t)option_choice_position(entry->choices, entry->default_choice)
                              : entry->default_value;
    }
}

struct figure_text option_value_text(const struct option_entry *entry, uint64_t value) {
    struct figure_text figure;
    switch (entry->kind) {
    case OPTION_CHOICE:
        return option_choice_word(entry->choices, value);
    case OPTION_SIZE:
        return exact_bytes(value);
    case OPTION_TIME:
        if (value == ACRE_OPTION_NEVER) {
            snprintf(figure.text, sizeof figure.text, "never");
            return figure;
        }
        break;
    default:
        break;
    }
    snprintf(figure.text, sizeof figure.text, "%" PRIu64, value);
    return figure;
}

/* Shifts for k, m, g, t with an optional "b" or "ib"; -1 for anything else. */
static int unit_shift(const char *unit) {
    static const char letters[] = "kmgt";
    if (*unit == '\0' || strcasecmp(unit, "b") == 0) {
        return 0;
    }
    const char *letter = strchr(letters, tolower((unsigned char)*unit));
    bool known_tail = unit[1] == '\0' || strcasecmp(unit + 1, "b") == 0 || strcasecmp(unit + 1, "ib") == 0;
    return letter == NULL || !known_tail ? -1 : 10 * (int)(letter - letters + 1);
}

static bool parse_number(const struct option_entry *entry, const char *text, uint64_t *value) {
    if (!isdigit((unsigned char)*text)) {
        return false; /* strtoull takes signs and blanks, too */
    }
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    int shift = entry->kind == OPTION_SIZE || *end == '\0' ? unit_shift(end) : -1;
    if (errno != 0 || shift < 0 || number > UINT64_MAX >> shift) {
        return false;
    }
    *value = (uint64_t)number << shift;
    return *value >= entry->least && *value <= entry->most;
}

static bool parse_value(const struct option_entry *entry, const char *text, uint64_t *value) {
    if (entry->kind == OPTION_TIME && strcmp(text, "never") == 0) {
        *value = ACRE_OPTION_NEVER;
        return true;
    }
    if (entry->kind != OPTION_CHOICE) {
        return parse_number(entry, text, value);
    }
    int position = option_choice_position(entry->choices, text);
    *value = (uint64_t)position;
    return position >= 0;
}

static void complain_value(const struct option_entry *entry, const char *text, const char *where) {
    if (entry->kind == OPTION_CHOICE) {
        complain("%s: %s takes one of %s, not '%s'", where, entry->key, entry->choices, text);
    } else {
        struct figure_text least = option_value_text(entry, entry->least);
        struct figure_text most = option_value_text(entry, entry->most);
        complain("%s: %s takes a %s from %s to %s, not '%s'", where, entry->key,
                 entry->kind == OPTION_SIZE   ? "size"
                 : entry->kind == OPTION_TIME ? "number (or never)"
                                              : "number",
                 least.text, most.text, text);
    }
}

static bool apply_pair(char *pair, struct option_value values[OPTION_COUNT], const char *where) {
    char *value_text = strchr(pair, ':');
    if (value_text != NULL) {
        *value_text++ = '\0';
    }
    struct nearest nearest = nearest_to(pair);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        nearest_offer(&nearest, option_table[i].key);
        if (strcmp(option_table[i].key, pair) != 0) {
            continue;
        }
        uint64_t value;
        if (value_text != NULL && parse_value(&option_table[i], value_text, &value)) {
            values[i] = (struct option_value){.value = value, .given = true};
            return true;
        }
        if (where != NULL) {
            complain_value(&option_table[i], value_text == NULL ? "" : value_text, where);
        }
        return false;
    }
    if (where != NULL) {
        complain("%s: there is no option '%s'; the nearest is '%s'", where, pair, nearest.best);
    }
    return false;
}

bool option_values_parse(const char *text, struct option_value values[OPTION_COUNT], const char *where) {
    char *copy = strdup(text);
    if (copy == NULL) {
        return false;
    }
    bool all_good = true;
    char *rest = copy;
    for (char *pair = strsep(&rest, ","); pair != NULL; pair = strsep(&rest, ",")) {
        if (*pair != '\0') {
            all_good &= apply_pair(pair, values, where);
        }
    }
    free(copy);
    return all_good;
}
