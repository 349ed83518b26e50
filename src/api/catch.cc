// The one thing that C cannot do: keep an exception of a new-handler from leaving nothrow new. The C++ runtime's
// names are weak, so that the library needs none; without a runtime nothing can throw.
__asm__(".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n");

extern "C" __attribute__((visibility("hidden"))) bool acre_call_handler(void (*handler)());

extern "C" bool acre_call_handler(void (*handler)()) {
    try {
        handler();
        return true;
    } catch (...) {
        return false;
    }
}
