#include "span/supplier.h"

#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/os.h"

#define HUGETLB_BYTES ((size_t)2 << 20)

static struct acre_lock lock = ACRE_LOCK(ACRE_RANK_RANGES);

struct acre_lock *acre_supplier_lock(void) {
    return &lock;
}

void acre_supplier_start(struct acre_supplier *supplier, enum acre_source source, size_t limit_bytes) {
    supplier->source = source;
    supplier->is_reserved = false;
    supplier->is_shared = source == ACRE_SOURCE_AUTO || source == ACRE_SOURCE_MMAP || source == ACRE_SOURCE_BRK;
    supplier->keeps_pages = !supplier->is_shared;
    /* What lies in the break is whole granules. */
    bool in_pages = supplier->is_shared && source != ACRE_SOURCE_BRK;
    supplier->unit_bytes = in_pages ? acre_os_page_bytes() : ACRE_GRANULE_BYTES;
    if (source == ACRE_SOURCE_HUGETLB) supplier->unit_bytes = HUGETLB_BYTES;
    supplier->quota = (struct acre_quota){0, 0, limit_bytes};
    supplier->range = (struct acre_vacant){NULL, 0, 0};
    supplier->given = (struct acre_extent){0, 0};
    atomic_store_explicit(&supplier->calls, 0, memory_order_relaxed);
    atomic_store_explicit(&supplier->released_bytes, 0, memory_order_relaxed);
}

/* Adds to what is vacant in the range. Without memory for a record it is lost until the arena ends. */
static bool put(struct acre_supplier *supplier, uintptr_t base, size_t size_bytes) {
    if (size_bytes == 0) return true;
    struct acre_huge *extent = acre_metadata_take(ACRE_RECORD_HUGE, sizeof *extent);
    if (extent == NULL) return false;
    extent->span.base = base;
    extent->mapped_bytes = size_bytes;
    acre_lock(&lock);
    acre_vacant_put(&supplier->range, extent);
    acre_unlock(&lock);
    return true;
}

bool acre_supplier_start_range(struct acre_supplier *supplier, uintptr_t base, size_t size_bytes) {
    supplier->given = (struct acre_extent){base, size_bytes};
    return put(supplier, base, size_bytes);
}

bool acre_supplier_reserve(struct acre_supplier *supplier, size_t size_bytes) {
    uintptr_t base = acre_source_reserve(size_bytes);
    acre_supplier_count_call(supplier);
    if (base == 0) return false;
    if (!put(supplier, base, size_bytes)) {
        acre_source_unreserve(base, size_bytes);
        return false;
    }
    supplier->given = (struct acre_extent){base, size_bytes};
    supplier->is_reserved = true;
    supplier->is_shared = supplier->keeps_pages = false;
    supplier->unit_bytes = ACRE_GRANULE_BYTES;
    return true;
}

void acre_supplier_end(struct acre_supplier *supplier) {
    for (struct acre_huge *extent; (extent = acre_vacant_highest(&supplier->range)) != NULL;) {
        acre_vacant_remove(&supplier->range, extent);
        acre_metadata_give(ACRE_RECORD_HUGE, extent);
    }
    if (supplier->is_reserved) acre_source_unreserve(supplier->given.base, supplier->given.size_bytes);
}

static bool has_range(const struct acre_supplier *supplier) {
    return supplier->source == ACRE_SOURCE_RANGE || supplier->is_reserved;
}

/* An extent with room to align, whose ends go back. */
static uintptr_t take_from_range(struct acre_supplier *supplier, size_t size_bytes, size_t alignment) {
    size_t room_bytes = size_bytes + alignment - ACRE_GRANULE_BYTES;
    acre_lock(&lock);
    uintptr_t start = acre_vacant_take(&supplier->range, room_bytes);
    acre_unlock(&lock);
    if (start == 0) return 0;
    uintptr_t base = acre_align_up(start, alignment);
    put(supplier, start, base - start);
    put(supplier, base + size_bytes, start + room_bytes - (base + size_bytes));
    if (!supplier->is_reserved) return base;
    acre_supplier_count_call(supplier);
    if (acre_source_commit(base, size_bytes)) return base;
    put(supplier, base, size_bytes);
    return 0;
}

static void give_custom(struct acre_supplier *supplier, uintptr_t base, size_t size_bytes) {
    const struct acre_source_functions *functions = &supplier->functions;
    if (functions->give != NULL) functions->give(functions->context, (void *)base, size_bytes);
}

/* What is misaligned, or acre's already, is refused. */
static bool is_usable(uintptr_t base, size_t size_bytes, size_t alignment) {
    uintptr_t end = (uintptr_t)1 << ACRE_ADDRESS_BITS;
    bool usable = (base & (alignment - 1)) == 0 && base < end && size_bytes <= end - base;
    for (size_t offset = 0; usable && offset < size_bytes; offset += ACRE_GRANULE_BYTES)
        usable = acre_map_find(base + offset)->kind == ACRE_SPAN_NONE;
    return usable;
}

static uintptr_t take_custom(struct acre_supplier *supplier, size_t size_bytes, size_t alignment) {
    const struct acre_source_functions *functions = &supplier->functions;
    uintptr_t base = (uintptr_t)functions->take(functions->context, size_bytes, alignment);
    if (base == 0 || is_usable(base, size_bytes, alignment)) return base;
    give_custom(supplier, base, size_bytes);
    return 0;
}

uintptr_t acre_supplier_take(struct acre_supplier *supplier, size_t size_bytes, size_t alignment) {
    if (has_range(supplier)) return take_from_range(supplier, size_bytes, alignment);
    acre_supplier_count_call(supplier);
    if (supplier->source == ACRE_SOURCE_CUSTOM) return take_custom(supplier, size_bytes, alignment);
    if (supplier->source == ACRE_SOURCE_HUGETLB)
        return alignment > HUGETLB_BYTES ? 0 : acre_source_map_huge_pages(size_bytes);
    return acre_source_map(size_bytes, alignment);
}

void acre_supplier_give(struct acre_supplier *supplier, uintptr_t base, size_t size_bytes) {
    if (supplier->is_reserved) {
        acre_source_decommit(base, size_bytes);
        acre_supplier_count_call(supplier);
    }
    if (has_range(supplier)) {
        put(supplier, base, size_bytes);
        return;
    }
    acre_supplier_count_call(supplier);
    if (supplier->source == ACRE_SOURCE_CUSTOM)
        give_custom(supplier, base, size_bytes);
    else if (!acre_source_unmap(base, size_bytes) && supplier->is_shared)
        acre_huge_keep_vacant(base, size_bytes);
}
