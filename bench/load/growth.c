/*
 * vectors: sixteen arrays grow by half through realloc, an element at a time in turn, to 8 KiB up to 16 MiB;
 * strings: 1,024 strings grow by exact realloc of a few bytes at random until about 400 bytes.
 * count: arrays or strings completed.
 * Stands for: std::vector-like containers and text builders; asks whether realloc grows in place, moves pages
 * instead of copying, and leaves the abandoned sizes fit for use. Cannot show: the cost of wrong guesses about
 * growth in programs that never grow, and C++ containers themselves do not call realloc.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

enum { VECTORS = 16, STEP_ELEMENTS = 512, STRINGS = 1024, STRING_TYPICAL = 400 };

struct vector {
    uint64_t *elements;
    size_t length, capacity, goal;
};

static void vector_begin(struct vector *vector, struct random *random)
{
    *vector = (struct vector){.goal = random_octave(random, 8 << 10, 16 << 20) / sizeof(uint64_t)};
}

static uint64_t vector_end(struct vector *vector)
{
    uint64_t sum = vector->length ? vector->elements[0] + vector->elements[vector->length / 2] : 0;
    free(vector->elements);
    return sum;
}

static void vector_push(struct vector *vector, size_t count)
{
    while (count-- > 0) {
        if (vector->length == vector->capacity) {
            vector->capacity = vector->capacity ? vector->capacity + vector->capacity / 2 : 8;
            vector->elements = must(realloc(vector->elements, vector->capacity * sizeof(uint64_t)));
        }
        vector->elements[vector->length] = vector->length;
        vector->length++;
    }
}

uint64_t load_vectors(const struct load_options *options)
{
    struct random random = {options->seed};
    struct vector vectors[VECTORS];
    uint64_t sum = 0, done = 0;
    for (size_t i = 0; i < VECTORS; i++)
        vector_begin(&vectors[i], &random);
    for (size_t i = 0; done < options->count; i = (i + 1) % VECTORS) {
        vector_push(&vectors[i], STEP_ELEMENTS);
        if (vectors[i].length >= vectors[i].goal) {
            sum += vector_end(&vectors[i]);
            vector_begin(&vectors[i], &random);
            done++;
        }
    }
    for (size_t i = 0; i < VECTORS; i++)
        sum += vector_end(&vectors[i]);
    return sum;
}

static void string_append(struct block *string, size_t more, unsigned char tag)
{
    string->bytes = must(realloc(string->bytes, string->size + more));
    memset(string->bytes + string->size, tag, more);
    string->size += more;
}

uint64_t load_strings(const struct load_options *options)
{
    struct random random = {options->seed};
    struct block *strings = books_take(STRINGS * sizeof *strings);
    uint64_t sum = 0, done = 0;
    while (done < options->count) {
        struct block *string = &strings[random_below(&random, STRINGS)];
        string_append(string, random_between(&random, 1, 32), (unsigned char)done);
        if (string->size > STRING_TYPICAL) {
            sum += block_give(string);
            string->size = 0;
            done++;
        }
    }
    for (size_t i = 0; i < STRINGS; i++)
        sum += block_give(&strings[i]);
    books_give(strings, STRINGS * sizeof *strings);
    return sum;
}
