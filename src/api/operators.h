/* Layer 8: C++'s operators new and delete, under their mangled names (Itanium C++ ABI), so that they are counted
 * and caught like the rest and need no C++ in the library.
 *
 * A program may replace some of them, often the plain ones alone, and the others must then end in these, as the
 * standard says of the runtime's ([new.delete.single], [new.delete.array]). So each is made of the one that it is
 * in the standard, by its name: what the process calls so, be it acre's or the program's. What is called and what
 * calls it lie in different files, or the compiler would take acre's for the process's. */
#ifndef ACRE_API_OPERATORS_H
#define ACRE_API_OPERATORS_H

#include "heap/heap.h"
#include "inspect/count.h"

#include <stddef.h>

#define ACRE_NEW(name, mangled, parameters)                                                                        \
    ACRE_PUBLIC void *name parameters __asm__(mangled);                                                            \
    void *name parameters
#define ACRE_DELETE(name, mangled, parameters)                                                                     \
    ACRE_PUBLIC void name parameters __asm__(mangled);                                                             \
    void name parameters
#define ACRE_CALLER __builtin_return_address(0)

/* acre's, under names that nobody can take their place in, for comparison with what the process calls so. Weak:
 * with libacre.a a program's own are linked instead. */
#define ACRE_OWN __attribute__((weak, visibility("hidden")))
ACRE_OWN void *acre_own_new(size_t size_bytes);
ACRE_OWN void *acre_own_new_array(size_t size_bytes);
ACRE_OWN void *acre_own_new_aligned(size_t size_bytes, size_t alignment);
ACRE_OWN void *acre_own_new_array_aligned(size_t size_bytes, size_t alignment);
#define ACRE_IS_OWN(process, own) ACRE_LIKELY(acre_copy((uintptr_t)(process)) == acre_copy((uintptr_t)(own)))

/* operators.c: what new does where no block is ready. */
void *acre_new_slowly(size_t size_bytes, size_t alignment, bool may_throw, const void *caller);
/* What acre's forms of new do. alignment: 0, that of malloc; caller: a place in who called, whose runtime is asked
 * for the new-handler and what throws. */
ACRE_INLINE void *acre_new_for(size_t size_bytes, size_t alignment, bool may_throw, const void *caller) {
    void *block = NULL;
    if (alignment == 0 && ACRE_LIKELY(size_bytes <= ACRE_EXACT_MOST))
        block = acre_heap_take_ready(acre_this_heap, acre_heap_served_bytes(acre_this_heap, size_bytes));
    if (ACRE_UNLIKELY(block == NULL)) block = acre_new_slowly(size_bytes, alignment, may_throw, caller);
    return acre_counted(alignment == 0 ? ACRE_COUNT_MALLOC : ACRE_COUNT_ALIGNED, size_bytes, block);
}

/* catch.cc: calls the handler; false when it threw. A new of the process's; NULL when it threw. */
bool acre_call_handler(void handler(void));
void *acre_call_new(void *function(size_t size), size_t size_bytes);
void *acre_call_new_aligned(void *function(size_t size, size_t alignment), size_t size_bytes, size_t alignment);

#endif
