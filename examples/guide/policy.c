/* Where blocks of different sizes lie: in the program break, or in mappings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    static const size_t sizes[] = {24, 1000, 20 << 10, 200 << 10, 2 << 20, 20 << 20};
    char *start = sbrk(0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *block = malloc(sizes[i]);
        if (block == NULL) {
            return 1;
        }
        memset(block, 'x', sizes[i]);
        char *now = sbrk(0);
        printf("%8zu bytes: %s\n", sizes[i], block >= start && block < now ? "break" : "mapping");
    }
    fflush(stdout);
    pause();
    return 0;
}
