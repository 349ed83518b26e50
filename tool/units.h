/* Figures as people read them. */
#ifndef ACRE_TOOL_UNITS_H
#define ACRE_TOOL_UNITS_H

#include <stdint.h>

/* By value, so that several can stand in one call of printf. */
struct figure_text {
    char text[32];
};

struct figure_text human_bytes(uint64_t size_bytes); /* 512 B, 1.5 KiB, 12.0 MiB */
struct figure_text human_count(uint64_t count);      /* 1,234,567 */
struct figure_text human_duration(double seconds);   /* 0.012 s, 75.3 s, 1 h 02 min */

/* A size as it can be typed into an option: 0, 64KiB, 1MiB; bytes where no unit divides it. */
struct figure_text exact_bytes(uint64_t size_bytes);

#endif
