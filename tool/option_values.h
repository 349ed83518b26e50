/* The options of libacre as `acre` sees them: made from the library's own table, src/options/options.def. */
#ifndef ACRE_TOOL_OPTION_VALUES_H
#define ACRE_TOOL_OPTION_VALUES_H

#include "units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACRE_OPTIONS_ENVIRONMENT "ACRE_OPTIONS"

enum option_kind { OPTION_CHOICE, OPTION_SIZE, OPTION_NUMBER, OPTION_TIME };

struct option_entry {
    const char *key;
    enum option_kind kind;
    const char *choices;        /* "a|b|c", for OPTION_CHOICE */
    const char *default_choice; /* for OPTION_CHOICE */
    uint64_t default_value, least, most;
    const char *meaning;
};

enum {
#define ACRE_OPTION_CHOICE(name, field, default_choice, choices, meaning) OPTION_##name,
#define ACRE_OPTION_SIZE(name, field, default_bytes, least, most, meaning) OPTION_##name,
#define ACRE_OPTION_NUMBER(name, field, default_value, least, most, meaning) OPTION_##name,
#define ACRE_OPTION_TIME(name, field, default_value, least, most, meaning) OPTION_##name,
#include "options/options.def"
    OPTION_COUNT
};

struct option_value {
    uint64_t value; /* bytes, a plain number, milliseconds or ACRE_OPTION_NEVER, or the position of the choice */
    bool given;     /* by ACRE_OPTIONS; otherwise it is the default */
};

extern const struct option_entry option_table[OPTION_COUNT];

void option_values_default(struct option_value values[OPTION_COUNT]);

/* Applies "key:value,key:value"; later ones win. Each bad one leaves its option alone and gives one line on
 * stderr that starts with `where`; no line when `where` is NULL. True when all were good. */
bool option_values_parse(const char *text, struct option_value values[OPTION_COUNT], const char *where);

/* A value as it would be typed. */
struct figure_text option_value_text(const struct option_entry *entry, uint64_t value);

/* The position of `word` in "a|b|c", or -1; the word at a position, empty when there is none. */
int option_choice_position(const char *choices, const char *word);
struct figure_text option_choice_word(const char *choices, uint64_t position);

#endif
