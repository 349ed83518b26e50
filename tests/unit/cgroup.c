#include "support.h"

#include "arena/cgroup.h"
#include "span/decay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void path_of(char path[400], const char *name) { snprintf(path, 400, "%s%s", root, name); }

/* Writes a file below the root, with the folders that it lies in. */
static void put(const char *name, const char *text) {
    char path[400];
    path_of(path, name);
    for (char *slash = path + strlen(root); (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = 0;
        mkdir(path, 0700);
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void clear(void) {
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'/proc '%s'/sys", root, root);
    assert_int_equal(system(command), 0);
}

static void check(uint64_t used_bytes, uint64_t limit_bytes) {
    struct acre_cgroup cgroup = {0, 0};
    assert_true(acre_cgroup_read(root, &cgroup));
    assert_int_equal(cgroup.used_bytes, used_bytes);
    assert_int_equal(cgroup.limit_bytes, limit_bytes);
}

static void check_none(void) {
    struct acre_cgroup cgroup;
    assert_false(acre_cgroup_read(root, &cgroup));
}

static void version_2(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/user.slice/job\n");
    put("/sys/fs/cgroup/user.slice/job/memory.max", "1000000\n");
    put("/sys/fs/cgroup/user.slice/job/memory.current", "900000\n");
    check(900000, 1000000);
    put("/sys/fs/cgroup/user.slice/job/memory.stat",
        "anon 1\nfile 70000\nactive_file 1\ninactive_file 50000\nslab 2\n");
    check(850000, 1000000);
    put("/sys/fs/cgroup/user.slice/job/memory.max", "max\n");
    check_none();
}

/* The limit of a cgroup above holds as well, and the nearest counts. */
static void version_2_above(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.max", "1000\n");
    put("/sys/fs/cgroup/a/b/memory.current", "500\n");
    put("/sys/fs/cgroup/a/memory.max", "4000\n");
    put("/sys/fs/cgroup/a/memory.current", "3000\n");
    check(3000, 4000);
    put("/sys/fs/cgroup/a/b/memory.current", "800\n");
    check(800, 1000);
}

/* The path is the host's, the files are the container's own. */
static void in_a_container(void **state) {
    (void)state;
    put("/proc/self/cgroup", "4:cpu:/x\n3:memory:/docker/0123\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "600\n");
    put("/sys/fs/cgroup/memory/memory.stat", "inactive_file 7\ntotal_inactive_file 100\n");
    check(500, 1000);
}

static void version_1_without_limit(void **state) {
    (void)state;
    put("/proc/self/cgroup", "3:memory:/job\n");
    put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "600\n");
    check_none();
}

static void what_is_strange(void **state) {
    (void)state;
    char longest[3000] = "0::/";
    check_none();
    put("/proc/self/cgroup", "");
    check_none();
    put("/proc/self/cgroup", "nonsense\n:\n::\n0::\n");
    check_none();
    memset(longest + 4, 'x', sizeof longest - 5);
    put("/proc/self/cgroup", longest);
    check_none();
    put("/proc/self/cgroup", "0::/job");
    put("/sys/fs/cgroup/job/memory.max", "0\n");
    put("/sys/fs/cgroup/job/memory.current", "0\n");
    check_none();
    put("/sys/fs/cgroup/job/memory.max", "-1\n");
    check_none();
    put("/sys/fs/cgroup/job/memory.max", "5");
    put("/sys/fs/cgroup/job/memory.stat", "anon 1\ninactive_file 99\n");
    check(0, 5);
}

static uint32_t pressure(uint64_t used_bytes) {
    struct acre_cgroup cgroup = {used_bytes, 1000};
    return acre_cgroup_pressure_percent(&cgroup);
}

static void nearer_is_shorter(void **state) {
    (void)state;
    assert_int_equal(pressure(0), 0);
    assert_int_equal(pressure(750), 0);
    assert_int_equal(pressure(850), 50);
    assert_int_equal(pressure(950), 100);
    assert_int_equal(pressure(1200), 100);
    assert_int_equal(acre_decay_shorten(200), 200);
    atomic_store(&acre_decay.pressure_percent, 50);
    assert_int_equal(acre_decay_shorten(200), 100);
    assert_int_equal(acre_decay_shorten(3600000), 1800000);
    atomic_store(&acre_decay.pressure_percent, 100);
    assert_int_equal(acre_decay_shorten(200), 0);
    atomic_store(&acre_decay.pressure_percent, 0);
}

static int clear_before(void **state) {
    (void)state;
    clear();
    return 0;
}

static int group_setup(void **state) {
    (void)state;
    const char *folder = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/acre-cgroup-XXXXXX", folder == NULL ? "/tmp" : folder);
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int group_teardown(void **state) {
    (void)state;
    clear();
    return rmdir(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(version_2, clear_before),
        cmocka_unit_test_setup(version_2_above, clear_before),
        cmocka_unit_test_setup(in_a_container, clear_before),
        cmocka_unit_test_setup(version_1_without_limit, clear_before),
        cmocka_unit_test_setup(what_is_strange, clear_before),
        cmocka_unit_test(nearer_is_shorter),
    };
    return cmocka_run_group_tests_name("cgroup", tests, group_setup, group_teardown);
}
