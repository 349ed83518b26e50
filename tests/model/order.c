#include "model/order.h"

#include "support/check.h"

#include <pthread.h>
#include <sys/mman.h>

struct node {
    uintptr_t start, end;
    uint32_t left, right; /* index of a node; 0 is none */
    uint32_t priority;
};

struct order {
    pthread_mutex_t lock;
    uint32_t root, free_list, used, capacity;
    uint32_t random;
    size_t count;
    struct node nodes[];
};

struct order *order_create(size_t capacity) {
    size_t size_bytes = sizeof(struct order) + (capacity + 1) * sizeof(struct node);
    void *memory =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    struct order *order = memory;
    pthread_mutex_init(&order->lock, NULL);
    order->capacity = (uint32_t)capacity;
    order->random = 2463534242u;
    return order;
}

static uint32_t take_node(struct order *order) {
    uint32_t index = order->free_list;
    if (index != 0) {
        order->free_list = order->nodes[index].left;
    } else {
        index = ++order->used;
        CHECK(index <= order->capacity);
    }
    order->random ^= order->random << 13;
    order->random ^= order->random >> 17;
    order->random ^= order->random << 5;
    order->nodes[index] = (struct node){.priority = order->random};
    return index;
}

/* Splits a tree into the ranges that start below `start` and the others. */
static void split(struct order *order, uint32_t tree, uintptr_t start, uint32_t *below, uint32_t *above) {
    while (tree != 0) {
        struct node *node = &order->nodes[tree];
        if (node->start < start) {
            *below = tree;
            below = &node->right;
            tree = node->right;
        } else {
            *above = tree;
            above = &node->left;
            tree = node->left;
        }
    }
    *below = *above = 0;
}

static uint32_t merge(struct order *order, uint32_t below, uint32_t above) {
    uint32_t tree = 0, *at = &tree;
    while (below != 0 && above != 0) {
        if (order->nodes[below].priority > order->nodes[above].priority) {
            *at = below;
            at = &order->nodes[below].right;
            below = *at;
        } else {
            *at = above;
            at = &order->nodes[above].left;
            above = *at;
        }
    }
    *at = below != 0 ? below : above;
    return tree;
}

/* The range with the highest start below `end`: the only one that can overlap [start, end). */
static const struct node *last_below(const struct order *order, uintptr_t end) {
    const struct node *found = NULL;
    for (uint32_t tree = order->root; tree != 0;) {
        const struct node *node = &order->nodes[tree];
        if (node->start < end) found = node;
        tree = node->start < end ? node->right : node->left;
    }
    return found;
}

bool order_insert(struct order *order, uintptr_t start, size_t length_bytes, uintptr_t *other_start,
                  size_t *other_length_bytes) {
    uintptr_t end = start + (length_bytes > 0 ? length_bytes : 1);
    pthread_mutex_lock(&order->lock);
    const struct node *neighbour = last_below(order, end);
    bool is_free = neighbour == NULL || neighbour->end <= start;
    if (is_free) {
        uint32_t index = take_node(order), below, above;
        order->nodes[index].start = start;
        order->nodes[index].end = end;
        split(order, order->root, start, &below, &above);
        order->root = merge(order, merge(order, below, index), above);
        order->count++;
    } else {
        *other_start = neighbour->start;
        *other_length_bytes = neighbour->end - neighbour->start;
    }
    pthread_mutex_unlock(&order->lock);
    return is_free;
}

bool order_remove(struct order *order, uintptr_t start) {
    pthread_mutex_lock(&order->lock);
    uint32_t *at = &order->root;
    while (*at != 0 && order->nodes[*at].start != start)
        at = order->nodes[*at].start < start ? &order->nodes[*at].right : &order->nodes[*at].left;
    uint32_t index = *at;
    if (index != 0) {
        *at = merge(order, order->nodes[index].left, order->nodes[index].right);
        order->nodes[index].left = order->free_list;
        order->free_list = index;
        order->count--;
    }
    pthread_mutex_unlock(&order->lock);
    return index != 0;
}

size_t order_count(const struct order *order) { return order->count; }
