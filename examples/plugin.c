/* A plug-in that leaks and asks for more and more, held to 16 MiB. It knows nothing of arenas: it calls malloc, and
 * while its arena is entered that is where its memory comes from. At the limit malloc is NULL for the plug-in and
 * for nobody else; the host, which allocates between its calls and in another thread, goes on as if nothing were.
 * In the end one call takes back all that the plug-in leaked. Here it is a function, where a real one would come by
 * dlopen. */
#include <acre/acre.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_BYTES ((size_t)16 << 20)
#define HOST_BLOCK_BYTES ((size_t)1 << 20)
#define HOST_BLOCKS 64

/* ---- the plug-in */

struct leak {
    struct leak *next;
    size_t size_bytes;
};

static struct leak *leaked;

static bool leak_one(size_t size_bytes) {
    struct leak *leak = malloc(size_bytes);
    if (leak == NULL) return false;
    memset(leak, 'x', size_bytes);
    leak->size_bytes = size_bytes;
    leak->next = leaked;
    leaked = leak;
    return true;
}

/* Small blocks of many sizes, and now and then a buffer that is longer than the last one. All are kept. Tells how
 * many bytes it got before there was no more. */
static size_t plugin_run(void) {
    size_t got_bytes = 0;
    for (size_t number = 1;; number++) {
        size_t size_bytes = number % 50 == 0 ? number * 10 : 40 + number * 7 % 1000;
        if (!leak_one(size_bytes)) return got_bytes;
        got_bytes += size_bytes;
    }
}

/* ---- the host */

static atomic_bool host_is_done;
static atomic_ulong host_rounds, host_failures;

/* What the host does all the time. */
static void *host_work(void *unused) {
    while (!atomic_load(&host_is_done)) {
        char *block = malloc(HOST_BLOCK_BYTES / 8);
        if (block == NULL)
            atomic_fetch_add(&host_failures, 1);
        else
            memset(block, 'h', HOST_BLOCK_BYTES / 8);
        free(block);
        atomic_fetch_add(&host_rounds, 1);
    }
    return unused;
}

static size_t call_plugin(acre_arena *arena) {
    if (!acre_arena_enter(arena)) {
        perror("acre_arena_enter");
        exit(1);
    }
    size_t got_bytes = plugin_run();
    acre_arena_leave();
    return got_bytes;
}

/* More than the plug-in may ever have, while it is at its limit. */
static int allocate_for_host(void) {
    char *blocks[HOST_BLOCKS];
    int count = 0;
    while (count < HOST_BLOCKS && (blocks[count] = malloc(HOST_BLOCK_BYTES)) != NULL)
        memset(blocks[count++], 'h', HOST_BLOCK_BYTES);
    for (int i = 0; i < count; i++) free(blocks[i]);
    return count;
}

static bool count_arena(acre_arena *arena, const char *name, void *count) {
    (void)arena, (void)name;
    ++*(int *)count;
    return true;
}

int main(void) {
    pthread_t thread;
    struct acre_arena_figures stats;
    int arenas_left = 0;
    acre_arena *arena =
        acre_arena_create(&(struct acre_arena_options){.name = "plug-in", .limit_bytes = LIMIT_BYTES});
    if (arena == NULL || pthread_create(&thread, NULL, host_work, NULL) != 0) {
        perror("plugin");
        return 1;
    }
    size_t got_bytes = call_plugin(arena);
    int host_blocks = allocate_for_host();
    acre_arena_stats(arena, &stats);
    atomic_store(&host_is_done, true);
    pthread_join(thread, NULL);

    printf("the plug-in got %zu KiB of its 16384 before NULL, in %zu blocks\n", got_bytes / 1024,
           stats.live_blocks);
    printf("its arena holds %zu KiB, and never held more than %zu\n", stats.held_bytes / 1024,
           stats.held_peak_bytes / 1024);
    printf("the host got %d MiB meanwhile, and malloc failed it %lu times\n", host_blocks,
           atomic_load(&host_failures));
    leaked = NULL;
    acre_arena_destroy(arena);
    acre_arena_each(count_arena, &arenas_left);
    printf("all of it is back, arenas left: %d\n", arenas_left);
    bool held = got_bytes > LIMIT_BYTES / 2 && stats.held_peak_bytes <= LIMIT_BYTES;
    return !(held && host_blocks == HOST_BLOCKS && atomic_load(&host_failures) == 0 && arenas_left == 0);
}
