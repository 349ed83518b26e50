#include "library_path.h"

#include "complain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Beside the executable first, so that a build tree and a relocated install tree use their own libraries. */
static const char *const beside_executable[] = {"../lib", ("../" ACRE_INSTALL_LIBDIR), "..", "."};

static bool library_in(const char *directory, const char *file_name, char path[PATH_MAX]) {
    char full[PATH_MAX], joined[2 * PATH_MAX];
    if (realpath(directory, full) == NULL) {
        return false; /* the loader would take a relative path by the program's own working directory */
    }
    snprintf(joined, sizeof joined, "%s/%s", full, file_name);
    if (strlen(joined) >= PATH_MAX || access(joined, R_OK) != 0) {
        return false;
    }
    strcpy(path, joined);
    return true;
}

static bool library_beside(const char *file_name, char path[PATH_MAX]) {
    char executable[PATH_MAX], directory[2 * PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", executable, sizeof executable - 1);
    if (length <= 0) {
        return false;
    }
    executable[length] = '\0';
    *strrchr(executable, '/') = '\0';
    for (size_t i = 0; i < sizeof beside_executable / sizeof beside_executable[0]; i++) {
        snprintf(directory, sizeof directory, "%s/%s", executable, beside_executable[i]);
        if (library_in(directory, file_name, path)) {
            return true;
        }
    }
    return false;
}

bool library_path(const char *file_name, char path[PATH_MAX]) {
    const char *chosen = getenv(ACRE_LIBRARY_DIR_ENVIRONMENT);
    bool choose = chosen != NULL && *chosen != '\0';
    bool found_chosen = choose && library_in(chosen, file_name, path);
    if (!found_chosen && !library_beside(file_name, path) &&
        !library_in(ACRE_INSTALL_FULL_LIBDIR, file_name, path)) {
        complain("%s not found; set %s to its directory", file_name, ACRE_LIBRARY_DIR_ENVIRONMENT);
        return false;
    }
    if (choose && !found_chosen) {
        complain("%s is not in %s=%s; taking %s", file_name, ACRE_LIBRARY_DIR_ENVIRONMENT, chosen, path);
    }
    if (strpbrk(path, ": ") != NULL) {
        complain("%s cannot be preloaded: the loader splits LD_PRELOAD at blanks and colons", path);
        return false;
    }
    return true;
}
