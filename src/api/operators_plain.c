/* The plain forms for single objects, in which most others end. */
#include "api/api.h"
#include "api/operators.h"

ACRE_NEW(acre_new, "_Znwm", (size_t size)) { return acre_new_for(size, 0, true, ACRE_CALLER); }

ACRE_DELETE(acre_delete, "_ZdlPv", (void *block)) {
    acre_count_free(block);
    acre_release_of_process(block);
}

ACRE_OWN extern __typeof(acre_new) acre_own_new __attribute__((alias("_Znwm")));
