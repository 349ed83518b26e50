/* What a test writes into a block, so that a byte that is not its own is noticed. */
#ifndef ACRE_TESTS_CONTENT_H
#define ACRE_TESTS_CONTENT_H

#include <stddef.h>
#include <stdint.h>

/* The whole of a small block; of a large one both ends, and a word every 2 KiB. */
void content_fill(unsigned char *start, size_t size_bytes, uint64_t pattern);
/* Of what content_fill wrote the first prefix_bytes, or all of it; ends the program when that is not there. */
void content_check(const unsigned char *start, size_t size_bytes, uint64_t pattern, size_t prefix_bytes);
void content_expect_zero(const unsigned char *start, size_t size_bytes);

#endif
