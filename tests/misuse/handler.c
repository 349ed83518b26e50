/* acre_set_misuse_handler: what the handler is told, when, and by whom. Runs itself again where the program ends.
 */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct {
    struct acre_misuse last;
    char line[512];
    atomic_int calls;
} seen;
static _Thread_local volatile int calls_here; /* free is declared to call nothing in here */

/* Threads write here at once, and only that they do is looked at then. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void note(const struct acre_misuse *misuse) {
    pthread_mutex_lock(&lock);
    seen.last = *misuse;
    strncpy(seen.line, misuse->line, sizeof seen.line - 1);
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&seen.calls, 1);
    calls_here++;
    errno = 1234; /* nobody is to see it */
}

static void *hide(void *pointer) {
    void *volatile hidden = pointer;
    return hidden;
}

static void expect(enum acre_misuse_kind kind, const char *function, const void *address, const char *text) {
    static int calls;
    calls++;
    CHECKF(atomic_load(&seen.calls) == calls, "%d calls, wanted %d", atomic_load(&seen.calls), calls);
    CHECKF(seen.last.kind == kind, "kind %d, wanted %d: %s", seen.last.kind, kind, seen.line);
    CHECKF(strcmp(seen.last.function, function) == 0, "%s", seen.last.function);
    CHECKF(seen.last.address == address, "%p, wanted %p", seen.last.address, address);
    CHECKF(strncmp(seen.line, "acre: ", 6) == 0 && strstr(seen.line, text) != NULL &&
               strchr(seen.line, '\n') == NULL,
           "%s", seen.line);
}

static bool visit(void *block, size_t size_bytes, void *context) {
    (void)block, (void)size_bytes, (void)context;
    return true;
}

static void arenas_are_told(void) {
    struct acre_arena_figures figures = {.live_blocks = 7};
    acre_arena *arena = acre_arena_create(NULL);
    CHECK(arena != NULL && acre_arena_enter(arena));
    acre_arena_destroy(arena); /* entered, so it stays */
    expect(ACRE_MISUSE_ARENA_ORDER, "acre_arena_destroy", NULL, "acre_arena_destroy: a thread has entered");
    void *block = malloc(100);
    CHECK(acre_arena_of(block) == arena);
    acre_arena_leave();
    acre_arena_leave();
    expect(ACRE_MISUSE_ARENA_ORDER, "acre_arena_leave", NULL, "acre_arena_leave: ");
    acre_arena_destroy(arena);
    free(hide(block));
    expect(ACRE_MISUSE_NOT_A_BLOCK, "free", block, "nothing was handed out there"); /* its memory is kept */
    errno = 0;
    CHECK(acre_arena_malloc(arena, 10) == NULL && errno == EINVAL);
    expect(ACRE_MISUSE_ARENA, "acre_arena_malloc", arena, "not an arena");
    CHECK(acre_arena_calloc(arena, 10, 10) == NULL && errno == EINVAL);
    expect(ACRE_MISUSE_ARENA, "acre_arena_calloc", arena, "not an arena");
    CHECK(acre_arena_realloc(arena, NULL, 10) == NULL && errno == EINVAL);
    expect(ACRE_MISUSE_ARENA, "acre_arena_realloc", arena, "not an arena");
    CHECK(acre_arena_aligned_alloc(arena, 64, 10) == NULL && errno == EINVAL);
    expect(ACRE_MISUSE_ARENA, "acre_arena_aligned_alloc", arena, "not an arena");
    CHECK(!acre_arena_enter(arena) && errno == EINVAL);
    expect(ACRE_MISUSE_ARENA, "acre_arena_enter", arena, "not an arena");
    CHECK(!acre_arena_contains(arena, block));
    expect(ACRE_MISUSE_ARENA, "acre_arena_contains", arena, "not an arena");
    CHECK(!acre_arena_release(arena));
    expect(ACRE_MISUSE_ARENA, "acre_arena_release", arena, "not an arena");
    CHECK(!acre_arena_walk(arena, visit, NULL));
    expect(ACRE_MISUSE_ARENA, "acre_arena_walk", arena, "not an arena");
    acre_arena_stats(arena, &figures);
    expect(ACRE_MISUSE_ARENA, "acre_arena_stats", arena, "not an arena");
    CHECK(figures.live_blocks == 0);
    acre_arena_reset(arena);
    expect(ACRE_MISUSE_ARENA, "acre_arena_reset", arena, "not an arena");
    acre_arena_destroy(arena);
    expect(ACRE_MISUSE_ARENA, "acre_arena_destroy", arena, "not an arena");
}

static void blocks_are_told(void) {
    void *block = malloc(48);
    free(block);
    errno = 77;
    free(hide(block));
    CHECK(errno == 77);
    expect(ACRE_MISUSE_DOUBLE_FREE, "free", block, "double free of a 48-byte block");
    CHECK(malloc_usable_size(hide(block)) == 0);
    expect(ACRE_MISUSE_FREED, "malloc_usable_size", block, "the block is free");
    CHECK(realloc(hide(block), 10) == NULL && errno == EINVAL);
    expect(ACRE_MISUSE_FREED, "realloc", block, "the block is free");
    char *live = malloc(100);
    free(hide(live + 8));
    expect(ACRE_MISUSE_NOT_A_BLOCK, "free", live + 8, "8 bytes inside");
    free(hide(&seen));
    expect(ACRE_MISUSE_FOREIGN, "free", &seen, "not a block of acre");
    CHECK(realloc(hide(&seen), 10) == NULL && errno == EINVAL);
    expect(ACRE_MISUSE_FOREIGN, "realloc", &seen, "not a block of acre");
    free(live);
}

/* ---- threads: each is told of its own */

static void *misuse_many_times(void *unused) {
    (void)unused;
    for (int i = 1; i <= 100; i++) {
        free(hide((void *)(uintptr_t)i));
        CHECK(calls_here == i);
    }
    return NULL;
}

static void threads_are_told(void) {
    pthread_t threads[4];
    int before = atomic_load(&seen.calls);
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, misuse_many_times, NULL) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(atomic_load(&seen.calls) == before + 400);
}

/* ---- in another process: what is written, and in which order */

static void say_first(const struct acre_misuse *misuse) {
    (void)misuse;
    check_say("handler\n");
    free(hide((void *)1)); /* told, but not to the handler */
}
static void leave(const struct acre_misuse *misuse) {
    (void)misuse;
    _exit(5);
}

static int as_child(const char *what) {
    acre_set_misuse_handler(strcmp(what, "leave") == 0 ? leave : say_first);
    free(hide((void *)2));
    return 0;
}

static int run_child(const char *policy, const char *what, char *text, size_t room_bytes) {
    int ends[2], status;
    size_t used = 0;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]), close(ends[1]);
        setenv("ACRE_OPTIONS", policy, 1);
        execl("/proc/self/exe", "misuse_handler", what, (char *)NULL);
        _exit(98);
    }
    close(ends[1]);
    for (ssize_t got = 1; got > 0 && used + 1 < room_bytes; used += (size_t)got)
        got = read(ends[0], text + used, room_bytes - 1 - used);
    text[used] = '\0';
    close(ends[0]);
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

#define LINE_1                                                                                                     \
    "acre: free(0x1): not a block of acre: it was never handed out, or is unmapped again by an earlier free\n"
#define LINE_2                                                                                                     \
    "acre: free(0x2): not a block of acre: it was never handed out, or is unmapped again by an earlier free\n"

static void policies_are_followed(void) {
    char text[2048];
    int status = run_child("misuse:report", "say", text, sizeof text);
    CHECKF(status == 0 && strcmp(text, "handler\n" LINE_1 LINE_2) == 0, "%d \"%s\"", status, text);
    status = run_child("misuse:ignore", "say", text, sizeof text);
    CHECKF(status == 0 && strcmp(text, "handler\n") == 0, "%d \"%s\"", status, text);
    status = run_child("misuse:abort", "say", text, sizeof text);
    CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strcmp(text, "handler\n" LINE_1) == 0, "%d \"%s\"",
           status, text);
    status = run_child("misuse:abort", "leave", text, sizeof text);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 5 && text[0] == '\0', "%d \"%s\"", status, text);
    status = run_child("misuse:maybe", "leave", text, sizeof text);
    CHECKF(strstr(text, "misuse:maybe: not one of abort|report|ignore; it has no effect") != NULL, "\"%s\"",
           text);
}

int main(int argument_count, char **arguments) {
    if (argument_count == 2) return as_child(arguments[1]);
    process_expect_malloc();
    process_watchdog(60);
    CHECK(acre_set_misuse_handler(note) == NULL);
    CHECK(acre_set_misuse_handler(note) == note);
    blocks_are_told();
    arenas_are_told();
    threads_are_told();
    CHECK(acre_set_misuse_handler(NULL) == note);
    free(hide((void *)1));
    CHECK(acre_set_misuse_handler(NULL) == NULL);
    policies_are_followed();
    return 0;
}
