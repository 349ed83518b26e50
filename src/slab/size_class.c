#include "slab/size_class.h"

#define STEPS(first)                                                                                               \
    16 * (first), 16 * ((first) + 1), 16 * ((first) + 2), 16 * ((first) + 3), 16 * ((first) + 4),                  \
        16 * ((first) + 5), 16 * ((first) + 6), 16 * ((first) + 7)
#define DOUBLING(step) 9 * step, 10 * step, 11 * step, 12 * step, 13 * step, 14 * step, 15 * step, 16 * step

const uint32_t acre_class_table[ACRE_CLASSES] = {
    0,         STEPS(1),  STEPS(9),      STEPS(17),     STEPS(25),     STEPS(33),      STEPS(41),
    STEPS(49), STEPS(57), DOUBLING(128), DOUBLING(256), DOUBLING(512), DOUBLING(1024), DOUBLING(2048)};
