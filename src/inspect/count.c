#include "inspect/count.h"

#if defined(ACRE_COUNT)

#include "inspect/count_arenas.h"
#include "inspect/figures.h"
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
/* At the end others may have the registry for a moment. */
#define LAST_TRIES 50
#define PAUSE_US 1000

static struct acre_count_process nowhere;
static struct acre_count_process *record = &nowhere;
static struct acre_count_file *file;
static _Atomic uint64_t published_calls, walked_ms;

/* Whether this thread is in an arena's own source, which may call malloc, with a lock that a walk wants. */
static bool is_in_source(void) {
    const struct acre_node *all = acre_arena_registry();
    for (struct acre_node *node = all == NULL ? NULL : all->next; node != NULL && node != all; node = node->next) {
        struct acre_arena *arena = ACRE_CONTAINER_OF(node, struct acre_arena, all_node);
        if (acre_lock_is_mine(&arena->depot.lock) || acre_lock_is_mine(&arena->pages.lock)) return true;
    }
    return false;
}

static void look(void) {
    struct acre_figures figures;
    uint8_t cells[ACRE_COUNT_PICTURE_CELLS];
    acre_figures_collect(&figures);
    acre_counter_put(&record->retained_now, figures.retained_bytes);
    unsigned filled = acre_figures_picture(cells, ACRE_COUNT_PICTURE_CELLS);
    memcpy(record->picture, cells, filled);
    acre_counter_put(&record->looked_ms, acre_os_clock_ms()); /* before what it is the time of can be seen */
    acre_counter_put(&record->picture_cells, filled);
    acre_count_arenas_held(record);
}

/* Does not wait for the registry: malloc does not, and who visits arenas may be waiting for this thread. */
static bool walk(void) {
    struct acre_lock *registry = acre_arena_registry_lock();
    bool is_visitor = acre_lock_is_mine(registry);
    if (!is_visitor && !acre_lock_try(registry)) return false;
    bool may = !is_in_source();
    if (may) look();
    if (!is_visitor) acre_lock_give(registry);
    return may;
}

static void publish(void) {
    for (unsigned call = 0; call < ACRE_OS_CALLS; call++)
        acre_counter_put(&record->syscalls[call], acre_counter_get(&acre_os_figures.calls[call]));
    acre_counter_put(&record->break_start, acre_counter_get(&acre_os_figures.break_start));
    acre_counter_put(&record->break_peak, acre_counter_get(&acre_os_figures.break_peak));
    acre_counter_put(&record->break_end, acre_counter_get(&acre_os_figures.break_now));
    acre_counter_put(&record->mapped_now, acre_counter_get(&acre_os_figures.mapped_bytes));
    acre_counter_put(&record->mapped_peak, acre_counter_get(&acre_os_figures.mapped_peak_bytes));
    acre_counter_put(&record->metadata_now, acre_metadata_bytes());
    for (unsigned how = 0; how < ACRE_RELEASED_HOWS; how++)
        acre_counter_put(&record->released[how], acre_counter_get(&acre_released.bytes[how]));
    acre_counter_put(&record->released_again, acre_counter_get(&acre_released.again_bytes));
    acre_counter_put(&record->threads_peak, acre_heap_threads_peak());
}

/* After a call that led to system calls. */
static void publish_changes(void) {
    uint64_t calls = acre_counter_get(&acre_os_figures.calls_together);
    if (calls == acre_counter_get(&published_calls)) return;
    acre_counter_put(&published_calls, calls);
    publish();
    uint64_t now_ms = acre_os_clock_ms();
    if (now_ms - acre_counter_get(&walked_ms) >= WALK_EVERY_MS && walk()) acre_counter_put(&walked_ms, now_ms);
}

static struct acre_count_process *claim(uint64_t pid) {
    uint64_t slot = atomic_fetch_add_explicit(&file->used, 1, memory_order_relaxed), image = 1;
    if (slot >= ACRE_COUNT_PROCESSES) return &nowhere;
    for (uint64_t earlier = 0; earlier < slot; earlier++)
        image += acre_counter_get(&file->process[earlier].pid) == pid;
    struct acre_count_process *mine = &file->process[slot];
    acre_counter_put(&mine->parent_pid, acre_os_parent_id());
    acre_counter_put(&mine->image, image);
    acre_counter_put(&mine->pid, pid);
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
    publish();
}

void acre_count_name(void) {
    char name[16] = "";
    acre_os_program_name(name);
    memcpy(record->name, name, sizeof name);
}

void acre_count_end(void) {
    publish();
    for (int tries = 0; tries < LAST_TRIES && !walk(); tries++) acre_os_sleep_us(PAUSE_US);
    acre_counter_put(&record->ended, 1);
}

/* A child starts with its parent's heap, as it is now: the parent goes on before the child looks. */
static struct acre_count_process at_fork;

static void inherit(struct acre_count_process *to, const struct acre_count_process *from) {
    acre_count_live_add(&to->live, acre_counter_get(&from->live.now), acre_counter_get(&from->live.blocks));
    acre_count_arenas_inherit(to, from);
}

void acre_count_fork(void) {
    if (file == NULL || !file->children) return;
    memset((void *)&at_fork, 0, sizeof at_fork);
    inherit(&at_fork, record);
}

/* And with no calls of its own. */
void acre_count_child(void) {
    record = &nowhere;
    if (file == NULL || !file->children) return;
    for (unsigned call = 0; call < ACRE_OS_CALLS; call++) acre_counter_put(&acre_os_figures.calls[call], 0);
    for (unsigned how = 0; how < ACRE_RELEASED_HOWS; how++) acre_counter_put(&acre_released.bytes[how], 0);
    acre_counter_put(&acre_released.again_bytes, 0);
    acre_counter_put(&acre_released.gone_bytes, 0);
    record = claim(acre_os_process_id());
    inherit(record, &at_fork);
    acre_count_name();
    publish();
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

static size_t asked_bytes_of(const void *block) {
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

/* A block begins, in the process and in its arena; and ends. */
static void begin_block(struct acre_arena *arena, void *block, size_t size_bytes) {
    note_asked(block, size_bytes);
    size_t asked_bytes = asked_bytes_of(block);
    acre_count_live_add(&record->live, asked_bytes, 1);
    acre_count_arena_block(record, arena, asked_bytes);
}

static void end_block(struct acre_arena *arena, size_t asked_bytes) {
    acre_count_live_take(&record->live, asked_bytes, 1);
    acre_count_arena_unblock(record, arena, asked_bytes);
}

/* A call that allocates, or failed to, in the arena. */
static void count_call(enum acre_count_call call, struct acre_arena *arena, bool failed) {
    struct acre_count_arena *row = acre_count_row(record, arena);
    acre_counter_add(&record->calls[call], 1);
    if (failed) acre_counter_add(&record->failed_calls, 1);
    if (row == NULL) return;
    acre_counter_add(&row->calls, 1);
    acre_counter_add(&arena->counts.calls, 1);
    if (failed) acre_counter_add(&row->failed_calls, 1);
    acre_count_arena_held(record, arena);
}

static struct acre_arena *arena_of(const void *block) {
    return block == NULL ? NULL : acre_arena_of_span(acre_map_find((uintptr_t)block));
}

/* Where a call that failed wanted its block. */
static struct acre_arena *asked_arena(const struct acre_arena_place *place) {
    if (place != NULL) return place->arena;
    struct acre_depot *depot = acre_this_heap->depot;
    return depot == NULL ? NULL : acre_arena_of_depot(depot);
}

void *acre_counted_in(const struct acre_arena_place *place, enum acre_count_call call, size_t size_bytes,
                      void *block) {
    struct acre_arena *arena = block == NULL ? asked_arena(place) : arena_of(block);
    count_call(call, arena, block == NULL);
    if (block != NULL) begin_block(arena, block, size_bytes);
    publish_changes();
    return block;
}

void acre_count_free(void *block) {
    acre_counter_add(&record->calls[ACRE_COUNT_FREE], 1);
    if (block == NULL || acre_map_find((uintptr_t)block)->kind == ACRE_SPAN_NONE) return;
    end_block(arena_of(block), asked_bytes_of(block));
    publish_changes();
}

struct acre_count_before acre_count_before(void *block) {
    if (block == NULL) return (struct acre_count_before){NULL, NULL, 0};
    return (struct acre_count_before){block, arena_of(block), asked_bytes_of(block)};
}

/* Of a realloc: that of the new block, or where it was wanted; none when it freed. */
static struct acre_arena *arena_after(const struct acre_arena_place *place, const void *old, void *block,
                                      bool freed) {
    if (block != NULL || freed) return arena_of(block);
    return place == NULL && old != NULL ? arena_of(old) : asked_arena(place);
}

void *acre_counted_again(const struct acre_arena_place *place, struct acre_count_before before, size_t size_bytes,
                         void *block) {
    bool freed = block == NULL && size_bytes == 0 && before.block != NULL; /* as realloc(p, 0) does */
    struct acre_arena *arena = arena_after(place, before.block, block, freed);
    count_call(ACRE_COUNT_REALLOC, arena, block == NULL && !freed);
    /* the new block is counted before the old one goes: a peak that falls between the two is real */
    if (block != NULL) begin_block(arena, block, size_bytes);
    if (before.block != NULL && (block != NULL || freed)) end_block(before.arena, before.asked_bytes);
    publish_changes();
    return block;
}

/* By the arena's own sums: a walk would meet threads that end just now and hand on what they have. */
static void end_blocks(struct acre_arena *arena) {
    struct acre_arena_counts *counts = &arena->counts;
    struct acre_count_arena *row = acre_count_row(record, arena);
    uint64_t bytes = atomic_exchange_explicit(&counts->live_bytes, 0, memory_order_relaxed);
    uint64_t blocks = atomic_exchange_explicit(&counts->live_blocks, 0, memory_order_relaxed);
    acre_count_live_take(&record->live, bytes, blocks);
    if (row != NULL) acre_count_live_take(&row->live, bytes, blocks);
}

void acre_count_create(struct acre_arena *arena) { acre_count_arena_begin(record, arena); }

void acre_count_reset(struct acre_arena *arena) {
    struct acre_count_arena *row = acre_count_row(record, arena);
    if (row != NULL) acre_counter_add(&row->resets, 1);
    acre_count_arena_held(record, arena);
    end_blocks(arena);
}

void acre_count_destroy(struct acre_arena *arena) {
    end_blocks(arena);
    acre_count_arena_end(record, arena);
}

#else

/* The plain library counts nothing here; ISO C wants a file to declare something. */
extern int acre_count_nothing;

#endif
