#include "inspect/count.h"

#if defined(ACRE_COUNT)

#include "inspect/figures.h"
#include "inspect/walk.h"
#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/os.h"
#include "slab/mixed.h"
#include "span/huge.h"
#include "span/released.h"

#include <string.h>

_Static_assert((int)ACRE_OS_CALLS == (int)ACRE_COUNT_SYSCALLS, "the record lists the os layer's calls");
_Static_assert((int)ACRE_RELEASED_HOWS == (int)ACRE_COUNT_RELEASED_HOWS,
               "and the span layer's ways of giving back");

/* The costly figures (a walk over the heap) are brought up to date at most this often while the program runs, so
 * that there are some if it is killed. */
#define WALK_EVERY_MS 100

static struct acre_count_process nowhere;
static struct acre_count_process *record = &nowhere;
static struct acre_count_file *file;
static _Atomic uint64_t published_calls, walked_ms;

static void add(_Atomic uint64_t *counter, uint64_t value) {
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}
static void put(_Atomic uint64_t *counter, uint64_t value) {
    atomic_store_explicit(counter, value, memory_order_relaxed);
}
static uint64_t get(_Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

static void raise_to(_Atomic uint64_t *peak, uint64_t value) {
    uint64_t seen = get(peak);
    while (seen < value &&
           !atomic_compare_exchange_weak_explicit(peak, &seen, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void walk(void) {
    struct acre_figures figures;
    uint8_t cells[ACRE_COUNT_PICTURE_CELLS];
    acre_figures_collect(&figures);
    put(&record->retained_now, figures.retained_bytes);
    unsigned filled = acre_figures_picture(cells, ACRE_COUNT_PICTURE_CELLS);
    memcpy(record->picture, cells, filled);
    put(&record->picture_cells, filled);
}

static void publish(bool with_walk) {
    for (unsigned call = 0; call < ACRE_OS_CALLS; call++)
        put(&record->syscalls[call], get(&acre_os_figures.calls[call]));
    put(&record->break_start, get(&acre_os_figures.break_start));
    put(&record->break_peak, get(&acre_os_figures.break_peak));
    put(&record->break_end, get(&acre_os_figures.break_now));
    put(&record->mapped_now, get(&acre_os_figures.mapped_bytes));
    put(&record->mapped_peak, get(&acre_os_figures.mapped_peak_bytes));
    put(&record->metadata_now, acre_metadata_bytes());
    for (unsigned how = 0; how < ACRE_RELEASED_HOWS; how++)
        put(&record->released[how], get(&acre_released.bytes[how]));
    put(&record->released_again, get(&acre_released.again_bytes));
    put(&record->threads_peak, acre_heap_threads_peak());
    if (with_walk) walk();
}

/* After a call that led to system calls. */
static void publish_changes(void) {
    uint64_t calls = get(&acre_os_figures.calls_together);
    if (calls == get(&published_calls)) return;
    put(&published_calls, calls);
    uint64_t now_ms = acre_os_clock_ms();
    bool due = now_ms - get(&walked_ms) >= WALK_EVERY_MS;
    if (due) put(&walked_ms, now_ms);
    publish(due);
}

static struct acre_count_process *claim(uint64_t pid) {
    uint64_t slot = atomic_fetch_add_explicit(&file->used, 1, memory_order_relaxed), image = 1;
    if (slot >= ACRE_COUNT_PROCESSES) return &nowhere;
    for (uint64_t earlier = 0; earlier < slot; earlier++) image += get(&file->process[earlier].pid) == pid;
    struct acre_count_process *mine = &file->process[slot];
    put(&mine->parent_pid, acre_os_parent_id());
    put(&mine->image, image);
    put(&mine->pid, pid);
    return mine;
}

void acre_count_start(void) {
    const char *path = acre_os_is_secure() ? NULL : acre_os_environment(ACRE_COUNT_ENVIRONMENT);
    struct acre_count_file *found = path == NULL ? NULL : acre_os_map_file(path, sizeof *found);
    if (found == NULL) return;
    bool fits = found->magic == ACRE_COUNT_MAGIC && found->version == ACRE_COUNT_VERSION &&
                found->process_bytes == sizeof(struct acre_count_process);
    if (!fits) return;
    uint64_t pid = acre_os_process_id();
    if (!found->children && found->root_pid != pid) return;
    file = found;
    record = claim(pid);
    acre_count_name();
    publish(false);
}

void acre_count_name(void) {
    char name[16] = "";
    acre_os_program_name(name);
    memcpy(record->name, name, sizeof name);
}

void acre_count_end(void) {
    publish(true);
    put(&record->ended, 1);
}

/* The child starts with its parent's heap and with no calls of its own. */
void acre_count_child(void) {
    struct acre_count_process *before = record;
    record = &nowhere;
    if (file == NULL || !file->children) return;
    for (unsigned call = 0; call < ACRE_OS_CALLS; call++) put(&acre_os_figures.calls[call], 0);
    for (unsigned how = 0; how < ACRE_RELEASED_HOWS; how++) put(&acre_released.bytes[how], 0);
    put(&acre_released.again_bytes, 0);
    put(&acre_released.gone_bytes, 0);
    record = claim(acre_os_process_id());
    put(&record->live_now, get(&before->live_now));
    put(&record->live_peak, get(&before->live_now));
    put(&record->live_blocks, get(&before->live_blocks));
    acre_count_name();
    publish(false);
}

/* Where the bytes asked for a small or medium block are kept; NULL when there was no memory for it. */
static uint16_t *asked_place(struct acre_slab *slab, uintptr_t address, bool make) {
    uint32_t number = acre_slab_find(slab, address);
    if (number == ACRE_NO_BLOCK) return NULL;
    if (slab->asked == NULL && make)
        slab->asked = acre_metadata_take(ACRE_RECORD_ASKED, ACRE_SMALL_WORDS * 64 * sizeof(uint16_t));
    if (make) atomic_store_explicit(&slab->depot->had_extras, true, memory_order_relaxed);
    return slab->asked == NULL ? NULL : &slab->asked[number];
}

size_t acre_count_asked(void *block) {
    struct acre_span *span = acre_map_find((uintptr_t)block);
    size_t asked_bytes = 0;
    if (span->kind == ACRE_SPAN_SMALL || span->kind == ACRE_SPAN_MEDIUM) {
        struct acre_slab *slab = (struct acre_slab *)span;
        uint16_t *place = asked_place(slab, (uintptr_t)block, false);
        if (place != NULL) return *place;
        uint32_t number = acre_slab_find(slab, (uintptr_t)block);
        return number == ACRE_NO_BLOCK ? 0 : acre_slab_bytes_of(slab, number);
    }
    if (span->kind == ACRE_SPAN_HUGE) return ((struct acre_huge *)span)->asked_bytes;
    if (span->kind == ACRE_SPAN_CHUNK)
        acre_page_heap_large_size(((struct acre_chunk *)span)->heap, (struct acre_chunk *)span, (uintptr_t)block,
                                  &asked_bytes);
    return asked_bytes;
}

static void note_asked(void *block, size_t size_bytes) {
    struct acre_span *span = acre_map_find((uintptr_t)block);
    if (span->kind != ACRE_SPAN_SMALL && span->kind != ACRE_SPAN_MEDIUM) return;
    uint16_t *place = asked_place((struct acre_slab *)span, (uintptr_t)block, true);
    if (place != NULL) *place = (uint16_t)size_bytes;
}

static void add_live(uint64_t bytes) {
    raise_to(&record->live_peak, atomic_fetch_add_explicit(&record->live_now, bytes, memory_order_relaxed) + bytes);
}

void *acre_counted(enum acre_count_call call, size_t size_bytes, void *block) {
    add(&record->calls[call], 1);
    if (block == NULL) {
        add(&record->failed_calls, 1);
    } else {
        note_asked(block, size_bytes);
        add_live(acre_count_asked(block));
        add(&record->live_blocks, 1);
    }
    publish_changes();
    return block;
}

void acre_count_free(void *block) {
    add(&record->calls[ACRE_COUNT_FREE], 1);
    if (block == NULL || acre_map_find((uintptr_t)block)->kind == ACRE_SPAN_NONE) return;
    atomic_fetch_sub_explicit(&record->live_now, acre_count_asked(block), memory_order_relaxed);
    atomic_fetch_sub_explicit(&record->live_blocks, 1, memory_order_relaxed);
    publish_changes();
}

static bool count_ended(void *block, size_t size_bytes, void *context) {
    (void)size_bytes, (void)context;
    atomic_fetch_sub_explicit(&record->live_now, acre_count_asked(block), memory_order_relaxed);
    atomic_fetch_sub_explicit(&record->live_blocks, 1, memory_order_relaxed);
    return true;
}

void acre_count_end_of(struct acre_arena *arena) { acre_walk_blocks(arena, count_ended, NULL); }

void *acre_counted_again(void *old, size_t old_bytes, size_t size_bytes, void *block) {
    add(&record->calls[ACRE_COUNT_REALLOC], 1);
    if (block != NULL) {
        note_asked(block, size_bytes);
        if (old == NULL) add(&record->live_blocks, 1);
        /* the new block is counted before the old one goes: a peak that falls between the two is real */
        add_live(acre_count_asked(block));
        atomic_fetch_sub_explicit(&record->live_now, old_bytes, memory_order_relaxed);
    } else if (size_bytes == 0 && old != NULL) { /* realloc(p, 0) frees */
        atomic_fetch_sub_explicit(&record->live_now, old_bytes, memory_order_relaxed);
        atomic_fetch_sub_explicit(&record->live_blocks, 1, memory_order_relaxed);
    } else {
        add(&record->failed_calls, 1);
    }
    publish_changes();
    return block;
}

#else

/* The plain library counts nothing here; ISO C wants a file to declare something. */
extern int acre_count_nothing;

#endif
