/* malloc_info and malloc_stats of arenas whose names are the arguments, for arenas_info.py.
 *
 * arenas_info info NAME...    malloc_info to standard output, through a stream that makes arenas while it writes;
 *                             what acre_arena_stats says of each to standard error
 * arenas_info stats NAME...   malloc_stats, to standard error */
#include "support/check.h"
#include "support/process.h"

#include <acre/acre.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Some small blocks, a large one, and in every third a huge one. */
static acre_arena *make(const char *name, size_t number) {
  struct acre_arena_options options = {.name = name, .limit_bytes = number % 2 == 0 ? 0 : 64 << 20};
  acre_arena *arena = acre_arena_create(&options);
  CHECK(arena != NULL);
  for (size_t i = 0; i <= number; i++) CHECK(acre_arena_malloc(arena, 100 + i) != NULL);
  CHECK(acre_arena_malloc(arena, 50000 + number) != NULL);
  if (number % 3 == 0) CHECK(acre_arena_malloc(arena, (3 << 20) + number) != NULL);
  return arena;
}

static ssize_t write_and_make(void *unused, const char *text, size_t length) {
  acre_arena *arena = acre_arena_create(NULL);
  (void)unused;
  CHECK(acre_arena_malloc(arena, 1000) != NULL);
  acre_arena_destroy(arena);
  return write(STDOUT_FILENO, text, length);
}

static bool show_stats(acre_arena *arena, const char *name, void *context) {
  struct acre_arena_figures stats;
  (void)name, (void)context;
  acre_arena_stats(arena, &stats);
  check_say("%zu %zu %zu %zu %zu\n", stats.live_blocks, stats.live_bytes, stats.held_bytes, stats.held_peak_bytes,
            stats.limit_bytes);
  return true;
}

int main(int argc, char **argv) {
  process_expect_malloc();
  process_watchdog(60);
  CHECK(argc > 1);
  for (int i = 2; i < argc; i++) make(argv[i], (size_t)i);
  if (strcmp(argv[1], "stats") == 0) {
    malloc_stats();
    return 0;
  }
  FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_and_make});
  CHECK(stream != NULL);
  CHECK(malloc_info(0, stream) == 0);
  CHECK(fclose(stream) == 0);
  acre_arena_each(show_stats, NULL);
  return 0;
}
