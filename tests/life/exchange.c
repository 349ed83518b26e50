/* Threads that free each other's blocks, of many sizes, while others come and go: what they keep for themselves is to
 * stay small beside what there is. Some 7 MiB live; the most that was resident in a few seconds is bounded. */
#include "support/check.h"
#include "support/exchange.h"
#include "support/process.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

enum { steady_count = 4, line_count = 2, look_count = 300 };
static const size_t most_bytes = (size_t)64 << 20;

int main(void) {
    pthread_t threads[steady_count + line_count];
    size_t peak_bytes = 0;
    process_expect_malloc();
    process_watchdog(120);
    for (uintptr_t i = 0; i < steady_count + line_count; i++)
        CHECK(pthread_create(&threads[i], NULL, i < steady_count ? exchange_steadily : exchange_in_short_lives,
                             (void *)(i * 1000)) == 0);
    for (int look = 0; look < look_count; look++) {
        usleep(10000);
        size_t resident_bytes = process_resident_bytes();
        if (resident_bytes > peak_bytes) peak_bytes = resident_bytes;
    }
    exchange_is_over = true;
    for (int i = 0; i < steady_count + line_count; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    printf("at most %zu MiB resident\n", peak_bytes >> 20);
    fflush(stdout);
    CHECKF(peak_bytes <= most_bytes, "%zu MiB were resident, of which some 7 were live", peak_bytes >> 20);
    exchange_free_all(NULL);
    return 0;
}
