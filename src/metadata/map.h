/* The map from address to record: two levels over granules.
 *
 *     address bits  47..32 -> root entry -> leaf;  31..16 -> leaf entry -> record
 *
 * A leaf is 512 KiB of address space, made when the first entry of its 4 GiB is needed. The tables begin as zero pages,
 * so they take memory only where something was written: a page of a leaf serves 32 MiB. */
#ifndef ACRE_METADATA_MAP_H
#define ACRE_METADATA_MAP_H

#include "metadata/span.h"
#include "os/lock.h"

#define ACRE_MAP_LEAF_SHIFT 32
#define ACRE_MAP_ROOT_ENTRIES ((size_t)1 << (ACRE_ADDRESS_BITS - ACRE_MAP_LEAF_SHIFT))
#define ACRE_MAP_LEAF_ENTRIES ((size_t)1 << (ACRE_MAP_LEAF_SHIFT - ACRE_GRANULE_SHIFT))

typedef struct acre_span *_Atomic acre_map_entry; /* NULL: not acre's */
extern acre_map_entry *_Atomic acre_map_root[ACRE_MAP_ROOT_ENTRIES];
extern struct acre_span acre_map_nothing; /* of kind NONE: what addresses that are not acre's lead to */

/* Makes sure that entries for [base, base + size_bytes) can be written. false: no memory. */
bool acre_map_reserve(uintptr_t base, size_t size_bytes);
/* Points the granules of [base, base + size_bytes) to the record (NULL: unknown). The range is reserved. */
void acre_map_set(uintptr_t base, size_t size_bytes, struct acre_span *span);

/* The record of an address, or &acre_map_nothing. Reads nothing of what the address points to. Lock-free. */
ACRE_INLINE struct acre_span *acre_map_find(uintptr_t address) {
    uint64_t window = address >> ACRE_MAP_LEAF_SHIFT;
    if (ACRE_UNLIKELY(window >= ACRE_MAP_ROOT_ENTRIES)) return &acre_map_nothing;
    acre_map_entry *leaf = atomic_load_explicit(&acre_map_root[window], memory_order_acquire);
    if (ACRE_UNLIKELY(leaf == NULL)) return &acre_map_nothing;
    size_t granule = (address >> ACRE_GRANULE_SHIFT) & (ACRE_MAP_LEAF_ENTRIES - 1);
    struct acre_span *span = atomic_load_explicit(&leaf[granule], memory_order_acquire);
    return ACRE_LIKELY(span != NULL) ? span : &acre_map_nothing;
}

struct acre_lock *acre_map_lock(void); /* for fork */

#endif
