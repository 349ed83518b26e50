#include "slab/size_class.h"

uint32_t acre_class_granules(unsigned size_class) {
    size_t bytes = acre_class_bytes(size_class);
    return bytes <= ((size_t)8 << 10) ? 1 : bytes <= ((size_t)16 << 10) ? 2 : 4;
}

unsigned acre_class_aligned(size_t size_bytes, size_t alignment) {
    size_bytes = acre_max(size_bytes, alignment);
    if (size_bytes > ACRE_MEDIUM_MOST) return 0;
    for (unsigned size_class = acre_class_of(size_bytes); size_class < ACRE_CLASSES; size_class++) {
        if ((acre_class_bytes(size_class) & (alignment - 1)) == 0) return size_class;
    }
    return 0;
}
