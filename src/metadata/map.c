#include "metadata/map.h"

#include "os/os.h"

#define LEAF_BYTES (ACRE_MAP_LEAF_ENTRIES * sizeof(acre_map_entry))

struct acre_span acre_map_nothing;

static struct acre_lock lock = ACRE_LOCK(ACRE_RANK_MAP);

struct acre_lock *acre_map_lock(void) { return &lock; }

static bool make_leaf(size_t window) {
    acre_lock(&lock);
    acre_map_entry *leaf = atomic_load_explicit(&acre_map_root[window], memory_order_relaxed);
    if (leaf == NULL) {
        leaf = acre_os_map(LEAF_BYTES);
        atomic_store_explicit(&acre_map_root[window], leaf, memory_order_release);
    }
    acre_unlock(&lock);
    return leaf != NULL;
}

bool acre_map_reserve(uintptr_t base, size_t size_bytes) {
    uintptr_t last = (base + size_bytes - 1) >> ACRE_MAP_LEAF_SHIFT;
    for (uintptr_t window = base >> ACRE_MAP_LEAF_SHIFT; window <= last; window++) {
        if (window >= ACRE_MAP_ROOT_ENTRIES) return false;
        if (atomic_load_explicit(&acre_map_root[window], memory_order_acquire) == NULL && !make_leaf(window))
            return false;
    }
    return true;
}

void acre_map_set(uintptr_t base, size_t size_bytes, struct acre_span *span) {
    uintptr_t last = (base + size_bytes - 1) >> ACRE_GRANULE_SHIFT;
    for (uintptr_t granule = base >> ACRE_GRANULE_SHIFT; granule <= last; granule++) {
        size_t window = granule >> (ACRE_MAP_LEAF_SHIFT - ACRE_GRANULE_SHIFT);
        acre_map_entry *leaf = atomic_load_explicit(&acre_map_root[window], memory_order_relaxed);
        atomic_store_explicit(&leaf[granule & (ACRE_MAP_LEAF_ENTRIES - 1)], span, memory_order_release);
    }
}
