/* The forms that do not throw, and those that are told a size, made of the plain ones. */
#include "api/operators.h"

extern void *process_new(size_t size) __asm__("_Znwm");
extern void *process_new_array(size_t size) __asm__("_Znam");
extern void *process_new_aligned(size_t size, size_t alignment) __asm__("_ZnwmSt11align_val_t");
extern void *process_new_array_aligned(size_t size, size_t alignment) __asm__("_ZnamSt11align_val_t");
extern void process_delete(void *block) __asm__("_ZdlPv");
extern void process_delete_array(void *block) __asm__("_ZdaPv");
extern void process_delete_aligned(void *block, size_t alignment) __asm__("_ZdlPvSt11align_val_t");
extern void process_delete_array_aligned(void *block, size_t alignment) __asm__("_ZdaPvSt11align_val_t");

#define UNUSED __attribute__((unused))
#define NOTHROW const void *tag UNUSED

/* Where all that it would end in is acre's it can do without a throw. */
ACRE_NEW(acre_new_nothrow, "_ZnwmRKSt9nothrow_t", (size_t size, NOTHROW)) {
    return ACRE_IS_OWN(process_new, acre_own_new) ? acre_new_for(size, 0, false, ACRE_CALLER)
                                                  : acre_call_new(process_new, size);
}
ACRE_NEW(acre_new_array_nothrow, "_ZnamRKSt9nothrow_t", (size_t size, NOTHROW)) {
    bool own = ACRE_IS_OWN(process_new_array, acre_own_new_array) && ACRE_IS_OWN(process_new, acre_own_new);
    return own ? acre_new_for(size, 0, false, ACRE_CALLER) : acre_call_new(process_new_array, size);
}
ACRE_NEW(acre_new_aligned_nothrow, "_ZnwmSt11align_val_tRKSt9nothrow_t", (size_t size, size_t alignment, NOTHROW)) {
    return ACRE_IS_OWN(process_new_aligned, acre_own_new_aligned)
               ? acre_new_for(size, alignment, false, ACRE_CALLER)
               : acre_call_new_aligned(process_new_aligned, size, alignment);
}
ACRE_NEW(acre_new_array_aligned_nothrow, "_ZnamSt11align_val_tRKSt9nothrow_t",
         (size_t size, size_t alignment, NOTHROW)) {
    bool own = ACRE_IS_OWN(process_new_array_aligned, acre_own_new_array_aligned) &&
               ACRE_IS_OWN(process_new_aligned, acre_own_new_aligned);
    return own ? acre_new_for(size, alignment, false, ACRE_CALLER)
               : acre_call_new_aligned(process_new_array_aligned, size, alignment);
}

ACRE_DELETE(acre_delete_sized, "_ZdlPvm", (void *block, size_t size UNUSED)) { process_delete(block); }
ACRE_DELETE(acre_delete_array_sized, "_ZdaPvm", (void *block, size_t size UNUSED)) { process_delete_array(block); }
ACRE_DELETE(acre_delete_nothrow, "_ZdlPvRKSt9nothrow_t", (void *block, NOTHROW)) { process_delete(block); }
ACRE_DELETE(acre_delete_array_nothrow, "_ZdaPvRKSt9nothrow_t", (void *block, NOTHROW)) {
    process_delete_array(block);
}
ACRE_DELETE(acre_delete_sized_aligned, "_ZdlPvmSt11align_val_t",
            (void *block, size_t size UNUSED, size_t alignment)) {
    process_delete_aligned(block, alignment);
}
ACRE_DELETE(acre_delete_array_sized_aligned, "_ZdaPvmSt11align_val_t",
            (void *block, size_t size UNUSED, size_t alignment)) {
    process_delete_array_aligned(block, alignment);
}
ACRE_DELETE(acre_delete_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t",
            (void *block, size_t alignment, NOTHROW)) {
    process_delete_aligned(block, alignment);
}
ACRE_DELETE(acre_delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t",
            (void *block, size_t alignment, NOTHROW)) {
    process_delete_array_aligned(block, alignment);
}
