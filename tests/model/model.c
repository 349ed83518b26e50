/* Millions of random operations against a shadow model. Options: --seed N, --operations N (a thread),
 * --threads N, --unordered (no shared order of addresses: threads then meet in the allocator alone, and overlap
 * is noticed by content). The seed is printed; with one thread the same seed gives the same run. */
#include "model/model.h"

#include "support/check.h"
#include "support/process.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { threads_limit = 64 };

static void *map_pages(size_t size_bytes) {
    void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

/* A lock of its own: a mutex would make threads wait in the kernel and meet less often in the allocator. */
static void mailbox_lock(struct mailbox *box) {
    int open = 0;
    while (!atomic_compare_exchange_weak_explicit(&box->lock, &open, 1, memory_order_acquire, memory_order_relaxed)) {
        open = 0;
        sched_yield();
    }
}

static void mailbox_unlock(struct mailbox *box) { atomic_store_explicit(&box->lock, 0, memory_order_release); }

/* Hands a block to another thread, which checks its content and frees it: a remote free. */
static bool send_block(struct run *run, struct block *block) {
    int reader = (int)(process_random(&run->random) % (uint64_t)run->thread_count);
    struct mailbox *box = &run->mailboxes[reader];
    mailbox_lock(box);
    bool has_room = reader != run->thread && box->used < mailbox_capacity;
    if (has_room) {
        box->blocks[box->used++] = *block;
        run->live_bytes -= block->usable_bytes;
        block->start = NULL;
    }
    mailbox_unlock(box);
    return has_room;
}

/* Takes the blocks that others sent; some are resized first or kept for a while in a slot of one's own. */
static void receive_blocks(struct run *run) {
    static _Thread_local struct block received[mailbox_capacity];
    struct mailbox *box = &run->mailboxes[run->thread];
    mailbox_lock(box);
    unsigned count = box->used;
    memcpy(received, box->blocks, count * sizeof received[0]);
    box->used = 0;
    mailbox_unlock(box);
    for (unsigned i = 0; i < count; i++) {
        struct block *block = &received[i];
        run->live_bytes += block->usable_bytes;
        struct block *slot = &run->blocks[process_random(&run->random) % run->slot_count];
        if (process_random(&run->random) % 8 == 0) block_reallocate(run, block);
        if (process_random(&run->random) % 4 == 0 && slot->start == NULL)
            *slot = *block;
        else
            block_free(run, block);
    }
}

/* Empties a share of all slots at once, so that slabs and chunks become free and go back. */
static void free_many(struct run *run) {
    uint64_t keep = process_random(&run->random) % 8;
    for (size_t i = 0; i < run->slot_count; i++)
        if (run->blocks[i].start != NULL && process_random(&run->random) % 8 >= keep)
            block_free(run, &run->blocks[i]);
    if (process_random(&run->random) % 2) malloc_trim(0);
}

/* One slot, by chance: fill it, resize it, send it or free it. */
static void step(struct run *run, unsigned allocate_percent) {
    struct block *block = &run->blocks[process_random(&run->random) % run->slot_count];
    unsigned chance = (unsigned)(process_random(&run->random) % 100);
    if (block->start == NULL) {
        if (chance < allocate_percent && run->live_bytes < run->live_limit_bytes) block_allocate(run, block);
    } else if (chance < 15) {
        block_reallocate(run, block);
    } else if (chance < 35 && run->thread_count > 1) {
        if (!send_block(run, block)) block_free(run, block);
    } else if (chance < 100 - allocate_percent / 2 || run->live_bytes >= run->live_limit_bytes) {
        block_free(run, block);
    } else {
        block_check(block);
    }
}

/* The heap swells and shrinks in phases: a steady state alone would leave most of the allocator unvisited. */
static void run_operations(struct run *run) {
    unsigned allocate_percent = 80;
    for (run->done = 0; run->done < run->operations; run->done++) {
        if (process_random(&run->random) % 20000 == 0)
            allocate_percent = 20 + (unsigned)(process_random(&run->random) % 80);
        if (process_random(&run->random) % 100000 == 0) free_many(run);
        if (run->thread_count > 1 && run->done % 64 == 0) receive_blocks(run);
        step(run, allocate_percent);
    }
    for (size_t i = 0; i < run->slot_count; i++)
        if (run->blocks[i].start != NULL) block_free(run, &run->blocks[i]);
}

static void *run_thread(void *argument) {
    run_operations(argument);
    return NULL;
}

/* What was still under way when its reader had ended. */
static void empty_mailboxes(struct run *run) {
    for (run->thread = 0; run->thread < run->thread_count; run->thread++) receive_blocks(run);
    for (size_t i = 0; i < run->slot_count; i++)
        if (run->blocks[i].start != NULL) block_free(run, &run->blocks[i]);
}

static struct order *run_model(uint64_t seed, uint64_t operations, int threads, bool is_ordered) {
    const size_t slot_count = 8192, limit_bytes = (size_t)256 << 20;
    struct order *order =
        is_ordered ? order_create((slot_count + mailbox_capacity) * (size_t)threads + 4096) : NULL;
    struct mailbox *mailboxes = map_pages(sizeof *mailboxes * (size_t)threads);
    struct run *runs = map_pages(sizeof *runs * (size_t)threads);
    pthread_t ids[threads_limit];
    for (int i = 0; i < threads; i++) {
        runs[i] = (struct run){.random = seed + (uint64_t)i * 1000003, .order = order, .thread = i,
                               .blocks = map_pages(slot_count * sizeof(struct block)), .slot_count = slot_count,
                               .live_limit_bytes = limit_bytes / (size_t)threads, .operations = operations,
                               .mailboxes = mailboxes, .thread_count = threads};
        if (i > 0) CHECK(pthread_create(&ids[i], NULL, run_thread, &runs[i]) == 0);
    }
    run_operations(&runs[0]);
    for (int i = 1; i < threads; i++) CHECK(pthread_join(ids[i], NULL) == 0);
    empty_mailboxes(&runs[0]);
    return order;
}

static uint64_t number(const char *text) {
    char *end;
    uint64_t value = strtoull(text, &end, 0);
    CHECKF(*text != '\0' && *end == '\0', "not a number: %s", text);
    return value;
}

int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec, operations = 8000000, threads = 1;
    bool is_ordered = true, has_operations = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--unordered") == 0) is_ordered = false;
        else if (i + 1 == argc) CHECKF(false, "option %s is unknown or wants a value", argv[i]);
        else if (strcmp(argv[i], "--seed") == 0) seed = number(argv[++i]);
        else if (strcmp(argv[i], "--operations") == 0) operations = number(argv[++i]), has_operations = true;
        else if (strcmp(argv[i], "--threads") == 0) threads = number(argv[++i]);
        else CHECKF(false, "unknown option %s", argv[i]);
    }
    CHECK(threads >= 1 && threads <= threads_limit);
    if (!has_operations) operations /= threads;
    process_expect_malloc();
    printf("model: --seed %llu --operations %llu --threads %llu%s\n", (unsigned long long)seed,
           (unsigned long long)operations, (unsigned long long)threads, is_ordered ? "" : " --unordered");
    fflush(stdout);
    struct order *order = run_model(seed, operations, (int)threads, is_ordered);
    CHECK(order == NULL || order_count(order) == 0);
    puts("ok");
    return 0;
}
