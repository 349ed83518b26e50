/* Many library calls, hardly a system call: 100,000 items, of which the last 1,000 are kept at any time. */
#include <stdio.h>
#include <stdlib.h>

enum { ITEMS = 100000, KEPT = 1000 };

struct item {
    long number;
    char name[24];
};

int main(void) {
    static struct item *kept[KEPT];
    long sum = 0;
    for (long i = 0; i < ITEMS; i++) {
        struct item *item = malloc(sizeof *item);
        if (item == NULL) {
            return 1;
        }
        item->number = i;
        free(kept[i % KEPT]);
        kept[i % KEPT] = item;
        sum += item->number;
    }
    printf("the sum is %ld\n", sum);
    return 0;
}
