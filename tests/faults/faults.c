/* faults one|on|random [--most N] [--seeds N]
 *
 * Runs the workload in a process of its own for each system call that it makes: one: with that call alone refused;
 * on: with that one and all later ones of its kind. random: for each seed, with refusals of all kinds. Afterwards
 * nothing is refused any more: then the workload must get all that it wants, and what acre holds must be what it
 * holds after a run in which nothing was refused. --most tries no more than N calls of each kind, spread over all.
 */
#include "faults/faults.h"

#include "acre/acre.h"
#include "arena/arena.h"
#include "inspect/figures.h"
#include "source/source.h"
#include "support/check.h"
#include "support/process.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define REPORT "ACRE_TEST_FAULTS_REPORT" /* the descriptor that a child writes its report to */
#define CHILD_SECONDS 120

struct report {
    struct faults_count count[ACRE_OS_FALLIBLE];
    size_t live_blocks, live_bytes, held_bytes, mapped_bytes;
};

/* ---- in the child */

/* What is charged is what is there: to the default arena, and of all that comes from the sources of the process.
 * What found no record where the break could not come down again either is held by the process alone: a step of it
 * each time (add_extent in span/page_heap_chunks.c). */
#define BREAK_LOST_BYTES ((size_t)8 << 20)
static bool charges_are_right(void) {
    struct acre_figures figures;
    struct acre_arena *arena = &acre_default_arena;
    acre_figures_collect(&figures);
    size_t arena_bytes = arena->pages.chunk_bytes + acre_huge_figures(&arena->huge).live_bytes;
    return acre_quota_held_bytes(&arena->supplier.quota) == arena_bytes &&
           acre_source_held_bytes() >= figures.held_bytes &&
           acre_source_held_bytes() - figures.held_bytes <= faults_count[ACRE_OS_BRK].failed * BREAK_LOST_BYTES;
}

/* The scavenger may be in the middle of something. */
static bool books_are_valid(void) {
    bool right = charges_are_right();
    for (int tries = 0; !right && tries < 200; tries++) {
        usleep(1000);
        right = charges_are_right();
    }
    return right && acre_page_heap_is_valid(&acre_default_arena.pages) &&
           acre_huge_is_valid(&acre_default_arena.huge);
}

static int live_as_child(int descriptor) {
    struct report report;
    struct acre_figures figures;
    process_watchdog(CHILD_SECONDS);
    workload_run(false);
    faults_end();
    memcpy(report.count, faults_count, sizeof report.count);
    workload_run(true);
    CHECK(books_are_valid());
    acre_figures_collect(&figures);
    report.live_blocks = figures.live_blocks;
    report.live_bytes = figures.live_bytes;
    report.held_bytes = figures.held_bytes;
    report.mapped_bytes = acre_os_figures.mapped_bytes;
    return write(descriptor, &report, sizeof report) == sizeof report ? 0 : 1;
}

/* ---- in the parent */

static char self[PATH_MAX];
static struct report usual; /* the most of a few runs in which nothing is refused */
static unsigned runs, failures;

static void set_number(const char *name, int number) {
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    setenv(name, text, 1);
}

/* Runs the workload by this plan; whether it came to its end. */
static bool run(const char *plan, struct report *report) {
    int ends[2], status;
    CHECK(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(ends[0]);
        set_number(REPORT, ends[1]);
        if (plan != NULL) setenv(FAULTS_PLAN, plan, 1);
        execl(self, self, (char *)NULL);
        _exit(96);
    }
    close(ends[1]);
    bool reported = read(ends[0], report, sizeof *report) == sizeof *report;
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    runs++;
    if (reported && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    printf("FAIL: %s: %s %d\n", plan == NULL ? "nothing refused" : plan, WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    failures++;
    return false;
}

/* libc keeps a few blocks for itself, those of the stacks of ended threads: fewer where there was no memory for
 * one, and more where the scavenger had stacks of its own. Where they come to lie keeps a chunk, each of them, or
 * none. */
#define LIBC_BLOCKS 2
#define LIBC_BYTES 1024
#define HELD_BYTES ((size_t)4 << 20)
/* Where all comes from the break, they lie where it ended when a thread was started, and hold it up. */
#define HELD_BREAK_BYTES ((size_t)8 << 20)
/* A mapping that came out unaligned, or an end that was to be cut off one, stays where munmap was refused for it,
 * untouched: less than twice a chunk. */
#define MAPPED_BYTES_EACH ((size_t)8 << 20)

static bool is_as_usual(const char *plan, const struct report *report) {
    const char *options = getenv("ACRE_OPTIONS");
    bool scavenger = options == NULL || strstr(options, "scavenger:off") == NULL;
    bool live = report->live_blocks <= usual.live_blocks + (scavenger ? LIBC_BLOCKS : 0) &&
                report->live_bytes <= usual.live_bytes + (scavenger ? LIBC_BYTES : 0);
    size_t refused = report->count[ACRE_OS_MUNMAP].failed;
    bool from_break = options != NULL && strstr(options, "source:brk") != NULL;
    size_t more_bytes = from_break ? HELD_BREAK_BYTES : HELD_BYTES * report->live_blocks;
    bool held = report->held_bytes <= usual.held_bytes + more_bytes &&
                report->mapped_bytes <= usual.mapped_bytes + usual.held_bytes + more_bytes +
                                            refused * MAPPED_BYTES_EACH; /* in place of the break, too */
    if (!live || !held) {
        printf("FAIL: %s: %zu blocks, %zu bytes live, %zu held, %zu mapped; usually %zu, %zu, %zu, %zu\n", plan,
               report->live_blocks, report->live_bytes, report->held_bytes, report->mapped_bytes, usual.live_blocks,
               usual.live_bytes, usual.held_bytes, usual.mapped_bytes);
        failures++;
    }
    if (getenv("ACRE_TEST_FAULTS_VERBOSE") != NULL)
        printf("%s: %zu blocks, %zu bytes live, %zu held, %zu mapped\n", plan, report->live_blocks,
               report->live_bytes, report->held_bytes, report->mapped_bytes);
    return live && held;
}

static size_t most(size_t a, size_t b) { return a > b ? a : b; }

static void learn_what_is_usual(void) {
    for (int i = 0; i < 3; i++) {
        struct report report;
        if (!run(NULL, &report)) exit(1);
        usual.live_blocks = most(usual.live_blocks, report.live_blocks);
        usual.live_bytes = most(usual.live_bytes, report.live_bytes);
        usual.held_bytes = most(usual.held_bytes, report.held_bytes);
        usual.mapped_bytes = most(usual.mapped_bytes, report.mapped_bytes);
        for (int call = 0; call < ACRE_OS_FALLIBLE; call++)
            usual.count[call].seen = (unsigned)most(usual.count[call].seen, report.count[call].seen);
    }
    if (getenv("ACRE_TEST_FAULTS_VERBOSE") != NULL)
        printf("usually %zu blocks, %zu bytes live, %zu held, %zu mapped\n", usual.live_blocks, usual.live_bytes,
               usual.held_bytes, usual.mapped_bytes);
}

/* Each call of one kind, or `most_points` of them, until there are no more. */
static void refuse_each(enum acre_os_call call, const char *how, unsigned most_points) {
    unsigned seen = usual.count[call].seen, step = 1, reached = 0, survived = 0, missed = 0;
    if (most_points > 0 && seen > most_points) step = (seen + most_points - 1) / most_points;
    for (unsigned nth = 1; missed < 3 && (most_points == 0 || nth <= seen); nth += step) {
        struct report report;
        char plan[64];
        snprintf(plan, sizeof plan, "%s %u%s", faults_calls[call], nth, how);
        bool ended = run(plan, &report);
        if (ended && report.count[call].failed == 0) {
            missed++; /* how many there are differs a little where there are threads */
            continue;
        }
        missed = 0;
        reached++;
        survived += ended && is_as_usual(plan, &report);
    }
    printf("%-16s %8u made %8u refused %8u survived\n", faults_calls[call], seen, reached, survived);
}

static void refuse_at_random(unsigned seeds) {
    static const unsigned chances[] = {5, 30, 200, 700};
    unsigned survived = 0;
    unsigned long refused = 0;
    for (unsigned seed = 1; seed <= seeds; seed++) {
        struct report report;
        char plan[64];
        snprintf(plan, sizeof plan, "random %u %u", seed, chances[seed % 4]);
        if (!run(plan, &report)) continue;
        survived += is_as_usual(plan, &report);
        for (int call = 0; call < ACRE_OS_FALLIBLE; call++) refused += report.count[call].failed;
    }
    printf("at random: %u runs with %lu calls refused, %u survived\n", seeds, refused, survived);
}

static unsigned option(int argc, char **argv, const char *name, unsigned otherwise) {
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return (unsigned)strtoul(argv[i + 1], NULL, 10);
    return otherwise;
}

int main(int argc, char **argv) {
    const char *descriptor = getenv(REPORT);
    if (descriptor != NULL) return live_as_child(atoi(descriptor));
    CHECKF(argc >= 2, "how are calls to be refused: one, on or random");
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    const char *options = getenv("ACRE_OPTIONS");
    printf("%s: %s\n", argv[1], options == NULL ? "" : options);
    learn_what_is_usual();
    if (strcmp(argv[1], "random") == 0) {
        refuse_at_random(option(argc, argv, "--seeds", 40));
    } else {
        for (int call = 0; call < ACRE_OS_FALLIBLE; call++)
            if (usual.count[call].seen > 0)
                refuse_each(call, strcmp(argv[1], "on") == 0 ? " on" : "", option(argc, argv, "--most", 0));
    }
    printf("%u runs, %u failed\n", runs, failures);
    return failures == 0 ? 0 : 1;
}
