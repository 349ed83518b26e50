#include "slab/size_class.h"

#define DOUBLING(step) 9 * step, 10 * step, 11 * step, 12 * step, 13 * step, 14 * step, 15 * step, 16 * step

const uint32_t acre_class_table[ACRE_CLASSES] = {0,
                                                 16,
                                                 32,
                                                 48,
                                                 64,
                                                 80,
                                                 96,
                                                 112,
                                                 128,
                                                 144,
                                                 160,
                                                 176,
                                                 192,
                                                 208,
                                                 224,
                                                 240,
                                                 256,
                                                 DOUBLING(32),
                                                 DOUBLING(64),
                                                 DOUBLING(128),
                                                 DOUBLING(256),
                                                 DOUBLING(512),
                                                 DOUBLING(1024),
                                                 DOUBLING(2048)};

uint32_t acre_class_granules(unsigned size_class) {
    size_t bytes = acre_class_bytes(size_class);
    return bytes <= ((size_t)8 << 10) ? 1 : bytes <= ((size_t)16 << 10) ? 2 : 4;
}
