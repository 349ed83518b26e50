#include "source/source.h"

#include "os/lock.h"
#include "os/os.h"

/* Algebra: everything in [top - held_bytes, top) was taken by acre, less the gaps that other code's sbrk left
 * there; `top` is where the break stands if nobody else moved it. */
static struct {
    struct acre_lock lock;
    uintptr_t top; /* 0 until the break is first used */
    size_t held_bytes;
    bool broken; /* somebody took memory from under us: hands off */
} the_break = {.lock = ACRE_LOCK(ACRE_RANK_SOURCE)};

/* Both sources together. */
static struct acre_quota quota = {.limit_bytes = SIZE_MAX};

void acre_source_start(size_t limit_bytes) { quota.limit_bytes = limit_bytes; }
size_t acre_source_held_bytes(void) { return acre_quota_held_bytes(&quota); }

static bool charge(size_t size_bytes) { return acre_quota_charge(&quota, size_bytes); }
static void discharge(size_t size_bytes) { acre_quota_discharge(&quota, size_bytes); }

void acre_source_rest(size_t size_bytes) { discharge(size_bytes); }
bool acre_source_wake(size_t size_bytes) { return charge(size_bytes); }
void acre_source_count_again(size_t size_bytes) { acre_quota_correct(&quota, 0, size_bytes); }

struct acre_lock *acre_source_lock(void) {
    return &the_break.lock;
}
size_t acre_source_break_bytes(void) { return ACRE_PEEK(&the_break.held_bytes); }

/* Moves the break up by size_bytes after padding to a granule; *start is where the padding began. */
static bool raise_break(uintptr_t now, size_t size_bytes, uintptr_t *start, size_t *taken_bytes) {
    *taken_bytes = acre_align_up(now, ACRE_GRANULE_BYTES) - now + size_bytes;
    *start = acre_os_break((intptr_t)*taken_bytes);
    return *start != ACRE_BREAK_FAILED;
}

/* What of [start, start + taken) is whole granules. Other threads' sbrk may have moved the break between our
 * question and our move, so `start` need not be where we thought. */
static struct acre_extent settle(uintptr_t start, size_t taken_bytes, size_t least_bytes) {
    struct acre_extent none = {0, 0};
    if (start < the_break.top) {
        acre_os_break(-(intptr_t)taken_bytes);
        the_break.broken = true;
        return none;
    }
    uintptr_t base = acre_align_up(start, ACRE_GRANULE_BYTES);
    uintptr_t end = acre_align_down(start + taken_bytes, ACRE_GRANULE_BYTES);
    if (base >= end || end - base < least_bytes) {
        if (acre_os_break(0) == start + taken_bytes) acre_os_break(-(intptr_t)taken_bytes);
        return none;
    }
    the_break.top = start + taken_bytes;
    the_break.held_bytes += end - base;
    /* A tail below a granule would keep the next extent from following this one. */
    if (the_break.top != end && acre_os_break(0) == the_break.top &&
        acre_os_break(-(intptr_t)(the_break.top - end)) != ACRE_BREAK_FAILED)
        the_break.top = end;
    return (struct acre_extent){base, end - base};
}

static struct acre_extent grow_locked(size_t least_bytes, size_t wanted_bytes) {
    struct acre_extent none = {0, 0};
    uintptr_t start, now = acre_os_break(0);
    size_t taken_bytes;
    if (the_break.broken || now == ACRE_BREAK_FAILED) return none;
    if (now < the_break.top) {
        the_break.broken = true;
        return none;
    }
    if (!raise_break(now, wanted_bytes, &start, &taken_bytes) &&
        (least_bytes == wanted_bytes || !raise_break(now, least_bytes, &start, &taken_bytes)))
        return none;
    return settle(start, taken_bytes, least_bytes);
}

struct acre_extent acre_source_grow_break(size_t least_bytes, size_t wanted_bytes) {
    struct acre_extent extent = {0, 0};
    wanted_bytes = acre_quota_charge_some(&quota, least_bytes, wanted_bytes);
    if (wanted_bytes == 0) return extent;
    acre_lock(&the_break.lock);
    extent = grow_locked(least_bytes, wanted_bytes);
    acre_unlock(&the_break.lock);
    acre_quota_correct(&quota, wanted_bytes, extent.size_bytes); /* longer, perhaps, by a gap that others left */
    return extent;
}

static bool lower_locked(uintptr_t top, size_t size_bytes) {
    if (the_break.broken || the_break.top != top || acre_os_break(0) != top) return false;
    uintptr_t before = acre_os_break(-(intptr_t)size_bytes);
    if (before == ACRE_BREAK_FAILED) return false;
    if (before != top) { /* somebody raised it just now: put the height back; their fresh pages are zero again */
        acre_os_break((intptr_t)size_bytes);
        return false;
    }
    the_break.top -= size_bytes;
    the_break.held_bytes -= size_bytes;
    return true;
}

bool acre_source_lower_break(uintptr_t top, size_t size_bytes) {
    acre_lock(&the_break.lock);
    bool done = lower_locked(top, size_bytes);
    acre_unlock(&the_break.lock);
    if (done) discharge(size_bytes);
    return done;
}

/* Most mappings come out aligned, since the kernel places them one below the other; only the first of a row
 * needs the larger piece and the two cuts. */
static uintptr_t map_aligned_by(void *map(size_t size_bytes), size_t size_bytes, size_t alignment) {
    uintptr_t start = (uintptr_t)map(size_bytes);
    if (start == 0 || (start & (alignment - 1)) == 0) return start;
    acre_os_unmap((void *)start, size_bytes);
    size_t page_bytes = acre_os_page_bytes();
    if (size_bytes > SIZE_MAX - alignment) return 0;
    size_t larger_bytes = size_bytes + alignment - page_bytes;
    start = (uintptr_t)map(larger_bytes);
    if (start == 0) return 0;
    uintptr_t base = acre_align_up(start, alignment);
    if (base > start) acre_os_unmap((void *)start, base - start);
    size_t tail_bytes = start + larger_bytes - (base + size_bytes);
    if (tail_bytes > 0) acre_os_unmap((void *)(base + size_bytes), tail_bytes);
    return base;
}

static uintptr_t map_aligned(size_t size_bytes, size_t alignment) {
    return map_aligned_by(acre_os_map, size_bytes, alignment);
}

uintptr_t acre_source_map(size_t size_bytes, size_t alignment) {
    if (!charge(size_bytes)) return 0;
    uintptr_t base = map_aligned(size_bytes, alignment);
    if (base == 0) discharge(size_bytes);
    return base;
}

/* Here and below: pages first, and then the charge, which others may take at once. */
bool acre_source_unmap(uintptr_t base, size_t size_bytes) {
    bool gone = acre_os_unmap((void *)base, size_bytes);
    /* What keeps its pages as well is left alone for good: it would not read as zeros. */
    if (!gone) gone = !acre_os_release((void *)base, size_bytes);
    discharge(size_bytes);
    return gone;
}

uintptr_t acre_source_map_huge_pages(size_t size_bytes) {
    if (!charge(size_bytes)) return 0;
    uintptr_t base = (uintptr_t)acre_os_map_huge_pages(size_bytes);
    if (base == 0) discharge(size_bytes);
    return base;
}

uintptr_t acre_source_reserve(size_t size_bytes) {
    return map_aligned_by(acre_os_reserve, size_bytes, ACRE_GRANULE_BYTES);
}

void acre_source_unreserve(uintptr_t base, size_t size_bytes) { acre_os_unmap((void *)base, size_bytes); }

bool acre_source_commit(uintptr_t base, size_t size_bytes) {
    if (!charge(size_bytes)) return false;
    bool done = acre_os_commit((void *)base, size_bytes);
    if (!done) discharge(size_bytes);
    return done;
}

void acre_source_decommit(uintptr_t base, size_t size_bytes) {
    if (!acre_os_decommit((void *)base, size_bytes)) acre_os_release((void *)base, size_bytes);
    discharge(size_bytes);
}

bool acre_source_resize(uintptr_t base, size_t old_bytes, size_t new_bytes, bool *whole) {
    *whole = true;
    if (new_bytes > old_bytes && !charge(new_bytes - old_bytes)) return false;
    bool done = acre_os_resize((void *)base, old_bytes, new_bytes, whole);
    if (done && new_bytes < old_bytes) discharge(old_bytes - new_bytes);
    if (!done && new_bytes > old_bytes) discharge(new_bytes - old_bytes);
    return done;
}

uintptr_t acre_source_map_beside(size_t size_bytes, size_t old_bytes, size_t alignment) {
    if (!charge(size_bytes - old_bytes)) return 0;
    uintptr_t base = map_aligned(size_bytes, alignment);
    if (base == 0) discharge(size_bytes - old_bytes);
    return base;
}

void acre_source_unmap_after_move(uintptr_t base, size_t size_bytes, size_t old_bytes) {
    discharge(size_bytes - old_bytes);
    acre_os_unmap_after_move((void *)base, size_bytes);
}

void acre_source_unmap_beside(uintptr_t base, size_t size_bytes, size_t old_bytes) {
    discharge(size_bytes - old_bytes);
    if (!acre_os_unmap((void *)base, size_bytes)) acre_os_release((void *)base, size_bytes);
}

void acre_source_advise_huge_pages(uintptr_t base, size_t size_bytes, bool wanted) {
    if (wanted || acre_os_huge_pages_are_for_all()) acre_os_advise_huge_pages((void *)base, size_bytes, wanted);
}
