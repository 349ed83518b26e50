/* The word of a list that somebody most likely meant. */
#ifndef ACRE_TOOL_NEAREST_H
#define ACRE_TOOL_NEAREST_H

struct nearest {
    const char *meant; /* what was typed */
    const char *best;  /* the nearest word offered so far */
    unsigned distance_edits;
};

struct nearest nearest_to(const char *meant);
void nearest_offer(struct nearest *nearest, const char *word);

#endif
