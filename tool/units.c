#include "units.h"

#include <inttypes.h>
#include <stdio.h>

static const char unit_names[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
enum { UNITS = sizeof unit_names / sizeof unit_names[0] };

struct figure_text human_bytes(uint64_t size_bytes) {
    struct figure_text figure;
    if (size_bytes < 1024) {
        snprintf(figure.text, sizeof figure.text, "%" PRIu64 " B", size_bytes);
        return figure;
    }
    double scaled = (double)size_bytes;
    unsigned unit = 0;
    /* 1023.95 and above would print as 1024.0 of the smaller unit. */
    while (scaled >= 1023.95 && unit + 1 < UNITS) {
        scaled /= 1024;
        unit++;
    }
    snprintf(figure.text, sizeof figure.text, "%.1f %s", scaled, unit_names[unit]);
    return figure;
}

struct figure_text human_count(uint64_t count) {
    char digits[24];
    struct figure_text figure;
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count), out = 0;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            figure.text[out++] = ',';
        }
        figure.text[out++] = digits[i];
    }
    figure.text[out] = '\0';
    return figure;
}

struct figure_text human_duration(double seconds) {
    struct figure_text figure;
    if (seconds < 600) {
        snprintf(figure.text, sizeof figure.text, "%.*f s", seconds < 10 ? 3 : 1, seconds);
    } else {
        uint64_t minutes = (uint64_t)seconds / 60;
        snprintf(figure.text, sizeof figure.text, "%" PRIu64 " h %02u min", minutes / 60,
                 (unsigned)(minutes % 60));
    }
    return figure;
}

struct figure_text exact_bytes(uint64_t size_bytes) {
    struct figure_text figure;
    unsigned unit = 0;
    while (size_bytes != 0 && size_bytes % 1024 == 0 && unit < 4) {
        size_bytes /= 1024;
        unit++;
    }
    snprintf(figure.text, sizeof figure.text, "%" PRIu64 "%s", size_bytes, unit == 0 ? "" : unit_names[unit]);
    return figure;
}
