/* What every case shares: see giveback.h. */
#include "giveback.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* ---- time and marks */

uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_until_ms(uint64_t at_ms)
{
    struct timespec at = {.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

void mark(uint64_t at_ms, const char *name, const char *format, ...)
{
    char line[256];
    va_list values;
    int length = snprintf(line, sizeof line, "%s at_ms=%llu ", name, (unsigned long long)at_ms);
    va_start(values, format);
    length += vsnprintf(line + length, sizeof line - (size_t)length, format, values);
    va_end(values);
    line[length++] = '\n'; /* over the end of the text: write needs none */
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        give_up("cannot write a mark");
}

/* ---- memory as Linux sees it */

size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t pages_round_up(size_t bytes)
{
    return (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
}

size_t resident_bytes(void)
{
    char text[128] = "";
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    const char *second = strchr(text, ' ');
    if (length <= 0 || !second)
        give_up("cannot read /proc/self/statm");
    return strtoul(second, NULL, 10) * page_bytes();
}

uint64_t minor_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_minflt;
}

/* ---- sets of pages: a hash table, at most half full; no page is number 0 */

void page_set_open(struct page_set *set, size_t pages_most)
{
    set->count = 0;
    set->slots = 2;
    while (set->slots < 2 * pages_most)
        set->slots *= 2;
    set->pages = books_take(set->slots * sizeof *set->pages);
}

static void page_add(struct page_set *set, uintptr_t page)
{
    size_t slot = (size_t)((page * 0x9e3779b97f4a7c15u) >> 32) & (set->slots - 1);
    while (set->pages[slot] != 0 && set->pages[slot] != page)
        slot = (slot + 1) & (set->slots - 1);
    set->count += set->pages[slot] == 0;
    set->pages[slot] = page;
}

void page_set_add(struct page_set *set, const struct block *blocks, size_t count)
{
    size_t bytes = page_bytes();
    for (size_t i = 0; i < count; i++) {
        uintptr_t first = (uintptr_t)blocks[i].bytes, last = first + blocks[i].size - 1;
        for (uintptr_t page = first / bytes; page <= last / bytes; page++)
            page_add(set, page);
    }
}

size_t page_set_close(struct page_set *set)
{
    books_give(set->pages, set->slots * sizeof *set->pages);
    return set->count * page_bytes();
}

/* ---- contents */

void blocks_check(const struct block *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned char *bytes = blocks[i].bytes;
        size_t size = blocks[i].size;
        if (bytes[0] != tag_of(size) || memcmp(bytes, bytes + 1, size - 1) != 0)
            give_up("a block lost its contents");
    }
}
