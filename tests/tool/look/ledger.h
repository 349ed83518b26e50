/* A list of all live blocks, kept beside the allocator under test, in a file that others may read at any time.
 *
 * The file is of struct ledger. It is mapped shared, so that it is neither anonymous memory of the process nor in
 * its core. Who frees a block takes it out before, who has got one puts it in afterwards: while nobody is in malloc
 * or free the list is exact. A block that is put in or taken out twice is in or out. */
#ifndef ACRE_TESTS_LEDGER_H
#define ACRE_TESTS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEDGER_SHARDS = 64, LEDGER_SLOTS = 16384 };
#define LEDGER_CLASS_MOST ((size_t)32 << 10) /* larger blocks, and such as are aligned to more, are of pages */

struct ledger_entry {
    uint64_t address;     /* 0: none is here */
    uint64_t asked_bytes; /* as the program said */
    uint64_t class_bytes; /* of a block of a size class, what malloc_usable_size said; 0: it is of pages */
};

struct ledger {
    uint64_t steps; /* of programs that count what they do */
    uint64_t lost;  /* blocks for which there was no room: the list is of no use then */
    uint64_t spare[6];
    struct ledger_shard {
        uint64_t locked;
        uint64_t blocks;
        struct ledger_entry entry[LEDGER_SLOTS]; /* by a hash of the address, the next free one on */
    } shard[LEDGER_SHARDS];
};

/* NULL: it could not be opened or mapped. */
struct ledger *ledger_open(const char *path);
/* alignment: 0, or what was asked for. */
void ledger_put(struct ledger *ledger, const void *block, size_t asked_bytes, size_t alignment);
void ledger_remove(struct ledger *ledger, const void *block);

#endif
