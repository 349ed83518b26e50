#include "ledger.h"

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

struct ledger *ledger_open(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0 || ftruncate(file, sizeof(struct ledger)) != 0) return NULL;
    void *start = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return start == MAP_FAILED ? NULL : start;
}

static uint64_t hash(uint64_t address) { return (address >> 4) * UINT64_C(0x9e3779b97f4a7c15); }
static unsigned home(uint64_t address) { return (unsigned)(hash(address) >> 40) % LEDGER_SLOTS; }

static struct ledger_shard *lock_shard(struct ledger *ledger, uint64_t address) {
    struct ledger_shard *shard = &ledger->shard[(hash(address) >> 58) % LEDGER_SHARDS];
    while (__atomic_exchange_n(&shard->locked, 1, __ATOMIC_ACQUIRE) != 0) sched_yield();
    return shard;
}

static void unlock_shard(struct ledger_shard *shard) { __atomic_store_n(&shard->locked, 0, __ATOMIC_RELEASE); }

/* Where it is, or the free entry where it would be. A shard is never full. */
static unsigned find(const struct ledger_shard *shard, uint64_t address) {
    unsigned at = home(address);
    while (shard->entry[at].address != 0 && shard->entry[at].address != address) at = (at + 1) % LEDGER_SLOTS;
    return at;
}

static size_t class_bytes(const void *block, size_t alignment) {
    size_t usable_bytes = malloc_usable_size((void *)block);
    return usable_bytes > LEDGER_CLASS_MOST || alignment > LEDGER_CLASS_MOST ? 0 : usable_bytes;
}

void ledger_put(struct ledger *ledger, const void *block, size_t asked_bytes, size_t alignment) {
    uint64_t address = (uintptr_t)block;
    if (ledger == NULL || block == NULL || ledger->lost > 0) return;
    struct ledger_entry entry = {address, asked_bytes, class_bytes(block, alignment)};
    struct ledger_shard *shard = lock_shard(ledger, address);
    unsigned at = find(shard, address);
    if (shard->entry[at].address == 0 && shard->blocks + 1 == LEDGER_SLOTS) {
        __atomic_fetch_add(&ledger->lost, 1, __ATOMIC_RELAXED);
    } else {
        shard->blocks += shard->entry[at].address == 0;
        shard->entry[at] = entry;
    }
    unlock_shard(shard);
}

/* Entries behind it that could lie here move up, so that none is behind a gap. */
static void close_gap(struct ledger_shard *shard, unsigned gap) {
    for (unsigned at = (gap + 1) % LEDGER_SLOTS; shard->entry[at].address != 0; at = (at + 1) % LEDGER_SLOTS) {
        unsigned from_home = (at - home(shard->entry[at].address)) % LEDGER_SLOTS;
        if (from_home >= (at - gap) % LEDGER_SLOTS) {
            shard->entry[gap] = shard->entry[at];
            gap = at;
        }
    }
    shard->entry[gap] = (struct ledger_entry){0, 0, 0};
}

void ledger_remove(struct ledger *ledger, const void *block) {
    uint64_t address = (uintptr_t)block;
    if (ledger == NULL || block == NULL) return;
    struct ledger_shard *shard = lock_shard(ledger, address);
    unsigned at = find(shard, address);
    if (shard->entry[at].address != 0) {
        shard->blocks--;
        close_gap(shard, at);
    }
    unlock_shard(shard);
}
