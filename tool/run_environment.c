/* acre run: the environment of the command. */
#include "complain.h"
#include "library_path.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PRELOAD_ENVIRONMENT "LD_PRELOAD"

/* One process cannot have two allocators of ours: an `acre run` inside another one takes the outer one's place. */
static bool is_own_library(const char *path, size_t length) {
    const char *name = memrchr(path, '/', length);
    name = name == NULL ? path : name + 1;
    size_t name_length = length - (size_t)(name - path);
    return (name_length == strlen(ACRE_LIBRARY_PLAIN) && memcmp(name, ACRE_LIBRARY_PLAIN, name_length) == 0) ||
           (name_length == strlen(ACRE_LIBRARY_COUNT) && memcmp(name, ACRE_LIBRARY_COUNT, name_length) == 0);
}

static bool set_preload(const char *library_path) {
    const char *preloaded = getenv(PRELOAD_ENVIRONMENT);
    preloaded = preloaded == NULL ? "" : preloaded;
    char *list = malloc(strlen(library_path) + strlen(preloaded) + 2);
    if (list == NULL) {
        return false;
    }
    char *end = stpcpy(list, library_path);
    while (*preloaded != '\0') {
        size_t length = strcspn(preloaded, ": ");
        if (length > 0 && !is_own_library(preloaded, length)) {
            *end++ = ':';
            end = mempcpy(end, preloaded, length);
            *end = '\0';
        }
        preloaded += length;
        preloaded += *preloaded != '\0';
    }
    bool set = setenv(PRELOAD_ENVIRONMENT, list, 1) == 0;
    free(list);
    return set;
}

static bool add_options(const char *added) {
    const char *existing = getenv(ACRE_OPTIONS_ENVIRONMENT);
    if (existing == NULL || *existing == '\0') {
        return setenv(ACRE_OPTIONS_ENVIRONMENT, added, 1) == 0;
    }
    char *joined = malloc(strlen(existing) + strlen(added) + 2);
    if (joined == NULL) {
        return false;
    }
    stpcpy(stpcpy(stpcpy(joined, existing), ","), added);
    bool set = setenv(ACRE_OPTIONS_ENVIRONMENT, joined, 1) == 0;
    free(joined);
    return set;
}

bool run_environment_set(const char *library_path, const char *count_path, const char *added_options) {
    bool set = set_preload(library_path) && (added_options == NULL || add_options(added_options));
    if (set && count_path != NULL) {
        set = setenv(ACRE_COUNT_ENVIRONMENT, count_path, 1) == 0;
    } else if (set) {
        set = unsetenv(ACRE_COUNT_ENVIRONMENT) == 0;
    }
    if (!set) {
        complain("cannot make the environment: %s", strerror(errno));
    }
    return set;
}
