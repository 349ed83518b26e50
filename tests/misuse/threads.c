/* A block and several threads. */
#include "misuse/misuse.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void release(void *block) { free(hide(block)); }
static void release_twice(void *block) {
    free(hide(block));
    free(hide(block));
}

static void two_threads(void) {
    void *p = take();
    take_and_keep();
    in_thread(release, p);
    free(hide(p));
    churn();
}
/* The second free is the one that is told: nothing else is done. */
static void told_at_once(void) {
    void *p = take();
    take_and_keep();
    in_thread(release, p);
    free(hide(p));
}
static void two_other_threads(void) {
    void *p = take();
    take_and_keep();
    in_thread(release, p);
    in_thread(release, p);
    churn();
}
/* The first free is still on its way when the second comes. */
static void two_other_threads_at_once(void) {
    void *p = take();
    take_and_keep();
    start_thread(release, p);
    in_thread(release, p);
    finish();
    churn();
}
static void owner_while_it_is_on_its_way(void) {
    void *p = take();
    take_and_keep();
    start_thread(release, p);
    free(hide(p));
    finish();
    churn();
}
static void twice_in_another_thread(void) {
    void *p = take();
    take_and_keep();
    in_thread(release_twice, p);
    churn();
}
static void first_by_its_owner(void) {
    in_thread(release, NULL); /* so that the next one takes no memory, which might be the block's */
    void *p = take();
    take_and_keep();
    free(hide(p));
    in_thread(release, p);
    churn();
}

static void *shared[6000];
static void make_and_free_one(void *unused) {
    (void)unused;
    shared[0] = take();
    take_and_keep();
    free(hide(shared[0]));
}
static void after_its_owner_is_gone(void) {
    in_thread(make_and_free_one, NULL);
    free(hide(shared[0]));
    churn();
}
static void after_its_owner_is_gone_by_another(void) {
    in_thread(make_and_free_one, NULL);
    in_thread(release, shared[0]);
    churn();
}
/* Slabs that are full when their owner goes are nobody's, and the first free makes them somebody's. */
static void make_many(void *unused) {
    (void)unused;
    for (int i = 0; i < 6000; i++) shared[i] = take();
}
static void into_a_full_slab_of_nobodys(void) {
    in_thread(make_many, NULL);
    take_and_keep();
    free(hide(shared[1000]));
    in_thread(release, shared[1000]);
    churn();
}

static void inside_of_anothers(void) {
    char *p = take_and_keep();
    in_thread(release, p + 16);
    churn();
}
static void never_handed_out_of_anothers(void) {
    char *p = take_and_keep();
    size_t usable = malloc_usable_size(p);
    in_thread(release, p + usable * ((65536 - (uintptr_t)p % 65536) / usable - 2));
    churn();
}

static void realloc_after_anothers_free(void) {
    void *p = take();
    take_and_keep();
    in_thread(release, p);
    if (realloc(hide(p), kind->size) != NULL) took();
}
static void release_and_realloc(void *block) {
    free(hide(block));
    if (realloc(hide(block), kind->size * 2) != NULL) took();
}
static void realloc_while_it_is_on_its_way(void) {
    void *p = take();
    take_and_keep();
    in_thread(release_and_realloc, p);
}

/* While one free is on its way the owner frees all of the slab, the same block among it, and uses the slab's memory
 * and its record for other blocks, which the first free must not touch. */
static void after_its_slab_is_gone(void) {
    enum { count = 6000 };
    static char *other[count];
    make_many(NULL);
    for (int i = 2900; i < 3000; i++)
        free(shared[i]); /* a full slab would be that thread's, who frees into it first */
    start_thread(release, shared[3000]);
    for (int i = 0; i < count; i++) {
        if (i < 2900 || i >= 3000) free(shared[i]);
    }
    malloc_trim(0);
    for (int i = 0; i < count; i++) memset(other[i] = malloc(80), 0x22, 80);
    finish();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < count; i++) memset(shared[i] = malloc(80), 0x33, 80);
        for (int i = 0; i < count; i++) free(shared[i]);
    }
    for (int i = 0; i < count; i++) {
        if (other[i][0] != 0x22 || memcmp(other[i], other[i] + 1, 79) != 0) fail("a live block was lost");
        free(other[i]);
    }
}

/* A thread that ends gives back what it has ready; of that a block was freed that was never handed out. */
static void free_next_block(void *unused) {
    (void)unused;
    char *p = malloc(208);
    free(hide(p + malloc_usable_size(p)));
}
static void never_handed_out_then_exit(void) { in_thread(free_next_block, NULL); }

#define TWICE(bytes) "free(0x*): double free of a " bytes "-byte block (size class " bytes ", arena *)"
#define GONE "|free(0x*): not a block: *|free(0x*): not a block of acre: *"
#define ROW(run, kind, line)                                                                                       \
    { #run, run, &kind##_kind, line }
#define ROWS_OF_SLABS(run)                                                                                         \
    ROW(run, small, TWICE("48")), ROW(run, recent, TWICE("48")), ROW(run, medium, TWICE("3072")),                  \
        ROW(run, mixed, TWICE("48")), ROW(run, arena_small, TWICE("48")), ROW(run, arena_medium, TWICE("6144"))
#define ROWS(run)                                                                                                  \
    ROWS_OF_SLABS(run), ROW(run, large, "free(0x*): double free of a large block*" GONE),                          \
        ROW(run, huge, "free(0x*): double free of a huge block" GONE)
const struct row rows_of_threads[] = {
    ROWS(two_threads),
    ROW(told_at_once, medium, TWICE("3072")),
    ROWS(two_other_threads),
    ROWS(two_other_threads_at_once),
    ROWS(owner_while_it_is_on_its_way),
    ROWS(twice_in_another_thread),
    ROWS(first_by_its_owner),
    ROWS(after_its_owner_is_gone),
    ROWS(after_its_owner_is_gone_by_another),
    ROW(into_a_full_slab_of_nobodys, small, TWICE("48")),
    ROW(into_a_full_slab_of_nobodys, arena_small, TWICE("48")),
    ROW(into_a_full_slab_of_nobodys, medium, TWICE("3072")),
    ROW(inside_of_anothers, small, "free(0x*): not a block: 16 bytes inside the 48-byte block at 0x* (arena *)"),
    ROW(inside_of_anothers, mixed, "free(0x*): not a block: 16 bytes inside the 48-byte block at 0x* (arena *)"),
    ROW(inside_of_anothers, medium, "free(0x*): not a block: 16 bytes inside the 3072-byte block at 0x* (arena *)"),
    ROW(never_handed_out_of_anothers, small, "free(0x*): not a block: nothing was handed out there yet (arena *)"),
    ROW(never_handed_out_of_anothers, medium, "free(0x*): not a block: nothing was handed out there yet (arena *)"),
    ROW(never_handed_out_then_exit, small, "free(0x*): not a block: nothing was handed out there yet (arena *)"),
    ROW(realloc_after_anothers_free, small, "realloc(0x*): the block is free (arena *)"),
    ROW(realloc_after_anothers_free, medium, "realloc(0x*): the block is free (arena *)"),
    ROW(realloc_after_anothers_free, mixed, "realloc(0x*): the block is free (arena *)"),
    ROW(realloc_while_it_is_on_its_way, small, "realloc(0x*): the block is free (arena *)"),
    ROW(realloc_while_it_is_on_its_way, medium, "realloc(0x*): the block is free (arena *)"),
    ROW(after_its_slab_is_gone, small,
        "free(0x*): double free of a block whose memory went to other use meanwhile"),
    {NULL, NULL, NULL, NULL},
};
