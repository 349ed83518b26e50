/* What acre/acre.h promises of arenas: their blocks, books and end, and of who has entered them. Where their memory
 * comes from is in arenas_sources.c, threads are in arenas_threads.c, misuse is in arenas_misuse.c. */
#include "api/arenas.h"
#include "support/process.h"

int main(void) {
    process_expect_malloc();
    process_watchdog(280);
    return arenas_creation() + arenas_blocks() + arenas_zeroed() + arenas_books() + arenas_end() + arenas_enter();
}
