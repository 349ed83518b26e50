/*
 * phases: grow to live_bytes in one band of sizes, free 95 % of it at random, go on in another band; eight
 * bands between 16 bytes and 32 KiB, the survivors of the last two phases stay. count: rounds of eight phases.
 * Stands for: compilers, batch jobs and servers whose work changes character, and asks whether memory that one
 * size gave up serves the next; the peak tells. Cannot show: memory returned to the system while idle, since it
 * never idles.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

enum { BANDS = 8, SURVIVE_PERCENT = 5, KEPT_PHASES = 2 };

static const size_t bands[BANDS][2] = {{16, 48},     {400, 700},   {64, 128},     {4096, 9000},
                                       {24, 24},     {128, 350},   {8192, 32768}, {1000, 3000}};

/* Blocks link themselves: a table beside them would be resident too, and as big as the smallest of them. */
struct item {
    struct item *next;
    uint64_t tag;
};

static struct item *phase_grow(const size_t band[2], size_t live_bytes, struct random *random)
{
    struct item *items = NULL;
    for (size_t taken = 0; taken < live_bytes;) {
        size_t size = random_between(random, band[0], band[1]);
        struct item *item = must(malloc(size));
        memset(item, 1, size);
        *item = (struct item){.next = items, .tag = size};
        items = item;
        taken += size;
    }
    return items;
}

/* Frees all but about `percent` in a hundred; returns what to add to the checksum. */
static uint64_t phase_shrink(struct item **items, unsigned percent, struct random *random)
{
    uint64_t sum = 0;
    while (*items) {
        struct item *item = *items;
        if (random_below(random, 100) < percent) {
            items = &item->next;
            continue;
        }
        *items = item->next;
        sum += item->tag;
        free(item);
    }
    return sum;
}

uint64_t load_phases(const struct load_options *options)
{
    struct random random = {options->seed};
    struct item *kept[KEPT_PHASES] = {NULL};
    uint64_t sum = 0;
    for (uint64_t turn = 0; turn < options->count * BANDS; turn++) {
        struct item **items = &kept[turn % KEPT_PHASES];
        sum += phase_shrink(items, 0, &random);
        *items = phase_grow(bands[turn % BANDS], options->live_bytes, &random);
        sum += phase_shrink(items, SURVIVE_PERCENT, &random);
    }
    for (size_t i = 0; i < KEPT_PHASES; i++)
        sum += phase_shrink(&kept[i], 0, &random);
    return sum;
}
