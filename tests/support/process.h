/* What a test asks about its own process. Nothing here allocates. */
#ifndef ACRE_TESTS_PROCESS_H
#define ACRE_TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ends the program unless the malloc in effect is the one that ACRE_TEST_EXPECT names (acre or glibc): the
 * loader ignores a preload that it cannot find, and a test of the wrong malloc proves nothing. */
void process_expect_malloc(void);

/* True when acre serves this process. */
bool process_is_on_acre(void);

/* True when ACRE_OPTIONS chooses this value of `source`. */
bool process_has_source(const char *name);

size_t process_resident_bytes(void);

/* Data and private writable mappings, as RLIMIT_DATA counts them. */
size_t process_data_bytes(void);

size_t process_address_space_bytes(void);

/* The kernel's own line in /proc/self/maps: true when some mapping contains the address. */
bool process_is_mapped(const void *address);

int process_thread_count(void);

/* Ends the process by SIGALRM after that many seconds: a deadlock is a failure, not a hang. */
void process_watchdog(unsigned delay_s);

/* Waits for the child, which is to end with status 0 within so many seconds, by SIGKILL if need be: signals do not
 * reach a process whose threads that would take them are gone. */
void process_expect_end(int child, unsigned most_s);

/* A small generator of its own, so that a seed gives the same run everywhere. */
static inline uint64_t process_random(uint64_t *state) {
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

#ifdef __cplusplus
}
#endif

#endif
