// A program with a malloc of its own, as Firefox has one: it defines the usual functions and operators, and so
// comes before a preloaded acre with these. What it does not define is acre's then, and is called for the program's
// blocks: as on glibc, where it is libc's and the C++ runtime's, they must come to the program's functions.
#include "support/check.h"
#include "support/process.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <new>

namespace {

// Blocks in a row, never used again, with their size before them.
const std::size_t head = 16;
char room[std::size_t(4) << 20] __attribute__((aligned(16)));
std::size_t used;
int freed, resized;

bool is_own(void *block) { return block >= room && block < room + sizeof room; }

void *take(std::size_t size) {
    std::size_t whole = head + (size + 15) / 16 * 16;
    std::size_t at = __atomic_fetch_add(&used, whole, __ATOMIC_RELAXED);
    if (size > sizeof room || at + whole > sizeof room) return nullptr;
    std::memcpy(room + at, &size, sizeof size);
    return room + at + head;
}

} // namespace

extern "C" {
void *malloc(std::size_t size) { return take(size); }
void *calloc(std::size_t count, std::size_t size) { return take(count * size); }
void *aligned_alloc(std::size_t alignment, std::size_t size) {
    std::uintptr_t block = reinterpret_cast<std::uintptr_t>(take(size + alignment));
    return reinterpret_cast<void *>((block + alignment - 1) / alignment * alignment);
}
void free(void *block) {
    CHECKF(block == nullptr || is_own(block), "free of a block of somebody else: %p", block);
    freed += block != nullptr;
}
void *realloc(void *block, std::size_t size) {
    CHECKF(block == nullptr || is_own(block), "realloc of a block of somebody else: %p", block);
    void *moved = take(size);
    std::size_t before = 0;
    if (block != nullptr) std::memcpy(&before, static_cast<char *>(block) - head, sizeof before);
    if (moved != nullptr && block != nullptr) std::memcpy(moved, block, before < size ? before : size);
    resized++;
    return moved;
}
}
void *operator new(std::size_t size) { return malloc(size); }
void *operator new[](std::size_t size) { return malloc(size); }
void operator delete(void *block) noexcept { free(block); }
void operator delete[](void *block) noexcept { free(block); }

int main() {
    const char *expected = std::getenv("ACRE_TEST_EXPECT");
    bool on_acre = dlsym(RTLD_DEFAULT, "acre_version") != nullptr;
    CHECK(expected == nullptr || on_acre == (std::strcmp(expected, "acre") == 0));
    process_watchdog(60);

    int before = freed;
    ::operator delete(::operator new(24), std::size_t(24));
    ::operator delete[](::operator new[](24), std::size_t(24));
    ::operator delete(::operator new(24), std::nothrow);
    ::operator delete[](::operator new[](24), std::nothrow);
    ::operator delete(nullptr, std::size_t(24));
    ::operator delete(::operator new(24, std::nothrow));
    ::operator delete[](::operator new[](24, std::nothrow), std::size_t(24));
    CHECKF(freed == before + 6, "%d of 6 came to the program's free", freed - before);

    before = resized;
    char *text = static_cast<char *>(std::malloc(6));
    CHECK(text != nullptr);
    std::memcpy(text, "hello", 6);
    text = static_cast<char *>(reallocarray(text, 100, 10));
    CHECK(is_own(text) && std::strcmp(text, "hello") == 0);
    CHECK(is_own(reallocarray(nullptr, 3, 10)));
    CHECK(reallocarray(text, SIZE_MAX / 2, 3) == nullptr);
    CHECK(resized == before + 2);

    // C23's, which this glibc may not have.
    auto free_sized = reinterpret_cast<void (*)(void *, std::size_t)>(dlsym(RTLD_DEFAULT, "free_sized"));
    before = freed;
    if (free_sized != nullptr) free_sized(std::malloc(10), 10);
    CHECK(freed == before + (free_sized != nullptr));

    // On acre the program has no part in these; in the runtime it has.
    ::operator delete(::operator new(100, std::align_val_t(64)), std::align_val_t(64));
    return 0;
}
