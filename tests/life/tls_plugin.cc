// Thread-local objects of a library that comes and goes: dynamic TLS, which libc allocates at first use, and
// destructors that run at the end of each thread that used them, allocate, and free what other threads took.
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

namespace {
struct Kept {
    std::vector<std::string> texts;
    void *block = nullptr;
    ~Kept() {
        texts.emplace_back(300, 'e');
        ::operator delete(block);
    }
};
thread_local Kept kept;
thread_local char room[20000]; // too long for the spare room that libc keeps beside static TLS
thread_local std::size_t uses;

struct Loaded {
    std::vector<char *> blocks;
    Loaded() { blocks.push_back(new char[5000]); }
    ~Loaded() {
        for (char *block : blocks) delete[] block;
        delete[] new char[70000];
    }
} loaded;
} // namespace

// What was written before is there still, else 0.
extern "C" std::size_t tls_plugin_use(std::size_t size) {
    for (std::size_t i = 0; i < sizeof room; i += 999)
        if (room[i] != static_cast<char>(uses)) return 0;
    uses++;
    std::memset(room, static_cast<char>(uses), sizeof room);
    ::operator delete(kept.block);
    kept.block = ::operator new(size);
    kept.texts.emplace_back(size % 500, 't');
    return uses;
}
