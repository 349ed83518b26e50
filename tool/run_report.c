/* acre run: the report for people. At most RUN_REPORT_LINES_MOST lines: those about the command; one about its
 * arenas and one for each of RUN_REPORT_ARENAS_MOST names, those where calls failed and the biggest; one about all
 * processes and one for each of the biggest, RUN_REPORT_PROCESSES_MOST or as many as there is room for. */
#include "complain.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { COMMAND_LINES_MOST = 17 };

struct report {
    FILE *stream;
    struct run_style style;
};

enum colour { COLOUR_TITLE, COLOUR_BAD, COLOUR_LABEL };

static void coloured(const struct report *report, enum colour colour, const char *text) {
    static const char *const codes[] = {"1", "1;31", "36"};
    if (report->style.colour) {
        fprintf(report->stream, "\033[%sm%s\033[0m", codes[colour], text);
    } else {
        fputs(text, report->stream);
    }
}

static void label(const struct report *report, const char *name) {
    char padded[32];
    snprintf(padded, sizeof padded, "  %-14s", name);
    coloured(report, COLOUR_LABEL, padded);
}

static void say_header(const struct report *report, const struct run_request *request,
                       const struct child_ending *ending) {
    char text[64], end[96];
    char *command = run_command_text(request->command);
    printable(text, sizeof text, command == NULL ? "?" : command);
    free(command);
    int status = ending->wait_status;
    bool bad = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (WIFEXITED(status)) {
        snprintf(end, sizeof end, "exit status %d", WEXITSTATUS(status));
    } else {
        const char *name = sigabbrev_np(WTERMSIG(status));
        snprintf(end, sizeof end, "ended by signal %d%s%s", WTERMSIG(status), name == NULL ? "" : ", SIG",
                 name == NULL ? "" : name);
    }
    coloured(report, COLOUR_TITLE, "acre run: ");
    coloured(report, COLOUR_TITLE, text);
    fputs(": ", report->stream);
    coloured(report, bad ? COLOUR_BAD : COLOUR_TITLE, end);
    fprintf(report->stream, " after %s\n", human_duration(ending->wall_seconds).text);
}

static void say_counts(const struct report *report, const char *name, const char *const *kinds,
                       const uint64_t *counts, size_t kind_count) {
    label(report, name);
    for (size_t i = 0; i < kind_count; i++) {
        fprintf(report->stream, "%s%s %s", i == 0 ? "" : "  ", kinds[i], human_count(counts[i]).text);
    }
}

static void say_calls(const struct report *report, const struct image_figures *image) {
    static const char *const call_kinds[] = {"malloc", "calloc", "realloc", "free", "aligned"};
    static const char *const syscall_kinds[] = {"brk", "mmap", "munmap", "mremap", "madvise"};
    uint64_t calls = count_of_calls(image->calls), syscalls = count_of_syscalls(image->syscalls);
    say_counts(report, "library calls", call_kinds, image->calls, ACRE_COUNT_CALLS);
    if (image->failed_calls > 0) {
        fprintf(report->stream, "  (failed %s)", human_count(image->failed_calls).text);
    }
    fputc('\n', report->stream);
    say_counts(report, "system calls", syscall_kinds, image->syscalls, ACRE_COUNT_SYSCALLS);
    fputc('\n', report->stream);
    label(report, "ratio");
    if (calls == 0) {
        fputs("no call came to acre: the program makes none, or brings a malloc of its own\n", report->stream);
    } else if (syscalls == 0) {
        fprintf(report->stream, "%s library calls, no system call\n", human_count(calls).text);
    } else if (calls / syscalls >= 10) {
        fprintf(report->stream, "%s library calls per system call\n", human_count(calls / syscalls).text);
    } else {
        fprintf(report->stream, "%.1f library calls per system call\n", (double)calls / (double)syscalls);
    }
}

static void say_row(const struct report *report, const char *name, const char *peak, const char *end,
                    const char *note) {
    label(report, name);
    fprintf(report->stream, "%11s %11s%s%s\n", peak, end, *note == '\0' ? "" : "   ", note);
}

/* Other code may lower the break below where the allocator found it. */
static struct figure_text growth(uint64_t from, uint64_t to) {
    struct figure_text figure = human_bytes(to >= from ? to - from : from - to);
    if (to < from) {
        memmove(figure.text + 1, figure.text, strlen(figure.text) + 1);
        figure.text[0] = '-';
    }
    return figure;
}

static void say_break(const struct report *report, const struct image_figures *image) {
    if (image->break_start == 0) {
        say_row(report, "program break", "-", "-", "never looked at");
        return;
    }
    say_row(report, "program break", growth(image->break_start, image->break_peak).text,
            growth(image->break_start, image->break_end).text, "above its start");
    label(report, "");
    fprintf(report->stream, "start %#llx, peak %#llx, end %#llx\n", (unsigned long long)image->break_start,
            (unsigned long long)image->break_peak, (unsigned long long)image->break_end);
}

static void say_memory(const struct report *report, const struct image_figures *image,
                       uint64_t resident_peak_bytes) {
    char note[96];
    say_row(report, "", "peak", "end", "");
    say_break(report, image);
    say_row(report, "mapped", human_bytes(image->mapped_peak_bytes).text, human_bytes(image->mapped_end_bytes).text,
            "");
    snprintf(note, sizeof note, "as requested; %s block%s at the end", human_count(image->live_end_blocks).text,
             image->live_end_blocks == 1 ? "" : "s");
    say_row(report, "live", human_bytes(image->live_peak_bytes).text, human_bytes(image->live_end_bytes).text,
            note);
    snprintf(note, sizeof note, "%s; acre's own records %s", image->ended ? "free pages and blocks" : "not known",
             human_bytes(image->metadata_end_bytes).text);
    say_row(report, "retained", "-", image->ended ? human_bytes(image->retained_bytes).text : "-", note);
    say_row(report, "resident", human_bytes(resident_peak_bytes).text, "-", "all memory of the biggest process");
}

/* The ways that were taken, the one by which most went first. */
static void say_released(const struct report *report, const struct image_figures *image) {
    static const char *const ways[] = {"free pages", "holes", "unmapped", "a lower break"};
    uint64_t left[ACRE_COUNT_RELEASED_HOWS];
    memcpy(left, image->released_bytes, sizeof left);
    label(report, "released");
    fprintf(report->stream, "%11s %11s", "-", human_bytes(count_of_released_bytes(left)).text);
    for (size_t rank = 0; rank < ACRE_COUNT_RELEASED_HOWS; rank++) {
        size_t most = 0;
        for (size_t how = 1; how < ACRE_COUNT_RELEASED_HOWS; how++) {
            most = left[how] > left[most] ? how : most;
        }
        if (left[most] > 0) {
            fprintf(report->stream, "%s%s %s", rank == 0 ? "   " : ", ", ways[most], human_bytes(left[most]).text);
        }
        left[most] = 0;
    }
    fputc('\n', report->stream);
    if (image->released_again_bytes > 0) {
        say_row(report, "", "-", human_bytes(image->released_again_bytes).text, "of it put to use again");
    }
}

static size_t arenas_shown(const struct image_figures *image) {
    return image->arena_names < RUN_REPORT_ARENAS_MOST ? image->arena_names : RUN_REPORT_ARENAS_MOST;
}

/* The name stands behind the figures, so that it cannot pass for one of the report's own. */
static void say_arena(const struct report *report, const struct arena_figures *arena) {
    char name[ACRE_COUNT_ARENA_NAME];
    printable(name, sizeof name, arena->is_others ? "other names" : arena->name);
    label(report, "");
    fprintf(report->stream, "%11s %11s   %s: live %s", human_bytes(arena->held_peak_bytes).text,
            human_bytes(arena->held_end_bytes).text, name, human_bytes(arena->live_peak_bytes).text);
    if (arena->live_end_blocks > 0) {
        fprintf(report->stream, ", %s at the end", human_bytes(arena->live_end_bytes).text);
    }
    if (arena->made > 1) {
        fprintf(report->stream, "; %s made, one held %s", human_count(arena->made).text,
                human_bytes(arena->held_most_bytes).text);
    }
    if (arena->resets > 0) {
        fprintf(report->stream, "; resets %s", human_count(arena->resets).text);
    }
    if (arena->limit_bytes > 0) {
        fprintf(report->stream, "; limit %s", human_bytes(arena->limit_bytes).text);
    }
    if (arena->failed_calls > 0) {
        fprintf(report->stream, "; failed %s", human_count(arena->failed_calls).text);
    }
    fputc('\n', report->stream);
}

/* Bits of those that have a line: where there are too many, those in which calls failed come before bigger ones. */
static uint64_t choose_arenas(const struct image_figures *image) {
    uint64_t chosen = 0;
    size_t left = arenas_shown(image);
    for (int failed = 1; failed >= 0; failed--) {
        for (size_t i = 0; i < image->arena_names && left > 0; i++) {
            if ((image->arenas[i].failed_calls > 0) == failed) {
                chosen |= UINT64_C(1) << i;
                left--;
            }
        }
    }
    return chosen;
}

/* The columns are what arenas held, which is what a limit is about. */
static void say_arenas(const struct report *report, const struct image_figures *image) {
    char note[128];
    uint64_t chosen = choose_arenas(image);
    if (image->arena_names == 0) {
        return;
    }
    int length = snprintf(note, sizeof note, "held; made %s, left %s", human_count(image->arenas_made).text,
                          human_count(image->arenas_left).text);
    if (image->arena_names > arenas_shown(image)) {
        snprintf(note + length, sizeof note - (size_t)length, "; the %s, and %zu more",
                 chosen == (UINT64_C(1) << arenas_shown(image)) - 1 ? "biggest" : "failed and biggest",
                 image->arena_names - arenas_shown(image));
    }
    say_row(report, "arenas", "peak", "end", note);
    for (size_t i = 0; i < image->arena_names; i++) {
        if ((chosen >> i & 1) != 0) {
            say_arena(report, &image->arenas[i]);
        }
    }
}

/* Five shades for how much of a cell is live, and a blank where nothing is. */
static void say_picture(const struct report *report, const struct image_figures *image,
                        const struct child_ending *ending) {
    static const char *const blocks[] = {"·", "░", "▒", "▓", "█"};
    static const char *const letters[] = {".", ":", "+", "*", "#"};
    const char *const *shades = report->style.utf8 ? blocks : letters;
    label(report, "heap");
    if (image->picture_cells == 0) {
        fputs("no picture\n", report->stream);
        return;
    }
    for (size_t i = 0; i < image->picture_cells; i++) {
        unsigned live_percent = image->picture[i];
        fputs(live_percent > 100 ? " " : shades[(live_percent + 24) / 25], report->stream);
    }
    fputc('\n', report->stream);
    label(report, "");
    fprintf(report->stream, "live: %s none  %s to 25 %%  %s to 50 %%  %s to 75 %%  %s more; blank: nothing\n",
            shades[0], shades[1], shades[2], shades[3], shades[4]);
    if (!image->ended) {
        double ago_s = (double)(int64_t)(ending->ended_ms - image->looked_ms) / 1000;
        label(report, "");
        fprintf(report->stream, "as it was %s before the end: it did not end by exit()\n",
                human_duration(ago_s < 0 ? 0 : ago_s).text);
    }
}

/* Another name at the end: it ran a program that does not count, and that is not what the figures are about. */
static void say_later_program(const struct report *report, const struct run_result *result) {
    if (run_ended_as(result) == NULL) {
        return;
    }
    char name[32];
    printable(name, sizeof name, run_ended_as(result));
    label(report, "after exec");
    fprintf(report->stream, "%s, which is not counted: it is not on acre, or it is a new name\n", name);
}

static void say_earlier_images(const struct report *report, const struct count_figures *figures) {
    char *text = NULL;
    size_t length_bytes = 0, earlier = 0;
    FILE *stream = open_memstream(&text, &length_bytes);
    for (size_t i = 0; stream != NULL && i < figures->image_count; i++) {
        const struct image_figures *image = &figures->images[i];
        if (image->pid == figures->root.pid) {
            fprintf(stream, "%s%s (%s calls)", earlier++ == 0 ? "" : ", ", image->name,
                    human_count(count_of_calls(image->calls)).text);
        }
    }
    if (stream != NULL && fclose(stream) == 0 && earlier > 0) {
        char shown[64];
        printable(shown, sizeof shown, text);
        label(report, "before exec");
        fprintf(report->stream, "%s\n", shown);
    }
    free(text);
}

static int by_live_peak(const void *left, const void *right) {
    const struct image_figures *a = left, *b = right;
    return (a->live_peak_bytes < b->live_peak_bytes) - (a->live_peak_bytes > b->live_peak_bytes);
}

/* There is room for fewer where arenas have theirs, and where there is more to say about the end. */
static size_t processes_most(const struct run_result *result) {
    const struct count_figures *figures = &result->figures;
    size_t end_lines = !figures->root.ended + (run_ended_as(result) != NULL);
    size_t arena_lines = figures->root.arena_names == 0 ? 0 : 1 + arenas_shown(&figures->root);
    size_t room = RUN_REPORT_LINES_MOST - COMMAND_LINES_MOST - 1 - arena_lines - end_lines;
    return room < RUN_REPORT_PROCESSES_MOST ? room : RUN_REPORT_PROCESSES_MOST;
}

static void say_processes(const struct report *report, const struct run_result *result) {
    const struct count_figures *figures = &result->figures;
    const struct count_total *total = &figures->total;
    label(report, "all processes");
    fprintf(report->stream, "%s (programs %s", human_count(total->processes).text, human_count(total->images).text);
    if (figures->uncounted_images > 0) {
        fprintf(report->stream, ", and %s not counted", human_count(figures->uncounted_images).text);
    }
    fprintf(report->stream, "): library calls %s, system calls %s\n",
            human_count(count_of_calls(total->calls)).text, human_count(count_of_syscalls(total->syscalls)).text);
    struct image_figures *sorted = calloc(figures->image_count + 1, sizeof *sorted);
    if (sorted == NULL) {
        return;
    }
    size_t count = figures->attached;
    sorted[0] = figures->root;
    for (size_t i = 0; i < figures->image_count; i++) {
        sorted[count++] = figures->images[i];
    }
    qsort(sorted, count, sizeof *sorted, by_live_peak);
    size_t most = processes_most(result);
    for (size_t i = 0; i < count && i < most; i++) {
        char name[16];
        printable(name, sizeof name, sorted[i].name);
        label(report, name);
        fprintf(report->stream, "%11s %11s   live; pid %llu, library calls %s\n",
                human_bytes(sorted[i].live_peak_bytes).text, human_bytes(sorted[i].live_end_bytes).text,
                (unsigned long long)sorted[i].pid, human_count(count_of_calls(sorted[i].calls)).text);
    }
    free(sorted);
}

static void say_next(const struct report *report, const struct run_request *request,
                     const struct run_result *result) {
    struct run_advice advice = run_advise(request, result);
    char text[48];
    char *command = run_command_text(request->command);
    bool fits = command != NULL && strlen(command) < sizeof text;
    printable(text, sizeof text, fits ? command : "...");
    free(command);
    label(report, "next");
    fprintf(report->stream, "acre run %s%s-- %s   # %s\n", advice.flags, advice.flags[0] == '\0' ? "" : " ", text,
            advice.why);
}

static void say_uncounted(const struct report *report, const struct run_request *request,
                          const struct run_result *result) {
    label(report, "not counted");
    if (!request->counting) {
        fputs("the plain library does not count\n", report->stream);
    } else {
        fprintf(report->stream, "acre did not show up: %s\n",
                result->doubt[0] != '\0' ? result->doubt
                                         : "the loader did not take it, or the record was out of reach");
    }
    say_row(report, "", "peak", "end", "");
    say_row(report, "resident", human_bytes(result->ending.resident_peak_bytes).text, "-", "");
}

void run_report_write(FILE *stream, const struct run_request *request, const struct run_result *result,
                      struct run_style style) {
    struct report report = {.stream = stream, .style = style};
    const struct count_figures *figures = &result->figures;
    say_header(&report, request, &result->ending);
    if (figures->attached) {
        say_calls(&report, &figures->root);
        say_memory(&report, &figures->root, result->ending.resident_peak_bytes);
        say_released(&report, &figures->root);
        say_arenas(&report, &figures->root);
        say_picture(&report, &figures->root, &result->ending);
        say_earlier_images(&report, figures);
        say_later_program(&report, result);
    } else {
        say_uncounted(&report, request, result);
    }
    if (request->children && request->counting) {
        say_processes(&report, result);
    }
    say_next(&report, request, result);
}
