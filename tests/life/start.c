/* How a process may be started: with fds 0-2 closed, with no environment at all, and set-user-ID. Run with
 * "child" it is the program that is started so: it allocates and exits 0. The set-user-ID case needs root. */
#include "support/check.h"
#include "support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int live_as_child(const char *how) {
    if (strcmp(how, "secure") == 0) CHECK(getauxval(AT_SECURE) != 0);
    for (size_t size = 1; size < (size_t)(4 << 20); size = size * 3 + 1) {
        void *block = malloc(size);
        CHECK(block != NULL);
        memset(block, 1, size);
        free(block);
    }
    return 0;
}

/* Starts the program; returns its status and what it wrote to stderr (nothing when that is closed). */
static int start(char *const arguments[], char *const environment[], bool closed, bool as_nobody, char *text,
                 size_t capacity_bytes) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]), close(ends[1]);
        if (closed) close(0), close(1), close(2);
        if (as_nobody && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(95);
        alarm(30);
        execve(arguments[0], arguments, environment);
        _exit(96);
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while (used + 1 < capacity_bytes && (got = read(ends[0], text + used, capacity_bytes - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    close(ends[0]);
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static void expect_quiet_success(const char *what, int status, const char *text) {
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status 0x%x, stderr: %s", what, status, text);
    CHECKF(text[0] == '\0', "%s: stderr: %s", what, text);
}

static void check_closed_and_empty(char *self) {
    char text[2048];
    char *plain[] = {self, "child", "plain", NULL}, *none[] = {NULL};
    const char *preload = getenv("LD_PRELOAD");
    char assignment[4096];
    snprintf(assignment, sizeof assignment, "LD_PRELOAD=%s", preload ? preload : "");
    char *preloaded[] = {assignment, NULL}, *odd[] = {assignment, "", "=", "ACRE_OPTIONS", NULL};
    expect_quiet_success("closed", start(plain, preloaded, true, false, text, sizeof text), text);
    expect_quiet_success("preload alone", start(plain, preloaded, false, false, text, sizeof text), text);
    expect_quiet_success("odd environment", start(plain, odd, false, false, text, sizeof text), text);
    expect_quiet_success("empty environment", start(plain, none, false, false, text, sizeof text), text);
}

/* A bad option is reported to an ordinary process, with stderr open or closed, and does no harm. */
static void check_bad_option(char *self) {
    char text[2048], *plain[] = {self, "child", "plain", NULL};
    const char *preload = getenv("LD_PRELOAD");
    char assignment[4096];
    snprintf(assignment, sizeof assignment, "LD_PRELOAD=%s", preload ? preload : "");
    char *environment[] = {assignment, "ACRE_OPTIONS=sorce:brk,huge_cache:7", NULL};
    int status = start(plain, environment, false, false, text, sizeof text);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x, stderr: %s", status, text);
    CHECKF(strncmp(text, "acre: ", 6) == 0, "no warning about a bad option: %s", text);
    CHECKF(strstr(text, "source") != NULL, "the nearest key is not named: %s", text);
    status = start(plain, environment, true, false, text, sizeof text);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void copy_file(const char *from, const char *to, mode_t mode) {
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    CHECK(in >= 0 && out >= 0);
    char buffer[65536];
    ssize_t got;
    while ((got = read(in, buffer, sizeof buffer)) > 0) CHECK(write(out, buffer, (size_t)got) == got);
    CHECK(fchmod(out, mode) == 0);
    close(in), close(out);
}

/* Only for a static acre: the loader drops a preload from a set-user-ID program by itself. */
static void check_set_user_id(char *self) {
    if (geteuid() != 0) SKIP("a set-user-ID copy can only be made by root");
    char directory[] = "/tmp/acre-start-XXXXXX", path[64], text[2048];
    CHECK(mkdtemp(directory) != NULL);
    CHECK(chmod(directory, 0755) == 0);
    snprintf(path, sizeof path, "%s/start", directory);
    copy_file(self, path, 04755);
    char *secure[] = {path, "child", "secure", NULL}, *plain[] = {path, "child", "plain", NULL};
    char *environment[] = {"ACRE_OPTIONS=bogus:1,source:nowhere", NULL};
    int status = start(secure, environment, false, true, text, sizeof text);
    char plain_text[2048];
    copy_file(self, path, 0755);
    int plain_status = start(plain, environment, false, true, plain_text, sizeof plain_text);
    unlink(path), rmdir(directory);
    CHECKF(!(WIFEXITED(status) && WEXITSTATUS(status) == 96), "the set-user-ID copy could not be started");
    expect_quiet_success("set-user-ID", status, text);
    CHECKF(WIFEXITED(plain_status) && strncmp(plain_text, "acre: ", 6) == 0,
           "without set-user-ID the same options must be reported: %s", plain_text);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "child") == 0) return live_as_child(argv[2]);
    process_expect_malloc();
    process_watchdog(120);
    CHECK(argc == 2);
    char self[4096] = {0};
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    if (strcmp(argv[1], "plain") == 0) check_closed_and_empty(self);
    else if (strcmp(argv[1], "bad-option") == 0) check_bad_option(self);
    else if (strcmp(argv[1], "set-user-id") == 0) check_set_user_id(self);
    else CHECKF(false, "unknown variant %s", argv[1]);
    return 0;
}
