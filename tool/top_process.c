/* acre top: one process. */
#include "top.h"

#include "complain.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

enum { CLASSES_MOST = 6, ADDRESS_COLUMNS = 17, LEVELS = 8, LEGEND_ROWS = 1 };

static void sample(const struct heap *heap, struct top_sample *sample) {
    const struct heap_format *format = &heap->format;
    struct record os = snapshot_at(&heap->snapshot, format->root[ACRE_ROOT_OS]);
    struct record released = snapshot_at(&heap->snapshot, format->root[ACRE_ROOT_RELEASED]);
    *sample = (struct top_sample){.pid = heap->target->pid, .at_s = top_now_s()};
    for (size_t i = 0; i < TOP_OS_CALLS; i++) {
        sample->calls[i] = record_word(format, os, ACRE_FIELD_OS_CALLS, i, 8);
    }
    for (size_t i = 0; i < 4; i++) {
        sample->released_bytes += record_word(format, released, ACRE_FIELD_RELEASED_BYTES, i, 8);
    }
}

/* How much more it is a second; nothing at the first look. */
static double rate(uint64_t before, uint64_t now, double seconds) {
    return seconds > 0 && now >= before ? (double)(now - before) / seconds : 0;
}

static void say_rates(struct top_screen *screen, const struct heap *heap, struct top_sample *before) {
    struct top_sample now;
    sample(heap, &now);
    double seconds = before->pid == now.pid ? now.at_s - before->at_s : 0;
    double calls[TOP_OS_CALLS];
    for (size_t i = 0; i < TOP_OS_CALLS; i++) {
        calls[i] = rate(before->calls[i], now.calls[i], seconds);
    }
    top_say(screen, TOP_PLAIN, "calls/s   brk %.0f mmap %.0f munmap %.0f mremap %.0f madvise %.0f; given back %s/s",
            calls[0], calls[1], calls[2], calls[3], calls[4],
            human_bytes((uint64_t)rate(before->released_bytes, now.released_bytes, seconds)).text);
    *before = now;
}

static void say_sums(struct top_screen *screen, const struct heap *heap, const struct account *account) {
    const uint64_t *bytes = account->bytes;
    top_say(screen, TOP_PLAIN, "resident  %s, of it live %s; all blocks %s in %s",
            human_bytes(account->resident_bytes).text, human_bytes(bytes[BUCKET_LIVE]).text,
            human_bytes(account->live_bytes).text, human_count(account->live_blocks).text);
    top_say(screen, TOP_PLAIN, "besides   partly used %s, free %s, not handed out %s",
            human_bytes(bytes[BUCKET_PARTLY]).text, human_bytes(bytes[BUCKET_WAITING] + bytes[BUCKET_PINNED]).text,
            human_bytes(bytes[BUCKET_FRESH]).text);
    top_say(screen, TOP_PLAIN, "          thread stock %s, metadata %s, not acre's %s",
            human_bytes(bytes[BUCKET_STOCK]).text, human_bytes(bytes[BUCKET_METADATA]).text,
            human_bytes(account->other_bytes).text);
    top_say(screen, TOP_PLAIN, "addresses %s: break %s, chunks %s, huge %s; threads %s, arenas %s",
            human_bytes(heap_held_bytes(heap)).text, human_bytes(heap_break_bytes(heap)).text,
            human_count(heap->chunk_count).text, human_count(heap->huge_count).text,
            human_count(heap->thread_count).text, human_count(heap->arena_count - 1).text);
}

static int by_resident(const void *one, const void *other) {
    const struct account_class *a = one, *b = other;
    return (a->resident_bytes < b->resident_bytes) - (a->resident_bytes > b->resident_bytes);
}

static void say_classes(struct top_screen *screen, struct account *account) {
    if (account->class_count > 0) {
        qsort(account->classes, account->class_count, sizeof account->classes[0], by_resident);
    }
    top_say(screen, TOP_HEAD, "%12s %10s %13s %11s %11s", "BLOCK SIZE", "SPANS", "LIVE", "LIVE BYTES", "RESIDENT");
    for (size_t i = 0; i < account->class_count && i < CLASSES_MOST; i++) {
        const struct account_class *class = &account->classes[i];
        struct figure_text size = human_bytes(class->block_bytes);
        strcpy(size.text, class->block_bytes == 0            ? "mixed"
                          : class->block_bytes == UINT64_MAX ? "larger"
                                                             : human_bytes(class->block_bytes).text);
        top_say(screen, TOP_PLAIN, "%12s %10s %13s %11s %11s", size.text, human_count(class->spans).text,
                human_count(class->live_blocks).text, human_bytes(class->live_bytes).text,
                human_bytes(class->resident_bytes).text);
    }
}

static void say_row(struct top_screen *screen, const struct cells *cells, const struct segment *segment, size_t at,
                    size_t columns) {
    char row[512];
    size_t i = 0;
    for (; i < columns && i + 1 < sizeof row && at + i < segment->cell_count; i++) {
        const struct cell *cell = &cells->cells[segment->first_cell + at + i];
        enum cell_kind kind = cell_kind_of(cell);
        row[i] = kind == CELL_LIVE ? (char)('0' + cell_level(cell, LEVELS)) : cell_letters[kind];
    }
    row[i] = '\0';
    top_say(screen, TOP_MAP, "%#15llx  %s", (unsigned long long)(segment->start + at * cells->cell_bytes), row);
}

/* In the rows that are left: the cells are as large as it takes. */
static void say_map(struct top_screen *screen, struct heap *heap) {
    struct cells cells;
    size_t columns = screen->columns > ADDRESS_COLUMNS + 8 ? screen->columns - ADDRESS_COLUMNS : 8;
    size_t rows = screen->room - screen->count;
    rows = rows > LEGEND_ROWS ? rows - LEGEND_ROWS : 0;
    if (rows < 2 || !cells_make(&cells, heap, 0, columns * (rows / 2 + 1) / 2)) {
        return;
    }
    top_say(screen, TOP_PLAIN, "%s a cell; 1-8 live s stock m metadata f free o other . not in memory",
            human_bytes(cells.cell_bytes).text);
    for (size_t i = 0; i < cells.segment_count; i++) {
        const struct segment *segment = &cells.segments[i];
        for (size_t at = 0; at < segment->cell_count; at += columns) {
            say_row(screen, &cells, segment, at, columns);
        }
    }
    cells_free(&cells);
}

static bool show(struct top_screen *screen, struct heap *heap, double delay_s, struct top_sample *before) {
    struct account account;
    if (!account_make(&account, heap)) {
        return false;
    }
    top_say(screen, TOP_HEAD, "acre top: %ld (%s)   %.3g s   q quit  + - delay  t trim  b back",
            (long)heap->target->pid, heap->target->name, delay_s);
    say_sums(screen, heap, &account);
    say_rates(screen, heap, before);
    say_classes(screen, &account);
    say_map(screen, heap);
    account_free(&account);
    return true;
}

bool top_process(struct top_screen *screen, pid_t pid, double delay_s, struct top_sample *before,
                 char reason[512]) {
    struct target target;
    struct heap heap;
    bool fine = false;
    complain_into(reason, 512);
    if (target_open_process(&target, pid)) {
        if (heap_read(&heap, &target)) {
            fine = show(screen, &heap, delay_s, before);
            heap_free(&heap);
        }
        target_close(&target);
    }
    complain_into(NULL, 0);
    return fine;
}
