/* The production line: every item through every stage in order, whatever the threads; the end by a
 * stop and by a failure. */
#include "support.h"
#include "base/line.h"

#include <stdatomic.h>
#include <string.h>

enum { ITEMS = 300, SLOTS = 5 };

/* What the stages check and leave behind. */
static struct {
    int made[ITEMS][4]; /* passes of each item through each stage */
    int in_slot[SLOTS]; /* item that stage 0 put there */
    int next[4];        /* expected by the in-order stages */
    int stop_at, fail_at;
    atomic_int wrong, inside, turns;
} t;

static void check(const stk_line_place *at, int stage) {
    if (stage > 0 && (t.in_slot[at->slot] != at->item || t.made[at->item][stage - 1] != 1))
        t.wrong++;
    t.made[at->item][stage]++;
}

static stk_status first(void *ctx, stk_line_place *at) {
    (void)ctx;
    t.wrong += at->item != t.next[0]++;
    t.in_slot[at->slot] = at->item;
    check(at, 0);
    return STK_OK;
}

static stk_status wide(void *ctx, stk_line_place *at) {
    (void)ctx;
    atomic_fetch_add(&t.inside, 1);
    for (int i = 0; i < 300 * (at->item % 7); i++) atomic_fetch_add(&t.turns, 1);
    check(at, 1);
    atomic_fetch_sub(&t.inside, 1);
    return STK_OK;
}

static stk_status caller(void *ctx, stk_line_place *at) {
    (void)ctx;
    t.wrong += at->item != t.next[2]++ || at->worker != 0;
    check(at, 2);
    at->stop = at->item == t.stop_at;
    if (at->item == t.fail_at) return stk_fail(STK_ERR_CONTENT, "item %d is bad", at->item);
    return STK_OK;
}

static stk_status last(void *ctx, stk_line_place *at) {
    (void)ctx;
    t.wrong += at->item != t.next[3]++;
    check(at, 3);
    t.in_slot[at->slot] = -1;
    return STK_OK;
}

static stk_status run(int items, int slots, int threads, int *finished) {
    stk_pool *pool = NULL;
    stk_line line = {.stages = {{"first", STK_LINE_IN_ORDER, first, 0, 0},
                                {"wide", STK_LINE_WIDE, wide, 0, 0},
                                {"caller", STK_LINE_CALLER, caller, 0, 0},
                                {"last", STK_LINE_IN_ORDER, last, 0, 0}},
                     .items = items,
                     .slots = slots};
    memset(&t.made, 0, sizeof t.made);
    memset(&t.next, 0, sizeof t.next);
    t.wrong = 0;
    TEST_OK(stk_pool_create(&pool, threads));
    stk_status status = stk_line_run(&line, pool, finished);
    stk_pool_free(&pool);
    assert_int_equal(t.wrong, 0);
    assert_int_equal(atomic_load(&t.inside), 0);
    return status;
}

static void run_takes_each_item_through_each_stage_once(void **state) {
    (void)state;
    int finished;
    t.stop_at = t.fail_at = -1;
    for (int threads = 1; threads <= 6; threads++) {
        for (int slots = 1; slots <= SLOTS; slots++) {
            TEST_OK(run(ITEMS, slots, threads, &finished));
            assert_int_equal(finished, ITEMS);
            for (int i = 0; i < ITEMS; i++)
                for (int k = 0; k < 4; k++) assert_int_equal(t.made[i][k], 1);
        }
        TEST_OK(run(1, SLOTS, threads, &finished));
        assert_int_equal(finished, 1);
        TEST_OK(run(0, SLOTS, threads, &finished));
        assert_int_equal(finished, 0);
    }
}

static void stop_ends_the_line_behind_its_item(void **state) {
    (void)state;
    static const int stops[] = {0, 1, 117, ITEMS - 1};
    int finished;
    t.fail_at = -1;
    for (int threads = 1; threads <= 4; threads++)
        for (size_t i = 0; i < STK_ARRAY_SIZE(stops); i++) {
            t.stop_at = stops[i];
            TEST_OK(run(ITEMS, SLOTS, threads, &finished));
            assert_int_equal(finished, stops[i] + 1);
            assert_int_equal(t.next[3], stops[i] + 1);
        }
    t.stop_at = -1;
}

static void failure_ends_the_line_with_its_sentence(void **state) {
    (void)state;
    int finished;
    t.stop_at = -1;
    t.fail_at = 40;
    for (int threads = 1; threads <= 4; threads++) {
        stk_error_put("");
        assert_int_equal(run(ITEMS, SLOTS, threads, &finished), STK_ERR_CONTENT);
        assert_string_equal(stk_error_text(), "item 40 is bad");
        assert_true(finished <= 40);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_takes_each_item_through_each_stage_once),
        cmocka_unit_test(stop_ends_the_line_behind_its_item),
        cmocka_unit_test(failure_ends_the_line_with_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
