/* malloc, free and what is made of them. The functions of ISO C and POSIX as glibc documents them; all are
 * thread-safe and none is async-signal-safe, but fork in a signal handler that interrupted one of them is. */
#include "acre/acre.h"
#include "api/api.h"
#include "api/process.h"
#include "heap/recent.h"
#include "inspect/count.h"
#include "metadata/map.h"
#include "os/misuse.h"
#include "os/os.h"
#include "slab/mixed.h"
#include "span/huge.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *acre_out_of_memory(void) {
    errno = ENOMEM;
    return NULL;
}

/* Here and below: behind its first *dirty_bytes a block reads as zeros. */
static uintptr_t take_large(struct acre_arena *arena, size_t size_bytes, size_t alignment, size_t *dirty_bytes) {
    struct acre_span_place place = acre_page_heap_take_large(&arena->pages, size_bytes, alignment);
    *dirty_bytes = place.dirty == 0 ? 0 : size_bytes;
    return place.base;
}

static uintptr_t take_pages(struct acre_arena *arena, size_t size_bytes, size_t alignment, size_t *dirty_bytes) {
    if (size_bytes > acre_options.huge_threshold_bytes || alignment > ACRE_CHUNK_BYTES / 4)
        return acre_huge_take(&arena->huge, size_bytes, alignment, dirty_bytes);
    return take_large(arena, size_bytes, alignment, dirty_bytes);
}

/* A mapping cannot be had, but free pages that cannot go back (below a block that holds the break up) may do. */
static uintptr_t take_large_instead(struct acre_arena *arena, size_t size_bytes, size_t alignment,
                                    size_t *dirty_bytes) {
    if (size_bytes > ACRE_CHUNK_BYTES || alignment > ACRE_CHUNK_BYTES / 4) return 0;
    return take_large(arena, size_bytes, alignment, dirty_bytes);
}

/* Blocks above the size classes. */
static void *allocate_large(struct acre_heap *heap, size_t size_bytes, size_t alignment, size_t *dirty_bytes) {
    struct acre_arena *arena = acre_arena_of_depot(heap->depot);
    if (size_bytes > (size_t)PTRDIFF_MAX) return acre_out_of_memory();
    uintptr_t block = take_pages(arena, size_bytes, alignment, dirty_bytes);
    acre_decay_answer();
    if (block == 0 && acre_heap_recover(heap)) block = take_pages(arena, size_bytes, alignment, dirty_bytes);
    if (block == 0) block = take_large_instead(arena, size_bytes, alignment, dirty_bytes);
    if (block == 0) return acre_out_of_memory();
    if (arena->depot.zeroes && *dirty_bytes > 0) {
        /* All that the block may ever be resized to in place. */
        size_t usable_bytes = acre_usable_bytes("malloc", (void *)block);
        memset((void *)block, 0, *dirty_bytes < size_bytes ? *dirty_bytes : usable_bytes);
        *dirty_bytes = 0;
    }
    return (void *)block;
}

/* No slab of the class can be had, or is to be: then whatever is free and long enough will do, in pages or in slabs
 * of other sizes, with the alignment that all blocks of the class have. */
static ACRE_COLD void *allocate_from_others(struct acre_heap *heap, size_t size_bytes, bool *zero,
                                            size_t *dirty_bytes) {
    unsigned size_class = acre_class_of(size_bytes);
    size_t class_bytes = acre_class_bytes(size_class), alignment = class_bytes & -class_bytes;
    void *block = NULL;
    if (!acre_heap_spares_slabs(heap, size_class)) block = acre_heap_take_larger(heap, size_class, zero);
    *dirty_bytes = *zero ? 0 : size_bytes;
    if (block == NULL) block = allocate_large(heap, acre_max(size_bytes, 1), alignment, dirty_bytes);
    return block;
}

static void *allocate_from(struct acre_heap *heap, size_t size_bytes, size_t *dirty_bytes) {
    bool zero;
    if (size_bytes > ACRE_MEDIUM_MOST) return allocate_large(heap, size_bytes, ACRE_ALIGNMENT, dirty_bytes);
    void *block = acre_heap_take(heap, acre_class_of(size_bytes), &zero);
    *dirty_bytes = zero ? 0 : size_bytes;
    return ACRE_LIKELY(block != NULL) ? block : allocate_from_others(heap, size_bytes, &zero, dirty_bytes);
}

bool acre_is_ready(void) { return acre_heap_is_made() || (acre_start() && acre_heap_mine() != NULL); }

/* Of any size in a mapping of its own, for what would stay where the heap happens to end and hold the break up. */
static void *allocate_apart(size_t size_bytes, size_t alignment, size_t *dirty_bytes) {
    uintptr_t block = 0;
    if (size_bytes <= (size_t)PTRDIFF_MAX)
        block = acre_huge_take_anew(&acre_default_arena.huge, acre_max(size_bytes, 1), alignment, dirty_bytes);
    return block == 0 ? acre_out_of_memory() : (void *)block;
}

static ACRE_NOINLINE void *allocate_slowly(size_t size_bytes, size_t *dirty_bytes) {
    if (!acre_is_ready()) return acre_out_of_memory();
    if (acre_heap_is_apart()) return allocate_apart(size_bytes, ACRE_ALIGNMENT, dirty_bytes);
    return allocate_from(acre_this_heap, size_bytes, dirty_bytes);
}

static ACRE_NOINLINE void *allocate_any(size_t size_bytes) {
    size_t dirty_bytes;
    return allocate_slowly(size_bytes, &dirty_bytes);
}

static ACRE_NOINLINE void *allocate_medium(size_t size_bytes) {
    bool zero;
    void *block = acre_medium_take(acre_this_heap, acre_class_of(size_bytes), &zero);
    return ACRE_LIKELY(block != NULL) ? block : allocate_any(size_bytes);
}

static ACRE_NOINLINE void *allocate_rest(size_t size_bytes) {
    if (ACRE_UNLIKELY(size_bytes - 1 >= ACRE_EXACT_MOST))
        return size_bytes - 1 < ACRE_MEDIUM_MOST ? allocate_medium(size_bytes) : allocate_any(size_bytes);
    /* malloc has seen that the cursor is empty */
    size_t block_bytes = acre_heap_served_bytes(acre_this_heap, size_bytes);
    void *block = acre_heap_refill(acre_this_heap, (unsigned)(block_bytes / ACRE_ALIGNMENT));
    return ACRE_LIKELY(block != NULL) ? block : allocate_any(size_bytes);
}

ACRE_INLINE void *allocate(size_t size_bytes) {
    if (ACRE_LIKELY(size_bytes <= ACRE_EXACT_MOST)) {
        void *block = acre_heap_take_ready(acre_this_heap, acre_heap_served_bytes(acre_this_heap, size_bytes));
        if (ACRE_LIKELY(block != NULL)) return block;
    }
    return allocate_rest(size_bytes);
}

void *acre_allocate(size_t size_bytes) { return allocate(size_bytes); }

void *acre_allocate_in(struct acre_heap *heap, size_t size_bytes) {
    size_t dirty_bytes;
    return allocate_from(heap, size_bytes, &dirty_bytes);
}

void *acre_allocate_zeroed_in(struct acre_heap *heap, size_t size_bytes) {
    size_t dirty_bytes;
    void *block = allocate_from(heap, size_bytes, &dirty_bytes);
    if (block != NULL && dirty_bytes > 0) memset(block, 0, acre_min(size_bytes, dirty_bytes));
    return block;
}

void *acre_allocate_zeroed(size_t size_bytes) {
    bool zero = false;
    size_t dirty_bytes = size_bytes;
    void *block = NULL;
    if (ACRE_LIKELY(size_bytes - 1 < ACRE_MEDIUM_MOST))
        block = acre_heap_take(acre_this_heap, acre_class_of(size_bytes), &zero);
    if (ACRE_UNLIKELY(block == NULL))
        block = allocate_slowly(size_bytes, &dirty_bytes);
    else if (zero)
        return block;
    if (block != NULL && dirty_bytes > 0) memset(block, 0, acre_min(size_bytes, dirty_bytes));
    return block;
}

void *acre_allocate_aligned(size_t size_bytes, size_t alignment) {
    size_t dirty_bytes;
    if (alignment <= ACRE_ALIGNMENT) return allocate(size_bytes);
    if (size_bytes <= ACRE_MEDIUM_MOST && alignment <= ACRE_MEDIUM_MOST)
        return allocate(acre_class_aligned(size_bytes, alignment));
    if (!acre_is_ready()) return acre_out_of_memory();
    if (acre_heap_is_apart()) return allocate_apart(size_bytes, alignment, &dirty_bytes);
    return acre_allocate_aligned_in(acre_this_heap, size_bytes, alignment);
}

void *acre_allocate_aligned_in(struct acre_heap *heap, size_t size_bytes, size_t alignment) {
    size_t dirty_bytes;
    if (alignment <= ACRE_ALIGNMENT) return acre_allocate_in(heap, size_bytes);
    if (size_bytes <= ACRE_MEDIUM_MOST && alignment <= ACRE_MEDIUM_MOST)
        return acre_allocate_in(heap, acre_class_aligned(size_bytes, alignment));
    return allocate_large(heap, acre_max(size_bytes, 1), alignment, &dirty_bytes);
}

static void tell_unknown(const char *function, void *block) {
    acre_misuse(ACRE_MISUSE_FOREIGN, function, (uintptr_t)block,
                "not a block of acre: it was never handed out, or is unmapped again by an earlier free");
}

static const char *name_of(struct acre_span *span) {
    const struct acre_arena *arena = acre_arena_of_span(span);
    return arena == NULL ? "none" : arena->name;
}

static void tell_large(enum acre_misuse_kind kind, const char *function, struct acre_chunk *chunk, void *block) {
    const char *text = kind == ACRE_MISUSE_DOUBLE_FREE ? "double free of a large block (arena %s)"
                       : kind == ACRE_MISUSE_FREED
                           ? "the block is free (arena %s)"
                           : "not a block: inside a large block or between blocks (arena %s)";
    acre_misuse(kind, function, (uintptr_t)block, text, name_of(&chunk->span));
}

static void release_large(struct acre_chunk *chunk, void *block) {
    enum acre_large_error error = acre_page_heap_give_large(chunk->heap, chunk, (uintptr_t)block);
    if (error == ACRE_LARGE_FINE) return;
    if (acre_arena_of_span(&chunk->span) == NULL) /* pages that small arenas share */
        tell_unknown("free", block);
    else
        tell_large(error == ACRE_LARGE_FREED ? ACRE_MISUSE_DOUBLE_FREE : ACRE_MISUSE_NOT_A_BLOCK, "free", chunk,
                   block);
}

static void release_huge(struct acre_huge *huge, void *block) {
    if ((uintptr_t)block != huge->span.base)
        acre_misuse(ACRE_MISUSE_NOT_A_BLOCK, "free", (uintptr_t)block,
                    "not a block: inside a huge block or behind one");
    else if (!acre_huge_give(huge, (uintptr_t)block))
        acre_misuse(ACRE_MISUSE_DOUBLE_FREE, "free", (uintptr_t)block, "double free of a huge block");
}

static ACRE_NOINLINE void count_down(struct acre_slab *slab) {
    acre_heap_countdown(slab);
    acre_scavenger_check();
}

/* Of a medium slab of this thread; false, and nothing is done, when it is no live block, or another thread has
 * freed it. */
ACRE_INLINE bool release_medium(struct acre_slab *slab, uintptr_t address) {
    uint32_t number = acre_slab_find(slab, address);
    if (ACRE_UNLIKELY(number == ACRE_NO_BLOCK || acre_slab_looks_free(slab, number))) return false;
    acre_slab_set_free(slab, number);
    atomic_signal_fence(memory_order_release); /* who reads the countdown and then bits finds those it knows of */
    if (ACRE_UNLIKELY(--slab->countdown == 0)) count_down(slab);
    return true;
}

ACRE_INLINE bool is_own(struct acre_slab *slab) {
    return atomic_load_explicit(acre_slab_owner(slab), memory_order_relaxed) == (uintptr_t)acre_this_thread;
}

/* Whether a small slab that is perhaps this thread's, though the lookaside does not know it, is so and the block is
 * live: then it knows the slab from now on, and the fast path frees the block. In heaps that are large most frees
 * come here. What a cursor may hold is looked at more closely. */
ACRE_INLINE bool remember_own_small(struct acre_slab *slab, uintptr_t address) {
    if (!is_own(slab) || slab->span.state == ACRE_SLAB_CURRENT || acre_slab_is_mixed(slab)) return false;
    uint32_t bit = (uint32_t)((address - slab->span.base) / ACRE_ALIGNMENT);
    if (address % ACRE_ALIGNMENT != 0 || (slab->live[bit / 64] >> bit % 64 & 1) == 0) return false;
    acre_heap_remember_granule(slab, address >> ACRE_GRANULE_SHIFT);
    return true;
}

/* What is not freed by a look at the lookaside's first two names of a granule. */
static ACRE_NOINLINE void release_slowly(uintptr_t address) {
    struct acre_slab *medium = acre_thread_own_medium(acre_this_thread, address);
    if (ACRE_LIKELY(medium != NULL) && release_medium(medium, address)) return;
    void *block = (void *)address;
    if (block == NULL) return;
    struct acre_span *span = acre_map_find(address);
    switch (span->kind) {
    case ACRE_SPAN_SMALL:
        if (remember_own_small((struct acre_slab *)span, address)) {
            acre_release_block(block);
            return;
        }
        acre_heap_free((struct acre_slab *)span, address);
        break;
    case ACRE_SPAN_MEDIUM:
        acre_heap_free((struct acre_slab *)span, address);
        break;
    case ACRE_SPAN_CHUNK:
        release_large((struct acre_chunk *)span, block);
        break;
    case ACRE_SPAN_HUGE:
        release_huge((struct acre_huge *)span, block);
        break;
    default:
        tell_unknown("free", block);
    }
    acre_scavenger_check();
}

/* The fast path. A block's bit is bit 4..7 of its address in half word 8..15 of the slab's bitmap. */
ACRE_INLINE void release_by(void *block, void slowly(uintptr_t address)) {
    if (ACRE_WATCHED && block != NULL) {
        size_t usable_bytes = acre_usable_bytes("free", block);
        if (usable_bytes == 0) return;
        acre_note_reuse(block, usable_bytes);
    }
    uintptr_t address = acre_copy((uintptr_t)block), turned = acre_turned((uintptr_t)block);
    uintptr_t granule = acre_turned_granule(turned), slot = granule % ACRE_LOOKASIDE_SLOTS;
    struct acre_lookaside *lookaside = &acre_this_thread->lookaside;
    acre_half *live = lookaside->live[slot];
    if (ACRE_UNLIKELY(lookaside->granule[slot] != granule)) {
        slot = acre_copy(slot); /* so that the compiler prepares nothing above for the second look */
        if (lookaside->granule[slot] != ACRE_LOOKASIDE_RECENT(granule)) {
            slowly(address);
            return;
        }
        struct acre_recent *recent = acre_this_thread->heap.recent;
        if (acre_recent_put(&recent[acre_slab_of_live(live)->span.size_class], live, address, turned)) return;
    }
    if (ACRE_UNLIKELY(acre_clear_bit16(live, address, turned))) {
        slowly(address); /* names the mistake */
        return;
    }
    struct acre_slab *slab = acre_slab_of_live(live);
    if (ACRE_UNLIKELY(--slab->countdown == 0)) count_down(slab);
}

ACRE_INLINE void release(void *block) { release_by(block, release_slowly); }

void acre_release_block(void *block) { release(block); }

/* For comparison with what the process calls so (process.c). A build may have other names for both (tests/fuzz). */
#define TEXT_OF(name) #name
#define ALIAS_OF(name) alias(TEXT_OF(name)), nothrow, leaf
extern __typeof(acre_own_free) acre_own_free __attribute__((ALIAS_OF(free)));
extern __typeof(acre_own_realloc) acre_own_realloc __attribute__((ALIAS_OF(realloc), alloc_size(2)));

static ACRE_NOINLINE void release_of_process_slowly(uintptr_t address) {
    if (acre_map_find(address)->kind == ACRE_SPAN_NONE && acre_process_frees_itself())
        acre_process_free((void *)address);
    else
        release_slowly(address);
}

void acre_release_of_process(void *block) { release_by(block, release_of_process_slowly); }

ACRE_PUBLIC void *malloc(size_t size) { return acre_counted(ACRE_COUNT_MALLOC, size, allocate(size)); }

ACRE_PUBLIC void free(void *block) {
    acre_count_free(block);
    release(block);
}

/* C23. The sizes are not needed, and not trusted. */
ACRE_PUBLIC void free_sized(void *block, size_t size) {
    (void)size;
    acre_count_free(block);
    acre_release_of_process(block);
}

ACRE_PUBLIC void free_aligned_sized(void *block, size_t alignment, size_t size) {
    (void)alignment;
    free_sized(block, size);
}

ACRE_PUBLIC void *calloc(size_t count, size_t size) {
    size_t size_bytes;
    void *block = NULL;
    if (__builtin_mul_overflow(count, size, &size_bytes))
        acre_out_of_memory();
    else
        block = acre_allocate_zeroed(size_bytes);
    return acre_counted(ACRE_COUNT_CALLOC, size_bytes, block);
}

static size_t large_usable_bytes(const char *function, struct acre_chunk *chunk, void *block) {
    size_t asked_bytes;
    size_t usable_bytes = acre_page_heap_large_size(chunk->heap, chunk, (uintptr_t)block, &asked_bytes);
    if (usable_bytes == 0) {
        bool is_free = acre_page_heap_check_large(chunk->heap, chunk, (uintptr_t)block) == ACRE_LARGE_FREED;
        tell_large(is_free ? ACRE_MISUSE_FREED : ACRE_MISUSE_NOT_A_BLOCK, function, chunk, block);
    }
    return usable_bytes;
}

static size_t slab_usable_bytes(const char *function, struct acre_slab *slab, uintptr_t block) {
    uint32_t number = acre_slab_find(slab, block);
    if (number == ACRE_NO_BLOCK || block - slab->span.base >= ACRE_PEEK(&slab->fresh_bytes) ||
        !acre_slab_is_block(slab, number)) {
        acre_slab_tell_no_block(function, slab, block);
        return 0;
    }
    if (acre_slab_looks_free(slab, number) || acre_remote_holds(acre_this_thread, slab, number)) {
        acre_slab_tell_free(ACRE_MISUSE_FREED, function, slab, block);
        return 0;
    }
    return acre_slab_bytes_of(slab, number);
}

static size_t usable_of(struct acre_span *span, const char *function, void *block) {
    switch (span->kind) {
    case ACRE_SPAN_SMALL:
    case ACRE_SPAN_MEDIUM:
        return slab_usable_bytes(function, (struct acre_slab *)span, (uintptr_t)block);
    case ACRE_SPAN_CHUNK:
        return large_usable_bytes(function, (struct acre_chunk *)span, block);
    case ACRE_SPAN_HUGE: {
        const struct acre_huge *huge = (const struct acre_huge *)span;
        if ((uintptr_t)block == huge->span.base && acre_huge_is_live(huge)) return huge->mapped_bytes;
        break;
    }
    default:
        break;
    }
    tell_unknown(function, block);
    return 0;
}

size_t acre_usable_bytes(const char *function, void *block) {
    return usable_of(acre_map_find((uintptr_t)block), function, block);
}

static void *refuse(void) {
    errno = EINVAL;
    return NULL;
}

static void clear_behind(void *block, size_t usable_bytes) {
    size_t now_bytes = acre_usable_bytes("realloc", block);
    if (now_bytes > usable_bytes) memset((char *)block + usable_bytes, 0, now_bytes - usable_bytes);
}

/* A large or huge block that stays what it is: resized where it lies, or moved by the kernel. NULL: neither. */
static void *resize_pages(void *block, size_t usable_bytes, size_t size_bytes) {
    struct acre_span *span = acre_map_find((uintptr_t)block);
    size_t threshold_bytes = acre_options.huge_threshold_bytes;
    if (span->kind == ACRE_SPAN_HUGE && size_bytes > threshold_bytes / 2)
        return (void *)acre_huge_resize((struct acre_huge *)span, (uintptr_t)block, size_bytes);
    /* One that shrinks by less than half stays, though it could be in a slab. */
    if (span->kind == ACRE_SPAN_CHUNK && size_bytes > acre_min(ACRE_MEDIUM_MOST, usable_bytes / 2) &&
        size_bytes <= threshold_bytes) {
        struct acre_chunk *chunk = (struct acre_chunk *)span;
        if (!acre_page_heap_resize_large(chunk->heap, chunk, (uintptr_t)block, size_bytes)) return NULL;
        if (acre_arena_of_span(span)->depot.zeroes) clear_behind(block, usable_bytes);
        return block;
    }
    return NULL;
}

/* A new place in the block's own arena, or in that of the heap. */
static void *allocate_for(struct acre_heap *heap, void *block, size_t size_bytes) {
    struct acre_depot *depot = &acre_arena_of_span(acre_map_find((uintptr_t)block))->depot;
    if (heap == NULL && depot != acre_this_heap->depot)
        heap = depot->is_default ? acre_heap_mine() : acre_heap_make_for(depot);
    else if (heap == NULL)
        return allocate(size_bytes);
    return heap == NULL ? acre_out_of_memory() : acre_allocate_in(heap, size_bytes);
}

static void *reallocate_elsewhere(struct acre_heap *heap, void *block, size_t usable_bytes, size_t size_bytes) {
    int kept = errno;
    void *moved = allocate_for(heap, block, size_bytes);
    if (moved == NULL) {
        if (size_bytes > usable_bytes) return NULL;
        errno = kept;
        return block; /* no memory to shrink into: it still fits where it is */
    }
    memcpy(moved, block, acre_min(size_bytes, usable_bytes));
    release(block);
    return moved;
}

/* The fast path of realloc: the bytes of a live block of a small slab of this thread; 0 of anything else. */
ACRE_INLINE size_t own_small_bytes(void *block) {
    struct acre_slab *slab = acre_thread_own_slab(acre_this_thread, (uintptr_t)block);
    if (slab == NULL || acre_slab_is_mixed(slab)) return 0;
    uint32_t bit = (uint32_t)((uintptr_t)block / ACRE_ALIGNMENT) % (ACRE_SMALL_WORDS * 64);
    bool live =
        (slab->live[bit / 64] >> bit % 64 & 1) != 0 && !acre_slab_looks_free(slab, acre_slab_number(slab, bit));
    return live ? slab->stride * ACRE_ALIGNMENT : 0;
}

static bool is_in_slab(void *block) {
    struct acre_span *span = acre_map_find((uintptr_t)block);
    return span->kind == ACRE_SPAN_SMALL || span->kind == ACRE_SPAN_MEDIUM;
}

/* heap: what a new place is taken from; NULL: one of the block's own arena. */
static void *resize(struct acre_heap *heap, void *block, size_t size_bytes) {
    size_t usable_bytes = own_small_bytes(block);
    bool in_slab = usable_bytes != 0 || is_in_slab(block);
    if (usable_bytes == 0) usable_bytes = acre_usable_bytes("realloc", block);
    if (usable_bytes == 0) return refuse();
    if (size_bytes == 0) { /* as glibc: frees, and says so by NULL */
        release(block);
        return NULL;
    }
    if (size_bytes > (size_t)PTRDIFF_MAX) return acre_out_of_memory();
    if (in_slab) {
        if (size_bytes <= usable_bytes && size_bytes >= usable_bytes / 2) return block;
        return reallocate_elsewhere(heap, block, usable_bytes, size_bytes);
    }
    int kept = errno;
    void *resized = resize_pages(block, usable_bytes, size_bytes);
    if (resized == NULL) resized = reallocate_elsewhere(heap, block, usable_bytes, size_bytes);
    if (resized != NULL) return resized;
    /* Where there is no room for the whole of it, there may be for the difference, now that what was free is given
     * up. */
    resized = resize_pages(block, usable_bytes, size_bytes);
    if (resized != NULL) errno = kept;
    return resized;
}

static void *reallocate(void *block, size_t size_bytes) {
    return block == NULL ? allocate(size_bytes) : resize(NULL, block, size_bytes);
}

/* A block of another arena moves, whatever its size. */
void *acre_reallocate_in(struct acre_heap *heap, void *block, size_t size_bytes) {
    if (block == NULL) return acre_allocate_in(heap, size_bytes);
    struct acre_arena *arena = acre_arena_of_span(acre_map_find((uintptr_t)block));
    if (arena == NULL || &arena->depot == heap->depot) return resize(heap, block, size_bytes);
    size_t usable_bytes = acre_usable_bytes("acre_arena_realloc", block);
    if (usable_bytes == 0) return refuse();
    void *moved = size_bytes == 0 ? NULL : acre_allocate_in(heap, size_bytes);
    if (moved == NULL && size_bytes != 0) return NULL;
    if (moved != NULL) memcpy(moved, block, acre_min(size_bytes, usable_bytes));
    release(block);
    return moved;
}

ACRE_PUBLIC void *realloc(void *block, size_t size) {
    struct acre_count_before before = acre_count_before(block);
    return acre_counted_again(NULL, before, size, reallocate(block, size));
}

ACRE_PUBLIC void *reallocarray(void *block, size_t count, size_t size) {
    size_t size_bytes;
    bool overflows = __builtin_mul_overflow(count, size, &size_bytes);
    bool is_strange = block == NULL || acre_map_find((uintptr_t)block)->kind == ACRE_SPAN_NONE;
    if (is_strange && !overflows && acre_process_reallocates_itself())
        return acre_process_realloc(block, size_bytes);
    struct acre_count_before before = acre_count_before(block);
    if (overflows) return acre_counted_again(NULL, before, SIZE_MAX, acre_out_of_memory());
    return acre_counted_again(NULL, before, size_bytes, reallocate(block, size_bytes));
}

ACRE_PUBLIC size_t malloc_usable_size(void *block) {
    return block == NULL ? 0 : acre_usable_bytes("malloc_usable_size", block);
}

ACRE_PUBLIC const char *acre_version(void) { return ACRE_VERSION; }
