/* Misuse of malloc and free: misuse NAME runs one case to its end; misuse runs each in a process of its own and
 * compares what becomes of it with what its file says; misuse --list lists them.
 *
 * Under acre's option misuse:abort (the default) a case ends by SIGABRT with one line; under report the line is
 * written and the program goes on, and under ignore it goes on without one. Those that go on are followed by a look
 * at the heap: no block is handed out twice, and what the program holds is as it was. */
#include "misuse/misuse.h"

#include "support/process.h"

#include <fnmatch.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { patience_s = 60, status_skipped = 77, status_took = 8, status_wrong = 9 };

static const struct row *const tables[] = {rows_of_blocks, rows_of_addresses, rows_of_threads};
enum { table_count = sizeof tables / sizeof tables[0] };

typedef bool visit_row(const struct row *row, void *context);

static bool each_row(visit_row *visit, void *context) {
    bool all = true;
    for (int table = 0; table < table_count; table++) {
        for (const struct row *row = tables[table]; row->name != NULL; row++) all &= visit(row, context);
    }
    return all;
}

static void write_name(const struct row *row, char *name, size_t room_bytes) {
    snprintf(name, room_bytes, "%s%s%s", row->name, row->kind == NULL ? "" : ".",
             row->kind == NULL ? "" : row->kind->name);
}

/* ---- one case, in this process */

static bool run_if_named(const struct row *row, void *wanted) {
    char name[128];
    write_name(row, name, sizeof name);
    if (strcmp(name, wanted) != 0) return true;
    kind = row->kind == NULL ? &small_kind : row->kind;
    if (kind->in_arena && acre_arena_create == NULL) exit(status_skipped);
    if (kind->prepare != NULL) kind->prepare();
    row->run();
    return false;
}

enum { sizes = 6, blocks_each = 400 };

/* Of what is handed out now, no two blocks are the same or overlap, and each keeps what is written to it. */
static void look_at_heap(void) {
    static const size_t size[sizes] = {16, 48, 100, 1000, 3000, 70000};
    static unsigned char *block[sizes][blocks_each];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < sizes * blocks_each; i++) {
            unsigned char *taken = block[i % sizes][i / sizes] = malloc(size[i % sizes]);
            if (taken == NULL) fail("no memory");
            memset(taken, i % 251 + 1, size[i % sizes] > 4096 ? 4096 : size[i % sizes]);
        }
        for (int i = 0; i < sizes * blocks_each; i++) {
            const unsigned char *taken = block[i % sizes][i / sizes];
            size_t length = size[i % sizes] > 4096 ? 4096 : size[i % sizes];
            if (taken[0] != i % 251 + 1 || memcmp(taken, taken + 1, length - 1) != 0)
                fail("a block was handed out twice");
            free(block[i % sizes][i / sizes]);
        }
        malloc_trim(0);
    }
}

void look_at_kept(void);

static int run_case(char *name) {
    alarm(patience_s);
    if (each_row(run_if_named, name)) {
        fprintf(stderr, "misuse: no case %s\n", name);
        return 2;
    }
    finish();
    look_at_kept();
    look_at_heap();
    return 0;
}

_Noreturn void fail(const char *what) {
    dprintf(1, "misuse: %s\n", what);
    _exit(status_wrong);
}

_Noreturn void took(void) {
    dprintf(1, "misuse: it was taken for a block\n");
    _exit(status_took);
}

/* ---- each case in a process of its own */

struct outcome {
    int status;
    char text[8192]; /* of standard error */
};

static void read_all(int file, struct outcome *outcome) {
    size_t used = 0, room = sizeof outcome->text - 1;
    char rest[4096];
    for (ssize_t got = 1; got > 0; used += used < room ? (size_t)got : 0)
        got = used < room ? read(file, outcome->text + used, room - used) : read(file, rest, sizeof rest);
    outcome->text[used] = '\0';
}

static void run_alone(char *name, struct outcome *outcome) {
    int ends[2];
    char *arguments[] = {"misuse", name, NULL};
    if (pipe(ends) != 0) abort();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]), close(ends[1]);
        execv("/proc/self/exe", arguments);
        _exit(98);
    }
    close(ends[1]);
    read_all(ends[0], outcome);
    close(ends[0]);
    if (child < 0 || waitpid(child, &outcome->status, 0) != child) abort();
}

static bool matches(const char *line, size_t length, const char *wanted) {
    char text[512], pattern[256];
    if (length >= sizeof text || length < 6 || strncmp(line, "acre: ", 6) != 0) return false;
    memcpy(text, line + 6, length - 6);
    text[length - 6] = '\0';
    while (*wanted != '\0') {
        size_t part = strcspn(wanted, "|");
        snprintf(pattern, sizeof pattern, "%.*s", (int)part, wanted);
        if (fnmatch(pattern, text, FNM_NOESCAPE) == 0) return true;
        wanted += part + (wanted[part] == '|');
    }
    return false;
}

/* The first line is the one that is wanted, and all are acre's. */
static bool has_lines(const char *text, const char *wanted, unsigned *count) {
    *count = 0;
    for (const char *end; *text != '\0'; text = end + 1, ++*count) {
        end = strchr(text, '\n');
        if (end == NULL || !matches(text, (size_t)(end - text), *count == 0 ? wanted : "*")) return false;
    }
    return true;
}

static bool is_as_wanted(const struct row *row, const struct outcome *outcome) {
    const char *options = getenv("ACRE_OPTIONS");
    bool reports = options != NULL && strstr(options, "misuse:report") != NULL;
    bool ignores = options != NULL && strstr(options, "misuse:ignore") != NULL;
    unsigned lines;
    if (row->line == NULL || ignores) return outcome->status == 0 && outcome->text[0] == '\0';
    if (!has_lines(outcome->text, row->line, &lines)) return false;
    if (reports) return outcome->status == 0 && lines >= 1;
    return WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGABRT && lines == 1;
}

static bool check_row(const struct row *row, void *context) {
    char name[128];
    struct outcome outcome;
    write_name(row, name, sizeof name);
    run_alone(name, &outcome);
    ++*(unsigned *)context;
    if (is_as_wanted(row, &outcome)) return true;
    bool by_signal = WIFSIGNALED(outcome.status);
    printf("FAIL %s: %s %d, stderr \"%s\", wanted %s\n", name, by_signal ? "signal" : "exit status",
           by_signal ? WTERMSIG(outcome.status) : WEXITSTATUS(outcome.status), outcome.text,
           row->line == NULL ? "nothing" : row->line);
    return false;
}

static bool list_row(const struct row *row, void *context) {
    char name[128];
    (void)context;
    write_name(row, name, sizeof name);
    printf("%s\t%s\n", name, row->line == NULL ? "" : row->line);
    return true;
}

int main(int argument_count, char **arguments) {
    unsigned count = 0;
    if (argument_count == 2 && strcmp(arguments[1], "--list") == 0) return each_row(list_row, NULL) ? 0 : 1;
    if (argument_count == 2) return run_case(arguments[1]);
    process_expect_malloc();
    bool all = each_row(check_row, &count);
    printf("%u cases\n", count);
    return all ? 0 : 1;
}
