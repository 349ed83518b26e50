#include "arena/scavenge.h"

#include "heap/gate.h"
#include "heap/recent.h"
#include "metadata/map.h"
#include "metadata/metadata.h"
#include "os/os.h"
#include "slab/holes.h"
#include "span/huge.h"
#include "span/released.h"

/* How often a busy heap is tried. */
#define TRIES_MOST 200
#define PAUSE_US 500

/* Visitors come one after the other. A step of a visit has a lock of its own, for which a fork need not wait for
 * long: who holds it waits for no other lock, since a fork in a signal handler that interrupted malloc waits for
 * this one. */
static struct acre_lock visitors = ACRE_LOCK(ACRE_RANK_VISITORS);
static struct acre_lock lock = ACRE_LOCK(ACRE_RANK_SCAVENGE);

struct acre_lock *acre_scavenge_lock(void) {
    return &lock;
}

void acre_scavenge_after_fork(void) {
    if (!acre_lock_is_mine(&visitors)) acre_lock_reset(&visitors);
}

struct visit {
    struct acre_scavenged done;
    bool all, holes; /* every free page; some slab has pages that are due */
};

static struct acre_slab *slab_at(struct acre_chunk *chunk, uint32_t index) {
    if (acre_run_state(chunk, index) != ACRE_RUN_SLAB) return NULL;
    struct acre_span *span = acre_map_find(acre_run_address(chunk, index));
    bool is_slab = span->kind == ACRE_SPAN_SMALL || span->kind == ACRE_SPAN_MEDIUM;
    return is_slab ? (struct acre_slab *)span : NULL;
}

static bool look(struct acre_page_heap *heap, struct acre_chunk *chunk, void *context) {
    struct visit *visit = context;
    if (!visit->all && acre_page_heap_look(heap, chunk) > 0) visit->done.any = true;
    visit->done.waits |= chunk->dirty_pages > 0 && acre_page_heap_may_release(chunk, chunk->free_pages);
    uint32_t due = 0;
    bool waits = false;
    for (uint32_t index = 0; index < chunk->pages; index += acre_run_pages(chunk, index)) {
        struct acre_slab *slab = slab_at(chunk, index);
        if (slab != NULL)
            due += visit->all ? acre_slab_unreleased(slab, acre_recent_read)
                              : acre_slab_look(slab, acre_recent_read, &waits);
    }
    chunk->has_holes = due > 0 && (visit->all || acre_page_heap_may_release(chunk, due + chunk->free_pages));
    visit->done.waits |= waits;
    visit->holes |= chunk->has_holes;
    return true;
}

/* With the gate closed and the depot locked. */
static bool release_holes(struct acre_page_heap *heap, struct acre_chunk *chunk, void *context) {
    struct visit *visit = context;
    size_t bytes = 0;
    if (!chunk->has_holes) return false;
    chunk->has_holes = false;
    if (heap->supplier->keeps_pages) return false;
    acre_page_heap_stop_huge_pages(heap, chunk);
    for (uint32_t index = 0; index < chunk->pages; index += acre_run_pages(chunk, index)) {
        struct acre_slab *slab = slab_at(chunk, index);
        if (slab == NULL) continue;
        size_t slab_bytes = acre_slab_release_holes(slab, acre_recent_read, visit->all);
        acre_supplier_note_released(slab->depot->pages->supplier, ACRE_RELEASED_HOLES, slab_bytes);
        bytes += slab_bytes;
    }
    visit->done.any |= bytes > 0;
    return true;
}

/* A chunk at a time, so that nobody waits at the gate, the depot or the page heap for long. In the pages that small
 * arenas share lie slabs of many depots: there the gate alone is what keeps blocks from being handed out, as it
 * does everywhere; the lock only spares us a look at what is just being adopted. */
static enum acre_visits release_some_holes(struct acre_page_heap *pages, struct acre_depot *depot,
                                           struct visit *visit) {
    enum acre_visits visits = ACRE_VISITS_BUSY;
    acre_lock(&lock);
    if (!acre_gate_close()) {
        acre_unlock(&lock);
        return acre_gate_is_possible() ? ACRE_VISITS_BUSY : ACRE_VISITS_END;
    }
    if (depot == NULL || acre_lock_briefly(&depot->lock)) {
        visits = acre_page_heap_visit_some(pages, release_holes, visit);
        if (depot != NULL) acre_unlock(&depot->lock);
    }
    acre_gate_open();
    acre_unlock(&lock);
    return visits;
}

static enum acre_visits look_at_some(struct acre_page_heap *pages, struct visit *visit) {
    acre_lock(&lock);
    enum acre_visits visits = acre_page_heap_visit_some(pages, look, visit);
    acre_unlock(&lock);
    return visits;
}

/* Both passes, or as far as they come without waiting for a lock. */
static bool look_at_chunks(struct acre_page_heap *pages, struct acre_depot *depot, struct visit *visit) {
    visit->holes = false;
    enum acre_visits visits = acre_page_heap_begin_visits(pages);
    while (visits == ACRE_VISITS_GO_ON) visits = look_at_some(pages, visit);
    if (visits == ACRE_VISITS_END && visit->holes) {
        visits = acre_page_heap_begin_visits(pages);
        while (visits == ACRE_VISITS_GO_ON) visits = release_some_holes(pages, depot, visit);
    }
    return visits != ACRE_VISITS_BUSY;
}

static bool look_at_arena(struct acre_arena *arena, struct visit *visit) {
    if (ACRE_PEEK(&arena->pages.chunk_bytes) == 0) return true;
    return look_at_chunks(&arena->pages, &arena->depot, visit);
}

static bool look_at_all(struct visit *visit) {
    bool done = look_at_arena(&acre_default_arena, visit), busy;
    struct acre_page_heap *shared = acre_arena_shared_pages();
    if (shared != NULL) done &= look_at_chunks(shared, NULL, visit);
    struct acre_arena *arena = acre_arena_hold(true, &busy);
    for (; arena != NULL; arena = acre_arena_hold(false, &busy)) done &= look_at_arena(arena, visit);
    if (busy) acre_arena_let_go();
    return done && !busy;
}

/* What is left of the slabs that went. */
static void look_at_records(struct visit *visit) {
    size_t bytes = acre_metadata_look(visit->all, &visit->done.waits);
    acre_released_note(ACRE_RELEASED_PAGES, bytes);
    visit->done.any |= bytes > 0;
}

struct acre_scavenged acre_scavenge_due(void) {
    struct visit visit = {{acre_huge_decay(false), acre_huge_cached_bytes() > 0, false}, false, false};
    visit.done.any |= acre_heap_end_rests(false, &visit.done.waits);
    acre_lock(&visitors);
    if (!look_at_all(&visit)) visit.done.waits = visit.done.busy = true;
    look_at_records(&visit);
    acre_unlock(&visitors);
    return visit.done;
}

static bool release_pages(struct acre_arena *arena, void *done) {
    ((struct acre_scavenged *)done)->any |= acre_page_heap_release(&arena->pages, 0);
    return true;
}

struct acre_scavenged acre_scavenge_all(size_t pad_bytes) {
    struct visit visit = {{acre_huge_decay(true), false, false}, true, false};
    visit.done.any |= acre_heap_end_rests(true, &visit.done.waits);
    for (int tries = 0; tries < TRIES_MOST; tries++) {
        acre_lock(&visitors);
        bool done = look_at_all(&visit);
        look_at_records(&visit);
        acre_unlock(&visitors);
        if (done) break;
        acre_os_sleep_us(PAUSE_US);
    }
    visit.done.any |= acre_page_heap_release(&acre_default_arena.pages, pad_bytes);
    struct acre_page_heap *shared = acre_arena_shared_pages();
    if (shared != NULL) visit.done.any |= acre_page_heap_release(shared, 0);
    acre_arena_visit_all(release_pages, &visit.done);
    return visit.done;
}

bool acre_scavenge_arena(struct acre_arena *arena) {
    struct visit visit = {{false, false, false}, true, false};
    for (int tries = 0; tries < TRIES_MOST; tries++) {
        acre_lock(&visitors);
        bool done = look_at_arena(arena, &visit);
        acre_unlock(&visitors);
        if (done) break;
        acre_os_sleep_us(PAUSE_US);
    }
    return acre_page_heap_release(&arena->pages, 0) || visit.done.any;
}
