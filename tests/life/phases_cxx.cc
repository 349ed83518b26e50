// The C++ part of phases.c: objects whose constructors and destructors allocate, with static and thread storage.
#include "life/phases.h"

#include <string>
#include <vector>

namespace {

struct WithStaticStorage {
    std::vector<std::string> texts;
    WithStaticStorage() : texts(50, std::string(100, 's')) { phase_work(PHASE_STATIC_CONSTRUCTED); }
    ~WithStaticStorage() {
        texts.push_back(std::string(5000, 'e'));
        phase_work(PHASE_STATIC_DESTROYED);
    }
} object;

struct WithThreadStorage {
    std::vector<std::string> texts;
    ~WithThreadStorage() {
        texts.push_back(std::string(5000, 'l'));
        phase_work(PHASE_THREAD_LOCAL);
    }
};
thread_local WithThreadStorage local;

} // namespace

void phases_use_thread_local() {
    for (int i = 0; i < 100; i++) local.texts.push_back(std::string(static_cast<std::size_t>(i) * 7, 'u'));
}
