/*
 * acre-bench-launch: runs one command and prints what it cost, as one CSV line.
 *
 *   acre-bench-launch [-e NAME=VALUE]... [-o FILE] [-r REPEATS] COMMAND ARG...
 *
 * Why a program for this: the peak resident memory that Linux reports for a process includes the image it had
 * before exec. A measuring script in Python would put its own 10 MiB under every small program. This one is
 * static, allocates nothing and forks (not vforks: a vfork child is charged the parent's whole image), so the
 * floor it sets is far below the smallest dynamic program. The floor is what a command that cannot be executed
 * is charged: `acre-bench-launch /` prints it.
 *
 * What a line holds: exit status (128 + N after signal N), wall, user and system seconds, peak resident KiB,
 * minor faults, major faults. CPU time and faults include the command's own children that it waited for; the
 * peak is that of the largest single process among them, never a sum.
 *
 * With -r the command runs REPEATS times, one after the other: times and faults are sums, the peak is the
 * maximum. It makes start-up, about a millisecond, measurable.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ENVIRONMENT_MAX = 4096, LINE_BYTES = 512, EXIT_USAGE = 2, EXIT_NOT_RUN = 127 };

struct cost {
    int exit_status;
    uint64_t wall_us, user_us, system_us;
    uint64_t peak_kib, minor_faults, major_faults;
};

struct line {
    char text[LINE_BYTES];
    size_t length;
};

struct request {
    const char *output;
    unsigned repeats;
    char **command;
    char *environment[ENVIRONMENT_MAX + 1];
    size_t environment_count;
};

/* ---- text without stdio, which would allocate */

static void put_char(struct line *line, char c)
{
    if (line->length < sizeof line->text)
        line->text[line->length++] = c;
}

static void put_number(struct line *line, uint64_t value, unsigned digits_min)
{
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0 || count < digits_min);
    while (count > 0)
        put_char(line, digits[--count]);
}

static void put_seconds(struct line *line, uint64_t microseconds)
{
    put_number(line, microseconds / 1000000, 1);
    put_char(line, '.');
    put_number(line, microseconds % 1000000, 6);
}

static int complain(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
    return EXIT_USAGE;
}

/* ---- the command's environment: ours, with the given entries added or put in the place of old ones */

static void environment_set(struct request *request, char *entry)
{
    const char *equals = strchr(entry, '=');
    size_t name_length = equals ? (size_t)(equals - entry) + 1 : strlen(entry);
    for (size_t i = 0; i < request->environment_count; i++) {
        if (strncmp(request->environment[i], entry, name_length) == 0) {
            request->environment[i] = entry;
            return;
        }
    }
    if (request->environment_count < ENVIRONMENT_MAX)
        request->environment[request->environment_count++] = entry;
}

/* ---- running */

static void become_command(const struct request *request)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a run that is broken off leaves nothing behind */
    int output = open(request->output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (output < 0 || dup2(output, STDOUT_FILENO) < 0)
        _exit(complain("acre-bench-launch: cannot open the output file\n"));
    if (output != STDOUT_FILENO)
        close(output);
    execvpe(request->command[0], request->command, (char *const *)request->environment);
    _exit(EXIT_NOT_RUN); /* the line's exit status says it */
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t timeval_us(struct timeval value)
{
    return (uint64_t)value.tv_sec * 1000000 + (uint64_t)value.tv_usec;
}

/* Adds one run's cost; returns zero if the command could be started and waited for. */
static int run_once(const struct request *request, struct cost *cost)
{
    struct rusage usage;
    int status;
    uint64_t start_us = now_us();
    pid_t child = fork();
    if (child == 0)
        become_command(request);
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        return -1;
    cost->wall_us += now_us() - start_us;
    cost->user_us += timeval_us(usage.ru_utime);
    cost->system_us += timeval_us(usage.ru_stime);
    cost->minor_faults += (uint64_t)usage.ru_minflt;
    cost->major_faults += (uint64_t)usage.ru_majflt;
    if ((uint64_t)usage.ru_maxrss > cost->peak_kib)
        cost->peak_kib = (uint64_t)usage.ru_maxrss;
    cost->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

static void print_cost(const struct cost *cost)
{
    struct line line = {.length = 0};
    put_number(&line, (uint64_t)cost->exit_status, 1);
    const uint64_t times_us[] = {cost->wall_us, cost->user_us, cost->system_us};
    for (size_t i = 0; i < 3; i++) {
        put_char(&line, ',');
        put_seconds(&line, times_us[i]);
    }
    const uint64_t counts[] = {cost->peak_kib, cost->minor_faults, cost->major_faults};
    for (size_t i = 0; i < 3; i++) {
        put_char(&line, ',');
        put_number(&line, counts[i], 1);
    }
    put_char(&line, '\n');
    ssize_t ignored = write(STDOUT_FILENO, line.text, line.length);
    (void)ignored;
}

/* ---- arguments */

static int parse(struct request *request, int argc, char **argv)
{
    int option;
    /* "+": stop at the command's name, its options are its own */
    while ((option = getopt(argc, argv, "+e:o:r:")) != -1) {
        if (option == 'e')
            environment_set(request, optarg);
        else if (option == 'o')
            request->output = optarg;
        else if (option == 'r')
            request->repeats = (unsigned)strtoul(optarg, NULL, 10);
        else
            return EXIT_USAGE;
    }
    request->command = argv + optind;
    if (optind == argc || request->repeats == 0)
        return complain("usage: acre-bench-launch [-e NAME=VALUE]... [-o FILE] [-r REPEATS] COMMAND ARG...\n");
    return 0;
}

int main(int argc, char **argv)
{
    /* Static, so zero pages: of the table only the part that the environment fills is ever touched. */
    static struct request request = {.output = "/dev/null", .repeats = 1};
    struct cost cost = {0};
    for (char **entry = environ; *entry; entry++)
        environment_set(&request, *entry);
    int failed = parse(&request, argc, argv);
    if (failed)
        return failed;
    for (unsigned run = 0; run < request.repeats && cost.exit_status == 0; run++) {
        if (run_once(&request, &cost))
            return complain("acre-bench-launch: cannot fork or wait\n");
    }
    print_cost(&cost);
    return 0;
}
