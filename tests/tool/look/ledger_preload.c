/* Preloaded before acre, it writes down every block of a program that knows nothing of it, its libraries' included:
 * LD_PRELOAD=libledger.so:libacre.so.1 LEDGER=FILE program. A child of a fork writes nothing down. */
#include "ledger.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ledger *ledger;

static struct {
    void *(*malloc)(size_t);
    void (*free)(void *);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*reallocarray)(void *, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
} acre;

static void forget_ledger(void) { ledger = NULL; }

static void find(void *function, const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) abort();
    memcpy(function, &found, sizeof found);
}

/* By the first call of malloc, which comes before any constructor and any second thread. */
static void start(void) {
    const char *path = getenv("LEDGER");
    find(&acre.free, "free");
    find(&acre.calloc, "calloc");
    find(&acre.realloc, "realloc");
    find(&acre.reallocarray, "reallocarray");
    find(&acre.aligned_alloc, "aligned_alloc");
    find(&acre.memalign, "memalign");
    find(&acre.posix_memalign, "posix_memalign");
    find(&acre.valloc, "valloc");
    find(&acre.pvalloc, "pvalloc");
    find(&acre.malloc, "malloc");
    ledger = path == NULL ? NULL : ledger_open(path);
    pthread_atfork(NULL, NULL, forget_ledger);
}

static void *noted(void *block, size_t asked_bytes, size_t alignment) {
    int error = errno;
    ledger_put(ledger, block, asked_bytes, alignment);
    errno = error;
    return block;
}

/* While it is moved it is in the list neither way. A block that could not be moved is lost to the list. */
static void *moved(void *to, size_t asked_bytes) {
    if (to == NULL && asked_bytes > 0 && ledger != NULL) __atomic_fetch_add(&ledger->lost, 1, __ATOMIC_RELAXED);
    return noted(to, asked_bytes, 0);
}

#define START() ((void)(acre.malloc == NULL ? start() : (void)0))
#define PUBLIC __attribute__((visibility("default")))

PUBLIC void *malloc(size_t size) {
    START();
    return noted(acre.malloc(size), size, 0);
}
PUBLIC void free(void *block) {
    START();
    ledger_remove(ledger, block);
    acre.free(block);
}
PUBLIC void *calloc(size_t count, size_t size) {
    START();
    return noted(acre.calloc(count, size), count * size, 0);
}
PUBLIC void *realloc(void *block, size_t size) {
    START();
    ledger_remove(ledger, block);
    return moved(acre.realloc(block, size), size);
}
PUBLIC void *reallocarray(void *block, size_t count, size_t size) {
    START();
    ledger_remove(ledger, block);
    return moved(acre.reallocarray(block, count, size), count * size);
}
PUBLIC void *aligned_alloc(size_t alignment, size_t size) {
    START();
    return noted(acre.aligned_alloc(alignment, size), size, alignment);
}
PUBLIC void *memalign(size_t alignment, size_t size) {
    START();
    return noted(acre.memalign(alignment, size), size, alignment);
}
PUBLIC int posix_memalign(void **block, size_t alignment, size_t size) {
    START();
    int error = acre.posix_memalign(block, alignment, size);
    if (error == 0) noted(*block, size, alignment);
    return error;
}
PUBLIC void *valloc(size_t size) {
    START();
    return noted(acre.valloc(size), size, 0);
}
PUBLIC void *pvalloc(size_t size) {
    START();
    return noted(acre.pvalloc(size), size, 0);
}
