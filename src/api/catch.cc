// The one thing that C cannot do: keep an exception of a new-handler, or of a program's own new, from leaving
// nothrow new. The C++ runtime's names are weak, so that the library needs none; without a runtime nothing can
// throw.
__asm__(".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n");

#define HIDDEN __attribute__((visibility("hidden")))
extern "C" HIDDEN bool acre_call_handler(void (*handler)());
extern "C" HIDDEN void *acre_call_new(void *(*function)(unsigned long size), unsigned long size_bytes);
extern "C" HIDDEN void *acre_call_new_aligned(void *(*function)(unsigned long size, unsigned long alignment),
                                              unsigned long size_bytes, unsigned long alignment);

extern "C" bool acre_call_handler(void (*handler)()) {
    try {
        handler();
        return true;
    } catch (...) {
        return false;
    }
}

extern "C" void *acre_call_new(void *(*function)(unsigned long size), unsigned long size_bytes) {
    try {
        return function(size_bytes);
    } catch (...) {
        return nullptr;
    }
}

extern "C" void *acre_call_new_aligned(void *(*function)(unsigned long size, unsigned long alignment),
                                       unsigned long size_bytes, unsigned long alignment) {
    try {
        return function(size_bytes, alignment);
    } catch (...) {
        return nullptr;
    }
}
