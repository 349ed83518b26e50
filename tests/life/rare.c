/* Libraries with thread-local objects come and go while threads use them; raw clone; a stderr that is closed.
 * Arguments: the variant and, for plugins, the library's path. */
#include "support/check.h"
#include "support/process.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- plugins */

static const char *path;

/* Loads it for itself, uses it and forgets it; the library stays as long as its thread-local objects live. */
static void *use_plugin(void *rounds) {
    for (uintptr_t round = 0; round < (uintptr_t)rounds; round++) {
        void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CHECKF(plugin != NULL, "%s", dlerror());
        size_t (*use)(size_t) = (size_t(*)(size_t))dlsym(plugin, "tls_plugin_use");
        CHECK(use != NULL);
        for (size_t i = 0; i < 20; i++) CHECK(use(1 + i * 777) > 0);
        CHECK(dlclose(plugin) == 0);
        void *block = malloc(3000);
        CHECK(block != NULL);
        free(block);
    }
    return NULL;
}

static void run_in_threads(int times, uintptr_t rounds) {
    for (int i = 0; i < times; i++) {
        pthread_t threads[4];
        for (int each = 0; each < 4; each++)
            CHECK(pthread_create(&threads[each], NULL, use_plugin, (void *)rounds) == 0);
        for (int each = 0; each < 4; each++) CHECK(pthread_join(threads[each], NULL) == 0);
    }
}

static void check_plugins(void) {
    run_in_threads(20, 3);
    size_t early_bytes = process_resident_bytes();
    run_in_threads(60, 3);
    size_t late_bytes = process_resident_bytes();
    CHECKF(late_bytes < early_bytes + (6 << 20), "resident %zu, then %zu", early_bytes, late_bytes);
    use_plugin((void *)30);
}

/* ---- clone past libc: a process of its own, as fork makes it, but for the handlers */

static void use_blocks(void) {
    void *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        CHECK((blocks[i] = malloc(1 + i * i * 3)) != NULL);
        memset(blocks[i], 1, 1 + i * i * 3);
    }
    for (size_t i = 0; i < 200; i++) free(blocks[i]);
}

static void expect_success(pid_t child) {
    int status;
    CHECK(child > 0);
    CHECK(waitpid(child, &status, __WALL) == child);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", status);
}

static int in_clone(void *block) {
    CHECK(strcmp(block, "from before") == 0);
    free(block);
    use_blocks();
    _exit(0);
}

static void check_clone(void) {
    static char stack[256 << 10] __attribute__((aligned(64)));
    for (int i = 0; i < 40; i++) {
        char *block = strdup("from before");
        use_blocks();
        pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
        if (child == 0) in_clone(block);
        expect_success(child);
        expect_success(clone(in_clone, stack + sizeof stack, SIGCHLD, block));
        CHECK(strcmp(block, "from before") == 0);
        free(block);
    }
}

/* ---- misuse without a stderr: no line anywhere but where descriptor 2 leads, and the program ends by SIGABRT */

static void free_twice(void) {
    void *volatile block = malloc(100), *volatile again = block;
    free(block);
    free(again);
    _exit(3);
}

static void expect_abort(bool opened, const char *file) {
    pid_t child = fork();
    int status;
    CHECK(child >= 0);
    if (child == 0) {
        close(0), close(1), close(2);
        if (opened) CHECK(open(file, O_RDWR) == 0);
        free_twice();
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status 0x%x", status);
}

/* The program's own file, which got the lowest free descriptor, stays as it is. */
static void check_closed(void) {
    char file[] = "/tmp/acre-closed-XXXXXX";
    int descriptor = mkstemp(file);
    struct stat about;
    CHECK(descriptor >= 0);
    expect_abort(false, file);
    expect_abort(true, file);
    CHECK(fstat(descriptor, &about) == 0 && about.st_size == 0);
    close(descriptor);
    unlink(file);
}

int main(int argc, char **argv) {
    process_expect_malloc();
    process_watchdog(120);
    CHECK(argc >= 2);
    if (strcmp(argv[1], "plugins") == 0) {
        CHECK(argc == 3);
        path = argv[2];
        check_plugins();
    } else if (strcmp(argv[1], "clone") == 0) {
        check_clone();
    } else {
        check_closed();
    }
    return 0;
}
