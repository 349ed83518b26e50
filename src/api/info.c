/* malloc_info: the figures as XML, in the elements that glibc's readers look for, and some of acre's own. Each
 * arena is a heap; behind the heaps stands what the process has in all. */
#include "api/api.h"
#include "base/text.h"
#include "inspect/figures.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

/* What is written about one arena, noted first: writing may call the program's functions. */
struct heap_note {
    char name[ACRE_ARENA_NAME_MOST];
    struct acre_figures figures;
    size_t held_bytes, held_peak_bytes, limit_bytes;
};

struct heap_notes {
    struct heap_note *notes;
    size_t count, room;
};

static void note(struct heap_note *note, struct acre_arena *arena) {
    const struct acre_quota *quota = &arena->supplier.quota;
    memset(note, 0, sizeof *note);
    strncpy(note->name, arena->name, sizeof note->name - 1);
    acre_figures_of(arena, &note->figures);
    note->held_bytes = acre_quota_held_bytes(quota);
    note->held_peak_bytes = atomic_load_explicit(&quota->peak_bytes, memory_order_relaxed);
    note->limit_bytes = quota->limit_bytes == SIZE_MAX ? 0 : quota->limit_bytes;
}

static bool count_arena(struct acre_arena *arena, void *notes) {
    (void)arena;
    ((struct heap_notes *)notes)->count++;
    return true;
}

static bool note_arena(struct acre_arena *arena, void *context) {
    struct heap_notes *notes = context;
    if (notes->count == notes->room) return false;
    note(&notes->notes[notes->count++], arena);
    return true;
}

/* Notes all arenas, and again if more were made meanwhile. false: there is no memory to note them in. */
static bool note_all(struct heap_notes *notes) {
    for (size_t spare = 4;; spare *= 2) {
        *notes = (struct heap_notes){NULL, 0, 0};
        acre_arena_visit_made(count_arena, notes);
        if (notes->count == 0) return true;
        notes->room = notes->count + spare;
        notes->count = 0;
        notes->notes = acre_allocate_in(&acre_this_thread->heap, notes->room * sizeof *notes->notes);
        if (notes->notes == NULL) return false;
        if (acre_arena_visit_made(note_arena, notes)) return true;
        acre_release_block(notes->notes);
    }
}

static void write_name(FILE *stream, const char *name) {
    for (size_t shown; *name != 0; name += shown == 0 ? 1 : shown) {
        shown = acre_shown_bytes(name);
        if (shown == 0)
            fputc('?', stream);
        else if (strchr("<>&\"'", *name) != NULL)
            fprintf(stream, "&#%d;", *name);
        else
            fwrite(name, 1, shown, stream);
    }
}

static void write_totals(FILE *stream, const struct acre_figures *figures) {
    size_t system_bytes = figures->held_bytes - figures->huge_bytes;
    size_t live_bytes = figures->live_bytes - figures->huge_bytes;
    fprintf(stream,
            "<total type=\"live\" count=\"%zu\" size=\"%zu\"/>\n"
            "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
            "<system type=\"current\" size=\"%zu\"/>\n",
            figures->live_blocks - figures->huge_blocks, live_bytes, figures->chunks,
            system_bytes - acre_min(system_bytes, live_bytes), system_bytes);
}

static void write_heap(FILE *stream, size_t number, const struct heap_note *note) {
    const struct acre_figures *figures = &note->figures;
    fprintf(stream, "<heap nr=\"%zu\" name=\"", number);
    write_name(stream, note->name);
    fputs("\">\n", stream);
    write_totals(stream, figures);
    fprintf(stream,
            "<huge count=\"%zu\" size=\"%zu\"/>\n"
            "<held size=\"%zu\" peak=\"%zu\" limit=\"%zu\"/>\n"
            "<retained size=\"%zu\"/>\n"
            "</heap>\n",
            figures->huge_blocks, figures->huge_bytes, note->held_bytes, note->held_peak_bytes, note->limit_bytes,
            figures->retained_bytes);
}

ACRE_PUBLIC int malloc_info(int options, FILE *stream) {
    struct acre_figures all;
    struct heap_note first;
    struct heap_notes notes = {NULL, 0, 0};
    if (options != 0) return EINVAL; /* the error itself, as glibc returns it */
    memset(&all, 0, sizeof all);
    memset(&first, 0, sizeof first);
    if (acre_is_ready()) {
        acre_figures_collect(&all);
        note(&first, &acre_default_arena);
        if (!note_all(&notes)) return -1;
    }
    fputs("<malloc version=\"1\">\n", stream);
    write_heap(stream, 0, &first);
    for (size_t i = 0; i < notes.count; i++) write_heap(stream, i + 1, &notes.notes[i]);
    acre_release_block(notes.notes);
    write_totals(stream, &all);
    fprintf(stream,
            "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n"
            "<retained size=\"%zu\"/>\n"
            "<metadata size=\"%zu\"/>\n",
            all.huge_blocks, all.huge_bytes, all.retained_bytes, all.metadata_bytes);
    return fputs("</malloc>\n", stream) < 0 || ferror(stream) ? -1 : 0;
}
