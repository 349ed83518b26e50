/* What was never a block. */
#include "misuse/misuse.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void stack_address(void) {
    _Alignas(16) char local[64];
    free(hide(local));
}
static _Alignas(16) char data[64];
static void static_address(void) { free(hide(data)); }
static void string_literal(void) { free(hide((void *)(uintptr_t) "a literal of some length")); }
static void code_address(void) { free(hide((void *)(uintptr_t)&static_address)); }
static void foreign_mapping(void) {
    free(hide(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}
/* Where a header would stand that says what a block of 32 bytes has. */
static void foreign_mapping_like_a_heap(void) {
    uint64_t *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 4096; i++) map[i] = 0x21;
    free(hide(map + 2));
}
static void inaccessible_mapping(void) {
    free(hide(mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}
static void unmapped_address(void) {
    char *map = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(map, 64 << 20);
    free(hide(map + (32 << 20)));
}
static void address_1(void) { free(hide((void *)1)); }
static void address_16(void) { free(hide((void *)16)); }
static void address_4096(void) { free(hide((void *)4096)); }
static void all_ones(void) { free(hide((void *)UINTPTR_MAX)); }
static void kernel_address(void) { free(hide((void *)UINT64_C(0xffffffff81000000))); }
static void non_canonical(void) { free(hide((void *)UINT64_C(0x8000000000000000))); }
static void non_canonical_middle(void) { free(hide((void *)UINT64_C(0x0001000000000000))); }
static void live_pointer_with_top_bit(void) { free(hide((void *)((uintptr_t)take() | (UINT64_C(1) << 63)))); }
static void live_pointer_with_bit_48(void) { free(hide((void *)((uintptr_t)take() | (UINT64_C(1) << 48)))); }
static void ascii(void) { free(hide((void *)UINT64_C(0x6f6c6c6568206120))); }

static void realloc_of_static(void) {
    if (realloc(hide(data), 100) != NULL) took();
}
static void realloc_of_1(void) {
    if (realloc(hide((void *)1), 100) != NULL) took();
}
static void usable_size_of_static(void) {
    if (malloc_usable_size(hide(data)) != 0) took();
}

#define FOREIGN "not a block of acre: *"
#define ROW(run, line)                                                                                             \
    { #run, run, NULL, line }
const struct row rows_of_addresses[] = {
    ROW(stack_address, "free(0x*): " FOREIGN),
    ROW(static_address, "free(0x*): " FOREIGN),
    ROW(string_literal, "free(0x*): " FOREIGN),
    ROW(code_address, "free(0x*): " FOREIGN),
    ROW(foreign_mapping, "free(0x*): " FOREIGN),
    ROW(foreign_mapping_like_a_heap, "free(0x*): " FOREIGN),
    ROW(inaccessible_mapping, "free(0x*): " FOREIGN),
    ROW(unmapped_address, "free(0x*): " FOREIGN),
    ROW(address_1, "free(0x1): " FOREIGN),
    ROW(address_16, "free(0x10): " FOREIGN),
    ROW(address_4096, "free(0x1000): " FOREIGN),
    ROW(all_ones, "free(0xffffffffffffffff): " FOREIGN),
    ROW(kernel_address, "free(0xffffffff81000000): " FOREIGN),
    ROW(non_canonical, "free(0x8000000000000000): " FOREIGN),
    ROW(non_canonical_middle, "free(0x1000000000000): " FOREIGN),
    ROW(live_pointer_with_top_bit, "free(0x8*): " FOREIGN),
    ROW(live_pointer_with_bit_48, "free(0x1*): " FOREIGN),
    ROW(ascii, "free(0x6f6c6c6568206120): " FOREIGN),
    ROW(realloc_of_static, "realloc(0x*): " FOREIGN),
    ROW(realloc_of_1, "realloc(0x1): " FOREIGN),
    ROW(usable_size_of_static, "malloc_usable_size(0x*): " FOREIGN),
    {NULL, NULL, NULL, NULL},
};
