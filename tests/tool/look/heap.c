/* A heap to look at: look_heap KIND LEDGER. It writes a word when a phase is reached, and goes on when a byte comes
 * on standard input: 'a' ends it by abort. Its live blocks are in the ledger.
 *
 *   fragmented   empty, full, trimmed: blocks of all kinds, most of them freed again, in the default arena and
 * others threads      full, and again: blocks of 16 threads, freed by others than those that took them churn ready:
 * threads take and give as fast as they can, one for each processor unless LEDGER is followed by a number; the
 * ledger counts their steps sparse       ready: 20 GiB of blocks that nobody wrote to, but for some pages reserved
 * ready: arenas in a terabyte that the program has mapped small        ready: a little of everything, for a core
 * that is short leaderless   ready: its first thread ends, another goes on vfork        ready: it waits for a child
 * of vfork interrupted  ready: counts SIGUSR1 until it is told to go on, and says how many there were idle ready:
 * one block
 */
#include "ledger.h"

#include <acre/acre.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#if !defined(ACRE_TEST_STATIC) /* on a preloaded acre, or on none */
#pragma weak acre_arena_create
#pragma weak acre_arena_malloc
#pragma weak acre_arena_enter
#pragma weak acre_arena_leave
#pragma weak acre_arena_reset
#pragma weak acre_arena_destroy
static bool has_arenas(void) { return acre_arena_create != NULL; }
#else
static bool has_arenas(void) { return true; }
#endif

static struct ledger *ledger;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "look_heap: %s\n", what);
    exit(1);
}

/* A generator of its own, so that every run is the same. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void reach(const char *phase) {
    char line[64], answer;
    int length = snprintf(line, sizeof line, "%s\n", phase);
    if (write(STDOUT_FILENO, line, (size_t)length) != length || read(STDIN_FILENO, &answer, 1) != 1) exit(0);
    if (answer == 'a') abort();
}

/* ---- blocks of the ledger */

static void *noted(void *block, size_t size_bytes, size_t alignment) {
    if (block == NULL) fail("no memory");
    memset(block, 0x5a, size_bytes);
    ledger_put(ledger, block, size_bytes, alignment);
    return block;
}

static void *take(acre_arena *arena, size_t size_bytes) {
    return noted(arena == NULL ? malloc(size_bytes) : acre_arena_malloc(arena, size_bytes), size_bytes, 0);
}

static void give(void *block) {
    ledger_remove(ledger, block);
    free(block);
}

static void *resize(void *block, size_t size_bytes) {
    ledger_remove(ledger, block);
    return noted(realloc(block, size_bytes), size_bytes, 0);
}

/* `count` blocks, of which every `keep`-th stays, and a row of them in the middle. */
static void take_some(acre_arena *arena, size_t size_bytes, size_t count, size_t keep) {
    static void *blocks[20480];
    if (count > sizeof blocks / sizeof blocks[0]) fail("too many blocks");
    for (size_t i = 0; i < count; i++) blocks[i] = take(arena, size_bytes);
    for (size_t i = 0; i < count; i++) {
        bool is_in_row = i >= count / 2 && i < count / 2 + count / 16;
        if (i % keep != 0 && !is_in_row) give(blocks[i]);
    }
}

static void take_all_kinds(acre_arena *arena, unsigned portion) {
    for (size_t size_bytes = 16; size_bytes <= 1024; size_bytes += 80)
        take_some(arena, size_bytes, 320000 / size_bytes / portion + 1, 97);
    static const size_t medium[] = {1040, 1536, 2500, 5000, 8192, 12000, 20000, 32768};
    for (size_t i = 0; i < sizeof medium / sizeof medium[0]; i++)
        take_some(arena, medium[i], 2000000 / medium[i] / portion + 1, 13);
    static const size_t large[] = {32769, 40000, 65536, 100001, 300000, 524288};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        take_some(arena, large[i], 4000000 / large[i] / portion + 1, 3);
    static const size_t huge[] = {600001, 4194305, 5000000};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) take_some(arena, huge[i], 12 / portion + 1, 3);
}

static void take_odd_ones(void) {
    static const size_t alignments[] = {32, 4096, 65536, 1 << 20};
    for (size_t i = 0; i < sizeof alignments / sizeof alignments[0]; i++) {
        static const size_t sizes[] = {100, 4096, 50000, 700000};
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
            noted(memalign(alignments[i], sizes[k]), sizes[k], alignments[i]);
    }
    resize(take(NULL, 100), 200000);         /* small to large */
    resize(take(NULL, 200000), 100000);      /* large, shrunk */
    resize(take(NULL, 3000000), 9000000);    /* huge, grown */
    resize(take(NULL, 9000000), 3000001);    /* huge, shrunk */
    resize(take(NULL, 9000000), 100);        /* huge to small */
    resize(resize(take(NULL, 1), 70000), 1); /* up and down */
    noted(calloc(3, 1000), 3000, 0);
    noted(malloc(0), 0, 0);
}

/* ---- arenas */

static acre_arena *make_arena(const char *name, enum acre_source source) {
    static char range[8 << 20] __attribute__((aligned(65536)));
    struct acre_arena_options options = {.name = name, .source = source};
    if (source == ACRE_SOURCE_RANGE) {
        options.range = range;
        options.range_bytes = sizeof range;
    }
    acre_arena *arena = acre_arena_create(&options);
    if (arena == NULL) fail("no arena");
    return arena;
}

static void take_arenas(void) {
    static const size_t few[] = {24, 100, 1000, 24, 5000, 40};
    if (!has_arenas()) return;
    for (int i = 0; i < 40; i++) { /* so small that they share granules */
        acre_arena *arena = make_arena("small <one> & \"two\"", ACRE_SOURCE_AUTO);
        for (size_t k = 0; k < sizeof few / sizeof few[0]; k++) {
            void *block = take(arena, few[k]);
            if (k % 3 == 2) give(block);
        }
    }
    take_all_kinds(make_arena("of mappings", ACRE_SOURCE_MMAP), 4);
    take_all_kinds(make_arena("of the break", ACRE_SOURCE_BRK), 4);
    acre_arena *ranged = make_arena("of a range", ACRE_SOURCE_RANGE);
    for (size_t size_bytes = 16; size_bytes < 200000; size_bytes *= 3) take_some(ranged, size_bytes, 12, 5);
    acre_arena *entered = make_arena("entered", ACRE_SOURCE_AUTO);
    if (!acre_arena_enter(entered)) fail("not entered");
    take_some(NULL, 300, 1000, 50);
    acre_arena_leave();
    /* What goes all at once is not in the ledger. */
    acre_arena *gone = make_arena("reset", ACRE_SOURCE_AUTO);
    for (int i = 0; i < 5000; i++) memset(acre_arena_malloc(gone, 500), 1, 500);
    acre_arena_reset(gone);
    take_some(gone, 500, 100, 10);
    acre_arena *ended = make_arena("destroyed", ACRE_SOURCE_AUTO);
    for (int i = 0; i < 5000; i++) memset(acre_arena_malloc(ended, 500), 1, 500);
    acre_arena_destroy(ended);
}

static int be_fragmented(void) {
    reach("empty");
    take_all_kinds(NULL, 1);
    take_odd_ones();
    take_arenas();
    reach("full");
    malloc_trim(0);
    reach("trimmed");
    return 0;
}

/* ---- threads */

enum { THREADS = 16, SHARED_BLOCKS = 20000, ROUNDS = 3, STEPS_OF_A_ROUND = 60000 };
static void *shared[SHARED_BLOCKS];
/* The second of each for the last round, in which there are half as many. */
static pthread_barrier_t begin[2], end[2];
static acre_arena *arenas[2];

static size_t some_size(uint64_t *random) {
    uint64_t draw = next_random(random);
    switch (draw % 64) {
    case 0:
        return 32768 + draw / 64 % 100000;
    case 1:
        return draw / 64 % 512 == 0 ? 5000000 : 1024 + draw / 64 % 31744;
    case 2:
    case 3:
        return 1024 + draw / 64 % 8000;
    default:
        return draw / 64 % 400;
    }
}

/* A block comes into a random place, and what lay there goes, whoever took it. */
static void step(uint64_t *random, acre_arena *arena, bool is_noted) {
    size_t place = next_random(random) % SHARED_BLOCKS, size_bytes = some_size(random);
    void *block = NULL;
    if (next_random(random) % 3 != 0) {
        block = arena == NULL ? malloc(size_bytes) : acre_arena_malloc(arena, size_bytes);
        if (block == NULL) fail("no memory");
        memset(block, 1, size_bytes < 4096 ? size_bytes : 4096);
        if (is_noted) ledger_put(ledger, block, size_bytes, 0);
    }
    void *old = __atomic_exchange_n(&shared[place], block, __ATOMIC_ACQ_REL);
    if (is_noted && old != NULL) ledger_remove(ledger, old);
    free(old);
}

static void *work(void *context) {
    uint64_t number = (uintptr_t)context, random = number;
    acre_arena *arena = number % 4 == 3 && has_arenas() ? arenas[number / 4 % 2] : NULL;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&begin[round == 2]);
        for (int i = 0; i < STEPS_OF_A_ROUND / THREADS; i++) step(&random, arena, true);
        pthread_barrier_wait(&end[round == 2]);
        if (round == 1 && number % 2 == 0) return NULL; /* half of them end, and leave blocks behind */
    }
    pthread_barrier_wait(&begin[1]); /* so that they do not end while they are looked at */
    return NULL;
}

static int be_threads(void) {
    pthread_t threads[THREADS];
    if (has_arenas()) {
        arenas[0] = make_arena("of threads", ACRE_SOURCE_AUTO);
        arenas[1] = make_arena("of other threads", ACRE_SOURCE_AUTO);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_barrier_init(&begin[i], NULL, THREADS / (i + 1) + 1);
        pthread_barrier_init(&end[i], NULL, THREADS / (i + 1) + 1);
    }
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) fail("no thread");
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&begin[round == 2]);
        pthread_barrier_wait(&end[round == 2]);
        for (size_t i = 0; round == 1 && i < THREADS; i += 2) pthread_join(threads[i], NULL);
        reach("full");
    }
    pthread_barrier_wait(&begin[1]);
    for (size_t i = 1; i < THREADS; i += 2) pthread_join(threads[i], NULL);
    reach("ended");
    return 0;
}

static long churning_threads; /* 0: as many as processors */

static void *churn(void *context) {
    uint64_t random = (uintptr_t)context, steps = 0;
    acre_arena *arena = NULL;
    for (;;) {
        step(&random, arena, false);
        if (++steps % 256 == 0) __atomic_fetch_add(&ledger->steps, 256, __ATOMIC_RELAXED);
        if (steps % 8192 == 0 && has_arenas()) { /* an arena that comes and goes, and one that stays */
            acre_arena *brief = make_arena("brief", ACRE_SOURCE_AUTO);
            for (int i = 0; i < 500; i++) memset(acre_arena_malloc(brief, 300), 1, 300);
            acre_arena_destroy(brief);
            arena = arena == NULL ? arenas[0] : NULL;
        }
    }
    return NULL;
}

static int be_churn(void) {
    long count = churning_threads > 0 ? churning_threads : sysconf(_SC_NPROCESSORS_ONLN);
    if (has_arenas()) arenas[0] = make_arena("of all", ACRE_SOURCE_AUTO);
    for (long i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, churn, (void *)i) != 0) fail("no thread");
    }
    reach("ready");
    exit(0);
}

/* ---- much that is hardly there */

static void touch(char *block, size_t size_bytes) { block[size_bytes / 2] = 1; }

static void *take_unwritten(size_t size_bytes) {
    char *block = malloc(size_bytes);
    if (block == NULL) fail("no memory");
    ledger_put(ledger, block, size_bytes, 0);
    return block;
}

static int be_sparse(void) {
    for (int i = 0; i < 10; i++) touch(take_unwritten((size_t)1 << 30), (size_t)1 << 30);
    for (int i = 0; i < 16384; i++) touch(take_unwritten(480 << 10), 480 << 10);
    for (size_t bytes = 0; bytes < (size_t)2 << 30; bytes += 32 << 10) take_unwritten(32 << 10);
    /* Too many for the ledger */
    for (size_t bytes = 0; bytes < (size_t)512 << 20; bytes += 1024)
        (void)*(void *volatile *)&(void *){malloc(1024)};
    for (size_t bytes = 0; bytes < (size_t)256 << 20; bytes += 16) (void)*(void *volatile *)&(void *){malloc(16)};
    reach("ready");
    return 0;
}

static int be_reserved(void) {
    size_t size_bytes = (size_t)1 << 40, range_bytes = 8 << 20;
    char *start =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED || !has_arenas()) fail("no range");
    for (size_t i = 0; i < 3; i++) {
        struct acre_arena_options options = {.source = ACRE_SOURCE_RANGE, .range_bytes = range_bytes};
        options.range = start + i * (size_bytes / 4);
        acre_arena *arena = acre_arena_create(&options);
        if (arena == NULL) fail("no arena");
        take_some(arena, 1000, 1000, 10);
    }
    reach("ready");
    return 0;
}

/* ---- little */

static void *give_all(void *context) {
    void **blocks = context;
    for (; *blocks != NULL; blocks++) give(*blocks);
    pthread_barrier_wait(&begin[0]);
    pause();
    return NULL;
}

static int be_small(void) {
    static void *others[200];
    pthread_t thread;
    for (size_t size_bytes = 16; size_bytes < 700000; size_bytes = size_bytes * 3 / 2 + 8)
        take_some(NULL, size_bytes, 5, 3);
    if (has_arenas()) {
        take(make_arena("small", ACRE_SOURCE_AUTO), 100);
        take_some(make_arena("a range", ACRE_SOURCE_RANGE), 3000, 20, 3);
        take_some(make_arena("mappings", ACRE_SOURCE_MMAP), 30000, 20, 3);
    }
    /* Blocks that are on their way home */
    pthread_barrier_init(&begin[0], NULL, 2);
    for (size_t i = 0; i + 1 < sizeof others / sizeof others[0]; i++) others[i] = take(NULL, 48 + i % 5 * 400);
    if (pthread_create(&thread, NULL, give_all, others) != 0) fail("no thread");
    pthread_barrier_wait(&begin[0]);
    reach("ready");
    return 0;
}

static void *answer(void *context) {
    reach("ready");
    return context;
}

static int be_leaderless(void) {
    pthread_t thread;
    take(NULL, 1000);
    if (pthread_create(&thread, NULL, answer, NULL) != 0) fail("no thread");
    pthread_exit(NULL);
}

static int be_vfork(void) {
    take(NULL, 1000);
    if (write(STDOUT_FILENO, "ready\n", 6) != 6) fail("no output");
    if (vfork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sleep(60);
        _exit(0);
    }
    return 0;
}

static volatile sig_atomic_t interrupts;
static void note_interrupt(int signal) {
    (void)signal;
    interrupts++;
}

static int be_interrupted(void) {
    struct sigaction action = {.sa_handler = note_interrupt, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    take(NULL, 1000);
    reach("ready");
    printf("signals %d\n", (int)interrupts);
    return 0;
}

static int be_idle(void) {
    take(NULL, 1000);
    reach("ready");
    return 0;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*be)(void);
    } kinds[] = {{"fragmented", be_fragmented},
                 {"threads", be_threads},
                 {"churn", be_churn},
                 {"sparse", be_sparse},
                 {"reserved", be_reserved},
                 {"small", be_small},
                 {"leaderless", be_leaderless},
                 {"vfork", be_vfork},
                 {"interrupted", be_interrupted},
                 {"idle", be_idle}};
    if (argc != 3 && argc != 4) fail("look_heap KIND LEDGER [THREADS]");
    if (argc == 4) churning_threads = strtol(argv[3], NULL, 10);
    ledger = ledger_open(argv[2]);
    if (ledger == NULL) fail("no ledger");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) return kinds[i].be();
    fail("no such kind");
}
