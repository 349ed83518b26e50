/* In a cgroup that is near its memory limit free memory goes back long before decay_ms. For who may make cgroups of
 * memory (version 1 or 2, mostly root); skipped for others. Run with decay_ms:5000. */
#include "support/check.h"
#include "support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t mib = 1 << 20;
static char folder[512], limit_file[64];

/* The folder of this process's memory cgroup. */
static bool find_folder(char *path, size_t room) {
    char line[400];
    FILE *file = fopen("/proc/self/cgroup", "r");
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        char *place = strstr(line, ":memory:"), *second = strncmp(line, "0::", 3) == 0 ? line + 3 : NULL;
        line[strcspn(line, "\n")] = 0;
        if (place != NULL) snprintf(path, room, "/sys/fs/cgroup/memory%s", place + strlen(":memory:"));
        if (place == NULL && second != NULL) snprintf(path, room, "/sys/fs/cgroup%s", second);
        strcpy(limit_file, place != NULL ? "memory.limit_in_bytes" : "memory.max");
        found = (place != NULL || second != NULL) && access(path, W_OK) == 0;
    }
    if (file != NULL) fclose(file);
    return found;
}

static bool put(const char *name, size_t value) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_WRONLY);
    bool done = file >= 0 && dprintf(file, "%zu\n", value) > 0;
    if (file >= 0) close(file);
    return done;
}

static void *sleep_on(void *unused) {
    (void)unused;
    for (;;) sleep(1000);
    return NULL;
}

/* Of 160 MiB a half is freed; how much is resident a second and a half later. */
static size_t resident_after_free(void) {
    enum { COUNT = 5000, BYTES = 32 << 10 };
    static char *blocks[COUNT];
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, sleep_on, NULL) == 0);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK((blocks[i] = malloc(BYTES)) != NULL);
        memset(blocks[i], 1, BYTES);
    }
    for (size_t i = 0; i < COUNT; i += 2) free(blocks[i]);
    usleep(1500000);
    return process_resident_bytes();
}

/* In the cgroup, with the given limit; leaves the number of MiB that stayed as exit status. */
static int mib_in_cgroup(size_t limit_bytes) {
    int status;
    CHECK(put(limit_file, limit_bytes));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        process_watchdog(60);
        CHECK(put("cgroup.procs", (size_t)getpid()));
        _exit((int)(resident_after_free() / mib));
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(WIFEXITED(status), "status %#x", status);
    return WEXITSTATUS(status);
}

int main(void) {
    char own[400];
    process_expect_malloc();
    if (!find_folder(own, sizeof own)) SKIP("no memory cgroup here that may be written to");
    snprintf(folder, sizeof folder, "%s/acre-test-%d", own, (int)getpid());
    if (mkdir(folder, 0755) != 0) SKIP("%s: %s", folder, strerror(errno));
    bool limits = put(limit_file, 1024 * mib);
    int far_mib = limits ? mib_in_cgroup(1024 * mib) : 0, near_mib = limits ? mib_in_cgroup(170 * mib) : 0;
    CHECKF(rmdir(folder) == 0, "%s: %s", folder, strerror(errno));
    if (!limits) SKIP("cgroups below this one have no memory limit");
    CHECKF(far_mib >= 150, "%d MiB stayed far from the limit: nothing is shown by what stays near it", far_mib);
    CHECKF(near_mib <= 100, "%d MiB stayed near the limit", near_mib);
    return 0;
}
