// Loaded by local_plugin.c with RTLD_LOCAL: its C++ runtime is not in the program's global scope, so an allocator
// that throws must find the runtime through the caller.
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <vector>

namespace {
int handler_calls;
void handler() {
    if (++handler_calls == 2) std::set_new_handler(nullptr);
}
} // namespace

// 1 when operator new of so many bytes threw bad_alloc, 0 when it gave a block, -1 for anything else.
extern "C" int plugin_new_fails(std::size_t size) {
    try {
        ::operator delete(::operator new(size));
        return 0;
    } catch (const std::bad_alloc &) {
        return 1;
    } catch (...) {
        return -1;
    }
}

extern "C" int plugin_aligned_new_fails(std::size_t size) {
    try {
        ::operator delete(::operator new(size, std::align_val_t(64)), std::align_val_t(64));
        return 0;
    } catch (const std::bad_alloc &) {
        return 1;
    } catch (...) {
        return -1;
    }
}

extern "C" int plugin_nothrow_new_fails(std::size_t size) {
    void *block = ::operator new(size, std::nothrow);
    ::operator delete(block);
    return block == nullptr;
}

// How often the handler was called before new gave up.
extern "C" int plugin_handler_calls(std::size_t size) {
    handler_calls = 0;
    std::set_new_handler(handler);
    int result = plugin_new_fails(size);
    std::set_new_handler(nullptr);
    return result == 1 ? handler_calls : -1;
}

// Ordinary work, and a static object whose constructor and destructor allocate.
namespace {
std::vector<std::string> kept(100, std::string(50, 'k'));
std::mutex kept_lock; // the library may be open in several threads at once
}
extern "C" std::size_t plugin_work(int rounds) {
    std::vector<std::string> strings;
    for (int i = 0; i < rounds; i++) strings.push_back(std::string(static_cast<std::size_t>(i % 300), 'p'));
    {
        std::lock_guard<std::mutex> guard(kept_lock);
        kept.insert(kept.end(), strings.begin(), strings.begin() + rounds / 10);
    }
    std::size_t total = 0;
    for (const auto &text : strings) total += text.size();
    return total;
}
