/* Memory that grows over two seconds and has shrunk for two more, for run_html.py: time for some looks also where each
 * takes long, since they may take only a small part of it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 10, BLOCKS = 2000, BYTES = 1000 };

int main(void) {
    static char *blocks[STEPS][BLOCKS];
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[step][i] = malloc(BYTES);
            if (blocks[step][i] == NULL) return 1;
            memset(blocks[step][i], 1, BYTES);
        }
        usleep(200000);
    }
    for (int step = 0; step < STEPS; step++)
        for (int i = 0; i < BLOCKS; i++)
            if (i % 100 != 0) free(blocks[step][i]);
    usleep(2000000);
    return 3;
}
