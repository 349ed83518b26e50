#include "span/break_holes.h"

#include "metadata/metadata.h"
#include "os/os.h"
#include "source/source.h"
#include "span/released.h"

static uintptr_t end_of(const struct acre_huge *hole) { return hole->span.base + hole->mapped_bytes; }

/* Only what lies at the top can go. */
static bool lower(struct acre_vacant *holes, struct acre_huge *hole) {
    acre_source_count_again(hole->mapped_bytes);
    if (!acre_source_lower_break(end_of(hole), hole->mapped_bytes)) {
        acre_source_rest(hole->mapped_bytes);
        return false;
    }
    acre_vacant_remove(holes, hole);
    acre_metadata_give(ACRE_RECORD_HUGE, hole);
    return true;
}

void acre_break_hole_make(struct acre_vacant *holes, struct acre_huge *huge) {
    if (acre_os_release((void *)huge->span.base, huge->mapped_bytes))
        acre_released_note(ACRE_RELEASED_PAGES, huge->mapped_bytes);
    acre_source_rest(huge->mapped_bytes);
    lower(holes, acre_vacant_put(holes, huge));
}

uintptr_t acre_break_hole_take(struct acre_vacant *holes, size_t size_bytes) {
    if (!acre_source_wake(size_bytes)) return 0;
    uintptr_t base = acre_vacant_take(holes, size_bytes);
    if (base == 0) {
        acre_source_rest(size_bytes);
        return acre_source_grow_break(size_bytes, size_bytes).base;
    }
    acre_released_used_again(size_bytes);
    return base;
}

bool acre_break_hole_lower(struct acre_vacant *holes) {
    bool any = false;
    for (struct acre_huge *highest; (highest = acre_vacant_highest(holes)) != NULL && lower(holes, highest);)
        any = true;
    return any;
}
