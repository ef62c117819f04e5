/* The table of schedules against reference.md 5.1, 5.2 and 5.4. */
#include "support.h"
#include "train/schedule.h"

#include <math.h>

static void released_stages_are_those_of_the_released_code(void **state) {
    (void)state;
    const stk_schedule *s = stk_schedule_of(STK_SCHEDULE_RELEASED);
    assert_int_equal(s->steps, 100000);
    const stk_schedule_step last = stk_schedule_at(s, 0.59999, 59999);
    assert_int_equal(last.kind, STK_STEP_RAYS);
    assert_int_equal(last.terms, STK_TERM_UNCERTAINTY); /* 59999 is no multiple of 16 */
    assert_float_equal(last.rate, 0.5, 1e-4);
    assert_float_equal(last.ramp, 1.0, 1e-4);
    const stk_schedule_step first = stk_schedule_at(s, 0.6, 60000);
    assert_int_equal(first.kind, STK_STEP_LIPS);
    assert_int_equal(first.terms, 0);
    assert_float_equal(first.rate, pow(0.05, 0.6), 1e-4);
    assert_float_equal(first.ramp, 0.6, 1e-4);
    assert_int_equal(stk_schedule_at(s, 0.60001, 60001).kind, STK_STEP_PATCHES);
    assert_int_equal(stk_schedule_at(s, 0.60002, 60002).kind, STK_STEP_LIPS);
    assert_float_equal(stk_schedule_at(s, 1.0, 100000).rate, 0.05, 1e-6);
}

static void smoothness_is_due_every_16_coarse_steps(void **state) {
    (void)state;
    const stk_schedule *s = stk_schedule_of(STK_SCHEDULE_PAPER);
    for (int step = 0; step < 64; step++) {
        const unsigned terms = stk_schedule_at(s, 0.2, step).terms;
        assert_int_equal((terms & STK_TERM_SMOOTHNESS) != 0, step % 16 == 0);
        assert_true(terms & STK_TERM_UNCERTAINTY);
        assert_int_equal(stk_schedule_at(s, 0.9, step).terms & STK_TERM_SMOOTHNESS, 0);
    }
}

static void paper_is_four_parts_coarse_and_one_of_patches(void **state) {
    (void)state;
    const stk_schedule *s = stk_schedule_of(STK_SCHEDULE_PAPER);
    assert_int_equal(s->steps, 125000);
    assert_int_equal(s->patch_side, 64);
    assert_int_equal(stk_schedule_at(s, 99999.0 / 125000, 99999).kind, STK_STEP_RAYS);
    assert_int_equal(stk_schedule_at(s, 100000.0 / 125000, 100000).kind, STK_STEP_PATCHES);
    assert_int_equal(stk_schedule_at(s, 0.9, 112501).kind, STK_STEP_PATCHES);
    assert_false(stk_schedule_has(s, STK_STEP_LIPS));
}

/* Every schedule: phases in order up to 1, rates that fall, a cycle that exists. */
static void phases_are_whole(void **state) {
    (void)state;
    for (int k = 0; k < STK_SCHEDULES; k++) {
        const stk_schedule *s = stk_schedule_of((stk_schedule_kind)k);
        double before = 0;
        for (int i = 0; i < s->phases; i++) {
            const stk_phase *p = &s->phase[i];
            assert_true(p->until > before && p->cycle_length >= 1);
            assert_true(p->cycle_length <= STK_CYCLE_MAX);
            before = p->until;
        }
        assert_float_equal(before, 1, 0);
        float rate = 1.01f;
        for (int i = 0; i <= 100; i++) {
            const stk_schedule_step now = stk_schedule_at(s, i / 100.0, i);
            assert_true(now.rate <= rate && now.rate > 0);
            assert_true(now.ramp >= 0 && now.ramp <= 1);
            rate = now.rate;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(released_stages_are_those_of_the_released_code),
        cmocka_unit_test(smoothness_is_due_every_16_coarse_steps),
        cmocka_unit_test(paper_is_four_parts_coarse_and_one_of_patches),
        cmocka_unit_test(phases_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
