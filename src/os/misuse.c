#include "os/misuse.h"

#include "os/os.h"
#include "os/report.h"

#include <errno.h>

static struct {
    enum acre_misuse_policy policy;
    acre_misuse_handler *_Atomic handler;
} misuse;

/* A mistake that the handler makes is told as any other, but not to the handler. */
static __thread bool is_told __attribute__((tls_model("initial-exec")));

void acre_misuse_start(enum acre_misuse_policy policy) { misuse.policy = policy; }

acre_misuse_handler *acre_misuse_set_handler(acre_misuse_handler *handler) {
    return atomic_exchange(&misuse.handler, handler);
}

static void tell_handler(const struct acre_misuse *what) {
    acre_misuse_handler *handler = atomic_load(&misuse.handler);
    if (handler == NULL || is_told) return;
    int kept = errno;
    is_told = true;
    handler(what);
    is_told = false;
    errno = kept;
}

#define PREFIX "acre: "
#define PREFIX_BYTES (sizeof PREFIX - 1)

static size_t put(char *text, size_t room_bytes, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t length = acre_format(text, room_bytes, format, arguments);
    va_end(arguments);
    return length;
}

void acre_misuse(enum acre_misuse_kind kind, const char *function, uintptr_t address, const char *format, ...) {
    char text[ACRE_LINE_BYTES] = PREFIX;
    size_t length = PREFIX_BYTES, room_bytes = sizeof text - 1; /* but for the newline */
    bool has_address = kind != ACRE_MISUSE_ARENA_ORDER;
    length += put(text + length, room_bytes - length, has_address ? "%s(%p): " : "%s: ", function, (void *)address);
    va_list arguments;
    va_start(arguments, format);
    length += acre_format(text + length, room_bytes - length, format, arguments);
    va_end(arguments);
    struct acre_misuse what = {kind, function, has_address ? (const void *)address : NULL, text};
    tell_handler(&what);
    if (misuse.policy != ACRE_ON_MISUSE_IGNORE) {
        text[length++] = '\n';
        acre_os_write_error(text, length);
    }
    if (misuse.policy == ACRE_ON_MISUSE_ABORT) acre_os_abort();
}
