/* The plain forms for single objects with an alignment, in which the others with one end. */
#include "api/api.h"
#include "api/operators.h"

ACRE_NEW(acre_new_aligned, "_ZnwmSt11align_val_t", (size_t size, size_t alignment)) {
    return acre_new_for(size, alignment, true, ACRE_CALLER);
}

ACRE_DELETE(acre_delete_aligned, "_ZdlPvSt11align_val_t", (void *block, size_t alignment)) {
    (void)alignment;
    acre_count_free(block);
    acre_release_of_process(block);
}

ACRE_OWN extern __typeof(acre_new_aligned) acre_own_new_aligned __attribute__((alias("_ZnwmSt11align_val_t")));
