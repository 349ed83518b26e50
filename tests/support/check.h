/* Checks for the programs that cannot use cmocka: those that fork, run out of memory, run before main, or must
 * not allocate on their own. A failed check prints one line with write(2) and ends the process at once. */
#ifndef ACRE_TESTS_CHECK_H
#define ACRE_TESTS_CHECK_H

#include <stdio.h>
#include <unistd.h>

/* A fixed buffer and write(2): stdio might allocate or hold a lock that a fork has copied. */
#define check_say(...)                                                                                       \
  do {                                                                                                       \
    char check_line[512];                                                                                    \
    int check_length = snprintf(check_line, sizeof check_line, __VA_ARGS__);                                 \
    if (check_length >= (int)sizeof check_line) check_length = (int)sizeof check_line - 1;                   \
    if (check_length > 0 && write(2, check_line, (size_t)check_length) < 0) _exit(98);                       \
  } while (0)

/* How a failed check ends the program. */
#ifndef CHECK_END
#define CHECK_END() _exit(1)
#endif

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      check_say("FAIL %s:%d: %s\n", __FILE_NAME__, __LINE__, #condition);                                    \
      CHECK_END();                                                                                           \
    }                                                                                                        \
  } while (0)

/* CHECK with the figures that show what went wrong. */
#define CHECKF(condition, ...)                                                                               \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      check_say("FAIL %s:%d: %s: ", __FILE_NAME__, __LINE__, #condition);                                    \
      check_say(__VA_ARGS__);                                                                                \
      check_say("\n");                                                                                       \
      CHECK_END();                                                                                           \
    }                                                                                                        \
  } while (0)

#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif

/* ctest counts this exit status as skipped; the line before it must say why. */
#define SKIP_STATUS 77
#define SKIP(...)                                                                                            \
  do {                                                                                                       \
    check_say("SKIP: ");                                                                                     \
    check_say(__VA_ARGS__);                                                                                  \
    check_say("\n");                                                                                         \
    _exit(SKIP_STATUS);                                                                                      \
  } while (0)

#endif
