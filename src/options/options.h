/* Options, from ACRE_OPTIONS="key:value,key:value". The table is options.def. */
#ifndef ACRE_OPTIONS_OPTIONS_H
#define ACRE_OPTIONS_OPTIONS_H

#include "base/base.h"

struct acre_options {
#define ACRE_OPTION_CHOICE(name, field, default_word, choices, meaning) uint32_t field;
#define ACRE_OPTION_SIZE(name, field, default_bytes, min_bytes, max_bytes, meaning) size_t field;
#define ACRE_OPTION_NUMBER(name, field, default_value, min, max, meaning) uint32_t field;
#define ACRE_OPTION_TIME(name, field, default_value, min, max, meaning) uint32_t field;
#include "options/options.def"
};

/* The defaults, then what `text` says (NULL: nothing). A key or a value that is not understood leaves the default
 * and makes one line on standard error. Allocates nothing. */
void acre_options_read(struct acre_options *options, const char *text);

#endif
