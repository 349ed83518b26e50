/* The aligned members of the family, with glibc's answers where the standards leave a choice. */
#include "api/api.h"
#include "inspect/count.h"
#include "os/os.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

static void *aligned(size_t alignment, size_t size_bytes) {
    return acre_counted(ACRE_COUNT_ALIGNED, size_bytes, acre_allocate_aligned(size_bytes, alignment));
}

/* glibc takes any alignment here: it rounds up to the next power of two, and refuses with EINVAL what has none. */
ACRE_PUBLIC void *memalign(size_t alignment, size_t size) {
    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    size_t power = ACRE_ALIGNMENT;
    while (power < alignment) power *= 2;
    return aligned(power, size);
}

/* C17 says nothing of an alignment that is no power of two; glibc before 2.38 treats this as memalign. */
ACRE_PUBLIC void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

/* POSIX: the error is the result, errno and, on an error, *place stay as they were. */
ACRE_PUBLIC int posix_memalign(void **place, size_t alignment, size_t size) {
    if (!acre_is_power_of_two(alignment) || alignment % sizeof(void *) != 0) return EINVAL;
    int kept = errno;
    void *block = aligned(alignment, size);
    errno = kept;
    if (block == NULL) return ENOMEM;
    *place = block;
    return 0;
}

ACRE_PUBLIC void *valloc(size_t size) { return aligned(acre_os_page_bytes(), size); }

ACRE_PUBLIC void *pvalloc(size_t size) {
    size_t page_bytes = acre_os_page_bytes(), size_bytes = acre_align_up(size, page_bytes);
    if (size_bytes < size) {
        errno = ENOMEM;
        return acre_counted(ACRE_COUNT_ALIGNED, size, NULL);
    }
    return aligned(page_bytes, acre_max(size_bytes, page_bytes));
}
