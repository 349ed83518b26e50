/* What libFuzzer calls with bytes; replay.c calls it with a file's. */
#include "fuzz/fuzz.h"

#include "support/check.h"

#include <malloc.h>
#include <unistd.h>

enum { size_most = 8192, settle_ms = 2000 };

/* Where acre serves nobody but the model, its books must be empty at the end. Else they hold what libc has, too. */
static void check_end(void) {
    malloc_trim(0);
    fuzz_validate();
    CHECK(fuzz_live_blocks() == 0);
#if defined(ACRE_FUZZ_ALONE)
    struct acre_arena_figures stats;
    acre_arena_stats(NULL, &stats);
    /* The scavenger may be giving away what a thread left: for that moment the figures are not exact. */
    for (int wait_ms = 0; stats.live_blocks + stats.live_bytes != 0 && wait_ms < settle_ms; wait_ms++) {
        usleep(1000);
        acre_arena_stats(NULL, &stats);
    }
    CHECKF(stats.live_blocks == 0 && stats.live_bytes == 0, "%zu blocks and %zu bytes are live at the end",
           stats.live_blocks, stats.live_bytes);
#endif
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes) {
    if (size_bytes > size_most) return 0;
    fuzz_blocks_begin();
    fuzz_run_all(bytes, size_bytes);
    fuzz_free_all(&fuzz_thread[0]);
    fuzz_destroy_all(&fuzz_thread[0]);
    check_end();
    return 0;
}
