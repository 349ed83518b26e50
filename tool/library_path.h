/* Where the libraries are that `acre run` preloads. */
#ifndef ACRE_TOOL_LIBRARY_PATH_H
#define ACRE_TOOL_LIBRARY_PATH_H

#include <limits.h>
#include <stdbool.h>

#define ACRE_LIBRARY_DIR_ENVIRONMENT "ACRE_LIBRARY_DIR"
#define ACRE_LIBRARY_PLAIN "libacre.so.1"
#define ACRE_LIBRARY_COUNT "libacre-count.so.1"

/* Sets `path` to the full path of the library of that file name; false after one line on stderr. */
bool library_path(const char *file_name, char path[PATH_MAX]);

#endif
