/* What every cmocka program includes: cmocka wants these headers before its own. */
#ifndef ACRE_TESTS_SUITE_H
#define ACRE_TESTS_SUITE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* cmocka's skip() gives no reason; a skipped clause must. */
#define SKIP_CLAUSE(reason)                                                                                  \
  do {                                                                                                       \
    print_message("SKIP: %s: %s\n", __func__, reason);                                                       \
    skip();                                                                                                  \
  } while (0)

static inline bool is_aligned(const void *pointer, size_t alignment) {
  return ((uintptr_t)pointer & (alignment - 1)) == 0;
}

#endif
