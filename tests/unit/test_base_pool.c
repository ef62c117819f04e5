/* Thread pool: every task once, repeated runs, any thread count. */
#include "support.h"
#include "base/pool.h"

#include <stdatomic.h>
#include <string.h>

enum { TASKS = 1000 };
static atomic_int counts[TASKS];

static void count_task(void *ctx, int task, int worker) {
    (void)ctx, (void)worker;
    atomic_fetch_add(&counts[task], 1);
}

static void run_any_thread_count_each_task_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        stk_pool *pool;
        TEST_OK(stk_pool_create(&pool, threads));
        memset((void *)counts, 0, sizeof counts);
        for (int round = 0; round < 50; round++) stk_pool_run(pool, TASKS, count_task, NULL);
        for (int i = 0; i < TASKS; i++) assert_int_equal(atomic_load(&counts[i]), 50);
        stk_pool_free(&pool);
        assert_null(pool);
    }
}

static void run_null_pool_runs_on_caller(void **state) {
    (void)state;
    memset((void *)counts, 0, sizeof counts);
    stk_pool_run(NULL, TASKS, count_task, NULL);
    for (int i = 0; i < TASKS; i++) assert_int_equal(atomic_load(&counts[i]), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_any_thread_count_each_task_once),
        cmocka_unit_test(run_null_pool_runs_on_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
