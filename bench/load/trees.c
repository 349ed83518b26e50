/*
 * trees: a forest of binary trees of 40-byte nodes, 65,535 a tree, live_bytes in all; walked whole, then a
 * quarter of the trees freed and built anew in random order, and again; at the end freed. count: walks. A line on
 * stderr says what the walks took, the first of them, of trees as they were built, apart.
 * Stands for: programs whose data is a great many small linked objects (documents, maps, syntax trees): cost of
 * a block in bytes, and by the walks how near each other the allocator laid what was taken together. Cannot
 * show: garbage collectors, or structures whose neighbours were taken at different times.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEPTH = 16, NODES = (1 << DEPTH) - 1 };

struct node {
    struct node *left, *right;
    uint64_t key, payload[2];
};

static struct node *tree_build(unsigned depth, uint64_t key)
{
    if (depth == 0)
        return NULL;
    struct node *node = must(malloc(sizeof *node));
    *node = (struct node){.key = key, .payload = {depth, key}};
    node->left = tree_build(depth - 1, 2 * key);
    node->right = tree_build(depth - 1, 2 * key + 1);
    return node;
}

static uint64_t tree_sum(const struct node *node)
{
    return node ? node->key + tree_sum(node->left) + tree_sum(node->right) : 0;
}

static void tree_free(struct node *node)
{
    if (!node)
        return;
    tree_free(node->left);
    tree_free(node->right);
    free(node);
}

uint64_t load_trees(const struct load_options *options)
{
    struct random random = {options->seed};
    size_t trees = options->live_bytes / (NODES * sizeof(struct node)) + 1;
    struct node **roots = books_take(trees * sizeof *roots);
    uint64_t sum = 0, first_ns = 0, walks_ns = 0;
    for (size_t i = 0; i < trees; i++)
        roots[i] = tree_build(DEPTH, i + 1);
    for (uint64_t walk = 0; walk < options->count; walk++) {
        uint64_t start_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
        for (size_t i = 0; i < trees; i++)
            sum += tree_sum(roots[i]);
        walks_ns += now_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns;
        if (walk == 0)
            first_ns = walks_ns;
        for (size_t i = 0; i < trees / 4; i++) {
            size_t replaced = random_below(&random, trees);
            tree_free(roots[replaced]);
            roots[replaced] = tree_build(DEPTH, walk + i);
        }
    }
    for (size_t i = 0; i < trees; i++)
        tree_free(roots[i]);
    books_give(roots, trees * sizeof *roots);
    fprintf(stderr, "timed nodes=%zu first_ns=%llu walks=%llu walks_ns=%llu\n", trees * NODES,
            (unsigned long long)first_ns, (unsigned long long)options->count, (unsigned long long)walks_ns);
    return sum;
}
