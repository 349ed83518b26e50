/* Why an allocator pools: 10,000 blocks of 100 bytes, each by a system call of its own, and from pools of 64 KiB.
 */
#include <stdio.h>
#include <sys/mman.h>

enum { BLOCKS = 10000, BLOCK_BYTES = 112, POOL_BYTES = 64 << 10 };

static size_t system_calls, mapped_bytes;

static char *from_system(size_t bytes) {
    char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    system_calls++;
    mapped_bytes += (bytes + 4095) / 4096 * 4096;
    return start == MAP_FAILED ? NULL : start;
}

static char *from_pool(size_t bytes) {
    static char *next, *end;
    if ((size_t)(end - next) < bytes) {
        next = from_system(POOL_BYTES);
        end = next == NULL ? NULL : next + POOL_BYTES;
    }
    char *block = next;
    next = block == NULL ? NULL : next + bytes;
    return block;
}

static int try_it(const char *name, char *take(size_t)) {
    system_calls = mapped_bytes = 0;
    for (int i = 0; i < BLOCKS; i++) {
        char *block = take(BLOCK_BYTES);
        if (block == NULL) {
            return 1;
        }
        *block = 'x';
    }
    printf("%-13s %5zu system calls, %5zu KiB for %d KiB of blocks\n", name, system_calls, mapped_bytes >> 10,
           BLOCKS * BLOCK_BYTES >> 10);
    return 0;
}

int main(void) { return try_it("without pools", from_system) + try_it("with pools", from_pool); }
