/* Which huge blocks have huge pages (docs/decisions/0005-huge-pages.md). Guarded by the lock of the huge blocks.
 *
 * Algebra: held_bytes is the sum of what is mapped of the blocks that have them, live or in the cache. */
#ifndef ACRE_SPAN_HUGE_PAGES_H
#define ACRE_SPAN_HUGE_PAGES_H

#include "span/huge.h"

#define ACRE_HUGE_PAGE_BYTES ((size_t)2 << 20)

void acre_huge_pages_start(void);
/* Whether a new mapping of so many bytes is to have them; thp: what its arena says. */
bool acre_huge_pages_for_new(size_t size_bytes, enum acre_thp thp);
/* Whether a block that grows to these bytes is to have them, and has not yet. */
bool acre_huge_pages_for_grown(const struct acre_huge *huge, size_t mapped_bytes, enum acre_thp thp);
/* Asks for them, behind all of it. */
void acre_huge_pages_ask(struct acre_huge *huge);
/* It had so many bytes and has others now, or is being unmapped (of 0 bytes then). */
void acre_huge_pages_note_resized(const struct acre_huge *huge, size_t old_bytes, size_t new_bytes);
/* A block is done with: what it says about the next ones. */
void acre_huge_pages_note_freed(const struct acre_huge *huge, enum acre_thp thp);
/* Nothing is known of the next ones any more. */
void acre_huge_pages_forget(void);

#endif
