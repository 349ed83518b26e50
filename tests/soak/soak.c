/* Everything at once, for long: threads that come and go, allocate by every function, and free each other's blocks;
 * arenas that come and go; forks, whose children work on, some under a limit; trims; and others who look at the
 * process from outside. At the end the program has freed all that it ever had: acre's books must say what they said
 * at the beginning, to the byte, and the memory must be back.
 *
 *     soak [--seconds N] [--threads N] [--seed N] [--acre PROGRAM]    PROGRAM: the command, for the looks from
 * outside */
#include "model/model.h"
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum {
    threads_most = 32,
    slots = 4096,
    shift_most = 60000,
    swaps = 512,
    child_operations = 2000,
    progress_s = 5,
    hang_s = 120,
    settle_ms = 20000
};
static const size_t stack_bytes = 256 << 10, live_most_bytes = 96 << 20, grown_most_bytes = 12 << 20;

static struct worker {
    struct run run; /* the model's: blocks and random numbers */
    pthread_t thread;
    void *stack;
    _Atomic uint64_t operations; /* in all shifts */
} workers[threads_most];
static int thread_count = 4;
static uint64_t seed = 1;
static const char *command;

/* What they leave for each other. */
static struct swap {
    pthread_mutex_t lock;
    struct block block;
} swap_place[swaps];

static _Atomic bool is_over;
static _Atomic uint64_t shifts, forks, arenas, trims, looks;

static void *map_pages(size_t size_bytes) {
    void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static uint64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t pick(struct run *run, uint64_t below) { return process_random(&run->random) % below; }

/* ---- what a thread does */

/* What comes is checked when it is freed. */
static void swap_with_others(struct run *run, struct block *mine) {
    struct swap *place = &swap_place[pick(run, swaps)];
    pthread_mutex_lock(&place->lock);
    struct block other = place->block;
    place->block = *mine;
    pthread_mutex_unlock(&place->lock);
    if (mine->start != NULL) run->live_bytes -= mine->usable_bytes;
    if (other.start != NULL) run->live_bytes += other.usable_bytes;
    *mine = other;
}

static void work_on_blocks(struct run *run, unsigned allocate_percent) {
    struct block *block = &run->blocks[pick(run, run->slot_count)];
    unsigned chance = (unsigned)pick(run, 100);
    if (chance < 20)
        swap_with_others(run, block);
    else if (block->start == NULL && chance < 20 + allocate_percent && run->live_bytes < run->live_limit_bytes)
        block_allocate(run, block);
    else if (block->start != NULL && chance < 35)
        block_reallocate(run, block);
    else if (block->start != NULL)
        block_free(run, block);
}

static void free_own(struct run *run) {
    for (size_t i = 0; i < run->slot_count; i++)
        if (run->blocks[i].start != NULL) block_free(run, &run->blocks[i]);
}

static void fill_arena(struct run *run, acre_arena *arena, bool zeroed, bool may_fail) {
    for (uint64_t left = pick(run, 3000); left > 0; left--) {
        size_t size = pick(run, 100) == 0 ? pick(run, 200 * KIB) : pick(run, 600);
        unsigned char *block = pick(run, 2) == 0 ? malloc(size) : acre_arena_malloc(arena, size);
        CHECK(block != NULL || may_fail);
        if (block == NULL) return;
        if (size > 0) {
            CHECK(!zeroed || (block[0] == 0 && block[size - 1] == 0));
            block[0] = block[size - 1] = 1;
        }
        if (pick(run, 2) == 0) free(block);
    }
}

/* An arena's whole life. */
static void use_arena(struct run *run) {
    struct acre_arena_options options;
    memset(&options, 0, sizeof options);
    options.name = "soak";
    options.zeroed = pick(run, 3) == 0;
    if (pick(run, 3) == 0) options.source = pick(run, 2) == 0 ? ACRE_SOURCE_BRK : ACRE_SOURCE_MMAP;
    if (pick(run, 3) == 0) options.limit_bytes = 64 * KIB + pick(run, 4 * MIB);
    acre_arena *arena = acre_arena_create(&options);
    CHECK(arena != NULL && acre_arena_enter(arena));
    for (uint64_t lives = 1 + pick(run, 3); lives > 0; lives--) {
        fill_arena(run, arena, options.zeroed, options.limit_bytes != 0);
        if (pick(run, 4) == 0) acre_arena_release(arena);
        acre_arena_reset(arena);
    }
    acre_arena_leave();
    acre_arena_destroy(arena);
    atomic_fetch_add(&arenas, 1);
}

/* Takes what there is, and gives it back. */
static void meet_a_limit(void) {
    struct rlimit limit = {process_data_bytes() + 8 * MIB, RLIM_INFINITY};
    void **list = NULL, **block;
    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    while ((block = malloc(48 * KIB)) != NULL) {
        *block = list;
        list = block;
    }
    CHECK(errno == ENOMEM);
    for (; list != NULL; list = block) {
        block = *list;
        free(list);
    }
    CHECK((block = malloc(24)) != NULL);
    free(block);
}

/* The others' blocks may have been in anybody's hands; its own are there. */
static void work_in_child(struct run *run) {
    signal(SIGALRM, SIG_DFL);
    alarm(hang_s);
    for (int i = 0; i < child_operations; i++) {
        struct block *block = &run->blocks[pick(run, run->slot_count)];
        if (block->start == NULL)
            block_allocate(run, block);
        else
            block_free(run, block);
    }
    free_own(run);
    if (pick(run, 4) == 0) meet_a_limit();
    _exit(0);
}

static void fork_and_wait(struct run *run) {
    int status;
    pid_t child = fork(), ended;
    CHECK(child >= 0);
    if (child == 0) work_in_child(run);
    do ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
    CHECKF(ended == child && status == 0, "the child of a fork ended with status %d", status);
    atomic_fetch_add(&forks, 1);
}

static void do_something_rare(struct run *run) {
    switch (pick(run, 4)) {
    case 0:
        fork_and_wait(run);
        break;
    case 1:
        if (pick(run, 2) == 0)
            malloc_trim(0);
        else
            acre_release();
        atomic_fetch_add(&trims, 1);
        break;
    default:
        use_arena(run);
    }
}

/* A thread's life. What blocks it leaves behind, its successor frees. */
static void *work_a_shift(void *argument) {
    struct worker *worker = argument;
    struct run *run = &worker->run;
    unsigned allocate_percent = 25 + (unsigned)pick(run, 50);
    uint64_t operations = pick(run, shift_most);
    for (uint64_t i = 0; i < operations && !atomic_load_explicit(&is_over, memory_order_relaxed); i++) {
        if (pick(run, 8000) == 0) do_something_rare(run);
        work_on_blocks(run, allocate_percent);
        atomic_fetch_add_explicit(&worker->operations, 1, memory_order_relaxed);
    }
    if (pick(run, 8) == 0) free_own(run);
    return NULL;
}

/* On a stack of ours: libc keeps stacks of its own, and some memory for each, as it likes. */
static void start_shift(struct worker *worker) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstack(&attributes, worker->stack, stack_bytes) == 0);
    CHECK(pthread_create(&worker->thread, &attributes, work_a_shift, worker) == 0);
    pthread_attr_destroy(&attributes);
    atomic_fetch_add(&shifts, 1);
}

/* ---- who looks from outside */

static void run_command(const char *name, bool json) {
    char id[24];
    int status;
    snprintf(id, sizeof id, "%d", (int)getpid());
    pid_t child = fork(), ended;
    CHECK(child >= 0);
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nowhere, 1);
        execl(command, command, name, id, json ? "--json=/dev/null" : (char *)NULL, (char *)NULL);
        _exit(127);
    }
    do ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
    CHECKF(ended == child && status == 0, "%s %s ended with status %d", command, name, status);
    atomic_fetch_add(&looks, 1);
}

static void look_from_outside(uint64_t turn) {
    static const char *const names[] = {"why", "map", "trim"};
    if (command != NULL) run_command(names[turn % 3], turn % 3 != 2);
}

/* ---- the books */

struct books {
    struct acre_arena_figures figures;
    size_t resident_bytes;
    int threads;
};

static struct books read_books(void) {
    struct books books;
    acre_release();
    acre_arena_stats(NULL, &books.figures);
    books.resident_bytes = process_resident_bytes();
    books.threads = process_thread_count();
    return books;
}

static void say_progress(uint64_t passed_ms) {
    uint64_t operations = 0;
    for (int i = 0; i < thread_count; i++) operations += atomic_load(&workers[i].operations);
    struct acre_arena_figures figures;
    acre_arena_stats(NULL, &figures);
    check_say("soak: %llu s: %llu operations, %llu threads, %llu forks, %llu arenas, %llu trims, %llu looks; live "
              "%zu MiB, "
              "resident %zu MiB\n",
              (unsigned long long)(passed_ms / 1000), (unsigned long long)operations,
              (unsigned long long)atomic_load(&shifts), (unsigned long long)atomic_load(&forks),
              (unsigned long long)atomic_load(&arenas), (unsigned long long)atomic_load(&trims),
              (unsigned long long)atomic_load(&looks), figures.live_bytes / MIB, process_resident_bytes() / MIB);
}

/* Each worker's thread is followed by another one when it ends. */
static void run_for(uint64_t duration_ms, bool looks_on) {
    uint64_t begin_ms = clock_ms(), said_ms = begin_ms;
    int next = 0;
    atomic_store(&is_over, false);
    for (int i = 0; i < thread_count; i++) start_shift(&workers[i]);
    for (uint64_t turn = 0; clock_ms() - begin_ms < duration_ms; turn++) {
        pthread_join(workers[next].thread, NULL);
        start_shift(&workers[next]);
        next = (next + 1) % thread_count;
        alarm(hang_s);
        if (clock_ms() - said_ms < progress_s * 1000) continue;
        said_ms = clock_ms();
        if (looks_on) look_from_outside(turn);
        say_progress(said_ms - begin_ms);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < thread_count; i++) pthread_join(workers[i].thread, NULL);
}

static void free_everything(void) {
    for (int i = 0; i < thread_count; i++) {
        free_own(&workers[i].run);
    }
    for (int i = 0; i < swaps; i++) {
        struct run *run = &workers[0].run;
        struct block *block = &swap_place[i].block;
        if (block->start == NULL) continue;
        run->live_bytes += block->usable_bytes;
        block_free(run, block);
    }
}

static void prepare(void) {
    for (int i = 0; i < swaps; i++) pthread_mutex_init(&swap_place[i].lock, NULL);
    for (int i = 0; i < thread_count; i++) {
        workers[i].run = (struct run){.random = seed * 1000003 + (uint64_t)i,
                                      .thread = i,
                                      .blocks = map_pages(slots * sizeof(struct block)),
                                      .slot_count = slots,
                                      .live_limit_bytes = live_most_bytes / (size_t)thread_count};
        workers[i].stack = map_pages(stack_bytes);
    }
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* the command may look at us */
}

/* What goes back by itself takes its time, and a scavenger that was about to start comes late. */
static struct books read_books_at_end(const struct books *before) {
    struct books now = read_books();
    for (uint64_t begin_ms = clock_ms(); clock_ms() - begin_ms < settle_ms; now = read_books()) {
        if (now.figures.live_bytes == before->figures.live_bytes &&
            now.figures.live_blocks == before->figures.live_blocks &&
            now.resident_bytes <= before->resident_bytes + grown_most_bytes)
            break;
        usleep(100000);
    }
    return now;
}

static void read_arguments(int count, char **arguments, uint64_t *seconds) {
    for (int i = 1; i + 1 < count; i += 2) {
        uint64_t value = strtoull(arguments[i + 1], NULL, 10);
        if (strcmp(arguments[i], "--seconds") == 0) *seconds = value;
        if (strcmp(arguments[i], "--threads") == 0) thread_count = (int)value;
        if (strcmp(arguments[i], "--seed") == 0) seed = value;
        if (strcmp(arguments[i], "--acre") == 0) command = arguments[i + 1];
    }
    CHECK(thread_count > 0 && thread_count <= threads_most);
}

int main(int count, char **arguments) {
    uint64_t seconds = 3600;
    process_expect_malloc();
    read_arguments(count, arguments, &seconds);
    alarm(hang_s);
    prepare();
    /* What libc keeps once it has it, and the scavenger, are there after the first second. */
    run_for(1500, false);
    free_everything();
    struct books before = read_books();
    run_for(seconds * 1000, true);
    free_everything();
    struct books after = read_books_at_end(&before);
    say_progress(seconds * 1000);
    CHECKF(after.figures.live_bytes == before.figures.live_bytes &&
               after.figures.live_blocks == before.figures.live_blocks,
           "live at first %zu bytes in %zu blocks (%d threads), at the end %zu in %zu (%d)",
           before.figures.live_bytes, before.figures.live_blocks, before.threads, after.figures.live_bytes,
           after.figures.live_blocks, after.threads);
    CHECKF(after.resident_bytes <= before.resident_bytes + grown_most_bytes,
           "resident at first %zu KiB, at the end %zu", before.resident_bytes / KIB, after.resident_bytes / KIB);
    printf("soak: live %zu bytes in %zu blocks before and after; resident %zu KiB before, %zu after\n",
           after.figures.live_bytes, after.figures.live_blocks, before.resident_bytes / KIB,
           after.resident_bytes / KIB);
    return 0;
}
