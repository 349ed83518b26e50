/* seccomp PAGE VARIANT: a filter that lets pass what the manual page acre(7) lists, and what the program itself
 * calls, and ends the process at anything else. alone: with a scavenger that never starts; scavenger: with one that
 * starts under the filter; misuse: a double free must still end by its line. */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct {
    const char *name;
    int number;
} calls[] = {
#define CALL(name)                                                                                                 \
    { #name, SYS_##name }
    CALL(brk),
    CALL(clock_gettime),
    CALL(clock_nanosleep),
    CALL(clone3),
    CALL(close),
    CALL(close_range),
    CALL(exit),
    CALL(ftruncate),
    CALL(futex),
    CALL(getpid),
    CALL(gettid),
    CALL(madvise),
    CALL(membarrier),
    CALL(memfd_create),
    CALL(mincore),
    CALL(mmap),
    CALL(mprotect),
    CALL(mremap),
    CALL(munmap),
    CALL(openat),
    CALL(prctl),
    CALL(prlimit64),
    CALL(read),
    CALL(rseq),
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(sched_setscheduler),
    CALL(set_robust_list),
    CALL(tgkill),
    CALL(uname),
    CALL(write),
};
enum { calls_count = sizeof calls / sizeof calls[0], own_count = 2, most = calls_count + own_count };

/* What the program calls itself: it ends, and reads /proc (openat, read and close are listed anyway). */
static int allowed[most] = {SYS_exit_group, SYS_restart_syscall};
static unsigned allowed_count = own_count;

static void allow(const char *name) {
    for (unsigned i = 0; i < calls_count; i++) {
        if (strcmp(calls[i].name, name) != 0) continue;
        CHECKF(allowed_count < most, "%s is listed more than once", name);
        allowed[allowed_count++] = calls[i].number;
        return;
    }
    CHECKF(false, "the page lists %s, of which this test does not know the number", name);
}

/* The words of the lines that begin with .BR or .B, from the title to the next one. */
static void allow_listed(const char *page, const char *title) {
    char line[512], *rest;
    bool inside = false;
    unsigned before = allowed_count;
    FILE *file = fopen(page, "r");
    CHECKF(file != NULL, "no %s", page);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, ".TP", 3) == 0 || strncmp(line, ".S", 2) == 0) inside = false;
        bool bold = strncmp(line, ".B ", 3) == 0;
        if (bold && strstr(line, title) != NULL) {
            inside = true;
        } else if (bold && inside) {
            for (char *name = strtok_r(line + 3, " ,\n", &rest); name != NULL; name = strtok_r(NULL, " ,\n", &rest))
                allow(name);
        }
    }
    fclose(file);
    CHECKF(allowed_count > before, "%s: nothing is listed under %s", page, title);
}

static void filter(void) {
    struct sock_filter program[most + 3];
    unsigned length = 0;
    program[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < allowed_count; i++)
        program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i],
                                                         (unsigned char)(allowed_count - i), 0);
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog whole = {(unsigned short)length, program};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &whole) != 0)
        SKIP("no filters here: %s", strerror(errno));
}

/* ---- what is done under the filter */

static void use_blocks(void) {
    static char *blocks[4000];
    for (size_t size = 1; size < (size_t)(20 << 20); size = size * 2 + 7) {
        char *block = memalign(64, size), *zeroed = calloc(1, size);
        CHECK(block != NULL && zeroed != NULL);
        memset(block, 1, size);
        block = realloc(block, size * 2);
        zeroed = realloc(zeroed, size / 2 + 1);
        CHECK(block != NULL && zeroed != NULL && block[size - 1] == 1 && zeroed[0] == 0);
        free(block), free(zeroed);
    }
    for (int i = 0; i < 4000; i++) CHECK((blocks[i] = malloc(1 + (size_t)i % 5000)) != NULL);
    for (int i = 0; i < 4000; i++)
        if (i % 9 != 0) free(blocks[i]);
    malloc_trim(0);
    for (int i = 0; i < 4000; i += 9) free(blocks[i]);
    CHECK(mallinfo2().arena > 0);
    malloc_trim(0);
}

static void use_arena(void) {
    const struct acre_arena_options options[] = {{.limit_bytes = 1 << 20},
                                                 {.reserve_bytes = 1 << 20},
                                                 {.source = ACRE_SOURCE_BRK},
                                                 {.thp = ACRE_THP_ALWAYS}};
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++) {
        acre_arena *arena = acre_arena_create(&options[i]);
        CHECK(arena != NULL);
        for (size_t size = 1; acre_arena_malloc(arena, size) != NULL && size < (4 << 20); size = size * 2 + 1) {
        }
        acre_arena_destroy(arena);
    }
}

static _Atomic bool is_over;
static void *wait_for_the_end(void *unused) {
    void *volatile block = malloc(100);
    (void)unused;
    free(block);
    while (!is_over) clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 1000000}, NULL);
    return NULL;
}

/* A thread and 16 MiB are there: the scavenger comes, and what is free goes. */
static void use_scavenger(void) {
    static char *blocks[400];
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_for_the_end, NULL) == 0);
    filter();
    for (int i = 0; i < 400; i++) {
        CHECK((blocks[i] = malloc(100000)) != NULL);
        memset(blocks[i], 1, 100000);
    }
    size_t full_bytes = process_resident_bytes();
    for (int i = 0; i < 400; i++)
        if (i % 40 != 0) free(blocks[i]);
    for (int i = 0; i < 5000; i++) {
        void *volatile block = malloc(20 + (size_t)i % 1000);
        free(block);
        if (process_thread_count() == 3 && process_resident_bytes() < full_bytes - (20 << 20)) break;
        CHECKF(i < 4999, "%d threads, resident %zu of %zu", process_thread_count(), process_resident_bytes(),
               full_bytes);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 2000000}, NULL);
    }
    use_blocks();
    is_over = true;
    pthread_join(thread, NULL);
}

static void free_twice(void) {
    pid_t child = fork();
    int status;
    CHECK(child >= 0);
    if (child == 0) {
        void *volatile block = malloc(100), *volatile again = block;
        filter();
        free(block);
        free(again);
        _exit(3);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status 0x%x", status);
}

int main(int argc, char **argv) {
    process_expect_malloc();
    process_watchdog(100);
    CHECK(argc == 3);
    const char *variant = argv[2];
    allow_listed(argv[1], "always");
    if (strcmp(variant, "scavenger") == 0) {
        allow_listed(argv[1], "scavenger");
        use_scavenger();
    } else if (strcmp(variant, "misuse") == 0) {
        allow_listed(argv[1], "misuse");
        free_twice();
    } else {
        filter();
        use_blocks();
        use_arena();
    }
    return 0;
}
