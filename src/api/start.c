#include "api/api.h"
#include "inspect/count.h"
#include "inspect/description.h"
#include "metadata/map.h"
#include "os/misuse.h"
#include "os/os.h"
#include "source/source.h"
#include "span/huge.h"

struct acre_options acre_options;

/* So that a program linked with the static library has the description in it, which nobody in there reads. */
__attribute__((used)) static const struct acre_description *const described = &acre_description;

enum { NOT_STARTED, STARTING, STARTED };
static _Atomic uint32_t state;
static _Atomic uintptr_t starter;

/* What the huge cache may hold: a bounded amount, and little of a tight limit. */
#define CACHE_BYTES ((size_t)32 << 20)

static size_t memory_limit_bytes(void) {
    size_t limit_bytes = acre_os_memory_limit_bytes();
    return acre_options.limit_bytes == 0 ? limit_bytes : acre_min(limit_bytes, acre_options.limit_bytes);
}

static bool start(void) {
    acre_os_note_process();
    acre_options_read(&acre_options, acre_os_is_secure() ? NULL : acre_os_environment("ACRE_OPTIONS"));
    struct acre_huge_policy huge = {
        .cache = acre_options.huge_cache != 0,
        .cache_bytes = acre_min(CACHE_BYTES, memory_limit_bytes() / 16),
        .decay_ms = acre_options.decay_ms,
    };
    acre_misuse_start((enum acre_misuse_policy)acre_options.misuse);
    acre_source_start(acre_options.limit_bytes == 0 ? SIZE_MAX : acre_options.limit_bytes);
    acre_huge_start(&huge);
    acre_arena_start(&acre_default_arena, "default", &acre_options);
    return true;
}

bool acre_start(void) {
    uint32_t expected = NOT_STARTED;
    while (!atomic_compare_exchange_strong(&state, &expected, STARTING)) {
        if (expected == STARTED) return true;
        if (atomic_load(&starter) == acre_thread_pointer()) return false;
        acre_cpu_relax();
        expected = NOT_STARTED;
    }
    atomic_store(&starter, acre_thread_pointer());
    bool done = start();
    atomic_store(&starter, 0);
    atomic_store(&state, done ? STARTED : NOT_STARTED);
    if (!done) return false;
    /* From here on malloc works, which these may call. */
    acre_register_fork();
    acre_count_start();
    acre_scavenger_prepare();
    return true;
}

__attribute__((constructor)) static void loaded(void) {
    acre_start();
    acre_count_name();
}

__attribute__((destructor)) static void unloaded(void) { acre_count_end(); }
