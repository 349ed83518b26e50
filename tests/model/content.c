#include "model/content.h"

#include "support/check.h"

#include <stdbool.h>
#include <string.h>

enum { edge_bytes = 1024, stride_bytes = 2048 };

static uint64_t word_at(uint64_t pattern, size_t offset) {
    return (pattern ^ offset) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool is_word_right(const unsigned char *start, uint64_t pattern, size_t offset) {
    uint64_t found, wanted = word_at(pattern, offset);
    memcpy(&found, start + offset, sizeof found);
    return found == wanted;
}

static void write_word(unsigned char *start, uint64_t pattern, size_t offset) {
    uint64_t word = word_at(pattern, offset);
    memcpy(start + offset, &word, sizeof word);
}

/* The step depends on the offset alone, so that a block that has grown or shrunk can still be checked from its
 * start. */
static size_t next_offset(size_t offset) {
    return offset < edge_bytes ? offset + 8 : (offset / stride_bytes + 1) * stride_bytes;
}

static size_t tail_offset(size_t size_bytes) {
    size_t words = size_bytes / 8;
    return words * 8 > edge_bytes ? words * 8 - 64 : 0;
}

void content_fill(unsigned char *start, size_t size_bytes, uint64_t pattern) {
    for (size_t at = 0; at + 8 <= size_bytes; at = next_offset(at)) write_word(start, pattern, at);
    for (size_t at = tail_offset(size_bytes); at + 8 <= size_bytes; at += 8) write_word(start, pattern, at);
    for (size_t at = size_bytes / 8 * 8; at < size_bytes; at++) start[at] = (unsigned char)pattern;
}

static void check_word(const unsigned char *start, size_t size_bytes, uint64_t pattern, size_t at) {
    CHECKF(is_word_right(start, pattern, at), "block %p of %zu bytes: byte %zu is not what was written there",
           (const void *)start, size_bytes, at);
}

void content_check(const unsigned char *start, size_t size_bytes, uint64_t pattern, size_t prefix_bytes) {
    for (size_t at = 0; at + 8 <= prefix_bytes; at = next_offset(at)) check_word(start, size_bytes, pattern, at);
    if (prefix_bytes < size_bytes) return;
    for (size_t at = tail_offset(size_bytes); at + 8 <= size_bytes; at += 8)
        check_word(start, size_bytes, pattern, at);
    for (size_t at = size_bytes / 8 * 8; at < size_bytes; at++) CHECK(start[at] == (unsigned char)pattern);
}

void content_expect_zero(const unsigned char *start, size_t size_bytes) {
    size_t at = 0;
    for (uint64_t word; at + 8 <= size_bytes; at += 8) {
        memcpy(&word, start + at, 8);
        CHECKF(word == 0, "block %p of %zu bytes: byte %zu is not zero", (const void *)start, size_bytes, at);
    }
    for (; at < size_bytes; at++) CHECK(start[at] == 0);
}
