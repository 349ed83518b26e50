/* Texts that others chose, such as the names of arenas, for lines that people read on a terminal. */
#ifndef ACRE_BASE_TEXT_H
#define ACRE_BASE_TEXT_H

#include "base/base.h"

/* The bytes of the character that the text begins with, if it may be shown; else, and at the end, 0. What may be is
 * UTF-8 in its shortest form and no control character, of which C1 has some above ASCII; such text is fit for XML,
 * too. */
static inline size_t acre_shown_bytes(const char *text) {
    unsigned char first = (unsigned char)text[0];
    if (first < 0x80) return first >= 0x20 && first != 0x7f;
    if (first < 0xc2 || first > 0xf4) return 0;
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t code = first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
    bool is_none =
        code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) || (code & 0xfffe) == 0xfffe;
    return is_none ? 0 : length;
}

#endif
