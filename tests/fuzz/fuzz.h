/* Bytes to operations over acre's functions, against a shadow model: for libFuzzer, and to replay what it found.
 *
 * The bytes are a program for three threads, of which one runs at a time, until an operation lets all three run at
 * once, each with bytes and blocks of its own. At the end of the program every block is freed, every arena ends,
 * and acre's books must say so. */
#ifndef ACRE_TESTS_FUZZ_H
#define ACRE_TESTS_FUZZ_H

#include <acre/acre.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    fuzz_threads = 3,
    fuzz_places = 8,   /* for arenas */
    fuzz_singles = 96, /* blocks, each for itself */
    fuzz_herds = 3,    /* of up to herd_most blocks of one size, to fill slabs with */
    fuzz_herd_most = 2048,
    fuzz_entered_most = 6,
    fuzz_kept_most = 1024
};

/* ---- the bytes */
struct input {
    const uint8_t *next, *end;
};
static inline bool input_is_empty(const struct input *input) { return input->next == input->end; }
/* 0 when there are none left. */
static inline unsigned input_byte(struct input *input) { return input_is_empty(input) ? 0 : *input->next++; }
static inline unsigned input_short(struct input *input) {
    unsigned low = input_byte(input);
    return low | input_byte(input) << 8;
}

/* ---- threads.c */
struct fuzz_thread {
    int number;
    bool concurrent; /* the others run as well: only blocks of one's own, and no arena may begin or end */
    struct input input;
    int entered[fuzz_entered_most]; /* places */
    int depth;
};
extern struct fuzz_thread fuzz_thread[fuzz_threads];
/* In the child of a fork the others are not there. */
extern bool fuzz_is_alone;
/* Whether blocks of others, and what is counted over all threads, are in no certain state: in the child of a fork
 * that came while all ran. */
extern bool fuzz_is_torn;

/* Runs the program. */
void fuzz_run_all(const uint8_t *bytes, size_t size_bytes);
/* run.c: one thread's part; until its bytes end, or (not when all run at once) it is another one's turn, or all are
 * to run, which it says. */
enum fuzz_turn { FUZZ_END, FUZZ_NEXT_THREAD, FUZZ_ALL_AT_ONCE };
enum fuzz_turn fuzz_run(struct fuzz_thread *self, int *next_thread);
/* A thread of its own ends; it begins again when it is to run. Not one's own. */
void fuzz_end_thread(int number);
/* The rest of the program's next bytes in the child of a fork. */
void fuzz_fork(struct fuzz_thread *self);

/* ---- blocks.c */
struct fuzz_block {
    unsigned char *start; /* NULL: none */
    size_t size_bytes, alignment, usable_bytes;
    size_t filled_bytes; /* with the pattern */
    size_t used_bytes;   /* the most that was ever filled since it came */
    uint64_t pattern;
    int place; /* of its arena; -1: the default one */
};
struct fuzz_herd {
    struct fuzz_block blocks[fuzz_herd_most];
    unsigned used;
};
extern struct fuzz_block fuzz_single[fuzz_singles];
extern struct fuzz_herd fuzz_herd[fuzz_herds];

void fuzz_blocks_begin(void);
void fuzz_allocate(struct fuzz_thread *self, struct fuzz_block *block);
void fuzz_resize(struct fuzz_thread *self, struct fuzz_block *block);
void fuzz_free(struct fuzz_thread *self, struct fuzz_block *block);
void fuzz_check(const struct fuzz_block *block);
/* Sizes that nobody can have. */
void fuzz_ask_too_much(struct fuzz_thread *self);
/* Many blocks of one size; a part of a herd, in some order. */
void fuzz_grow_herd(struct fuzz_thread *self, struct fuzz_herd *herd);
void fuzz_thin_herd(struct fuzz_thread *self, struct fuzz_herd *herd);
/* The arena's blocks are gone. */
void fuzz_forget_blocks_of(int place);
void fuzz_free_all(struct fuzz_thread *self);
/* The default arena's blocks, as the model counts them. */
long fuzz_live_blocks(void);

/* ---- arenas.c */
struct fuzz_place {
    acre_arena *arena;
    _Atomic long live_blocks;
    bool zeroed, may_fail;
    size_t limit_bytes;
    struct {
        _Atomic size_t taken_bytes;
        _Atomic unsigned calls;
        bool fails, gives, allocates;
        _Atomic unsigned kept_count;
        struct {
            void *start;
            size_t size_bytes;
        } kept[fuzz_kept_most];
    } custom;
};
extern struct fuzz_place fuzz_place[fuzz_places];

void fuzz_create(struct fuzz_thread *self, int place);
void fuzz_end_arena(struct fuzz_thread *self, int place, bool destroy);
void fuzz_check_books(int place);
void fuzz_each_arena(void);
void fuzz_enter(struct fuzz_thread *self, int place);
void fuzz_leave(struct fuzz_thread *self);
void fuzz_destroy_all(struct fuzz_thread *self);
/* acre's own look at its structures, where it can be had. */
void fuzz_validate(void);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

#endif
