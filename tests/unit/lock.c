#include "support.h"

#include "os/lock.h"

#include <pthread.h>
#include <sys/wait.h>

#define THREADS 4
#define ROUNDS 20000

static struct acre_lock lock = ACRE_LOCK(50);
static struct acre_lock inner = ACRE_LOCK(20);
static volatile unsigned long counter; /* not atomic: the lock is what keeps it whole */
static _Atomic unsigned inside, strangers;

static void *count_up(void *unused) {
    (void)unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        acre_lock(&lock);
        if (atomic_fetch_add(&inside, 1) != 0 || !acre_lock_is_mine(&lock)) atomic_fetch_add(&strangers, 1);
        counter = counter + 1;
        atomic_fetch_sub(&inside, 1);
        acre_unlock(&lock);
        if (acre_lock_is_mine(&lock)) atomic_fetch_add(&strangers, 1);
    }
    return NULL;
}

static void mutual_exclusion(void **state) {
    (void)state;
    pthread_t thread[THREADS];
    for (unsigned i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, count_up, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    assert_int_equal(counter, THREADS * ROUNDS);
    assert_int_equal(strangers, 0);
}

static void *ask_owner(void *result) {
    *(bool *)result = acre_lock_is_mine(&lock);
    return NULL;
}

static void owner(void **state) {
    (void)state;
    bool others = true;
    pthread_t thread;
    assert_false(acre_lock_is_mine(&lock));
    acre_lock(&lock);
    assert_true(acre_lock_is_mine(&lock));
    pthread_create(&thread, NULL, ask_owner, &others);
    pthread_join(thread, NULL);
    assert_false(others);
    acre_unlock(&lock);
    assert_false(acre_lock_is_mine(&lock));
}

static void *take_late(void *done) {
    acre_lock(&lock);
    atomic_store((_Atomic bool *)done, true);
    acre_unlock(&lock);
    return NULL;
}

/* The waiter sleeps by the time that the lock is released, and must be woken. */
static void sleeper_wakes(void **state) {
    (void)state;
    _Atomic bool done = false;
    pthread_t thread;
    acre_lock(&lock);
    pthread_create(&thread, NULL, take_late, &done);
    for (uint64_t start_ms = acre_os_clock_ms(); acre_os_clock_ms() - start_ms < 50;) acre_cpu_relax();
    assert_false(done);
    acre_unlock(&lock);
    pthread_join(thread, NULL);
    assert_true(done);
}

static void nest(void *wrongly) {
    acre_lock(wrongly == NULL ? &lock : &inner);
    acre_lock(wrongly == NULL ? &inner : &lock);
    acre_unlock(wrongly == NULL ? &inner : &lock);
    acre_unlock(wrongly == NULL ? &lock : &inner);
}

static void ranks(void **state) {
    (void)state;
    char text[500];
    assert_int_equal(unit_in_child(nest, NULL, text, sizeof text), 0);
    assert_true(WIFSIGNALED(unit_in_child(nest, &lock, text, sizeof text)) || text[0] != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutual_exclusion),
        cmocka_unit_test(owner),
        cmocka_unit_test(sleeper_wakes),
        cmocka_unit_test(ranks),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
