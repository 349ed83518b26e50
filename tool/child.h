/* Starts a program, stands between it and signals, and waits for it. */
#ifndef ACRE_TOOL_CHILD_H
#define ACRE_TOOL_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Before anything is written: a file that may not grow is an error to report, not the end of acre. The program gets
 * the signal as it was. */
void child_keep_file_size_signal(void);

struct child_request {
    const char *path; /* with a slash */
    char **arguments; /* NULL at the end */
    /* Called now and then while it runs, if not NULL, with this; returns in how many milliseconds again. */
    int (*while_running)(pid_t pid, void *context);
    void *context;
    uint64_t *pid; /* set, if not NULL, before the program starts; in memory shared with the child */
};

struct child_ending {
    int start_error; /* errno when the program could not be executed; 0 when it ran */
    int wait_status; /* as from wait(2) */
    uint64_t ended_ms; /* CLOCK_MONOTONIC_COARSE */
    char name[16];     /* of the program that the process ran last, as the kernel has it; may be empty */
    uint64_t resident_peak_bytes;
    double wall_seconds;
};

/* False, after one line on stderr, when no process could be made. */
bool child_run(const struct child_request *request, struct child_ending *ending);

/* Ends this process by the same signal, without a core file of its own. */
_Noreturn void child_die_alike(int signal_number);

#endif
