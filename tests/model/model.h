/* The randomised model test: every allocation function against a shadow model. */
#ifndef ACRE_TESTS_MODEL_H
#define ACRE_TESTS_MODEL_H

#include "model/order.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the model knows of one live block. */
struct block {
    unsigned char *start; /* NULL: the slot is empty */
    size_t size_bytes;    /* as requested */
    size_t usable_bytes;
    size_t alignment;  /* as requested; 16 for plain malloc */
    uint64_t pattern;  /* what the content is made from */
    bool is_sized;     /* may be freed by free_sized (the size is exact and the way allows it) */
};

/* One thread's run. */
struct run {
    uint64_t random;
    struct order *order; /* NULL: disjointness is checked by content alone */
    struct block *blocks;
    size_t slot_count, live_bytes, live_limit_bytes;
    uint64_t operations, done;
    int thread;
    struct mailbox *mailboxes; /* one a thread; blocks sent there are freed or reallocated by its reader */
    int thread_count;
};

enum { mailbox_capacity = 1024 };
/* A bounded queue of blocks for one reader. */
struct mailbox {
    _Atomic int lock;
    unsigned used;
    struct block blocks[mailbox_capacity];
};

/* block.c */
void block_allocate(struct run *run, struct block *block);
void block_reallocate(struct run *run, struct block *block);
void block_free(struct run *run, struct block *block);
void block_check(const struct block *block);

#endif
