/* The plain forms for arrays, made of those for single objects. */
#include "api/operators.h"

extern void *process_new(size_t size) __asm__("_Znwm");
extern void *process_new_aligned(size_t size, size_t alignment) __asm__("_ZnwmSt11align_val_t");
extern void process_delete(void *block) __asm__("_ZdlPv");
extern void process_delete_aligned(void *block, size_t alignment) __asm__("_ZdlPvSt11align_val_t");

ACRE_NEW(acre_new_array, "_Znam", (size_t size)) {
    return ACRE_IS_OWN(process_new, acre_own_new) ? acre_new_for(size, 0, true, ACRE_CALLER) : process_new(size);
}
ACRE_NEW(acre_new_array_aligned, "_ZnamSt11align_val_t", (size_t size, size_t alignment)) {
    return ACRE_IS_OWN(process_new_aligned, acre_own_new_aligned) ? acre_new_for(size, alignment, true, ACRE_CALLER)
                                                                  : process_new_aligned(size, alignment);
}
ACRE_DELETE(acre_delete_array, "_ZdaPv", (void *block)) { process_delete(block); }
ACRE_DELETE(acre_delete_array_aligned, "_ZdaPvSt11align_val_t", (void *block, size_t alignment)) {
    process_delete_aligned(block, alignment);
}

ACRE_OWN extern __typeof(acre_new_array) acre_own_new_array __attribute__((alias("_Znam")));
ACRE_OWN extern __typeof(acre_new_array_aligned) acre_own_new_array_aligned
    __attribute__((alias("_ZnamSt11align_val_t")));
