/* acre run: the next command worth trying, from the figures. */
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Below this many, system calls cost too little to matter; above, they should serve at least this many calls. */
enum { SYSCALLS_MANY = 1000, CALLS_PER_SYSCALL_FEW = 100 };
enum { RETAINED_MUCH_BYTES = 4 << 20, LEFTOVERS_MUCH_BYTES = 1 << 20 };

static struct run_advice advise(const char *flags, const char *why) {
    struct run_advice advice = {.why = why};
    snprintf(advice.flags, sizeof advice.flags, "%s", flags);
    return advice;
}

static struct run_advice advise_option(const char *key, struct figure_text value, const char *why) {
    struct run_advice advice = {.why = why};
    snprintf(advice.flags, sizeof advice.flags, "--option %s:%s", key, value.text);
    return advice;
}

/* Programs that do their work in the processes they start. */
static bool starts_others(const char *name) {
    static const char *const starters[] = {"sh",    "bash", "dash",  "zsh",  "ksh", "make",    "ninja",
                                           "cmake", "env",  "xargs", "time", "su",  "timeout", "gcc"};
    for (size_t i = 0; i < sizeof starters / sizeof starters[0]; i++) {
        if (strcmp(name, starters[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool crashed(int wait_status) {
    static const int crashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE};
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
        if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == crashes[i]) {
            return true;
        }
    }
    return false;
}

static struct run_advice advise_fewer_syscalls(const uint64_t *syscalls, const struct option_value *options) {
    uint64_t of_mappings =
        syscalls[ACRE_COUNT_SYS_MMAP] + syscalls[ACRE_COUNT_SYS_MUNMAP] + syscalls[ACRE_COUNT_SYS_MREMAP];
    const struct option_entry *threshold = &option_table[OPTION_huge_threshold];
    if (syscalls[ACRE_COUNT_SYS_BRK] > of_mappings) {
        return advise("--option source:mmap", "the break moves often");
    }
    if (options[OPTION_huge_cache].value == (uint64_t)option_choice_position("off|on", "off")) {
        return advise("--option huge_cache:on", "huge blocks are mapped anew each time");
    }
    if (options[OPTION_huge_threshold].value < threshold->most) {
        return advise_option(threshold->key, option_value_text(threshold, threshold->most),
                             "many blocks have a mapping of their own");
    }
    return advise("--option decay_ms:5000", "freed huge mappings may wait longer for reuse");
}

static struct run_advice advise_source(const struct image_figures *image, const struct option_value *options) {
    bool used_break = image->break_peak > image->break_start;
    const struct option_entry *source = &option_table[OPTION_source];
    struct figure_text current = option_value_text(source, options[OPTION_source].value);
    if (strcmp(current.text, "auto") != 0) {
        return advise("--option source:auto", "to compare with the default");
    }
    return used_break ? advise("--option source:mmap", "to compare the sources")
                      : advise("--option source:brk", "to compare the sources");
}

struct run_advice run_advise(const struct run_request *request, const struct run_result *result) {
    const struct image_figures *root = &result->figures.root;
    uint64_t syscalls = count_of_syscalls(root->syscalls), calls = count_of_calls(root->calls);
    if (!request->counting) {
        return advise("", "to count");
    }
    if (crashed(result->ending.wait_status)) {
        return advise("--library plain", "does it end like this without counting?");
    }
    if (!result->figures.attached || calls == 0 || starts_others(root->name)) {
        return request->children ? advise("--library plain", "the same without counting")
                                 : advise("--children", "counts the processes that it starts");
    }
    if (syscalls >= SYSCALLS_MANY && calls / syscalls < CALLS_PER_SYSCALL_FEW) {
        return advise_fewer_syscalls(root->syscalls, result->options);
    }
    if (root->ended && root->retained_bytes > RETAINED_MUCH_BYTES &&
        root->retained_bytes > root->live_peak_bytes / 2 && request->html_path == NULL) {
        return advise("--html FILE", "much is free at the end: the page shows where");
    }
    if (root->live_end_bytes > LEFTOVERS_MUCH_BYTES && root->live_end_bytes > root->live_peak_bytes / 4) {
        return advise("--json FILE", "many blocks are left: run it longer, compare live.end");
    }
    return advise_source(root, result->options);
}
