/* Life under 64 MiB of RLIMIT_AS, RLIMIT_DATA or acre's own option: the program starts, is refused with NULL and
 * ENOMEM, frees some, and goes on. Arguments: as|data|option, then single|threads|creation. It sets the limit and
 * starts itself again, so that start-up is under the limit too. */
#include "support/check.h"
#include "support/process.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const size_t limit_bytes = (size_t)64 << 20;

struct link {
    struct link *next;
    size_t size;
};

/* Takes blocks until one is refused; the list is in the blocks. Returns the bytes taken. */
static size_t take_all(struct link **list, size_t size) {
    size_t total_bytes = 0;
    for (;;) {
        errno = 0;
        struct link *block = malloc(size);
        if (block == NULL) {
            CHECKF(errno == ENOMEM, "errno %d", errno);
            return total_bytes;
        }
        memset(block, 0x61, size);
        *block = (struct link){*list, size};
        *list = block;
        total_bytes += size;
        CHECKF(total_bytes <= limit_bytes, "%zu bytes under a limit of %zu", total_bytes, limit_bytes);
    }
}

static size_t free_some(struct link **list, unsigned keep_every) {
    size_t freed_bytes = 0;
    unsigned count = 0;
    while (*list != NULL) {
        struct link *block = *list;
        if (keep_every != 0 && count++ % keep_every == 0) {
            list = &block->next;
            continue;
        }
        *list = block->next;
        freed_bytes += block->size;
        free(block);
    }
    return freed_bytes;
}

static void refuse_other_ways(void) {
    const size_t size = (size_t)100 << 20;
    void *block = NULL;
    errno = 0;
    CHECK(calloc(1, size) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(NULL, size) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(aligned_alloc(4096, size) == NULL && errno == ENOMEM);
    CHECK(posix_memalign(&block, 4096, size) == ENOMEM);
}

/* For each size: to the brim, free most, take again; what was free must be had again. */
static void run_single(void) {
    static const size_t sizes[] = {24, 1000, 20000, 300000, 3 << 20};
    for (int round = 0; round < 2; round++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            struct link *list = NULL;
            size_t total_bytes = take_all(&list, sizes[s]);
            CHECKF(total_bytes >= limit_bytes / 3, "only %zu bytes of %zu-byte blocks could be had in round %d",
                   total_bytes, sizes[s], round);
            refuse_other_ways();
            size_t freed_bytes = free_some(&list, 4);
            CHECK(freed_bytes >= total_bytes / 2);
            size_t again_bytes = take_all(&list, sizes[s]);
            CHECKF(again_bytes >= freed_bytes * 8 / 10, "freed %zu, had again only %zu", freed_bytes, again_bytes);
            free_some(&list, 0);
        }
    }
}

static _Atomic size_t refusals;

/* The first must not fill the limit while the stack of the last is still to be had. */
static pthread_barrier_t all_made;

static void *fill_and_empty(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument;
    pthread_barrier_wait(&all_made);
    for (int round = 0; round < 6; round++) {
        struct link *list = NULL;
        for (int i = 0; i < 20000; i++) {
            size_t size = 16 + process_random(&random) % (process_random(&random) % 16 == 0 ? 200000 : 2000);
            errno = 0;
            struct link *block = malloc(size);
            if (block == NULL) {
                CHECKF(errno == ENOMEM, "errno %d", errno);
                refusals++;
                free_some(&list, 3);
                continue;
            }
            *block = (struct link){list, size};
            list = block;
        }
        free_some(&list, 0);
    }
    return NULL;
}

static void run_threads(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    pthread_t threads[4];
    CHECK(pthread_barrier_init(&all_made, NULL, 4) == 0);
    for (intptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], &attributes, fill_and_empty, (void *)(i + 1)) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECKF(refusals > 0, "the limit was never met");
    if (process_is_on_acre())
        run_single(); /* nothing that the threads had may be lost */
    else
        check_say("SKIP: glibc's arenas keep what ended threads had, so that the rest is too little\n");
}

/* What big blocks leave, between others that stay, is there for small ones; and a block that grows needs the
 * difference. */
static void run_sizes(void) {
    enum { big = 300 << 10, count = 150 };
    void *blocks[count];
    int made = 0;
    struct link *list = NULL;
    while (made < count && (blocks[made] = malloc(big)) != NULL) made++;
    CHECKF(made > 100, "%d blocks", made);
    for (int i = 0; i < made; i += 2) free(blocks[i]);
    size_t small_bytes = 0;
    for (struct link *block; (block = malloc(1000)) != NULL; small_bytes += 1000) {
        *block = (struct link){list, 1000};
        list = block;
    }
    CHECKF(small_bytes > (size_t)made / 4 * big, "%zu KiB of small blocks in what %d big ones left",
           small_bytes >> 10, made / 2);
    free_some(&list, 0);
    for (int i = 1; i < made; i += 2) free(blocks[i]);
    const char *options = getenv("ACRE_OPTIONS");
    if (options != NULL && strstr(options, "source:brk") != NULL) return; /* there such a block is copied */
    char *grown = malloc(34 << 20);
    CHECK(grown != NULL);
    CHECKF((grown = realloc(grown, 48 << 20)) != NULL, "no room for the difference");
    free(grown);
}

static void *allocate_a_little(void *argument) {
    (void)argument;
    for (int i = 0; i < 100; i++) { /* NULL is allowed here, a crash is not */
        void *block = malloc(100 + (size_t)i * 20);
        free(block);
    }
    return NULL;
}

/* Threads until pthread_create fails, each allocating at the edge of the limit. */
static void run_creation(void) {
    enum { thread_limit = 1000 };
    static pthread_t threads[thread_limit];
    for (int round = 0; round < 3; round++) {
        int count = 0;
        struct link *list = NULL;
        take_all(&list, 1 << 20);
        free_some(&list, 2); /* half is left for stacks */
        while (count < thread_limit && pthread_create(&threads[count], NULL, allocate_a_little, NULL) == 0) count++;
        for (int i = 0; i < count; i++) CHECK(pthread_join(threads[i], NULL) == 0);
        free_some(&list, 0);
        CHECKF(count > 0, "no thread could be made");
    }
    void *block = malloc(10 << 20);
    CHECKF(block != NULL, "after the threads ended nothing can be had");
    free(block);
}

static void start_under_limit(char **argv) {
    struct rlimit limit = {limit_bytes, limit_bytes};
    bool is_data = strcmp(argv[1], "data") == 0, is_option = strcmp(argv[1], "option") == 0;
    CHECK(is_data || is_option || strcmp(argv[1], "as") == 0);
    /* Thread stacks are 8 MiB by default, which would be the limit met, not the heap's. */
    struct rlimit stack = {1 << 20, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_STACK, &stack) == 0);
    CHECK(is_option || setrlimit(is_data ? RLIMIT_DATA : RLIMIT_AS, &limit) == 0);
    CHECK(setenv("ACRE_TEST_LIMITED", "1", 1) == 0);
    execv("/proc/self/exe", argv);
    CHECKF(false, "exec: errno %d", errno);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    if (getenv("ACRE_TEST_LIMITED") == NULL) start_under_limit(argv);
    process_expect_malloc();
    process_watchdog(200);
    if (strcmp(argv[2], "single") == 0)
        run_single();
    else if (strcmp(argv[2], "threads") == 0)
        run_threads();
    else if (strcmp(argv[2], "creation") == 0)
        run_creation();
    else if (strcmp(argv[2], "sizes") == 0)
        run_sizes();
    else
        CHECKF(false, "unknown variant %s", argv[2]);
    return 0;
}
