/* acre sources: the table, and what it means. */
#include "sources.h"

#include "units.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct text {
    char text[64];
};

static struct text in_ns(double ns) {
    struct text text;
    ns = ns < 1e15 ? ns : 1e15;
    const char *unit = ns < 10000 ? "ns" : ns < 1e7 ? "us" : "ms";
    double scaled = ns < 10000 ? ns : ns < 1e7 ? ns / 1e3 : ns / 1e6;
    snprintf(text.text, sizeof text.text, "%.*f %s", scaled < 100 ? 1 : 0, scaled, unit);
    return text;
}

static struct text spread(const struct cost *cost) {
    struct text text;
    snprintf(text.text, sizeof text.text, "%.24s to %.24s", in_ns(cost->low_ns).text, in_ns(cost->high_ns).text);
    return text;
}

static void say_rows(FILE *stream, const char *const *names, const struct cost *costs, int count) {
    for (int i = 0; i < count; i++) {
        if (costs[i].known) {
            fprintf(stream, "  %-38s %10s   %s\n", names[i], in_ns(costs[i].median_ns).text,
                    spread(&costs[i]).text);
        } else {
            fprintf(stream, "  %-38s %10s\n", names[i], "-");
        }
    }
}

static void say_by_size(FILE *stream, const struct cost costs[SOURCE_WAYS][SOURCE_SIZES]) {
    fprintf(stream, "  %10s", "");
    for (int way = 0; way < SOURCE_WAYS; way++) {
        fprintf(stream, " %17s", source_way_names[way]);
    }
    fputc('\n', stream);
    for (int size = 0; size < SOURCE_SIZES; size++) {
        fprintf(stream, "  %10s", human_bytes(source_sizes[size]).text);
        for (int way = 0; way < SOURCE_WAYS; way++) {
            const struct cost *cost = &costs[way][size];
            char text[80] = "-";
            if (cost->known) {
                double part = cost->median_ns > 0 ? (cost->high_ns - cost->low_ns) / cost->median_ns * 100 : 0;
                snprintf(text, sizeof text, "%.24s (%.0f %%)", in_ns(cost->median_ns).text, part);
            }
            fprintf(stream, " %17s", text);
        }
        fputc('\n', stream);
    }
}

/* Whether the quartiles of two lie apart: only then does one cost more. */
static int compare(const struct cost *a, const struct cost *b) {
    return a->low_ns > b->high_ns ? 1 : a->high_ns < b->low_ns ? -1 : 0;
}

static void say_break_or_mmap(FILE *stream, const struct sources *sources) {
    int break_wins = 0, mmap_wins = 0;
    for (int size = 0; size < SOURCE_SIZES; size++) {
        const struct cost *of_break = &sources->touch[WAY_BREAK][size], *of_mmap = &sources->touch[WAY_MMAP][size];
        if (of_break->known && of_mmap->known) {
            break_wins += compare(of_break, of_mmap) < 0;
            mmap_wins += compare(of_break, of_mmap) > 0;
        }
    }
    fprintf(stream, "  - To grow and touch memory, %s.\n",
            break_wins == mmap_wins  ? "the break and mmap cost the same here: choose by how it is to be given back"
            : break_wins > mmap_wins ? "the break is cheaper than mmap at some of these sizes"
                                     : "mmap is cheaper than the break at some of these sizes");
}

static void say_meaning(FILE *stream, const struct sources *sources) {
    const struct cost *pair = &sources->call[CALL_MALLOC], *call = &sources->call[CALL_SYSTEM];
    const struct cost *again = &sources->back[BACK_AGAIN], *advice = &sources->back[BACK_ADVICE];
    const struct cost *small = &sources->touch[WAY_MMAP][SOURCE_SIZES - 1];
    const struct cost *huge = &sources->touch[WAY_MMAP_HUGE][SOURCE_SIZES - 1];
    fputs("\nWhat it means here\n", stream);
    if (pair->known && call->known) {
        fprintf(
            stream,
            "  - A system call costs as much as %.0f pairs of malloc and free: a malloc must seldom make one.\n",
            call->median_ns / pair->median_ns);
    }
    if (small->known && pair->known) {
        fprintf(stream,
                "  - The first touch of a page costs %s, as much as %.0f pairs: touching is dearer than asking.\n",
                in_ns(small->median_ns).text, small->median_ns / pair->median_ns);
    }
    if (again->known && advice->known) {
        fprintf(
            stream,
            "  - A page that is given back and wanted again costs %s: giving back pays for what stays away longer "
            "than\n    that is worth (option decay_ms).\n",
            in_ns(again->median_ns + advice->median_ns).text);
    }
    say_break_or_mmap(stream, sources);
    if (small->known && huge->known) {
        double times = small->median_ns / huge->median_ns;
        fprintf(stream,
                times > 1.5 ? "  - Huge pages make the first touch %.1f times cheaper (option thp).\n"
                            : "  - Huge pages do not make the first touch much cheaper here (%.1f times).\n",
                times);
    }
}

void sources_report(FILE *stream, const struct sources *sources) {
    struct utsname system;
    if (uname(&system) != 0) {
        strcpy(system.release, "?");
    }
    fprintf(stream, "acre sources: Linux %.40s, %ld processors, pages of %s; medians of %u rounds\n\n",
            system.release, sysconf(_SC_NPROCESSORS_ONLN), human_bytes((uint64_t)sysconf(_SC_PAGESIZE)).text,
            sources->rounds);
    fprintf(stream, "%-40s %10s   %s\n", "A call", "median", "quartiles");
    say_rows(stream, source_call_names, sources->call, SOURCE_CALLS);
    fputs("\nTo grow by a size and touch it, for each 4 KiB (and how far the quartiles are apart)\n", stream);
    say_by_size(stream, sources->touch);
    fputs("\nTo shrink by it again, for each 4 KiB\n", stream);
    say_by_size(stream, sources->shrink);
    fputs("\nTo give 16 MiB back, for each 4 KiB\n", stream);
    say_rows(stream, source_back_names, sources->back, SOURCE_BACKS);
    say_meaning(stream, sources);
}
