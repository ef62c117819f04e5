/* Jacobians of the head motion tracker against differences, and se3.h against identities. */
#include "support.h"
#include "synthetic_head.h"
#include "base/rng.h"
#include "head_sync/head_shape.h"
#include "head_sync/se3.h"

#include <math.h>
#include <string.h>

/* Central differences with step h err by h^2 |f'''| / 6 + eps |f| / h: with px values near 1e3,
 * f''' near 1e4 and h = 1e-5 both parts lie below 1e-6; derivatives are near 1e3. */
static const double STEP = 1e-5, TOLERANCE = 1e-5;

static void pose_residual_jacobian_equals_differences(void **state) {
    (void)state;
    synthetic_head clip = {.frames = 12,
                           .size = 512,
                           .focal_px = 1100,
                           .noise_px = 5,
                           .identity_m = 0.004,
                           .motion = 3,
                           .distance_m = 0.8,
                           .seed = 5};
    synthetic_head_make(&clip);
    stk_head_shape shape;
    stk_head_shape_init(&shape);
    stk_pose_model model = {.focal_px = 1100, .cx_px = 256, .cy_px = 256, .huber_px = 3};
    stk_head_shape_attach(&shape, &model);
    for (int i = 0; i < clip.frames; i++) {
        const float(*landmarks)[3] = clip.landmarks[i].xyz;
        for (int k = 0; k < model.count; k += 7) {
            double r[2], J[12], plus[2], minus[2];
            assert_true(stk_pose_residual(&model, landmarks, &clip.poses[i], k, r, J));
            for (int c = 0; c < 6; c++) {
                double d[6] = {0};
                stk_se3 moved;
                d[c] = STEP;
                stk_se3_move(&clip.poses[i], d, &moved);
                stk_pose_residual(&model, landmarks, &moved, k, plus, NULL);
                d[c] = -STEP;
                stk_se3_move(&clip.poses[i], d, &moved);
                stk_pose_residual(&model, landmarks, &moved, k, minus, NULL);
                for (int axis = 0; axis < 2; axis++) {
                    double slope = (plus[axis] - minus[axis]) / (2 * STEP);
                    assert_true(fabs(slope - J[6 * axis + c]) <= TOLERANCE * (1 + fabs(slope)));
                }
            }
        }
    }
    synthetic_head_clear(&clip);
}

/* exp([w + d]x) = exp([J d]x) exp([w]x). */
static void left_jacobian_equals_differences(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 3, 1);
    for (int trial = 0; trial < 50; trial++) {
        double w[3], J[9], R[9];
        double size = trial == 0 ? 0 : trial < 10 ? 1e-4 : 1;
        for (int i = 0; i < 3; i++) w[i] = size * stk_rng_normal(&rng);
        stk_so3_left_jacobian(w, J);
        stk_so3_exp(w, R);
        for (int c = 0; c < 3; c++) {
            double moved[3] = {w[0], w[1], w[2]}, M[9], relative[9], plus[3], minus[3];
            moved[c] = w[c] + STEP;
            stk_so3_exp(moved, M);
            stk_mat3_mul_bt(M, R, relative);
            stk_so3_log(relative, plus);
            moved[c] = w[c] - STEP;
            stk_so3_exp(moved, M);
            stk_mat3_mul_bt(M, R, relative);
            stk_so3_log(relative, minus);
            for (int i = 0; i < 3; i++)
                assert_true(fabs((plus[i] - minus[i]) / (2 * STEP) - J[3 * i + c]) < 1e-8);
        }
    }
}

static void log_of_exp_returns_vector(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 4, 1);
    static const double angles[] = {0, 1e-12, 1e-7, 1e-3, 0.5, 2, 3, M_PI - 1e-7, M_PI - 1e-12};
    for (int trial = 0; trial < 90; trial++) {
        double w[3], R[9], back[3], n = 0;
        for (int i = 0; i < 3; i++) w[i] = stk_rng_normal(&rng), n += w[i] * w[i];
        for (int i = 0; i < 3; i++) w[i] *= angles[trial % 9] / sqrt(n);
        stk_so3_exp(w, R);
        stk_so3_log(R, back);
        double same = 0, opposite = 0; /* within 1e-12 of pi the sign of the axis is rounding */
        for (int i = 0; i < 3; i++) {
            same = fmax(same, fabs(back[i] - w[i]));
            opposite = fmax(opposite, fabs(back[i] + w[i]));
        }
        assert_true(same < 1e-8 || (trial % 9 == 8 && opposite < 1e-8));
    }
}

static void polar_of_scaled_rotation_returns_rotation(void **state) {
    (void)state;
    double w[3] = {0.3, -1.1, 2.0}, R[9], m[9], flipped[9] = {-1, 0, 0, 0, 1, 0, 0, 0, 1};
    stk_so3_exp(w, R);
    for (int i = 0; i < 9; i++) m[i] = 1234.5 * R[i];
    assert_true(stk_mat3_polar(m));
    for (int i = 0; i < 9; i++) assert_true(fabs(m[i] - R[i]) < 1e-12);
    assert_false(stk_mat3_polar(flipped));
    memset(m, 0, sizeof m);
    assert_false(stk_mat3_polar(m));
}

static void between_poses_halfway_is_half_the_turn(void **state) {
    (void)state;
    stk_se3 a = {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, -1}}, b, middle;
    double d[6] = {0.2, 0.4, -0.6, 0.1, 0.2, 0.3}, half[3];
    stk_se3_move(&a, d, &b);
    stk_se3_between(&a, &b, 0.5, &middle);
    stk_so3_log(middle.R, half);
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(half[i] - 0.5 * d[i]) < 1e-12);
        assert_true(fabs(middle.t[i] - a.t[i] - 0.5 * d[3 + i]) < 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pose_residual_jacobian_equals_differences),
        cmocka_unit_test(left_jacobian_equals_differences),
        cmocka_unit_test(log_of_exp_returns_vector),
        cmocka_unit_test(polar_of_scaled_rotation_returns_rotation),
        cmocka_unit_test(between_poses_halfway_is_half_the_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
