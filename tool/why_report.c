/* acre why: the report for people. */
#include "why.h"

#include "complain.h"
#include "terminal.h"
#include "units.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rows of a table; what is less is summed up in one more. */
enum { OTHERS_MOST = 8, SPANS_MOST = 5, CLASSES_MOST = 8, ARENAS_MOST = 8 };

static double percent(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/* 0: as long as they are, where no terminal would break them. */
static unsigned line_columns(FILE *stream) {
    int descriptor = fileno(stream);
    return descriptor >= 0 && isatty(descriptor) ? terminal_width_columns(descriptor) : 0;
}

/* Broken between words. */
static void say_lines(FILE *stream, const char *text) {
    size_t columns = line_columns(stream);
    while (columns > 0 && strlen(text) > columns) {
        size_t at = columns;
        while (at > 0 && text[at] != ' ') {
            at--;
        }
        if (at == 0) {
            break;
        }
        fprintf(stream, "%.*s\n", (int)at, text);
        text += at + 1;
    }
    fprintf(stream, "%s\n", text);
}

static void say(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(FILE *stream, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say_lines(stream, text);
}

/* Names of others' files may be long; what is ours fits. */
enum { NAME_COLUMNS = 39, NAME_LEAST_COLUMNS = 24, ROW_REST_COLUMNS = 55 };

static int name_columns(FILE *stream) {
    unsigned columns = line_columns(stream);
    if (columns == 0 || columns >= NAME_COLUMNS + ROW_REST_COLUMNS) {
        return NAME_COLUMNS;
    }
    return columns > NAME_LEAST_COLUMNS + ROW_REST_COLUMNS ? (int)columns - ROW_REST_COLUMNS : NAME_LEAST_COLUMNS;
}

static void say_bytes(FILE *stream, const char *name, uint64_t bytes, uint64_t whole, const char *note) {
    char text[64];
    int columns = name_columns(stream);
    printable(text, sizeof text, name);
    fprintf(stream, "  %-*.*s %11s %5.1f %%%s%s\n", columns, columns, text, human_bytes(bytes).text,
            percent(bytes, whole), *note == '\0' ? "" : "  ", note);
}

static const char *note_of(enum bucket bucket) {
    switch (bucket) {
    case BUCKET_LIVE:
        return "blocks that the program holds";
    case BUCKET_PARTLY:
        return "free beside live blocks";
    case BUCKET_STOCK:
        return "held ready by threads";
    case BUCKET_WAITING:
        return "free, about to go back";
    case BUCKET_PINNED:
        return "free, below live blocks";
    case BUCKET_FRESH:
        return "behind huge pages, or left over";
    case BUCKET_METADATA:
        return "acre's own records";
    default:
        return "";
    }
}

/* The title counts all blocks; here stand those in memory. */
static void say_live(FILE *stream, const struct account *account) {
    uint64_t there_bytes = account->bytes[BUCKET_LIVE];
    uint64_t untouched_bytes = account->live_bytes > there_bytes ? account->live_bytes - there_bytes : 0;
    char note[128];
    snprintf(note, sizeof note, "%s more are not in memory", human_bytes(untouched_bytes).text);
    say_bytes(stream, bucket_names[BUCKET_LIVE], there_bytes, account->resident_bytes,
              untouched_bytes > account->live_bytes / 20 ? note : note_of(BUCKET_LIVE));
}

static void say_buckets(FILE *stream, const struct account *account) {
    if (account->live_bytes > 0) {
        say_live(stream, account);
    }
    for (int i = 0; i < BUCKETS; i++) {
        if (i != BUCKET_LIVE && account->bytes[i] > 0) {
            say_bytes(stream, bucket_names[i], account->bytes[i], account->resident_bytes, note_of(i));
        }
    }
    uint64_t rest_bytes = 0;
    for (size_t i = 0; i < account->other_count; i++) {
        if (i < OTHERS_MOST) {
            char name[300];
            const char *of = account->others[i].name;
            snprintf(name, sizeof name, "not acre's: %s", *of == '/' ? strrchr(of, '/') + 1 : of);
            say_bytes(stream, name, account->others[i].bytes, account->resident_bytes, "");
        } else {
            rest_bytes += account->others[i].bytes;
        }
    }
    if (rest_bytes > 0) {
        say_bytes(stream, "not acre's: the rest", rest_bytes, account->resident_bytes, "");
    }
}

static void say_sum(FILE *stream, const struct why_view *view) {
    const struct account *account = view->account;
    char note[128];
    if (view->heap->target->is_core && view->request->smaps_path == NULL) {
        snprintf(note, sizeof note, "by acre's books, not a kernel's");
    } else {
        uint64_t before = account->kernel_bytes, after = view->kernel_after_bytes;
        bool same = view->request->freeze || view->heap->target->is_core || after == 0 || after == before;
        snprintf(note, sizeof note, "the kernel: %s%s%s", human_bytes(before).text, same ? "" : ", then ",
                 same ? "" : human_bytes(after).text);
    }
    say_bytes(stream, "together", account->resident_bytes, account->resident_bytes, note);
    if (account->swapped_bytes > 0) {
        fprintf(stream, "  %-*s %11s          acre's pages, not in the sum\n", name_columns(stream), "in swap",
                human_bytes(account->swapped_bytes).text);
    }
}

static const char *arena_of(const struct heap *heap, size_t arena, char name[40]) {
    printable(name, 40, arena == HEAP_NO_ARENA ? "?" : heap->arenas[arena].name);
    return name;
}

static struct figure_text block_size(uint64_t block_bytes) {
    struct figure_text figure = {"mixed sizes"};
    if (block_bytes == UINT64_MAX) {
        strcpy(figure.text, "above 32 KiB");
    } else if (block_bytes != 0) {
        figure = human_bytes(block_bytes);
    }
    return figure;
}

static void say_spans(FILE *stream, const struct why_view *view) {
    const struct account *account = view->account;
    char name[40];
    if (account->span_count == 0) {
        return;
    }
    bool one = account->pinning_spans == 1;
    fputc('\n', stream);
    say(stream, "What keeps the most for the least: %s span%s %s beside %s live blocks",
        human_count(account->pinning_spans).text, one ? " keeps" : "s keep",
        human_bytes(account->pinned_by_spans_bytes).text, one ? "its" : "their");
    fprintf(stream, "  %-18s %12s %8s %11s %11s  %s\n", "address", "block size", "live", "live bytes", "resident",
            "arena");
    for (size_t i = 0; i < account->span_count && i < SPANS_MOST; i++) {
        const struct account_span *span = &account->spans[i];
        fprintf(stream, "  0x%-16llx %12s %8s %11s %11s  %s\n", (unsigned long long)span->address,
                block_size(span->block_bytes).text, human_count(span->live_blocks).text,
                human_bytes(span->live_bytes).text, human_bytes(span->resident_bytes).text,
                arena_of(view->heap, span->arena, name));
    }
}

static int by_resident(const void *one, const void *other) {
    const struct account_class *a = one, *b = other;
    return (a->resident_bytes < b->resident_bytes) - (a->resident_bytes > b->resident_bytes);
}

static void say_classes(FILE *stream, const struct account *account) {
    struct account_class *classes = calloc(account->class_count + 1, sizeof *classes);
    if (classes == NULL || account->class_count == 0) {
        free(classes);
        return;
    }
    memcpy(classes, account->classes, account->class_count * sizeof *classes);
    qsort(classes, account->class_count, sizeof *classes, by_resident);
    fprintf(stream, "\nBy block size%s\n", account->class_count > CLASSES_MOST ? ", the biggest" : "");
    fprintf(stream, "  %12s %10s %13s %11s %11s\n", "block size", "spans", "live", "live bytes", "resident");
    for (size_t i = 0; i < account->class_count && i < CLASSES_MOST; i++) {
        fprintf(stream, "  %12s %10s %13s %11s %11s\n", block_size(classes[i].block_bytes).text,
                human_count(classes[i].spans).text, human_count(classes[i].live_blocks).text,
                human_bytes(classes[i].live_bytes).text, human_bytes(classes[i].resident_bytes).text);
    }
    free(classes);
}

struct shown_arena {
    size_t number; /* in heap->arenas */
    uint64_t resident_bytes;
};

static int by_arena_resident(const void *one, const void *other) {
    const struct shown_arena *a = one, *b = other;
    return (a->resident_bytes < b->resident_bytes) - (a->resident_bytes > b->resident_bytes);
}

static void say_arena(FILE *stream, const struct why_view *view, size_t number) {
    const struct heap_arena *arena = &view->heap->arenas[number];
    const struct account_arena *figures = &view->account->arenas[number];
    char name[40];
    fprintf(stream, "  %-32s %13s %11s %11s %11s\n", arena_of(view->heap, number, name),
            human_count(figures->live_blocks).text, human_bytes(figures->live_bytes).text,
            human_bytes(figures->resident_bytes).text,
            arena->limit_bytes == UINT64_MAX ? "-" : human_bytes(arena->limit_bytes).text);
}

/* Only where the program made some. */
static void say_arenas(FILE *stream, const struct why_view *view) {
    const struct heap *heap = view->heap;
    struct shown_arena *shown = heap->arena_count <= 2 ? NULL : calloc(heap->arena_count, sizeof *shown);
    size_t count = 0;
    for (size_t i = 0; shown != NULL && i < heap->arena_count; i++) {
        if (heap->arenas[i].record != 0 && !heap->arenas[i].is_parked) {
            shown[count++] = (struct shown_arena){i, view->account->arenas[i].resident_bytes};
        }
    }
    count = count == 1 ? 0 : count;
    if (count > 0) {
        qsort(shown, count, sizeof *shown, by_arena_resident);
        fprintf(stream, "\nArenas%s\n  %-32s %13s %11s %11s %11s\n", count > ARENAS_MOST ? ", the biggest" : "",
                "name", "live", "live bytes", "resident", "limit");
    }
    for (size_t i = 0; i < count && i < ARENAS_MOST; i++) {
        say_arena(stream, view, shown[i].number);
    }
    if (count > ARENAS_MOST) {
        fprintf(stream, "  and %s more\n", human_count(count - ARENAS_MOST).text);
    }
    free(shown);
}

/* Nobody gives back in the background where there is no scavenger, and acre trim has nobody to ask. */
static void advise_of_free(const struct why_view *view, uint64_t free_bytes, char advice[512]) {
    if (heap_format_scavenger(view->heap->target, &view->heap->format).thread != 0) {
        snprintf(advice, 512,
                 "%s are free and go back by themselves a little later; acre trim gives them back at once, and a "
                 "lower decay_ms sooner.",
                 human_bytes(free_bytes).text);
    } else {
        snprintf(advice, 512,
                 "%s are free; the process has no scavenger, so that they go back only in the course of its later "
                 "calls of malloc and free, or at once when it calls malloc_trim(0).",
                 human_bytes(free_bytes).text);
    }
}

/* It is the program's, or nothing is the main cause. */
static void advise_of_program(const struct account *account, char advice[512]) {
    uint64_t all_bytes = account->resident_bytes, live_bytes = account->bytes[BUCKET_LIVE];
    char others[64] = "";
    if (account->other_bytes > all_bytes / 10) {
        snprintf(others, sizeof others, ", and %.0f %% is not malloc's", percent(account->other_bytes, all_bytes));
    }
    if (live_bytes + account->other_bytes > all_bytes / 2) {
        snprintf(advice, 512,
                 "The program holds %.0f %% of it%s: less is to be had only from what it keeps, not from the "
                 "allocator.",
                 percent(live_bytes, all_bytes), others);
    } else {
        snprintf(advice, 512, "No part of it stands out: the program holds %.0f %%, and what could go back is %s.",
                 percent(live_bytes, all_bytes), human_bytes(account->trim_bytes).text);
    }
}

void why_advice(const struct why_view *view, char advice[512]) {
    const struct account *account = view->account;
    const uint64_t *bytes = account->bytes;
    uint64_t all_bytes = account->resident_bytes;
    uint64_t free_bytes = bytes[BUCKET_WAITING] + bytes[BUCKET_PINNED] + bytes[BUCKET_STOCK];
    if (account->other_bytes > all_bytes / 2) {
        snprintf(advice, 512,
                 "Most of it is not malloc's: the biggest part is %s, with %s; look at what maps that.",
                 account->other_count > 0 ? account->others[0].name : "?",
                 human_bytes(account->other_count > 0 ? account->others[0].bytes : 0).text);
    } else if (bytes[BUCKET_PARTLY] > all_bytes / 4 && bytes[BUCKET_PARTLY] >= free_bytes) {
        snprintf(
            advice, 512,
            "%s are kept by pages on which few blocks live: blocks that live long lie scattered among those that "
            "do not. New blocks of their sizes will fill the places; to give these back, let the long-lived ones "
            "have an arena of their own (acre_arena_create).",
            human_bytes(bytes[BUCKET_PARTLY]).text);
    } else if (free_bytes > all_bytes / 4) {
        advise_of_free(view, free_bytes, advice);
    } else if (bytes[BUCKET_FRESH] > all_bytes / 4) {
        snprintf(advice, 512,
                 "%s lie behind huge pages and were not handed out yet: thp:never does without huge pages.",
                 human_bytes(bytes[BUCKET_FRESH]).text);
    } else {
        advise_of_program(account, advice);
    }
}

void why_report(FILE *stream, const struct why_view *view) {
    const struct account *account = view->account;
    char title[128], advice[512], line[512];
    look_title(view->request, view->heap->target, title);
    say(stream, "acre why: %s: %s of anonymous memory resident, %s live in %s block%s", title,
        human_bytes(account->resident_bytes).text, human_bytes(account->live_bytes).text,
        human_count(account->live_blocks).text, account->live_blocks == 1 ? "" : "s");
    fputc('\n', stream);
    say_buckets(stream, account);
    say_sum(stream, view);
    say_spans(stream, view);
    say_classes(stream, account);
    say_arenas(stream, view);
    uint64_t trim_faults = account->trim_bytes / view->heap->target->page_bytes;
    fputc('\n', stream);
    say(stream,
        "Releasing all that is free would give back %s, and cost up to %s page fault%s if it is used again.",
        human_bytes(account->trim_bytes).text, human_count(trim_faults).text, trim_faults == 1 ? "" : "s");
    if (view->heap->torn > 0) {
        say(stream, "%s records were in the middle of a change and are left out%s.",
            human_count(view->heap->torn).text,
            view->request->freeze ? "" : "; --freeze stops the process meanwhile");
    }
    why_advice(view, advice);
    printable(line, sizeof line, advice);
    say_lines(stream, line);
}
