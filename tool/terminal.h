/* What the place that output goes to can show. */
#ifndef ACRE_TOOL_TERMINAL_H
#define ACRE_TOOL_TERMINAL_H

#include <stdbool.h>

unsigned terminal_width_columns(int descriptor); /* COLUMNS, the terminal's own width, or 80 */
bool terminal_wants_colour(int descriptor);      /* a terminal, no NO_COLOR, not TERM=dumb */
bool locale_is_utf8(void);

#endif
