#include "metadata/map.h"

#include "os/lock.h"
#include "os/os.h"

#define LEAF_BYTES (ACRE_MAP_LEAF_ENTRIES * sizeof(acre_map_entry))
#define PIECE_SHIFT 30 /* addresses served by one writable piece of a leaf: 1 GiB */
#define PIECE_BYTES (((size_t)1 << (PIECE_SHIFT - ACRE_GRANULE_SHIFT)) * sizeof(acre_map_entry))

acre_map_entry *_Atomic acre_map_root[ACRE_MAP_ROOT_ENTRIES];
struct acre_span acre_map_nothing;

static struct acre_lock lock = ACRE_LOCK(ACRE_RANK_MAP);
/* Bit i: piece i of the window's leaf is writable. */
static _Atomic uint64_t writable[ACRE_MAP_ROOT_ENTRIES];

struct acre_lock *acre_map_lock(void) { return &lock; }

static bool reserve_piece(size_t window, size_t piece) {
    bool done = true;
    acre_lock(&lock);
    acre_map_entry *leaf = atomic_load_explicit(&acre_map_root[window], memory_order_relaxed);
    if (leaf == NULL) {
        leaf = acre_os_map(NULL, LEAF_BYTES, false);
        if (leaf != NULL) atomic_store_explicit(&acre_map_root[window], leaf, memory_order_release);
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
    uintptr_t last = (base + size_bytes - 1) >> ACRE_GRANULE_SHIFT;
    for (uintptr_t granule = base >> ACRE_GRANULE_SHIFT; granule <= last; granule++) {
        size_t window = granule >> (ACRE_MAP_LEAF_SHIFT - ACRE_GRANULE_SHIFT);
        acre_map_entry *leaf = atomic_load_explicit(&acre_map_root[window], memory_order_relaxed);
        atomic_store_explicit(&leaf[granule & (ACRE_MAP_LEAF_ENTRIES - 1)], span, memory_order_release);
    }
}
