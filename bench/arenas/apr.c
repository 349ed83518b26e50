#include "backend.h"

#include <apr_general.h>
#include <apr_pools.h>
#include <pthread.h>

const char backend_name[] = "APR pools";
const int backend_frees_blocks = 0;

static void start(void) { apr_initialize(); }

void backend_start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}

void *backend_create(void) {
    apr_pool_t *pool;
    return apr_pool_create(&pool, NULL) == APR_SUCCESS ? pool : NULL;
}

void *backend_take(void *arena, size_t size_bytes) { return apr_palloc(arena, size_bytes); }
void backend_end(void *arena) { apr_pool_destroy(arena); }
