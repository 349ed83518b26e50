#include "support.h"

#include "base/base.h"
#include "base/list.h"

#include <string.h>

static void alignment(void **state) {
    (void)state;
    for (size_t to = 1; to <= 4096; to *= 2) {
        assert_true(acre_is_power_of_two(to));
        for (size_t value = 0; value < 5000; value += 7) {
            size_t up = acre_align_up(value, to), down = acre_align_down(value, to);
            assert_true(up % to == 0 && up >= value && up - value < to);
            assert_true(down % to == 0 && down <= value && value - down < to);
        }
    }
    assert_false(acre_is_power_of_two(0));
    assert_false(acre_is_power_of_two(48));
    assert_int_equal(acre_min(3, 4) + 10 * acre_max(3, 4), 43);
}

static void bits(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t word = UINT64_C(1) << bit, above = ~(word - 1);
        assert_int_equal(acre_log2_floor(word), bit);
        assert_int_equal(acre_log2_floor(word | (word - 1)), bit);
        assert_int_equal(acre_lowest_bit(above), bit);
        assert_int_equal(acre_count_bits(above), 64 - bit);
    }
}

/* The second byte of the address says which half word, the position modulo 16 which bit; neighbours stay. */
static void half_words(void **state) {
    (void)state;
    for (uint64_t position = 0; position < 64; position++) {
        uint16_t halves[256], bit = (uint16_t)(1u << position % 16);
        memset(halves, 0xff, sizeof halves);
        uintptr_t index = position * 4 + 1, address = 0x70000 + index * 256 + position;
        assert_false(acre_clear_bit16(halves, address, position));
        assert_int_equal(halves[index], 0xffff ^ bit);
        assert_true(acre_clear_bit16(halves, address, position));
        assert_int_equal(halves[index], 0xffff ^ bit);
        assert_int_equal(halves[index - 1], 0xffff);
        if (index < 255) assert_int_equal(halves[index + 1], 0xffff);
        acre_set_bit_of(&halves[index], position);
        assert_int_equal(halves[index], 0xffff);
    }
}

static void thread_pointer(void **state) {
    (void)state;
    assert_true(acre_thread_pointer() > 2);
    assert_true(acre_thread_pointer() == acre_thread_pointer());
}

#define NODES 20

/* Random pushes and removals against the number of nodes that must be there. */
static void lists(void **state) {
    (void)state;
    struct acre_node head, node[NODES] = {{NULL, NULL}};
    unsigned held = 0;
    acre_list_start(&head);
    assert_true(acre_list_is_empty(&head));
    for (unsigned step = 0; step < 2000; step++) {
        struct acre_node *one = &node[unit_below(NODES)];
        if (acre_list_holds(one)) {
            acre_list_remove(one);
            held--;
        } else {
            if (step % 2 == 0)
                acre_list_push_front(&head, one);
            else
                acre_list_push_back(&head, one);
            assert_ptr_equal(step % 2 == 0 ? head.next : head.prev, one);
            held++;
        }
        assert_true(acre_list_is_valid(&head));
        assert_int_equal(acre_list_is_empty(&head), held == 0);
        unsigned count = 0;
        for (struct acre_node *at = head.next; at != &head; at = at->next) count++;
        assert_int_equal(count, held);
    }
}

static void broken_lists(void **state) {
    (void)state;
    struct acre_node head, one, two;
    acre_list_start(&head);
    acre_list_push_back(&head, &one);
    acre_list_push_back(&head, &two);
    assert_true(head.next == &one && one.next == &two);
    two.prev = &head;
    assert_false(acre_list_is_valid(&head));
    two.prev = &one;
    one.next = NULL;
    assert_false(acre_list_is_valid(&head));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alignment),      cmocka_unit_test(bits),  cmocka_unit_test(half_words),
        cmocka_unit_test(thread_pointer), cmocka_unit_test(lists), cmocka_unit_test(broken_lists),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
