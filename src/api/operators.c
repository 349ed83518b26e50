/* C++'s operators new and delete, under their mangled names (Itanium C++ ABI), so that they are counted and
 * caught like the rest and need no C++ in the library.
 *
 * When memory is short, new calls the new-handler until there is none, then throws bad_alloc. Both live in the C++
 * runtime, which the library cannot link to: it looks them up where the calling object would find them, since a
 * plug-in's runtime may have been loaded for it alone. */
#include "api/api.h"
#include "heap/heap.h"
#include "inspect/count.h"
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

/* Calls the handler; false when it threw (catch.cc). */
bool acre_call_handler(new_handler *handler);

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

static ACRE_NOINLINE void *new_slowly(size_t size_bytes, size_t alignment, bool may_throw, const void *caller) {
    void *block = try_new(size_bytes, alignment);
    return ACRE_LIKELY(block != NULL) ? block : new_again(size_bytes, alignment, may_throw, caller);
}

ACRE_INLINE void *new_block(size_t size_bytes, size_t alignment, bool may_throw, const void *caller) {
    void *block = NULL;
    if (alignment == 0 && ACRE_LIKELY(size_bytes <= ACRE_EXACT_MOST))
        block = acre_heap_take_ready(acre_this_heap, acre_align_up(size_bytes, ACRE_ALIGNMENT));
    if (ACRE_UNLIKELY(block == NULL)) block = new_slowly(size_bytes, alignment, may_throw, caller);
    return acre_counted(alignment == 0 ? ACRE_COUNT_MALLOC : ACRE_COUNT_ALIGNED, size_bytes, block);
}

ACRE_INLINE void delete_block(void *block) {
    acre_count_free(block);
    acre_release_of_process(block);
}

#define CALLER __builtin_return_address(0)
/* name, mangled name, parameters, alignment, throws */
#define NEW(name, mangled, parameters, alignment, may_throw)                                                       \
    ACRE_PUBLIC void *name parameters __asm__(mangled);                                                            \
    void *name parameters { return new_block(size, alignment, may_throw, CALLER); }
#define DELETE(name, mangled, parameters)                                                                          \
    ACRE_PUBLIC void name parameters __asm__(mangled);                                                             \
    void name parameters { delete_block(block); }

#define UNUSED __attribute__((unused))
#define NOTHROW const void *tag UNUSED

NEW(acre_new, "_Znwm", (size_t size), 0, true)
NEW(acre_new_array, "_Znam", (size_t size), 0, true)
NEW(acre_new_nothrow, "_ZnwmRKSt9nothrow_t", (size_t size, NOTHROW), 0, false)
NEW(acre_new_array_nothrow, "_ZnamRKSt9nothrow_t", (size_t size, NOTHROW), 0, false)
NEW(acre_new_aligned, "_ZnwmSt11align_val_t", (size_t size, size_t alignment), alignment, true)
NEW(acre_new_array_aligned, "_ZnamSt11align_val_t", (size_t size, size_t alignment), alignment, true)
NEW(acre_new_aligned_nothrow, "_ZnwmSt11align_val_tRKSt9nothrow_t", (size_t size, size_t alignment, NOTHROW),
    alignment, false)
NEW(acre_new_array_aligned_nothrow, "_ZnamSt11align_val_tRKSt9nothrow_t", (size_t size, size_t alignment, NOTHROW),
    alignment, false)

DELETE(acre_delete, "_ZdlPv", (void *block))
DELETE(acre_delete_array, "_ZdaPv", (void *block))
DELETE(acre_delete_sized, "_ZdlPvm", (void *block, size_t size UNUSED))
DELETE(acre_delete_array_sized, "_ZdaPvm", (void *block, size_t size UNUSED))
DELETE(acre_delete_nothrow, "_ZdlPvRKSt9nothrow_t", (void *block, NOTHROW))
DELETE(acre_delete_array_nothrow, "_ZdaPvRKSt9nothrow_t", (void *block, NOTHROW))
DELETE(acre_delete_aligned, "_ZdlPvSt11align_val_t", (void *block, size_t alignment UNUSED))
DELETE(acre_delete_array_aligned, "_ZdaPvSt11align_val_t", (void *block, size_t alignment UNUSED))
DELETE(acre_delete_sized_aligned, "_ZdlPvmSt11align_val_t",
       (void *block, size_t size UNUSED, size_t alignment UNUSED))
DELETE(acre_delete_array_sized_aligned, "_ZdaPvmSt11align_val_t",
       (void *block, size_t size UNUSED, size_t alignment UNUSED))
DELETE(acre_delete_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t",
       (void *block, size_t alignment UNUSED, NOTHROW))
DELETE(acre_delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t",
       (void *block, size_t alignment UNUSED, NOTHROW))
