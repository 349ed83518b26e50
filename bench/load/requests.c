/*
 * acre-bench-requests: the same loops as acre-bench-load, by the same options, with every call to the malloc family
 * counted; a last line says
 *
 *   requested PEAK_BYTES BOOKS_BYTES CALLS
 *
 * the most that was live at once in bytes as asked for, the most that the loop's own tables took, and the number of
 * calls. The linker leads the loops' calls here (--wrap), so the loops know nothing of it and the program that is
 * timed pays nothing for it. What this program itself costs means nothing: each block carries its size before it.
 */
#include "load.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct head {
    void *base;
    size_t size;
};

struct level {
    atomic_size_t now, peak;
};

static struct level blocks, books;
static atomic_size_t calls;

void *__real_malloc(size_t size);
void __real_free(void *base);
void *__real_books_take(size_t bytes);
void __real_books_give(void *bytes, size_t size);

void *__wrap_malloc(size_t size);
void __wrap_free(void *block);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
void *__wrap_books_take(size_t bytes);
void __wrap_books_give(void *bytes, size_t size);

/* Adds and subtracts in one step: of a realloc the old and the new block are never live at once. */
static void change(struct level *level, size_t more, size_t less)
{
    size_t now = atomic_fetch_add(&level->now, more - less) + more - less;
    size_t peak = atomic_load(&level->peak);
    while (now > peak && !atomic_compare_exchange_weak(&level->peak, &peak, now)) {
    }
}

static struct head *head_of(void *block)
{
    return (struct head *)block - 1;
}

static void *take(size_t alignment, size_t size)
{
    unsigned char *base = must(__real_malloc(sizeof(struct head) + alignment + size));
    uintptr_t end_of_head = (uintptr_t)base + sizeof(struct head);
    void *block = base + sizeof(struct head) + (-end_of_head & (alignment - 1));
    *head_of(block) = (struct head){base, size};
    return block;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&calls, 1);
    change(&blocks, size, 0);
    return take(alignment, size);
}

void *__wrap_malloc(size_t size)
{
    return __wrap_aligned_alloc(_Alignof(max_align_t), size);
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
    *block = __wrap_aligned_alloc(alignment, size);
    return 0;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return memset(__wrap_malloc(count * size), 0, count * size);
}

void *__wrap_realloc(void *block, size_t size)
{
    size_t old_size = block ? head_of(block)->size : 0;
    atomic_fetch_add(&calls, 1);
    change(&blocks, size, old_size);
    void *moved = take(_Alignof(max_align_t), size);
    if (block) {
        memcpy(moved, block, old_size < size ? old_size : size);
        __real_free(head_of(block)->base);
    }
    return moved;
}

void __wrap_free(void *block)
{
    atomic_fetch_add(&calls, 1);
    if (!block)
        return;
    change(&blocks, 0, head_of(block)->size);
    __real_free(head_of(block)->base);
}

void *__wrap_books_take(size_t bytes)
{
    change(&books, bytes, 0);
    return __real_books_take(bytes);
}

void __wrap_books_give(void *bytes, size_t size)
{
    change(&books, 0, size);
    __real_books_give(bytes, size);
}

__attribute__((destructor)) static void requests_print(void)
{
    printf("requested %zu %zu %zu\n", atomic_load(&blocks.peak), atomic_load(&books.peak), atomic_load(&calls));
}
