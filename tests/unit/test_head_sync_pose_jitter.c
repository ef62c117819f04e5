/* How much poses shake: known second differences, frames and takes that do not count. */
#include "support.h"
#include "head_sync/pose_smooth.h"

#include <math.h>
#include <string.h>

enum { FRAMES = 12 };
static const double FOCAL_PX = 800, DEPTH = 2;
static stk_se3 poses[FRAMES];
static uint8_t counts[FRAMES];

/* Steady motion, plus every other frame turned by `turn` rad about x and shifted by `px`. */
static void make(double turn, double px) {
    for (int i = 0; i < FRAMES; i++) {
        const double w[3] = {i % 2 * turn, 0, 0};
        stk_so3_exp(w, poses[i].R);
        poses[i].t[0] = DEPTH * (0.01 * i + i % 2 * px / FOCAL_PX);
        poses[i].t[1] = -0.02 * DEPTH * i;
        poses[i].t[2] = DEPTH;
        counts[i] = 1;
    }
}

static void jitter_of_alternating_frames_is_twice_the_step(void **state) {
    (void)state;
    double turn, shift;
    make(0.01, 3);
    stk_pose_jitter(poses, counts, NULL, FRAMES, FOCAL_PX, &turn, &shift);
    assert_true(fabs(turn - 2 * 0.01 * 180 / M_PI) < 1e-9);
    assert_true(fabs(shift - 6) < 1e-9);
}

static void jitter_of_steady_motion_is_none(void **state) {
    (void)state;
    double turn, shift;
    make(0, 0);
    for (int i = 0; i < FRAMES; i++) {
        const double w[3] = {0, 0.05 * i, 0};
        stk_so3_exp(w, poses[i].R);
    }
    stk_pose_jitter(poses, counts, NULL, FRAMES, FOCAL_PX, &turn, &shift);
    assert_true(turn < 1e-9 && shift < 1e-9);
}

/* One wild frame: seen in three triples, in none when it does not count or is a take of its own. */
static void jitter_passes_over_frames_and_cuts(void **state) {
    (void)state;
    double turn, shift;
    int32_t take[FRAMES];
    make(0, 0);
    for (int i = 0; i < FRAMES; i++) take[i] = (i >= 6) + (i >= 7);
    poses[6].t[0] += DEPTH * 5 / FOCAL_PX;
    stk_pose_jitter(poses, counts, NULL, FRAMES, FOCAL_PX, &turn, &shift);
    assert_true(fabs(shift - sqrt((25 + 100 + 25) / (FRAMES - 2.0))) < 1e-9);
    stk_pose_jitter(poses, counts, take, FRAMES, FOCAL_PX, &turn, &shift);
    assert_true(shift < 1e-9);
    counts[6] = 0;
    stk_pose_jitter(poses, counts, NULL, FRAMES, FOCAL_PX, &turn, &shift);
    assert_true(shift < 1e-9);
}

static void jitter_without_a_triple_is_none(void **state) {
    (void)state;
    double turn = 1, shift = 1;
    make(0.1, 10);
    for (int i = 0; i < FRAMES; i++) counts[i] = i % 3 != 0;
    stk_pose_jitter(poses, counts, NULL, FRAMES, FOCAL_PX, &turn, &shift);
    assert_true(turn == 0 && shift == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jitter_of_alternating_frames_is_twice_the_step),
        cmocka_unit_test(jitter_of_steady_motion_is_none),
        cmocka_unit_test(jitter_passes_over_frames_and_cuts),
        cmocka_unit_test(jitter_without_a_triple_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
