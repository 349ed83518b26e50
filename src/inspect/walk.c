#include "inspect/walk.h"

#include "metadata/map.h"
#include "slab/mixed.h"

struct walk {
    struct acre_arena *arena;
    acre_visit_block *visit;
    void *context;
};

static bool is_remote(const struct acre_slab *slab, uint32_t number) {
    _Atomic uint64_t *remote = atomic_load_explicit(&slab->remote, memory_order_acquire);
    return remote != NULL &&
           (atomic_load_explicit(&remote[number / 64], memory_order_relaxed) >> number % 64 & 1) != 0;
}

/* Of a class that is served from mixed slabs. */
static bool is_in_run(const struct acre_heap *heap, uintptr_t block) {
    for (unsigned size_class = 1; size_class < ACRE_SMALL_CLASSES; size_class++) {
        const struct acre_cursor *cursor = &heap->cursor[size_class];
        if (block >= cursor->next && block < cursor->end) return true;
    }
    return false;
}

static bool is_in_cursor(const struct acre_heap *heap, const struct acre_slab *slab, uintptr_t block) {
    unsigned size_class = slab->span.size_class;
    const struct acre_cursor *cursor = &heap->cursor[size_class];
    if (acre_slab_is_mixed(slab)) return is_in_run(heap, block);
    if (heap->supply[size_class].slab != slab) return false;
    if (block >= cursor->next && block < cursor->end) return true;
    for (uint32_t place = cursor->bottom; place < cursor->top; place++) {
        if (cursor->base + heap->ready[size_class][place] * (uintptr_t)slab->unit_bytes == block) return true;
    }
    return false;
}

static bool is_ready(const struct acre_depot *depot, const struct acre_slab *slab, uintptr_t block) {
    for (struct acre_node *node = depot->heaps.next; node != &depot->heaps; node = node->next) {
        if (is_in_cursor(ACRE_CONTAINER_OF(node, struct acre_heap, depot_node), slab, block)) return true;
    }
    return false;
}

static bool walk_slab(const struct walk *walk, const struct acre_slab *slab) {
    uint32_t handed_out = (uint32_t)(slab->fresh_bytes / acre_slab_block_bytes(slab));
    for (uint32_t number = 0, next; number < handed_out; number = next) {
        uintptr_t block = acre_slab_block(slab, number);
        next = acre_slab_is_mixed(slab) ? acre_mixed_next(slab, number) : number + 1;
        if (acre_slab_is_free(slab, number) || is_remote(slab, number) ||
            is_ready(&walk->arena->depot, slab, block))
            continue;
        if (!walk->visit((void *)block, acre_slab_bytes_of(slab, number), walk->context)) return false;
    }
    return true;
}

static bool walk_chunk(const struct walk *walk, struct acre_chunk *chunk) {
    for (uint32_t index = 0, pages; index < chunk->pages; index += pages) {
        uintptr_t address = acre_run_address(chunk, index);
        pages = acre_run_pages(chunk, index);
        bool more = true;
        if (acre_run_state(chunk, index) == ACRE_RUN_SLAB)
            more = walk_slab(walk, (struct acre_slab *)acre_map_find(address));
        else if (acre_run_state(chunk, index) == ACRE_RUN_LARGE)
            more = walk->visit((void *)address, ((size_t)pages << acre_page_shift()) - acre_run_slack(chunk, index),
                               walk->context);
        if (!more) return false;
    }
    return true;
}

bool acre_walk_blocks(struct acre_arena *arena, acre_visit_block *visit, void *context) {
    struct walk walk = {arena, visit, context};
    struct acre_node *chunks = &arena->pages.chunks, *huge = &arena->huge.live;
    for (unsigned place = 0; place < ACRE_BORROWED_MOST; place++) {
        const struct acre_slab *slab = arena->depot.borrowed[place];
        if (slab != NULL && !walk_slab(&walk, slab)) return false;
    }
    for (struct acre_node *node = chunks->next; node != chunks; node = node->next) {
        if (!walk_chunk(&walk, ACRE_CONTAINER_OF(node, struct acre_chunk, all_node))) return false;
    }
    for (struct acre_node *node = huge->next; node != huge; node = node->next) {
        struct acre_huge *block = ACRE_CONTAINER_OF(node, struct acre_huge, node);
        if (!visit((void *)block->span.base, block->asked_bytes, context)) return false;
    }
    return true;
}

struct search {
    uintptr_t address;
};

/* Goes on while the address is not in the block. */
static bool is_elsewhere(struct acre_huge *huge, void *context) {
    return ((struct search *)context)->address - huge->span.base >= huge->mapped_bytes;
}

bool acre_walk_contains(struct acre_arena *arena, uintptr_t address) {
    struct search search = {address};
    struct acre_span *span = acre_map_find(address);
    bool leads_here =
        span->kind != ACRE_SPAN_NONE && span->kind != ACRE_SPAN_HUGE && acre_arena_of_span(span) == arena;
    return leads_here || !acre_huge_space_each(&arena->huge, is_elsewhere, &search);
}
