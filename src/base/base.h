/* Layer 0: words, alignment, bits. No state, no system calls, nothing of libc but headers. */
#ifndef ACRE_BASE_BASE_H
#define ACRE_BASE_BASE_H

#include "base/tsan.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACRE_LIKELY(x) __builtin_expect(!!(x), 1)
#define ACRE_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ACRE_INLINE static inline __attribute__((always_inline))
#define ACRE_NOINLINE __attribute__((noinline))
#define ACRE_COLD __attribute__((cold, noinline))
#define ACRE_PUBLIC __attribute__((visibility("default")))
#define ACRE_CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* The unit of the address map: serves pages of 4, 16 and 64 KiB alike. */
#define ACRE_GRANULE_SHIFT 16
#define ACRE_GRANULE_BYTES ((size_t)1 << ACRE_GRANULE_SHIFT)

/* The smallest distance between two blocks, and what C and C++ compilers assume malloc aligns to. */
#define ACRE_ALIGNMENT ((size_t)16)

/* Addresses a program can hold. x86-64 hands out more than 47 bits, and arm64 more than 48, only to a program
 * that asks mmap for them by address, which acre does not. */
#if defined(__x86_64__)
#define ACRE_ADDRESS_BITS 47
#else
#define ACRE_ADDRESS_BITS 48
#endif

/* Plain instructions where they beat the compiler's; ThreadSanitizer would not see their accesses. */
#if defined(__x86_64__) && !defined(ACRE_TSAN)
#define ACRE_X86_ASM 1
#endif

/* Whether a thread's stores become visible to others in the order in which it makes them. */
#if defined(__x86_64__)
#define ACRE_STORES_ARRIVE_IN_ORDER true
#else
#define ACRE_STORES_ARRIVE_IN_ORDER false
#endif

_Static_assert(sizeof(void *) == 8, "acre needs 64-bit pointers");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "slab bitmaps are read in two word sizes");

#if defined(ACRE_DEBUG)
#define ACRE_CHECKS 1
#else
#define ACRE_CHECKS 0
#endif
/* For what can only be false by a mistake inside acre. */
#define ACRE_ASSERT(condition)                                                                                     \
    do {                                                                                                           \
        if (ACRE_CHECKS && !(condition)) __builtin_trap();                                                         \
    } while (0)

ACRE_INLINE size_t acre_align_up(size_t value, size_t alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
}
ACRE_INLINE size_t acre_align_down(size_t value, size_t alignment) { return value & ~(alignment - 1); }
ACRE_INLINE bool acre_is_power_of_two(size_t value) { return value != 0 && (value & (value - 1)) == 0; }
ACRE_INLINE size_t acre_min(size_t a, size_t b) { return a < b ? a : b; }
ACRE_INLINE size_t acre_max(size_t a, size_t b) { return a > b ? a : b; }
ACRE_INLINE unsigned acre_log2_floor(uint64_t value) { return 63u ^ (unsigned)__builtin_clzll(value); }
ACRE_INLINE unsigned acre_lowest_bit(uint64_t word) { return (unsigned)__builtin_ctzll(word); }
/* By nibbles, bytes and one multiplication: the instruction for it is not on every x86-64 processor, and what a
 * compiler puts in its place is a call. */
ACRE_INLINE unsigned acre_count_bits(uint64_t word) {
#if defined(__x86_64__) && !defined(__POPCNT__)
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(word * UINT64_C(0x0101010101010101) >> 56);
#else
    return (unsigned)__builtin_popcountll(word);
#endif
}

/* Identifies the calling thread; never 0 or 1. */
ACRE_INLINE uintptr_t acre_thread_pointer(void) {
#if defined(__x86_64__) && defined(__clang__)
    uintptr_t self;
    __asm__("mov %%fs:0, %0" : "=r"(self));
    return self;
#else
    return (uintptr_t)__builtin_thread_pointer();
#endif
}

ACRE_INLINE void acre_cpu_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

typedef uint16_t acre_half __attribute__((may_alias));
/* Clears bit (position mod 16) of *half; true when it was clear before. Not atomic, but what the program wrote
 * before comes before the change (a release store). */
ACRE_INLINE bool acre_clear_bit_of(acre_half *half, uint64_t position) {
#if defined(ACRE_X86_ASM)
    __asm__ goto("movzwl (%[half]), %%ecx\n\t"
                 "btrw %w[position], %%cx\n\t"
                 "jnc %l[twice]\n\t"
                 "movw %%cx, (%[half])"
                 :
                 : [half] "r"(half), [position] "r"(position)
                 : "rcx", "cc", "memory"
                 : twice);
    return false;
twice:
    return true;
#else
    unsigned bits = *half, bit = 1u << (position & 15);
    __atomic_store_n(half, (acre_half)(bits & ~bit), __ATOMIC_RELEASE);
    return (bits & bit) == 0;
#endif
}
/* The same for the half word that lies (address / 256 mod 256) half words behind `halves`: the fast path of free.
 * On x86 plain instructions: btr on memory is slower, and a compiler does not fold the address of a load and a
 * store. */
ACRE_INLINE bool acre_clear_bit16(acre_half *halves, uintptr_t address, uint64_t position) {
#if defined(ACRE_X86_ASM)
    __asm__ goto("movzbl %h[address], %%ecx\n\t"
                 "movzwl (%[halves],%%rcx,2), %%esi\n\t"
                 "btrw %w[position], %%si\n\t"
                 "jnc %l[twice]\n\t"
                 "movw %%si, (%[halves],%%rcx,2)"
                 :
                 : [halves] "r"(halves), [address] "Q"(address), [position] "r"(position)
                 : "rcx", "rsi", "cc", "memory"
                 : twice);
    return false;
twice:
    return true;
#else
    return acre_clear_bit_of(&halves[address >> 8 & 0xff], position);
#endif
}

/* Sets bit (position mod 16) of *half. */
ACRE_INLINE void acre_set_bit_of(acre_half *half, uint64_t position) {
#if defined(ACRE_X86_ASM)
    unsigned bits = *half;
    __asm__("btsw %w1, %w0" : "+r"(bits) : "r"(position) : "cc");
    *half = (acre_half)bits;
#else
    *half |= (acre_half)(1u << (position & 15));
#endif
}

/* Tells the compiler what it cannot see. */
ACRE_INLINE void *acre_not_null(uintptr_t address) {
    if (address == 0) __builtin_unreachable();
    return (void *)address;
}

/* Goes to the label when an atomic word, which seldom is, is not 0; what follows comes after that look. The
 * compiler takes two more instructions for it. */
#if defined(ACRE_X86_ASM)
#define ACRE_GO_IF_SET(word, label) __asm__ goto("cmpl $0, %0\n\tjne %l1" : : "m"(word) : "cc", "memory" : label)
#else
#define ACRE_GO_IF_SET(word, label)                                                                                \
    if (ACRE_UNLIKELY(atomic_load_explicit(&(word), memory_order_acquire) != 0)) goto label
#endif

/* *sum += value, where the compiler would keep the sum in a register that nobody needs. */
ACRE_INLINE void acre_add_to(uintptr_t *sum, uintptr_t value) {
#if defined(ACRE_X86_ASM)
    __asm__("addq %1, %0" : "+m"(*sum) : "r"(value) : "cc");
#else
    *sum += value;
#endif
}

/* The value again, in a register of its own, which the compiler does not know to be the same. */
ACRE_INLINE uintptr_t acre_copy(uintptr_t value) {
#if defined(ACRE_X86_ASM)
    __asm__("" : "+Q"(value)); /* one whose second byte has a name */
#endif
    return value;
}

#endif
