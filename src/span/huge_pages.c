#include "span/huge_pages.h"

#include "os/os.h"

/* Blocks with huge pages say nothing when they are freed: of those all is resident. So what they may hold is
 * bounded, by this many times the longest that had small pages and was full: a program whose blocks are full no
 * more wastes that much at the most. */
#define HELD_TIMES 2
/* So many places of so many bytes are looked at, and this part of them must be resident. */
#define PLACES 8u
#define PLACE_BYTES ((size_t)512 << 10)
#define FULL_PARTS 7 /* of eight */

static struct {
    size_t full_bytes; /* of the longest freed block that was full, since one was not */
    size_t held_bytes;
} state;

void acre_huge_pages_start(void) { state.full_bytes = state.held_bytes = 0; }

void acre_huge_pages_forget(void) { state.full_bytes = 0; }

static bool is_full(const struct acre_huge *huge) {
    size_t places = acre_min(huge->mapped_bytes / PLACE_BYTES, PLACES), resident_bytes = 0;
    if (places < 2) return false;
    size_t step_bytes = acre_align_down((huge->mapped_bytes - PLACE_BYTES) / (places - 1), acre_os_page_bytes());
    for (size_t place = 0; place < places; place++)
        resident_bytes += acre_os_resident_bytes((void *)(huge->span.base + place * step_bytes), PLACE_BYTES);
    return resident_bytes >= places * PLACE_BYTES / 8 * FULL_PARTS;
}

bool acre_huge_pages_for_new(size_t size_bytes, enum acre_thp thp) {
    if (size_bytes < ACRE_HUGE_PAGE_BYTES) return false;
    if (thp != ACRE_THP_AUTO) return thp == ACRE_THP_ALWAYS;
    size_t most_bytes = HELD_TIMES * state.full_bytes;
    return size_bytes <= state.full_bytes && state.held_bytes <= most_bytes - size_bytes;
}

bool acre_huge_pages_for_grown(const struct acre_huge *huge, size_t mapped_bytes, enum acre_thp thp) {
    if (huge->huge_pages || mapped_bytes <= huge->mapped_bytes) return false;
    if (thp == ACRE_THP_AUTO) return huge->mapped_bytes >= ACRE_HUGE_PAGE_BYTES && is_full(huge);
    return acre_huge_pages_for_new(mapped_bytes, thp);
}

void acre_huge_pages_ask(struct acre_huge *huge) {
    acre_source_advise_huge_pages(huge->span.base, huge->mapped_bytes, true);
    huge->huge_pages = true;
    state.held_bytes += huge->mapped_bytes;
}

void acre_huge_pages_note_resized(const struct acre_huge *huge, size_t old_bytes, size_t new_bytes) {
    if (huge->huge_pages) state.held_bytes += new_bytes - old_bytes;
}

void acre_huge_pages_note_freed(const struct acre_huge *huge, enum acre_thp thp) {
    bool tells = huge->mapped_bytes >= ACRE_HUGE_PAGE_BYTES && !huge->huge_pages && !huge->from_break;
    if (thp != ACRE_THP_AUTO || !tells) return;
    state.full_bytes = is_full(huge) ? acre_max(state.full_bytes, huge->mapped_bytes) : 0;
}
