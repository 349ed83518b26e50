#include "nearest.h"

#include <limits.h>
#include <string.h>

enum { LONGEST = 63 }; /* longer words differ by more than a slip; their tails do not matter */

static unsigned smaller(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* Levenshtein's distance, one row of his table at a time. */
static unsigned edit_distance(const char *from, const char *to) {
    size_t from_length = strnlen(from, LONGEST), to_length = strnlen(to, LONGEST);
    unsigned row[LONGEST + 1];
    for (size_t j = 0; j <= to_length; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= from_length; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= to_length; j++) {
            unsigned replaced = diagonal + (from[i - 1] != to[j - 1]);
            diagonal = row[j];
            row[j] = smaller(replaced, 1 + smaller(row[j], row[j - 1]));
        }
    }
    return row[to_length];
}

struct nearest nearest_to(const char *meant) {
    return (struct nearest){.meant = meant, .best = "", .distance_edits = UINT_MAX};
}

void nearest_offer(struct nearest *nearest, const char *word) {
    unsigned distance_edits = edit_distance(nearest->meant, word);
    if (distance_edits < nearest->distance_edits) {
        nearest->distance_edits = distance_edits;
        nearest->best = word;
    }
}
