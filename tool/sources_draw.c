/* acre sources --svg: the cost of a page by size and source, both axes logarithmic, with the quartiles. */
#include "sources.h"

#include "units.h"

#include <math.h>

enum { WIDTH = 720, HEIGHT = 380, LEFT = 70, RIGHT = 190, TOP = 44, BOTTOM = 50 };
static const char *const colours[SOURCE_WAYS] = {"#d9742b", "#2f7fc1", "#e8b21f", "#35a06a"};

struct axes {
    double least_ns, most_ns;
};

static double x_of(size_t size_bytes) {
    double from = log2((double)source_sizes[0]), to = log2((double)source_sizes[SOURCE_SIZES - 1]);
    return LEFT + (log2((double)size_bytes) - from) / (to - from) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct axes *axes, double ns) {
    double part = (log10(ns) - log10(axes->least_ns)) / (log10(axes->most_ns) - log10(axes->least_ns));
    return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
}

/* Whole powers of ten around what was measured. */
static struct axes find_axes(const struct sources *sources) {
    double least_ns = 1e9, most_ns = 1;
    for (int way = 0; way < SOURCE_WAYS; way++) {
        for (int size = 0; size < SOURCE_SIZES; size++) {
            const struct cost *cost = &sources->touch[way][size];
            if (cost->known && cost->low_ns > 0) {
                least_ns = fmin(least_ns, cost->low_ns);
                most_ns = fmax(most_ns, cost->high_ns);
            }
        }
    }
    struct axes axes = {pow(10, floor(log10(least_ns))), pow(10, ceil(log10(most_ns)))};
    if (axes.most_ns <= axes.least_ns) {
        axes.most_ns = axes.least_ns * 10;
    }
    return axes;
}

static void draw_axes(FILE *stream, const struct axes *axes) {
    /* By decades, for which a double is exact enough.
     * NOLINTNEXTLINE(cert-flp30-c,clang-analyzer-security.FloatLoopCounter) */
    for (double ns = axes->least_ns; ns <= axes->most_ns * 1.01; ns *= 10) {
        fprintf(stream,
                "<path class=\"l\" d=\"M%d %.1f H%d\"/><text class=\"t e\" x=\"%d\" y=\"%.1f\">%g ns</text>\n",
                LEFT, y_of(axes, ns), WIDTH - RIGHT, LEFT - 8, y_of(axes, ns) + 4, ns);
    }
    for (int size = 0; size < SOURCE_SIZES; size++) {
        fprintf(stream, "<text class=\"t m\" x=\"%.1f\" y=\"%d\">%s</text>\n", x_of(source_sizes[size]),
                HEIGHT - BOTTOM + 18, human_bytes(source_sizes[size]).text);
    }
}

static void draw_way(FILE *stream, const struct sources *sources, const struct axes *axes, int way) {
    bool any = false;
    fprintf(stream, "<g stroke=\"%s\" fill=\"none\" stroke-width=\"2\"><path d=\"", colours[way]);
    for (int size = 0; size < SOURCE_SIZES; size++) {
        const struct cost *cost = &sources->touch[way][size];
        if (cost->known) {
            fprintf(stream, "%s%.1f %.1f ", any ? "L" : "M", x_of(source_sizes[size]), y_of(axes, cost->median_ns));
            any = true;
        }
    }
    fputs(any ? "\"/>" : "M0 0\"/>", stream);
    for (int size = 0; size < SOURCE_SIZES; size++) {
        const struct cost *cost = &sources->touch[way][size];
        if (cost->known) {
            fprintf(stream, "<path d=\"M%.1f %.1f V%.1f\"><title>%s, %s: %.1f ns (%.1f to %.1f)</title></path>",
                    x_of(source_sizes[size]), y_of(axes, cost->low_ns), y_of(axes, cost->high_ns),
                    source_way_names[way], human_bytes(source_sizes[size]).text, cost->median_ns, cost->low_ns,
                    cost->high_ns);
        }
    }
    int y = TOP + 14 + way * 22;
    fprintf(stream, "<path d=\"M%d %d h22\"/></g><text class=\"t\" x=\"%d\" y=\"%d\">%s</text>\n",
            WIDTH - RIGHT + 16, y, WIDTH - RIGHT + 44, y + 4, source_way_names[way]);
}

void sources_draw(FILE *stream, const struct sources *sources) {
    struct axes axes = find_axes(sources);
    fprintf(
        stream,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n"
        "<style>.t{font:12px sans-serif;fill:#333}.h{font:bold 14px sans-serif;fill:#222}.e{text-anchor:end}"
        ".m{text-anchor:middle}.l{stroke:#ccc;stroke-width:1}.g{fill:#fff}"
        "@media(prefers-color-scheme:dark){.t{fill:#ccc}.h{fill:#eee}.l{stroke:#444}.g{fill:#16181d}}</style>\n"
        "<title>acre sources: growing and touching memory</title><rect class=\"g\" width=\"100%%\" "
        "height=\"100%%\"/>\n"
        "<text class=\"h\" x=\"16\" y=\"24\">To grow by a size and touch it: each 4 KiB, median and "
        "quartiles</text>\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_axes(stream, &axes);
    for (int way = 0; way < SOURCE_WAYS; way++) {
        draw_way(stream, sources, &axes, way);
    }
    fputs("</svg>\n", stream);
}
