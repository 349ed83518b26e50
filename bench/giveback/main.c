/*
 * acre-bench-giveback: what a program does whose memory should go back to Linux, and marks of how far it is.
 *
 *   acre-bench-giveback idle random|clustered|none [--mib N] [--threads N] [--idle-ms N]
 *   acre-bench-giveback trim                       [--mib N] [--threads N] [--idle-ms N]
 *   acre-bench-giveback sawtooth                   [--mib N] [--count N]
 *   acre-bench-giveback realloc                    [--mib N]
 *   acre-bench-giveback loop                       [--mib N] [--count N] [--idle-ms N]
 *
 * A mark is a line: its name, at_ms of CLOCK_MONOTONIC, and what else is to say. The first has the process's number,
 * the last its CPU time and faults.
 */
#include "giveback.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

struct giveback {
    const char *name;
    struct giveback_options defaults;
    void (*run)(const struct giveback_options *options);
};

static const struct giveback cases[] = {
    {"idle", {.size_bytes = 1024 * MIB, .threads = 4, .idle_ms = 6000}, giveback_idle},
    {"trim", {.size_bytes = 1024 * MIB, .threads = 4, .idle_ms = 6000}, giveback_trim},
    {"sawtooth", {.size_bytes = 512 * MIB, .count = 20}, giveback_sawtooth},
    {"realloc", {.size_bytes = 1024 * MIB}, giveback_realloc},
    {"loop", {.size_bytes = 8 * MIB, .count = 100000, .idle_ms = 1200}, giveback_loop},
};

static const struct giveback *case_find(const char *name)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].name, name) == 0)
            return &cases[i];
    }
    return NULL;
}

static int usage(void)
{
    fputs("usage: acre-bench-giveback idle random|clustered|none | trim | sawtooth | realloc | loop\n"
          "           [--mib N] [--count N] [--threads N] [--idle-ms N]\n", stderr);
    return 2;
}

static int number(const char *text, uint64_t least, uint64_t *value)
{
    char *end;
    *value = strtoull(text, &end, 10);
    return *text == '\0' || *end != '\0' || *value < least;
}

static int parse(int argc, char **argv, struct giveback_options *options)
{
    static const struct option names[] = {{"mib", required_argument, NULL, 'm'},
                                          {"count", required_argument, NULL, 'c'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"idle-ms", required_argument, NULL, 'i'},
                                          {NULL, 0, NULL, 0}};
    int option;
    uint64_t value;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == '?' || number(optarg, option == 'i' ? 0 : 1, &value))
            return -1;
        if (option == 'm')
            options->size_bytes = value * MIB;
        else if (option == 'c')
            options->count = value;
        else if (option == 't')
            options->threads = (unsigned)value;
        else
            options->idle_ms = value;
    }
    options->pattern = argv[optind + 1]; /* NULL, as argv ends, or what idle asks for */
    return optind + (options->pattern ? 2 : 1) != argc;
}

static unsigned long long time_us(struct timeval time)
{
    return (unsigned long long)time.tv_sec * 1000000 + (unsigned long long)time.tv_usec;
}

static void mark_end(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    mark(now_ms(), "ended", "user_us=%llu system_us=%llu minor_faults=%ld", time_us(usage.ru_utime),
         time_us(usage.ru_stime), usage.ru_minflt);
}

int main(int argc, char **argv)
{
    const struct giveback *chosen = argc > 1 ? case_find(argv[1]) : NULL;
    if (!chosen)
        return usage();
    struct giveback_options options = chosen->defaults;
    if (parse(argc, argv, &options))
        return usage();
    mark(now_ms(), "started", "pid=%d", (int)getpid());
    chosen->run(&options);
    mark_end();
    return 0;
}
