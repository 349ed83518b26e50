#include "metadata/map.h"

#include "os/lock.h"
#include "os/os.h"

#define LEAF_BYTES (ACRE_MAP_LEAF_ENTRIES * sizeof(intptr_t))
#define PIECE_SHIFT 30 /* addresses served by one writable piece of a leaf: 1 GiB */
#define PIECE_BYTES (((size_t)1 << (PIECE_SHIFT - ACRE_GRANULE_SHIFT)) * sizeof(intptr_t))

struct acre_map acre_map __attribute__((aligned(64)));

static struct acre_lock lock = ACRE_LOCK(ACRE_RANK_MAP);
static _Atomic intptr_t *zero_leaf;
/* Bit i: piece i of the window's leaf is writable. */
static _Atomic uint64_t writable[ACRE_MAP_ROOT_ENTRIES];

struct acre_lock *acre_map_lock(void) { return &lock; }

bool acre_map_start(void) {
    zero_leaf = acre_os_map(NULL, LEAF_BYTES, false);
    if (zero_leaf == NULL) return false;
    for (size_t window = 0; window < ACRE_MAP_ROOT_ENTRIES; window++)
        atomic_store_explicit(&acre_map.root[window], zero_leaf, memory_order_relaxed);
    acre_map.limit = ACRE_MAP_ROOT_ENTRIES;
    return true;
}

static bool reserve_piece(size_t window, size_t piece) {
    bool done = true;
    acre_lock(&lock);
    _Atomic intptr_t *leaf = atomic_load_explicit(&acre_map.root[window], memory_order_relaxed);
    if (leaf == zero_leaf) {
        leaf = acre_os_map(NULL, LEAF_BYTES, false);
        if (leaf != NULL) atomic_store_explicit(&acre_map.root[window], leaf, memory_order_release);
        done = leaf != NULL;
    }
    uint64_t bit = UINT64_C(1) << piece;
    if (done && (atomic_load_explicit(&writable[window], memory_order_relaxed) & bit) == 0) {
        done = acre_os_make_writable((char *)leaf + piece * PIECE_BYTES, acre_max(PIECE_BYTES, acre_os_page_bytes()));
        if (done) atomic_fetch_or_explicit(&writable[window], bit, memory_order_release);
    }
    acre_unlock(&lock);
    return done;
}

bool acre_map_reserve(uintptr_t base, size_t size_bytes) {
    for (uintptr_t piece = base >> PIECE_SHIFT; piece <= (base + size_bytes - 1) >> PIECE_SHIFT; piece++) {
        size_t window = piece >> (ACRE_MAP_LEAF_SHIFT - PIECE_SHIFT);
        size_t index = piece & (((size_t)1 << (ACRE_MAP_LEAF_SHIFT - PIECE_SHIFT)) - 1);
        if (window >= ACRE_MAP_ROOT_ENTRIES) return false;
        uint64_t ready = atomic_load_explicit(&writable[window], memory_order_acquire);
        if ((ready >> index & 1) == 0 && !reserve_piece(window, index)) return false;
    }
    return true;
}

void acre_map_set(uintptr_t base, size_t size_bytes, struct acre_span *span) {
    intptr_t distance = span == NULL ? 0 : (char *)span - (char *)&acre_map;
    uintptr_t last = (base + size_bytes - 1) >> ACRE_GRANULE_SHIFT;
    for (uintptr_t granule = base >> ACRE_GRANULE_SHIFT; granule <= last; granule++) {
        size_t window = granule >> (ACRE_MAP_LEAF_SHIFT - ACRE_GRANULE_SHIFT);
        _Atomic intptr_t *leaf = atomic_load_explicit(&acre_map.root[window], memory_order_relaxed);
        atomic_store_explicit(&leaf[granule & (ACRE_MAP_LEAF_ENTRIES - 1)], distance, memory_order_release);
    }
}
