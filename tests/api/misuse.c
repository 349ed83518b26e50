/* Pointers that must not be freed: each case runs in a forked child, which must end by SIGABRT with a line
 * "acre: ..." on stderr. Never by a fault, never silently. `caught` at once, or for some cases only when the
 * free list comes round again: those go on allocating until it has. */
#include "support/process.h"
#include "support/suite.h"

#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Through a volatile, so that the compiler neither warns about nor folds what is wrong on purpose. */
static void *hide(void *pointer) {
    void *volatile hidden = pointer;
    return hidden;
}

/* Takes and frees many blocks of the size, so that every list of its slab is swapped and collected. */
static void churn(size_t size) {
    enum { count = 30000 };
    static void *blocks[count];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < count; i++) blocks[i] = malloc(size);
        for (int i = 0; i < count; i++) free(blocks[i]);
    }
}

static void double_free_small(void) {
    void *p = malloc(48);
    free(hide(p));
    free(hide(p));
    churn(48);
}
static void double_free_small_with_another_between(void) {
    void *p = malloc(48), *q = malloc(48);
    free(hide(p));
    free(hide(q));
    free(hide(p));
    churn(48);
}
static void double_free_slab_sized(void) {
    void *p = malloc(3000);
    free(hide(p));
    free(hide(p));
    churn(3000);
}
static void double_free_large(void) {
    void *p = malloc(200000);
    free(hide(p));
    free(hide(p));
}
static void double_free_huge(void) {
    void *p = malloc(32 << 20);
    free(hide(p));
    free(hide(p));
}
static void realloc_of_freed_huge(void) {
    void *p = malloc(32 << 20);
    free(hide(p));
    hide(realloc(hide(p), 64 << 20));
}
static void double_free_aligned_huge(void) {
    void *p = memalign(8 << 20, 32 << 20);
    free(hide(p));
    free(hide(p));
}
static void inside_by_1(void) { free((char *)hide(malloc(100)) + 1); }
static void inside_by_8(void) { free((char *)hide(malloc(100)) + 8); }
static void inside_by_16(void) { /* aligned as a block is: noticed at the latest when it is collected */
    char *p = malloc(100);
    free((char *)hide(p) + 16);
    churn(100);
}
static void inside_large_by_4096(void) { free((char *)hide(malloc(200000)) + 4096); }
static void inside_large_by_65536(void) { free((char *)hide(malloc(700000)) + 65536); }
static void inside_huge_by_4096(void) { free((char *)hide(malloc(32 << 20)) + 4096); }
static void inside_huge_by_1_mib(void) { free((char *)hide(malloc(32 << 20)) + (1 << 20)); }
static void realloc_inside_by_8(void) { hide(realloc((char *)hide(malloc(100)) + 8, 500)); }
static void stack_address(void) {
    _Alignas(16) char local[64];
    free(hide(local));
}
static void static_address(void) {
    _Alignas(16) static char data[64];
    free(hide(data));
}
static void realloc_of_static_address(void) {
    _Alignas(16) static char data[64];
    hide(realloc(hide(data), 100));
}
static void string_literal(void) { free(hide((void *)(uintptr_t) "a literal of some length")); }
static void code_address(void) { free(hide((void *)(uintptr_t)&churn)); }
static void foreign_mapping(void) {
    free(hide(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}
static void inaccessible_mapping(void) {
    free(hide(mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}
static void address_1(void) { free(hide((void *)1)); }
static void address_16(void) { free(hide((void *)16)); }
static void address_4096(void) { free(hide((void *)4096)); }
static void all_ones(void) { free(hide((void *)UINTPTR_MAX)); }
static void non_canonical(void) { free(hide((void *)UINT64_C(0x8000000000000000))); }
static void non_canonical_middle(void) { free(hide((void *)UINT64_C(0x0001000000000000))); }
static void live_pointer_with_top_bit(void) {
    free(hide((void *)((uintptr_t)malloc(100) | (UINT64_C(1) << 63))));
}
static void live_pointer_with_bit_48(void) { free(hide((void *)((uintptr_t)malloc(100) | (UINT64_C(1) << 48)))); }
static void never_carved_neighbour(void) { /* the block far behind in a slab that was never handed out */
    char *p = malloc(512);
    free((char *)hide(p) + 512 * 3);
    churn(512);
}
static void usable_size_of_foreign(void) {
    _Alignas(16) static char data[64];
    hide((void *)malloc_usable_size(hide(data)));
}

static const struct misuse {
    const char *name;
    void (*run)(void);
} cases[] = {
#define CASE(function) {#function, function}
    CASE(double_free_small), CASE(double_free_small_with_another_between), CASE(double_free_slab_sized),
    CASE(double_free_large), CASE(double_free_huge), CASE(realloc_of_freed_huge), CASE(double_free_aligned_huge),
    CASE(inside_by_1), CASE(inside_by_8), CASE(inside_by_16), CASE(inside_large_by_4096),
    CASE(inside_large_by_65536), CASE(inside_huge_by_4096), CASE(inside_huge_by_1_mib),
    CASE(realloc_inside_by_8), CASE(stack_address), CASE(static_address), CASE(realloc_of_static_address),
    CASE(string_literal), CASE(code_address), CASE(foreign_mapping), CASE(inaccessible_mapping),
    CASE(address_1), CASE(address_16), CASE(address_4096), CASE(all_ones), CASE(non_canonical),
    CASE(non_canonical_middle), CASE(live_pointer_with_top_bit), CASE(live_pointer_with_bit_48),
    CASE(never_carved_neighbour), CASE(usable_size_of_foreign),
#undef CASE
};
enum { case_count = sizeof cases / sizeof cases[0] };

/* What the child wrote to stderr, and how it ended. */
static int run_in_child(void (*run)(void), char *text, size_t capacity_bytes) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]), close(ends[1]);
        /* cmocka's handlers would turn the signal into something else. */
        signal(SIGABRT, SIG_DFL), signal(SIGSEGV, SIG_DFL), signal(SIGBUS, SIG_DFL), signal(SIGILL, SIG_DFL);
        alarm(60);
        run();
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while (used + 1 < capacity_bytes && (got = read(ends[0], text + used, capacity_bytes - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool is_caught(const struct misuse *misuse) {
    char text[4096];
    int status = run_in_child(misuse->run, text, sizeof text);
    const char *newline = strchr(text, '\n');
    bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    bool one_line = strncmp(text, "acre: ", 6) == 0 && newline != NULL && newline[1] == '\0';
    if (aborted && one_line) return true;
    print_error("%s: %s %d, stderr \"%s\"\n", misuse->name, WIFSIGNALED(status) ? "signal" : "exit status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), text);
    return false;
}

static void run_case(void **state) { assert_true(is_caught(*state)); }

static void use_correctly(void) {
    churn(48), churn(100), churn(3000);
    free(malloc(32 << 20));
}

/* And no false alarm, without which the cases above would prove nothing. */
static void correct_use_ends_well(void **state) {
    (void)state;
    char text[4096];
    int status = run_in_child(use_correctly, text, sizeof text);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_string_equal(text, "");
}

int main(void) {
    process_expect_malloc();
    struct CMUnitTest tests[case_count + 1];
    for (int i = 0; i < case_count; i++) {
        tests[i] = (struct CMUnitTest){cases[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&cases[i]};
    }
    tests[case_count] = (struct CMUnitTest)cmocka_unit_test(correct_use_ends_well);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
