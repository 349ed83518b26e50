/* Pages that stand alone: the text of a page with data in it. */
#ifndef ACRE_TOOL_PAGE_H
#define ACRE_TOOL_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* pages/map.html.in and pages/run.html.in, with the files that they name */
extern const char page_of_map[], page_of_run[];

/* Writes the page with the object in the place of @DATA@; false when there is no memory. */
bool page_write(FILE *stream, const char *page, const json_t *object);

#endif
