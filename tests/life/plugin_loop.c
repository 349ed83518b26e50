/* dlopen and dlclose of a C++ library in a loop, from main and from threads that then exit: its constructors and
 * destructors allocate, and blocks that it gave outlive it. Argument: the plugin's path. */
#include "support/check.h"
#include "support/process.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *plugin_path;

static void *load_and_unload(void *argument) {
    int rounds = (int)(intptr_t)argument;
    for (int i = 0; i < rounds; i++) {
        void *plugin = dlopen(plugin_path, RTLD_NOW | RTLD_LOCAL);
        CHECKF(plugin != NULL, "%s", dlerror());
        size_t (*work)(int) = (size_t (*)(int))dlsym(plugin, "plugin_work");
        CHECK(work != NULL);
        CHECK(work(500) > 0);
        char *before = strdup("a block that outlives the library");
        CHECK(dlclose(plugin) == 0);
        CHECK(strcmp(before, "a block that outlives the library") == 0);
        free(before);
        void *after = malloc(5000); /* the phase after dlclose */
        CHECK(after != NULL);
        free(after);
    }
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    plugin_path = argv[1];
    process_expect_malloc();
    process_watchdog(120);
    load_and_unload((void *)100);
    for (int round = 0; round < 20; round++) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, load_and_unload, (void *)5) == 0);
        for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    }
    size_t early_bytes = process_resident_bytes();
    load_and_unload((void *)300);
    size_t late_bytes = process_resident_bytes();
    CHECKF(late_bytes < early_bytes + (4 << 20), "resident %zu, then %zu", early_bytes, late_bytes);
    return 0;
}
