/* System calls of acre that fail, one after the other or at random, under a program that uses all of it. */
#ifndef ACRE_TESTS_FAULTS_H
#define ACRE_TESTS_FAULTS_H

#include "os/os.h"

#include <stdbool.h>
#include <stddef.h>

/* Which calls fail, as the environment variable says: "CALL NTH" that one alone, "CALL NTH on" that one and all
 * later ones of its kind, "random SEED MANY" each with a chance of MANY in a thousand; without it, none. Calls are
 * counted from the first one of the process. */
#define FAULTS_PLAN "ACRE_TEST_FAULTS"
extern const char *const faults_calls[ACRE_OS_FALLIBLE];
struct faults_count {
    unsigned seen, failed; /* calls that would have been made; of these, those that were refused */
};
extern struct faults_count faults_count[ACRE_OS_FALLIBLE];
/* From here on none fails and none is counted. */
void faults_end(void);

/* Everything that acre can do, in little. Blocks may be refused, unless `all` are to be had. All are freed at the
 * end. A failed check ends the process. */
void workload_run(bool all);

#endif
