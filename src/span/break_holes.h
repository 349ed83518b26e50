/* Huge blocks of the break (source brk): a freed one that is not at the top becomes a hole, whose pages are
 * released and whose addresses wait for another block. Guarded by the lock of the huge blocks. */
#ifndef ACRE_SPAN_BREAK_HOLES_H
#define ACRE_SPAN_BREAK_HOLES_H

#include "span/vacant.h"

/* A freed block of the break becomes a hole, joined with its neighbours; at the top the break comes down. */
void acre_break_hole_make(struct acre_vacant *holes, struct acre_huge *huge);
/* The front of the lowest hole that is long enough, else from a higher break (whole granules); 0: neither. */
uintptr_t acre_break_hole_take(struct acre_vacant *holes, size_t size_bytes);
/* Lowers the break over holes that have come to lie at its top; whether it could. */
bool acre_break_hole_lower(struct acre_vacant *holes);

#endif
