/* Size classes: multiples of 16 up to 1 KiB, then eight to a doubling up to 32 KiB (at most 12.5 % apart).
 *
 * Class i of 1..64 is 16 * i bytes, so that the bytes of its blocks name it. These lie in
 * slabs of one granule with a bit per 16 bytes; larger ones in slabs of a few granules with at most 64 blocks, a
 * bit each. That both end at 1 KiB lets malloc come to all small blocks in one way, with no turn that a processor
 * has to guess where sizes vary (docs/decisions/0010-size-classes.md). */
#ifndef ACRE_SLAB_SIZE_CLASS_H
#define ACRE_SLAB_SIZE_CLASS_H

#include "base/base.h"

#define ACRE_EXACT_MOST ((size_t)1024)
#define ACRE_SMALL_MOST ACRE_EXACT_MOST
#define ACRE_MEDIUM_MOST ((size_t)32 << 10)
#define ACRE_EXACT_CLASSES 65u                /* class 0 is no size: malloc(0) takes class 1 */
#define ACRE_CLASS_MIXED 0u                   /* of slabs with blocks of all small classes (slab/mixed.h) */
#define ACRE_SMALL_CLASSES ACRE_EXACT_CLASSES /* up to ACRE_SMALL_MOST */
#define ACRE_CLASSES 105u

ACRE_INLINE unsigned acre_class_of(size_t size_bytes) {
    if (size_bytes <= ACRE_EXACT_MOST) return size_bytes == 0 ? 1 : (unsigned)((size_bytes + 15) / 16);
    size_t top = size_bytes - 1;
    unsigned doubling = acre_log2_floor(top);
    return ACRE_EXACT_CLASSES + (doubling - 10) * 8 + ((unsigned)(top >> (doubling - 3)) & 7);
}

extern const uint32_t acre_class_table[ACRE_CLASSES];
ACRE_INLINE size_t acre_class_bytes(unsigned size_class) { return acre_class_table[size_class]; }

/* Of four small classes to a doubling, the one whose blocks serve for those of this one: up to 128 bytes the class
 * itself. They have its alignment: a class with a stricter one than the step is itself one of the four. */
#define ACRE_NEVER_WIDER 8u
ACRE_INLINE unsigned acre_class_wider(unsigned size_class) {
    if (size_class <= ACRE_NEVER_WIDER) return size_class;
    return (unsigned)acre_align_up(size_class, 1u << (acre_log2_floor(size_class - 1) - 2));
}

ACRE_INLINE bool acre_class_is_small(unsigned size_class) { return size_class < ACRE_SMALL_CLASSES; }
/* What a bit of a slab's bitmap stands for. */
ACRE_INLINE size_t acre_class_unit_bytes(unsigned size_class) {
    return acre_class_is_small(size_class) ? ACRE_ALIGNMENT : acre_class_bytes(size_class);
}
/* Of its slabs. */
ACRE_INLINE uint32_t acre_class_granules(unsigned size_class) {
    size_t bytes = acre_class_bytes(size_class);
    return bytes <= ((size_t)8 << 10) ? 1 : bytes <= ((size_t)16 << 10) ? 2 : 4;
}

/* What to ask for instead of size_bytes, so that every block of the class has the alignment (a power of two, at
 * most a granule). Blocks lie at multiples of their size, slabs at a granule. Between two powers of two the sizes
 * of classes are the multiples of one spacing, itself a power of two. So where the alignment is less than that
 * spacing, every class has it, and where it is not, a multiple of the alignment is itself the size of a class. */
ACRE_INLINE size_t acre_class_aligned(size_t size_bytes, size_t alignment) {
    return acre_align_up(acre_max(size_bytes, 1), alignment);
}

#endif
