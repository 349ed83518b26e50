/* The beginning of an arena: options taken and refused, its name. */
#include "api/arenas.h"

static void null_options_are_the_defaults(void **state) {
    (void)state;
    acre_arena *arena = create(NULL);
    assert_non_null(acre_arena_malloc(arena, 100));
    assert_int_equal(stats_of(arena).limit_bytes, 0);
    acre_arena_destroy(arena);
}

static void *take_nothing(void *context, size_t size_bytes, size_t alignment) {
    (void)context, (void)size_bytes, (void)alignment;
    return NULL;
}

static void options_out_of_range_are_refused(void **state) {
    (void)state;
    refused((struct acre_arena_options){.flags = 1}, EINVAL);
    refused((struct acre_arena_options){.flags = 1u << 31}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_CUSTOM + 1}, EINVAL);
    refused((struct acre_arena_options){.source = (enum acre_source) - 1}, EINVAL);
    refused((struct acre_arena_options){.thp = ACRE_THP_NEVER + 1}, EINVAL);
    refused((struct acre_arena_options){.thp = (enum acre_thp) - 1}, EINVAL);
    refused((struct acre_arena_options){.limit_bytes = 64 * KIB - 1}, EINVAL);
    refused((struct acre_arena_options){.limit_bytes = 1}, EINVAL);
}

static void combinations_without_meaning_are_refused(void **state) {
    (void)state;
    static char memory[4 * 64 << 10];
    struct acre_source_functions none = {take_nothing, NULL, NULL};
    refused((struct acre_arena_options){.source = ACRE_SOURCE_CUSTOM}, EINVAL);
    refused((struct acre_arena_options){.functions = none}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_MMAP, .functions = none}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_RANGE}, EINVAL);
    refused((struct acre_arena_options){.range = memory, .range_bytes = sizeof memory}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_CUSTOM, .functions = none, .reserve_bytes = MIB},
            EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_BRK, .reserve_bytes = MIB}, EINVAL);
    refused((struct acre_arena_options){.source = ACRE_SOURCE_HUGETLB, .reserve_bytes = MIB}, EINVAL);
    refused(
        (struct acre_arena_options){
            .source = ACRE_SOURCE_RANGE, .range = memory, .range_bytes = sizeof memory, .reserve_bytes = MIB},
        EINVAL);
}

/* Half of an option for another source is as meaningless as the whole. */
static void stray_halves_of_options_are_refused(void **state) {
    (void)state;
    struct acre_source_functions only_give = {NULL, (bool (*)(void *, void *, size_t))(uintptr_t)take_nothing,
                                              NULL};
    refused((struct acre_arena_options){.range_bytes = MIB}, EINVAL);
    refused((struct acre_arena_options){.functions = only_give}, EINVAL);
}

static bool note_name(acre_arena *arena, const char *name, void *context) {
    void **wanted = context;
    if (arena == wanted[0]) strcpy(wanted[1], name);
    return true;
}

static void expect_name(const char *given, const char *expected) {
    char name[100] = "not found";
    acre_arena *arena = create(&(struct acre_arena_options){.name = given});
    void *wanted[2] = {arena, name};
    assert_true(acre_arena_each(note_name, wanted));
    assert_string_equal(name, expected);
    acre_arena_destroy(arena);
}

static void names_are_copied_up_to_31_bytes(void **state) {
    (void)state;
    expect_name(NULL, "arena");
    expect_name("a", "a");
    expect_name("0123456789012345678901234567890", "0123456789012345678901234567890");
    expect_name("0123456789012345678901234567890123", "0123456789012345678901234567890");
}

static void thp_and_single_thread_are_taken(void **state) {
    (void)state;
    for (int thp = ACRE_THP_AUTO; thp <= ACRE_THP_NEVER; thp++) {
        acre_arena *arena = create(&(struct acre_arena_options){.thp = (enum acre_thp)thp, .single_thread = true});
        for (int i = 0; i < size_count; i++) {
            void *block = acre_arena_malloc(arena, sizes[i]);
            assert_non_null(block);
            memset(block, 1, sizes[i]);
        }
        acre_arena_destroy(arena);
    }
}

int arenas_creation(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_options_are_the_defaults),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(combinations_without_meaning_are_refused),
        cmocka_unit_test(stray_halves_of_options_are_refused),
        cmocka_unit_test(names_are_copied_up_to_31_bytes),
        cmocka_unit_test(thp_and_single_thread_are_taken),
    };
    return cmocka_run_group_tests_name("creation", tests, NULL, NULL);
}
