/* A C program without a C++ runtime of its own loads a C++ plugin locally; operator new fails in there and must
 * throw the plugin's std::bad_alloc. Argument: the plugin's path. */
#include "support/check.h"
#include "support/process.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

static void *plugin;

static int call(const char *name, size_t size) {
    int (*function)(size_t) = (int (*)(size_t))dlsym(plugin, name);
    CHECKF(function != NULL, "%s", name);
    return function(size);
}

static void check_failing(size_t size) {
    CHECK(call("plugin_new_fails", size) == 1);
    CHECK(call("plugin_aligned_new_fails", size) == 1);
    CHECK(call("plugin_nothrow_new_fails", size) == 1);
    CHECK(call("plugin_handler_calls", size) == 2);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    process_expect_malloc();
    process_watchdog(60);
    CHECKF(dlsym(RTLD_DEFAULT, "__cxa_throw") == NULL, "the program must have no C++ runtime in its global scope");
    for (int round = 0; round < 3; round++) {
        plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        CHECKF(plugin != NULL, "%s", dlerror());
        CHECK(call("plugin_new_fails", 100) == 0); /* the plugin can tell */
        check_failing((size_t)PTRDIFF_MAX);
        if (process_is_on_acre()) { /* libstdc++ 12's own aligned new wraps around up here */
            check_failing(SIZE_MAX);
            check_failing(SIZE_MAX - 4096);
        }
        CHECK(call("plugin_new_fails", 1000) == 0);
        dlclose(plugin);
    }
    return 0;
}
