/* Doubly linked, circular, intrusive lists with the head as a node of its own.
 * Algebra: node->next->prev == node and node->prev->next == node, for the head too. */
#ifndef ACRE_BASE_LIST_H
#define ACRE_BASE_LIST_H

#include "base/base.h"

struct acre_node {
    struct acre_node *next, *prev;
};

ACRE_INLINE void acre_list_start(struct acre_node *head) { head->next = head->prev = head; }
ACRE_INLINE bool acre_list_is_empty(const struct acre_node *head) { return head->next == head; }

/* A walker that follows `next` alone (the child of a fork, over lists of threads that are gone) sees a whole list
 * at every instant, so the forward links are written last, each by one store. */
ACRE_INLINE void acre_list_insert(struct acre_node *after, struct acre_node *node) {
    node->prev = after;
    node->next = after->next;
    after->next->prev = node; /* NOLINT(clang-analyzer-core.NullDereference): a list is a ring from its start */
    atomic_signal_fence(memory_order_seq_cst);
    after->next = node;
}
ACRE_INLINE void acre_list_push_front(struct acre_node *head, struct acre_node *node) {
    acre_list_insert(head, node);
}
ACRE_INLINE void acre_list_push_back(struct acre_node *head, struct acre_node *node) {
    acre_list_insert(head->prev, node);
}
ACRE_INLINE void acre_list_remove(struct acre_node *node) {
    node->next->prev = node->prev;
    atomic_signal_fence(memory_order_seq_cst);
    node->prev->next = node->next;
    atomic_signal_fence(memory_order_seq_cst);
    node->next = node->prev = NULL;
}
ACRE_INLINE bool acre_list_holds(const struct acre_node *node) { return node->next != NULL; }

ACRE_INLINE size_t acre_list_length(const struct acre_node *head) {
    size_t length = 0;
    for (const struct acre_node *node = head->next; node != head; node = node->next) length++;
    return length;
}

ACRE_INLINE bool acre_list_is_valid(const struct acre_node *head) {
    const struct acre_node *node = head;
    do {
        if (node->next == NULL || node->next->prev != node) return false;
        node = node->next;
    } while (node != head);
    return true;
}

#endif
