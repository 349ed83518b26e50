#include "support/child.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { patience_s = 60 };

static void restore_signals(void) {
    /* cmocka's handlers would turn the signal into something else. */
    signal(SIGABRT, SIG_DFL), signal(SIGSEGV, SIG_DFL), signal(SIGBUS, SIG_DFL), signal(SIGILL, SIG_DFL);
    signal(SIGFPE, SIG_DFL), signal(SIGALRM, SIG_DFL);
}

static void read_all(int file, char *text, size_t capacity_bytes) {
    size_t used_bytes = 0;
    ssize_t got;
    while (used_bytes + 1 < capacity_bytes &&
           (got = read(file, text + used_bytes, capacity_bytes - 1 - used_bytes)) > 0)
        used_bytes += (size_t)got;
    text[used_bytes] = '\0';
}

int child_run(void (*run)(void), char *text, size_t capacity_bytes) {
    int ends[2], status;
    if (pipe(ends) != 0) return -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (text != NULL) dup2(ends[1], 2);
        close(ends[0]), close(ends[1]);
        restore_signals();
        alarm(patience_s);
        run();
        _exit(0);
    }
    close(ends[1]);
    if (text != NULL && child > 0) read_all(ends[0], text, capacity_bytes);
    close(ends[0]);
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static void say_end(const char *name, int status, const char *text) {
    bool by_signal = WIFSIGNALED(status);
    fprintf(stderr, "%s: %s %d, stderr \"%s\"\n", name, by_signal ? "signal" : "exit status",
            by_signal ? WTERMSIG(status) : WEXITSTATUS(status), text);
}

bool child_ends_well(void (*run)(void)) {
    int status = child_run(run, NULL, 0);
    if (status == 0) return true;
    say_end("child", status, "above");
    return false;
}

bool child_is_stopped(const char *name, void (*run)(void), const char *function) {
    char text[4096];
    int status = child_run(run, text, sizeof text);
    const char *newline = strchr(text, '\n');
    bool aborted = status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    bool one_line = strncmp(text, "acre: ", 6) == 0 && newline != NULL && newline[1] == '\0';
    if (aborted && one_line && strstr(text, function) != NULL) return true;
    say_end(name, status, text);
    return false;
}
