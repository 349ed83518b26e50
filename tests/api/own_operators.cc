// A program that replaces the plain operators new and delete alone, with something of its own before each block, as
// those do that count what they allocate. All other forms must come to these, whoever has them.
#include "support/check.h"
#include "support/process.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <vector>

namespace {
const std::size_t head = 32;
const std::size_t mark = 0x600dB10c;
long taken, given;
bool fails;
} // namespace

void *operator new(std::size_t size) {
    char *block = fails ? nullptr : static_cast<char *>(std::malloc(head + size));
    if (block == nullptr) throw std::bad_alloc();
    std::memcpy(block, &mark, sizeof mark);
    taken++;
    return block + head;
}

void operator delete(void *block) noexcept {
    if (block == nullptr) return;
    char *whole = static_cast<char *>(block) - head;
    CHECKF(std::memcmp(whole, &mark, sizeof mark) == 0, "delete of a block that the program's new did not give");
    std::memset(whole, 0, sizeof mark);
    given++;
    std::free(whole);
}

static void use_containers() {
    std::map<int, std::string> names;
    std::vector<std::string> words;
    for (int i = 0; i < 2000; i++) {
        names[i * 7919 % 2003] = std::string(static_cast<std::size_t>(i % 60), 'a');
        words.push_back(std::to_string(i * 7919 % 2003));
    }
    std::stable_sort(words.begin(), words.end());
    CHECK(std::is_sorted(words.begin(), words.end()) && names.size() > 1990);
}

int main() {
    process_expect_malloc();
    process_watchdog(60);
    long before = taken - given;
    for (std::size_t size = 1; size < 3000; size += 37) {
        ::operator delete(::operator new(size), size);
        ::operator delete(::operator new(size), std::nothrow);
        ::operator delete[](::operator new[](size));
        ::operator delete[](::operator new[](size), size);
        ::operator delete[](::operator new[](size), std::nothrow);
        ::operator delete(::operator new(size, std::nothrow));
        ::operator delete[](::operator new[](size, std::nothrow), size);
    }
    use_containers();
    CHECKF(taken - given == before, "%ld blocks did not come back", taken - given - before);
    fails = true;
    CHECK(::operator new(10, std::nothrow) == nullptr && ::operator new[](10, std::nothrow) == nullptr);
    fails = false;
    return 0;
}
