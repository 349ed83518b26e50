/* In front of acre's malloc in a build for ThreadSanitizer: malloc, calloc, realloc and free, for who calls them
 * when code that is watched cannot run. That is so before ThreadSanitizer has started and while it starts, when it
 * looks for symbols; in a thread after its part of ThreadSanitizer has ended, when libc frees what the thread had;
 * and in the child of a fork, which starts a thread of ThreadSanitizer while acre's locks are still held. What is
 * wanted then comes from a little memory here, and what is freed then is so at the next call. All other calls go on
 * to acre.
 *
 * This file is not watched. pthread_create is here too, to learn of threads. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* acre's, renamed when the library is built. */
void *acre_watched_malloc(size_t size);
void *acre_watched_calloc(size_t count, size_t size);
void *acre_watched_realloc(void *block, size_t size);
void acre_watched_free(void *block);

static __thread bool is_watched __attribute__((tls_model("initial-exec")));
static pthread_key_t key;
static int (*create_thread)(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *),
                            void *argument);

/* ---- what is wanted and freed while nobody watches */

#define SLOTS 256
#define SLOT_BYTES ((size_t)4096)
static char slots[SLOTS][SLOT_BYTES] __attribute__((aligned(16)));
static _Atomic uint64_t used[SLOTS / 64];
static void *_Atomic freed; /* linked by their first words */

static bool is_here(const void *block) { return (uintptr_t)block - (uintptr_t)slots < sizeof slots; }

static bool take_bit(_Atomic uint64_t *word, unsigned *bit) {
    uint64_t bits = atomic_load(word);
    do {
        if (~bits == 0) return false;
        *bit = (unsigned)__builtin_ctzll(~bits);
    } while (!atomic_compare_exchange_weak(word, &bits, bits | UINT64_C(1) << *bit));
    return true;
}

/* A slot, zeroed; NULL: it is too much. */
static void *take(size_t size) {
    unsigned word = 0, bit = 0;
    if (size > SLOT_BYTES) return NULL;
    while (word < SLOTS / 64 && !take_bit(&used[word], &bit)) word++;
    if (word == SLOTS / 64) return NULL;
    char *slot = slots[word * 64 + bit];
    for (size_t i = 0; i < SLOT_BYTES; i++) slot[i] = 0;
    return slot;
}

static void give(const void *block) {
    size_t number = ((uintptr_t)block - (uintptr_t)slots) / SLOT_BYTES;
    atomic_fetch_and(&used[number / 64], ~(UINT64_C(1) << number % 64));
}

static void free_later(void *block) {
    void *first = atomic_load(&freed);
    do *(void **)block = first;
    while (!atomic_compare_exchange_weak(&freed, &first, block));
}

static void free_what_waits(void) {
    if (atomic_load_explicit(&freed, memory_order_relaxed) == NULL) return;
    for (void *block = atomic_exchange(&freed, NULL), *next; block != NULL; block = next) {
        next = *(void **)block;
        acre_watched_free(block);
    }
}

/* ---- the functions */

void *malloc(size_t size) {
    if (!is_watched) return take(size);
    free_what_waits();
    return acre_watched_malloc(size);
}

void *calloc(size_t count, size_t size) {
    size_t size_bytes;
    if (is_watched) return acre_watched_calloc(count, size);
    return __builtin_mul_overflow(count, size, &size_bytes) ? NULL : take(size_bytes);
}

void free(void *block) {
    if (block == NULL) return;
    if (is_here(block))
        give(block);
    else if (is_watched)
        acre_watched_free(block);
    else
        free_later(block);
}

/* A block of acre's does not change its size while nobody watches. */
static void *move(char *slot, size_t size) {
    if (!is_watched && size <= SLOT_BYTES) return slot;
    char *moved = malloc(size);
    for (size_t i = 0; moved != NULL && i < SLOT_BYTES && i < size; i++) moved[i] = slot[i];
    if (moved != NULL) give(slot);
    return moved;
}

void *realloc(void *block, size_t size) {
    if (block == NULL) return malloc(size);
    if (is_here(block)) return move(block, size);
    return is_watched ? acre_watched_realloc(block, size) : NULL;
}

/* ---- who is watched */

/* ThreadSanitizer's part of a thread ends in the last round of destructors. */
static void end_round(void *rounds) {
    uintptr_t left = (uintptr_t)rounds;
    if (left > 1)
        pthread_setspecific(key, (void *)(left - 1));
    else
        is_watched = false;
}

struct start {
    void *(*work)(void *);
    void *argument;
};

static void *run(void *argument) {
    struct start start = *(struct start *)argument;
    is_watched = true;
    free(argument);
    pthread_setspecific(key, (void *)(uintptr_t)PTHREAD_DESTRUCTOR_ITERATIONS);
    return start.work(start.argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *), void *argument) {
    struct start *start = malloc(sizeof *start);
    if (start == NULL) return EAGAIN;
    *start = (struct start){work, argument};
    int error = create_thread(thread, attributes, run, start);
    if (error != 0) free(start);
    return error;
}

/* Handlers before a fork run in the opposite order: ThreadSanitizer registered its own earlier, acre will later. */
static void begin_fork(void) { is_watched = false; }
static void end_fork(void) { is_watched = true; }

static void begin(void) {
    create_thread = (__typeof(create_thread))dlsym(RTLD_NEXT, "pthread_create");
    pthread_key_create(&key, end_round);
    pthread_atfork(begin_fork, end_fork, end_fork);
    is_watched = true;
}
/* Behind ThreadSanitizer's own entry, which the linker puts first. */
static void (*const at_start)(void) __attribute__((section(".preinit_array"), used)) = begin;
