#include "support.h"

#include "arena/arena.h"
#include "metadata/map.h"
#include "span/huge.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t random_state = 1;

void unit_seed(uint64_t seed) { random_state = seed * 2 + 1; }

uint32_t unit_below(uint32_t limit) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % limit);
}

/* libc's heap gets enough at once, so that it does not move the break between acre's own moves. */
static void settle_libc(void) {
    mallopt(M_TOP_PAD, 8 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    void *volatile block = malloc(1000 << 10);
    free(block);
}

void unit_start(const char *text) {
    struct acre_options options;
    settle_libc();
    acre_options_read(&options, text);
    struct acre_huge_policy huge = {options.huge_cache != 0, (size_t)32 << 20, options.decay_ms};
    acre_huge_start(&huge);
    acre_arena_start(&acre_default_arena, "default", &options);
}

static void read_all(FILE *file, char *text, size_t room) {
    rewind(file);
    text[fread(text, 1, room - 1, file)] = 0;
    fclose(file);
}

int unit_in_child(void (*function)(void *), void *context, char *text, size_t room) {
    int status = -1;
    FILE *file = tmpfile();
    assert_non_null(file);
    pid_t child = fork();
    if (child == 0) {
        dup2(fileno(file), STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        function(context);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    read_all(file, text, room);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1) print_error("in the child: %s\n", text);
    return status;
}

bool unit_aborted(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT; }

_Noreturn void unit_check_failed(const char *file, int line, const char *condition) {
    dprintf(STDERR_FILENO, "%s:%d: %s\n", file, line, condition);
    _exit(1);
}

void unit_capture(void (*function)(void *), void *context, char *text, size_t room) {
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    function(context);
    dup2(kept, STDERR_FILENO);
    close(kept);
    read_all(file, text, room);
}

unsigned unit_count_lines(const char *text) {
    unsigned lines = 0;
    for (; *text != 0; text++) lines += *text == '\n';
    return lines;
}

static struct {
    enum acre_os_call call;
    unsigned nth, seen;
    bool and_later, hit;
} fault;

static int must_fail(enum acre_os_call call) {
    if (call != fault.call) return 0;
    fault.seen++;
    bool fails = fault.seen == fault.nth || (fault.and_later && fault.seen > fault.nth);
    fault.hit |= fails;
    return fails ? ENOMEM : 0;
}

void unit_fault(enum acre_os_call call, unsigned nth, bool and_later) {
    fault.call = call;
    fault.nth = nth;
    fault.seen = 0;
    fault.and_later = and_later;
    fault.hit = false;
    acre_os_fault = must_fail;
}

bool unit_fault_end(void) {
    acre_os_fault = NULL;
    return fault.hit;
}

bool unit_is_zero(const void *start, size_t size_bytes) {
    const unsigned char *bytes = start;
    return size_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size_bytes - 1) == 0);
}
