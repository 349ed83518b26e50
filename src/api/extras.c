/* glibc's extras, telling the truth about acre's heap. Sizes are bytes, as glibc documents them. */
#include "acre/acre.h"
#include "api/api.h"
#include "arena/scavenge.h"
#include "inspect/figures.h"
#include "os/misuse.h"
#include "os/os.h"
#include "os/report.h"
#include "span/huge.h"
#include "span/released.h"

#include <limits.h>
#include <malloc.h>
#include <stdarg.h>
#include <string.h>

/* Calls like malloc_trim may come before the first allocation. */
static bool started(void) { return acre_default_arena.name != NULL || acre_start(); }

ACRE_PUBLIC struct mallinfo2 mallinfo2(void) {
    struct mallinfo2 info;
    struct acre_figures figures;
    memset(&info, 0, sizeof info);
    if (!started()) return info;
    acre_figures_collect(&figures);
    info.hblks = figures.huge_blocks;
    info.hblkhd = figures.huge_bytes;
    info.arena = figures.held_bytes - figures.huge_bytes;
    info.uordblks = figures.live_bytes - figures.huge_bytes;
    info.fordblks = info.arena - acre_min(info.arena, info.uordblks);
    info.ordblks = figures.chunks; /* contiguous pieces of heap; acre has no list of free chunks to count */
    info.keepcost = figures.top_bytes;
    return info;
}

static int capped(size_t value) { return value > INT_MAX ? INT_MAX : (int)value; }

/* The same in ints: larger values stop at INT_MAX, where glibc's wrap around. */
ACRE_PUBLIC struct mallinfo mallinfo(void) {
    struct mallinfo2 wide = mallinfo2();
    struct mallinfo info;
    memset(&info, 0, sizeof info);
    info.arena = capped(wide.arena);
    info.ordblks = capped(wide.ordblks);
    info.hblks = capped(wide.hblks);
    info.hblkhd = capped(wide.hblkhd);
    info.uordblks = capped(wide.uordblks);
    info.fordblks = capped(wide.fordblks);
    info.keepcost = capped(wide.keepcost);
    return info;
}

/* None of glibc's parameters has a meaning here: 0, "not understood". Options are ACRE_OPTIONS. */
ACRE_PUBLIC int mallopt(int parameter, int value) {
    (void)parameter;
    (void)value;
    return 0;
}

static bool release(size_t pad_bytes) {
    if (!started()) return false;
    if (acre_heap_is_made()) {
        struct acre_heap *heap = &acre_this_thread->heap;
        acre_remote_flush(acre_this_thread);
        acre_remote_drain(heap);
        acre_heap_give_kept(heap);
        acre_heap_give_current(heap);
    }
    acre_arena_end_parked();
    sigset_t mask;
    acre_os_block_signals(&mask); /* no handler of this thread finds the gate of refills closed by it */
    bool released = acre_scavenge_all(pad_bytes).any;
    acre_os_restore_signals(&mask);
    return released;
}

/* Everything that is free goes back, whichever thread freed it, but for pad_bytes at the break; 1 when anything
 * did. */
ACRE_PUBLIC int malloc_trim(size_t pad_bytes) { return release(pad_bytes); }

ACRE_PUBLIC int acre_release(void) { return release(0); }

ACRE_PUBLIC acre_misuse_handler *acre_set_misuse_handler(acre_misuse_handler *handler) {
    return acre_misuse_set_handler(handler);
}

static void write_line(const char *format, ...) {
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    size_t length = acre_format(text, sizeof text, format, arguments);
    va_end(arguments);
    acre_os_write_error(text, length);
}

/* One line for an arena that the program made. */
static bool write_arena(struct acre_arena *arena, void *context) {
    struct acre_figures figures;
    (void)context;
    acre_figures_of(arena, &figures);
    write_line("arena %s: live %zu bytes in %zu blocks, held %zu bytes, retained %zu at most\n", arena->name,
               figures.live_bytes, figures.live_blocks, acre_quota_held_bytes(&arena->supplier.quota),
               figures.retained_bytes);
    return true;
}

/* A few lines to standard error, without allocating: of everything, and then of each arena that the program made.
 */
ACRE_PUBLIC void malloc_stats(void) {
    struct acre_figures figures;
    memset(&figures, 0, sizeof figures);
    if (started()) acre_figures_collect(&figures);
    write_line("acre: all arenas\n");
    write_line("live          %zu bytes in %zu blocks\n", figures.live_bytes, figures.live_blocks);
    write_line("  large       %zu bytes in %zu blocks\n", figures.large_bytes, figures.large_blocks);
    write_line("  huge        %zu bytes in %zu blocks\n", figures.huge_bytes, figures.huge_blocks);
    write_line("held          %zu bytes, %zu of them from the program break\n", figures.held_bytes,
               figures.break_bytes);
    write_line("retained      %zu bytes at most\n", figures.retained_bytes);
    write_line("  in slabs    %zu bytes\n", figures.free_slab_bytes);
    write_line("  huge cache  %zu bytes\n", figures.cached_bytes);
    write_line("released      %zu bytes so far, %zu of them in use again\n", (size_t)acre_released_bytes(),
               (size_t)atomic_load_explicit(&acre_released.again_bytes, memory_order_relaxed));
    write_line("metadata      %zu bytes\n", figures.metadata_bytes);
    acre_arena_visit_made(write_arena, NULL);
}
