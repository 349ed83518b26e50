/* One thread's operations. */
#include "fuzz/fuzz.h"

#include "support/check.h"

#include <malloc.h>
#include <stdlib.h>

/* A block that this thread may use now; NULL: its arena is another thread's. */
static struct fuzz_block *choose_single(struct fuzz_thread *self) {
    unsigned number = input_byte(&self->input) % fuzz_singles;
    if (self->concurrent) number = number / fuzz_threads * fuzz_threads + (unsigned)self->number;
    return &fuzz_single[number];
}

static struct fuzz_herd *choose_herd(struct fuzz_thread *self) {
    unsigned number = input_byte(&self->input) % fuzz_herds;
    return &fuzz_herd[self->concurrent ? (unsigned)self->number : number];
}

static int choose_place(struct fuzz_thread *self) { return (int)(input_byte(&self->input) % fuzz_places); }

/* What only one thread at a time may do. */
static void rule(struct fuzz_thread *self, unsigned what) {
    int place = choose_place(self);
    if (self->concurrent) return;
    switch (what) {
    case 0:
    case 1:
        fuzz_create(self, place);
        break;
    case 2:
        fuzz_end_arena(self, place, true);
        break;
    case 3:
        fuzz_end_arena(self, place, false);
        break;
    case 4:
        fuzz_check_books(place);
        break;
    case 5:
        fuzz_each_arena();
        break;
    default:
        fuzz_validate();
    }
}

static void give_back(struct fuzz_thread *self, unsigned what) {
    int place = choose_place(self);
    if (what == 0)
        malloc_trim(0);
    else if (what == 1)
        acre_release();
    else if (fuzz_place[place].arena != NULL)
        acre_arena_release(fuzz_place[place].arena);
}

static void use_block(struct fuzz_thread *self, unsigned what) {
    struct fuzz_block *block = choose_single(self);
    if (block->start == NULL)
        fuzz_allocate(self, block);
    else if (what < 12)
        fuzz_resize(self, block);
    else if (what < 28)
        fuzz_free(self, block);
    else
        fuzz_check(block);
}

/* The first byte of an operation says which it is. */
enum {
    ends_of_blocks = 150,
    ends_of_herds = 190,
    ends_of_arenas = 214,
    ends_of_entering = 226,
    ends_of_giving_back = 232,
    ends_of_threads = 252
};

static bool is_turn_of_another(struct fuzz_thread *self, unsigned what, int *next_thread) {
    *next_thread = (int)(what % fuzz_threads);
    return !self->concurrent && !fuzz_is_alone && *next_thread != self->number;
}

enum fuzz_turn fuzz_run(struct fuzz_thread *self, int *next_thread) {
    while (!input_is_empty(&self->input)) {
        unsigned what = input_byte(&self->input);
        if (what < ends_of_blocks) {
            use_block(self, what % 30);
        } else if (what < ends_of_herds) {
            if (what % 2 == 0)
                fuzz_grow_herd(self, choose_herd(self));
            else
                fuzz_thin_herd(self, choose_herd(self));
        } else if (what < ends_of_arenas) {
            rule(self, what % 8);
        } else if (what < ends_of_entering) {
            if (what % 2 == 0)
                fuzz_enter(self, choose_place(self));
            else
                fuzz_leave(self);
        } else if (what < ends_of_giving_back) {
            give_back(self, what % 3);
        } else if (what < ends_of_threads) {
            if (is_turn_of_another(self, what, next_thread)) return FUZZ_NEXT_THREAD;
        } else if (what == 252) {
            if (!self->concurrent && !fuzz_is_alone) return FUZZ_ALL_AT_ONCE;
        } else if (what == 253) {
            int other = (int)(input_byte(&self->input) % fuzz_threads);
            if (!self->concurrent && !fuzz_is_alone) fuzz_end_thread(other);
        } else if (what == 254) {
            fuzz_fork(self);
        } else {
            fuzz_ask_too_much(self);
        }
    }
    return FUZZ_END;
}
