#include "metadata/metadata.h"

#include "os/lock.h"
#include "os/os.h"

#define RECORD_ALIGNMENT ((size_t)64)
#define REGION_BYTES ((size_t)1 << 20)

/* A small program's records fit here, which saves it a mapping; untouched pages cost nothing. */
static char first_region[64 << 10] __attribute__((aligned(4096)));

static struct acre_lock lock = ACRE_LOCK(ACRE_RANK_METADATA);
static char *region_next = first_region;
static char *region_end = first_region + sizeof first_region;
/* Linked by their third word: the first two are a slab's owner and kind, which late readers may still look at. */
#define LINK(record) (((void **)(record))[2])
static void *given[ACRE_RECORDS];
static _Atomic size_t used_bytes;

struct acre_lock *acre_metadata_lock(void) { return &lock; }
size_t acre_metadata_bytes(void) { return atomic_load_explicit(&used_bytes, memory_order_relaxed); }

static bool new_region(size_t least_bytes) {
    size_t size_bytes = REGION_BYTES;
    char *region = acre_os_map(size_bytes);
    if (region == NULL) { /* under a tight limit a little may still be had */
        size_bytes = acre_align_up(least_bytes, ACRE_GRANULE_BYTES);
        region = acre_os_map(size_bytes);
    }
    if (region == NULL) return false;
    if (region != region_end) region_next = region;
    region_end = region + size_bytes;
    return true;
}

static void *carve(size_t size_bytes) {
    size_bytes = acre_align_up(size_bytes, RECORD_ALIGNMENT);
    if ((size_t)(region_end - region_next) < size_bytes && !new_region(size_bytes)) return NULL;
    char *record = region_next;
    region_next += size_bytes;
    atomic_fetch_add_explicit(&used_bytes, size_bytes, memory_order_relaxed);
    return record;
}

void *acre_metadata_take(enum acre_record kind, size_t size_bytes) {
    acre_lock(&lock);
    void *record = given[kind];
    if (record != NULL) {
        given[kind] = LINK(record);
    } else {
        record = carve(size_bytes);
    }
    acre_unlock(&lock);
    return record;
}

void acre_metadata_give(enum acre_record kind, void *record) {
    acre_lock(&lock);
    LINK(record) = given[kind];
    given[kind] = record;
    acre_unlock(&lock);
}
