/* The map from address to record: two levels over granules.
 *
 *     address bits  47..36 -> root entry -> leaf;  35..16 -> leaf entry -> record
 *
 * An entry holds the distance from the map itself to the record, so that a leaf of zero pages leads to the dummy
 * at the map's start: unknown addresses need no test of their own. A leaf is 8 MiB of address space that can only
 * be read; the parts that hold entries are made writable (and so charged) 128 KiB at a time, which serves 1 GiB
 * of addresses. Windows without a leaf share one that stays zero. */
#ifndef ACRE_METADATA_MAP_H
#define ACRE_METADATA_MAP_H

#include "metadata/span.h"
#include "os/lock.h"

#define ACRE_MAP_LEAF_SHIFT 36
#define ACRE_MAP_ROOT_ENTRIES ((size_t)1 << (ACRE_ADDRESS_BITS - ACRE_MAP_LEAF_SHIFT))
#define ACRE_MAP_LEAF_ENTRIES ((size_t)1 << (ACRE_MAP_LEAF_SHIFT - ACRE_GRANULE_SHIFT))

struct acre_map {
    struct acre_span dummy;
    uint64_t limit; /* root entries that may be read: 0 before start-up, then ACRE_MAP_ROOT_ENTRIES */
    _Atomic intptr_t *_Atomic root[ACRE_MAP_ROOT_ENTRIES];
};
extern struct acre_map acre_map;

/* Makes the map readable for every address. false: no memory. Called once, before any other thread. */
bool acre_map_start(void);
/* Makes sure that entries for [base, base + size_bytes) can be written. false: no memory. */
bool acre_map_reserve(uintptr_t base, size_t size_bytes);
/* Points the granules of [base, base + size_bytes) to the record (NULL: unknown). The range is reserved. */
void acre_map_set(uintptr_t base, size_t size_bytes, struct acre_span *span);

/* The record of an address, or &acre_map.dummy. Reads nothing of what the address points to. Lock-free. */
ACRE_INLINE struct acre_span *acre_map_find(uintptr_t address) {
    uint64_t window = address >> ACRE_MAP_LEAF_SHIFT;
    if (ACRE_UNLIKELY(window >= acre_map.limit)) return &acre_map.dummy;
    size_t granule = (address >> ACRE_GRANULE_SHIFT) & (ACRE_MAP_LEAF_ENTRIES - 1);
    _Atomic intptr_t *leaf = atomic_load_explicit(&acre_map.root[window], memory_order_acquire);
    return (struct acre_span *)((char *)&acre_map + atomic_load_explicit(&leaf[granule], memory_order_acquire));
}

struct acre_lock *acre_map_lock(void); /* for fork */

#endif
