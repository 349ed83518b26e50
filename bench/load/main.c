/*
 * acre-bench-load: the benchmark's loops, by name.
 *
 *   acre-bench-load NAME [--count N] [--threads N] [--live MIB] [--seed N] [--sizes N]
 *   acre-bench-load --list       names and what they are
 *   acre-bench-load --provider   the file that malloc comes from, and one line each for its relatives
 */
#include "load.h"

#include <dlfcn.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

/* Defaults are chosen so that glibc takes about a second on a machine of 2023. */
const struct load load_table[] = {
    {"pairs", "hot malloc/free pairs of 24 bytes", {130000000, 1, 0, 1}, 1, load_pairs},
    {"lifo", "runs of blocks freed newest first", {20000000, 1, 0, 1}, 1, load_lifo},
    {"fifo", "runs of blocks freed oldest first", {20000000, 1, 0, 1}, 1, load_fifo},
    {"random", "Pareto sizes, random life", {20000000, 1, 0, 1}, 1, load_random},
    {"phases", "phases that grow, shrink and change sizes", {2, 1, 64 * MIB, 1}, 1, load_phases},
    {"vectors", "arrays that grow by half through realloc", {1000, 1, 0, 1}, 1, load_vectors},
    {"strings", "strings appended to through realloc", {700000, 1, 0, 1}, 1, load_strings},
    {"calloc-small", "calloc of 16 to 512 bytes", {20000000, 1, 0, 1}, 1, load_calloc_small},
    {"calloc-large", "calloc of 64 KiB to 2 MiB, half used", {20000, 1, 0, 1}, 1, load_calloc_large},
    {"aligned", "alignments of 32 to 4096", {8000000, 1, 0, 1}, 1, load_aligned},
    {"medium", "2 KiB to 1 MiB, random life", {600000, 1, 0, 1}, 1, load_medium},
    {"huge", "1 to 16 MiB come and go", {2500, 1, 0, 1}, 1, load_huge},
    {"passing", "every block freed by another thread", {6000000, 1, 0, 1}, 0, load_passing},
    {"server", "threads hand their blocks to successors and end", {600, 4, 0, 1}, 0, load_server},
    {"exchange", "many threads free what others took, some of them end", {1000000, 4, 0, 1}, 0, load_exchange},
    {"churn", "thousands of short threads", {30000, 4, 0, 1}, 0, load_churn},
    {"trees", "many live small objects, walked", {6, 1, 200 * MIB, 1}, 1, load_trees},
    {"sharing-active", "two threads' own small blocks, written hard", {1500000, 2, 0, 1}, 0, load_sharing_active},
    {"sharing-passive", "small blocks handed over, freed, taken anew", {1500000, 2, 0, 1}, 0, load_sharing_passive},
    {"start", "one block and out", {1, 1, 0, 1}, 1, load_start},
    {"bare", "pairs on a bare list, without an allocator", {130000000, 1, 0, 1}, 1, load_bare},
    {"scale", "a heap is filled, then replaced at random, timed", {4000000, 1, 16 * MIB, 1}, 0, load_scale},
};
const size_t load_table_length = sizeof load_table / sizeof load_table[0];

static const struct load *load_find(const char *name)
{
    for (size_t i = 0; i < load_table_length; i++) {
        if (strcmp(load_table[i].name, name) == 0)
            return &load_table[i];
    }
    return NULL;
}

static int list(void)
{
    for (size_t i = 0; i < load_table_length; i++)
        printf("%-16s %s\n", load_table[i].name, load_table[i].title);
    return 0;
}

/* A preload that failed to load leaves libc's malloc in place and only a warning behind. So run.py asks. */
static int provider(void)
{
    static const char *const names[] = {"malloc", "free", "calloc", "realloc", "aligned_alloc", "posix_memalign"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Dl_info info;
        void *address = dlsym(RTLD_DEFAULT, names[i]);
        int known = address && dladdr(address, &info);
        printf("%s\t%s\n", names[i], known ? info.dli_fname : "?");
    }
    return 0;
}

static int usage(void)
{
    fputs("usage: acre-bench-load NAME [--count N] [--threads N] [--live MIB] [--seed N] [--sizes N]\n"
          "       acre-bench-load --list | --provider\n", stderr);
    return 2;
}

static int number(const char *text, uint64_t *value)
{
    char *end;
    *value = strtoull(text, &end, 10);
    return *text == '\0' || *end != '\0' || *value == 0;
}

static int parse(int argc, char **argv, struct load_options *options)
{
    static const struct option names[] = {{"count", required_argument, NULL, 'c'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"live", required_argument, NULL, 'l'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"sizes", required_argument, NULL, 'z'},
                                          {NULL, 0, NULL, 0}};
    int option;
    uint64_t value;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == '?' || number(optarg, &value))
            return -1;
        if (option == 'c')
            options->count = value;
        else if (option == 't')
            options->threads = (unsigned)value;
        else if (option == 'l')
            options->live_bytes = value * MIB;
        else if (option == 'z')
            scale_sizes = (unsigned)value;
        else
            options->seed = value;
    }
    return optind != argc - 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (argc == 2 && strcmp(argv[1], "--provider") == 0)
        return provider();
    const struct load *load = argc > 1 ? load_find(argv[1]) : NULL;
    if (!load)
        return usage();
    struct load_options options = load->defaults;
    if (parse(argc, argv, &options))
        return usage();
    printf("%016llx\n", (unsigned long long)copies_run(load, &options));
    return 0;
}
