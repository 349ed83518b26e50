/* What acre's forms of new do when memory is short: they call the new-handler until there is none, then throw
 * bad_alloc. Both live in the C++ runtime, which the library cannot link to: it looks them up where the calling
 * object would find them, since a plug-in's runtime may have been loaded for it alone. */
#include "api/operators.h"

#include "api/api.h"
#include "os/report.h"

#include <dlfcn.h>
#include <stddef.h>

typedef void new_handler(void);
typedef new_handler *get_new_handler(void);
typedef void throw_bad_alloc(void);

/* In a static executable there is nothing to look up, and no dynamic loader to ask. */
extern __typeof(dlopen) dlopen __attribute__((weak));
extern __typeof(dlsym) dlsym __attribute__((weak));
extern __typeof(dladdr) dladdr __attribute__((weak));
extern __typeof(dlclose) dlclose __attribute__((weak));
extern new_handler *linked_get_new_handler(void) __asm__("_ZSt15get_new_handlerv") __attribute__((weak));
extern void linked_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv") __attribute__((weak));

/* The symbol as the object that holds `caller` would find it, else from whatever runtime is loaded. */
static void *find(const char *symbol, const void *caller) {
    Dl_info object;
    void *found = NULL, *handle = NULL;
    if (dlopen == NULL || dlsym == NULL || dladdr == NULL) return NULL;
    if (dladdr(caller, &object) != 0 && object.dli_fname != NULL)
        handle = dlopen(object.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (handle != NULL) {
        found = dlsym(handle, symbol);
        dlclose(handle);
    }
    if (found == NULL) found = dlsym(RTLD_DEFAULT, symbol);
    static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};
    for (unsigned i = 0; found == NULL && i < sizeof runtimes / sizeof runtimes[0]; i++) {
        handle = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);
        if (handle == NULL) continue;
        found = dlsym(handle, symbol);
        dlclose(handle);
    }
    return found;
}

static new_handler *current_handler(const void *caller) {
    get_new_handler *get = linked_get_new_handler;
    if (get == NULL) get = (get_new_handler *)find("_ZSt15get_new_handlerv", caller);
    return get == NULL ? NULL : get();
}

static void *try_new(size_t size_bytes, size_t alignment) {
    return alignment == 0 ? acre_allocate(size_bytes) : acre_allocate_aligned(size_bytes, alignment);
}

/* What new does when its first try failed. A nothrow form turns the handler's exception into NULL. */
static ACRE_COLD void *new_again(size_t size_bytes, size_t alignment, bool may_throw, const void *caller) {
    for (;;) {
        new_handler *handler = current_handler(caller);
        if (handler == NULL) break;
        if (may_throw)
            handler();
        else if (!acre_call_handler(handler))
            return NULL;
        void *block = try_new(size_bytes, alignment);
        if (block != NULL) return block;
    }
    if (!may_throw) return NULL;
    throw_bad_alloc *raise = linked_throw_bad_alloc;
    if (raise == NULL) raise = (throw_bad_alloc *)find("_ZSt17__throw_bad_allocv", caller);
    if (raise != NULL) raise();
    acre_fail("operator new(%zu): out of memory, and no C++ runtime to throw bad_alloc", size_bytes);
}

void *acre_new_slowly(size_t size_bytes, size_t alignment, bool may_throw, const void *caller) {
    void *block = try_new(size_bytes, alignment);
    return ACRE_LIKELY(block != NULL) ? block : new_again(size_bytes, alignment, may_throw, caller);
}
