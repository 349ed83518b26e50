/* Where one arena's address space comes from: the sources of the process, memory of the caller's, or a reservation.
 *
 * Chunks and huge blocks are charged by who takes them (acre_quota); the process's own limit is seen to below. */
#ifndef ACRE_SPAN_SUPPLIER_H
#define ACRE_SPAN_SUPPLIER_H

#include "source/source.h"
#include "span/released.h"
#include "span/vacant.h"

struct acre_supplier {
    enum acre_source source;
    bool is_reserved;         /* `range` is acre's own reservation: its pages are made usable as they are taken */
    bool is_shared;           /* what huge blocks leave may serve others: the sources of the process */
    bool keeps_pages;         /* pages are not given back, and hold anything when they are new */
    size_t unit_bytes;        /* of what it gives */
    struct acre_quota quota;  /* chunks and live huge blocks */
    struct acre_vacant range; /* what of the range is not taken; guarded by the lock of ranges */
    struct acre_extent given; /* the range, or the reservation: all of it */
    struct acre_source_functions functions;
    _Atomic uint64_t calls, released_bytes;
};

void acre_supplier_start(struct acre_supplier *supplier, enum acre_source source, size_t limit_bytes);
/* Whole granules of the caller's, or of a reservation that is made here. false: no memory. */
bool acre_supplier_start_range(struct acre_supplier *supplier, uintptr_t base, size_t size_bytes);
bool acre_supplier_reserve(struct acre_supplier *supplier, size_t size_bytes);
/* At the end, when all was given back. */
void acre_supplier_end(struct acre_supplier *supplier);

/* Pages, aligned to a power of two; 0 when there are none. Both are multiples of its unit.
 * The break is not asked (source/source.h). */
uintptr_t acre_supplier_take(struct acre_supplier *supplier, size_t size_bytes, size_t alignment);
void acre_supplier_give(struct acre_supplier *supplier, uintptr_t base, size_t size_bytes);
/* A call of the source that somebody else made for it: of the break, or for a huge block. */
ACRE_INLINE void acre_supplier_count_call(struct acre_supplier *supplier) {
    atomic_fetch_add_explicit(&supplier->calls, 1, memory_order_relaxed);
}

/* Pages that the arena held went back, in whatever way; the second is one that the process's figures know of. */
ACRE_INLINE void acre_supplier_count_released(struct acre_supplier *supplier, size_t size_bytes) {
    atomic_fetch_add_explicit(&supplier->released_bytes, size_bytes, memory_order_relaxed);
}
ACRE_INLINE void acre_supplier_note_released(struct acre_supplier *supplier, enum acre_released_how how,
                                             size_t size_bytes) {
    acre_released_note(how, size_bytes);
    acre_supplier_count_released(supplier, size_bytes);
}

struct acre_lock *acre_supplier_lock(void); /* for fork */

#endif
