/* Threads that free each other's blocks: each step takes what is in a place and puts a block of its own, or none,
 * there. Some 7 MiB of blocks of 100 to 1,000 bytes live. A block holds its place's number, so that damage shows. */
#ifndef ACRE_TESTS_EXCHANGE_H
#define ACRE_TESTS_EXCHANGE_H

#include <stdatomic.h>
#include <stdbool.h>

/* For pthread_create, with a number as the argument. Both go on until `exchange_is_over`: one exchanges all the
 * time, the other starts threads with a short life, one after the other. */
void *exchange_steadily(void *number);
void *exchange_in_short_lives(void *number);
extern _Atomic bool exchange_is_over;

/* Frees what is in the places: after the threads' end, or in the child of a fork. */
void *exchange_free_all(void *unused);

#endif
