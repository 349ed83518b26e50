/* An ordered set of disjoint address ranges: a treap whose nodes lie in a mapping of its own, so that the checker
 * never allocates through the malloc that it checks. Locked inside; any thread may call. */
#ifndef ACRE_TESTS_ORDER_H
#define ACRE_TESTS_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct order;

/* Room for that many ranges; ends the program when it cannot be had. */
struct order *order_create(size_t capacity);

/* Adds [start, start + length_bytes). False, with the range in the way in *other_*, if it overlaps one. A length
 * of zero counts as one byte: blocks of size zero must be unique too. */
bool order_insert(struct order *order, uintptr_t start, size_t length_bytes, uintptr_t *other_start,
                  size_t *other_length_bytes);

/* Removes the range that starts there; false if there is none. */
bool order_remove(struct order *order, uintptr_t start);

size_t order_count(const struct order *order);

#endif
