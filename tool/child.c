#include "child.h"

#include "complain.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum handling { FORWARD, IGNORE, DEFAULT };

/* What acre does with signals while the program runs. SIGCHLD: where it is ignored, nothing can be waited for. */
static const struct {
    int number;
    enum handling handling;
} signals[] = {
    {SIGHUP, FORWARD},  {SIGINT, FORWARD},  {SIGQUIT, FORWARD}, {SIGTERM, FORWARD},
    {SIGUSR1, FORWARD}, {SIGUSR2, FORWARD}, {SIGPIPE, IGNORE},  {SIGCHLD, DEFAULT},
};
enum { WATCH_FIRST_MS = 10 };
enum { SIGNALS = sizeof signals / sizeof signals[0] };

struct signal_state {
    struct sigaction actions[SIGNALS];
    sigset_t mask;
};

static struct sigaction file_size_action;

void child_keep_file_size_signal(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGXFSZ, &ignore, &file_size_action);
}

static volatile sig_atomic_t forward_to; /* the running child, or 0 */

/* What the kernel sends for the terminal goes to the whole process group, so the child has it already. */
static void forward(int number, siginfo_t *information, void *context) {
    int saved_errno = errno;
    (void)context;
    if (information->si_code != SI_KERNEL && forward_to != 0) {
        kill((pid_t)forward_to, number);
    }
    errno = saved_errno;
}

static void block_all(sigset_t *before) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, before);
}

/* Leaves all signals blocked. */
static void take_signals(struct signal_state *before) {
    block_all(&before->mask);
    for (size_t i = 0; i < SIGNALS; i++) {
        struct sigaction action = {.sa_flags = SA_RESTART};
        sigaction(signals[i].number, NULL, &before->actions[i]);
        sigemptyset(&action.sa_mask);
        if (signals[i].handling == FORWARD) {
            if (before->actions[i].sa_handler == SIG_IGN) {
                continue; /* as under nohup(1): neither of us is meant to have it */
            }
            action.sa_flags |= SA_SIGINFO;
            action.sa_sigaction = forward;
        } else {
            action.sa_handler = signals[i].handling == IGNORE ? SIG_IGN : SIG_DFL;
        }
        sigaction(signals[i].number, &action, NULL);
    }
}

static void give_signals_back(const struct signal_state *before) {
    for (size_t i = 0; i < SIGNALS; i++) {
        sigaction(signals[i].number, &before->actions[i], NULL);
    }
    sigaction(SIGXFSZ, &file_size_action, NULL);
    sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

/* In the child. The pipe closes when the program starts; an errno in it means that it did not. */
static _Noreturn void become(const struct child_request *request, const struct signal_state *before,
                             int failure_pipe) {
    if (request->pid != NULL) {
        *request->pid = (uint64_t)getpid();
    }
    give_signals_back(before);
    execvp(request->path, request->arguments);
    int error = errno;
    ssize_t written = write(failure_pipe, &error, sizeof error);
    _exit(written == sizeof error ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int read_start_error(int failure_pipe) {
    int error = 0;
    ssize_t got;
    do {
        got = read(failure_pipe, &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    return got == sizeof error ? error : 0;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Until it ends. Without a descriptor of it (before Linux 5.3) nobody watches. */
static void watch(const struct child_request *request, pid_t pid) {
    int process = request->while_running == NULL ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ending = {.fd = process, .events = POLLIN};
    int wait_ms = WATCH_FIRST_MS, answer = 0;
    while (process >= 0 && (answer = poll(&ending, 1, wait_ms)) <= 0 && (answer == 0 || errno == EINTR)) {
        wait_ms = request->while_running(pid, request->context);
    }
    if (process >= 0) {
        close(process);
    }
}

/* Of a process that has ended and was not reaped. */
static void read_name(pid_t pid, char name[16]) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, name, 15);
    name[length < 0 ? 0 : length] = '\0';
    name[strcspn(name, "\n")] = '\0';
    if (file >= 0) {
        close(file);
    }
}

static uint64_t coarse_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The signals stay blocked around the reaping: after it, the pid may be somebody else's. */
static void await(const struct child_request *request, pid_t pid, struct child_ending *ending) {
    siginfo_t information;
    watch(request, pid);
    while (waitid(P_PID, (id_t)pid, &information, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    ending->ended_ms = coarse_ms();
    read_name(pid, ending->name);
    sigset_t before;
    block_all(&before);
    forward_to = 0;
    struct rusage usage = {.ru_maxrss = 0};
    while (wait4(pid, &ending->wait_status, 0, &usage) < 0 && errno == EINTR) {
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    ending->resident_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
}

bool child_run(const struct child_request *request, struct child_ending *ending) {
    int failure_pipe[2];
    if (pipe2(failure_pipe, O_CLOEXEC) != 0) {
        complain("cannot make a pipe: %s", strerror(errno));
        return false;
    }
    struct signal_state before;
    take_signals(&before);
    double started_seconds = seconds_now();
    pid_t pid = fork();
    if (pid == 0) {
        become(request, &before, failure_pipe[1]);
    }
    int fork_error = errno;
    forward_to = pid > 0 ? pid : 0;
    sigprocmask(SIG_SETMASK, &before.mask, NULL);
    close(failure_pipe[1]);
    if (pid > 0) {
        ending->start_error = read_start_error(failure_pipe[0]);
        await(request, pid, ending);
        ending->wall_seconds = seconds_now() - started_seconds;
    } else {
        complain("cannot make a process: %s", strerror(fork_error));
    }
    close(failure_pipe[0]);
    return pid > 0;
}

_Noreturn void child_die_alike(int signal_number) {
    struct rlimit no_core = {.rlim_cur = 0, .rlim_max = 0};
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* the limit alone does not hold where cores are piped to a program */
    signal(signal_number, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(signal_number);
    _exit(128 + signal_number); /* only for signals that do not end a process by default */
}
