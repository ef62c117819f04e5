/* Jacobians of bundle adjustment against central differences, and its bordered band solver against
 * the dense one. */
#include "support.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/spd.h"
#include "head_sync/bundle_band.h"
#include "head_sync/bundle_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Central differences with step h err by h^2 |f'''| / 6 + eps |f| / h: with values near 1e3, f'''
 * near 1e4 and h = 1e-5 both parts lie below 1e-6; derivatives are near 1e3. */
static const double STEP = 1e-5, TOLERANCE = 1e-5;

typedef struct view {
    stk_bundle_camera camera;
    stk_se3 pose;
    double place[3];
    float px[2];
} view;

/* The residual with unknown c (pose 0-5, point 6-8, ln f 9, k 10) moved by h. */
static void residual_moved(const view *v, int c, double h, double r[2]) {
    view m = *v;
    double d[6] = {0};
    if (c < 6) d[c] = h;
    stk_se3_move(&v->pose, d, &m.pose);
    if (c >= 6 && c < 9) m.place[c - 6] += h;
    if (c == 9) {
        m.camera.focal_px *= exp(h);
        m.pose.t[2] *= exp(h);
    }
    if (c == 10) m.camera.lens += h;
    assert_true(stk_bundle_residual(&m.camera, &m.pose, m.place, m.px, r, NULL));
}

static void bundle_residual_jacobian_equals_differences(void **state) {
    (void)state;
    stk_rng rng;
    stk_rng_seed(&rng, 7, 1);
    for (int trial = 0; trial < 200; trial++) {
        view v = {{900 + 600 * stk_rng_float(&rng), 250, 260, 0.3 * stk_rng_normal(&rng)},
                  {{1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 0, -0.6}},
                  {0},
                  {240, 270}};
        double d[6], r[2], plus[2], minus[2];
        stk_bundle_jacobian J;
        stk_se3 rest = v.pose;
        for (int i = 0; i < 6; i++) d[i] = (i < 3 ? 0.4 : 0.05) * stk_rng_normal(&rng);
        for (int i = 0; i < 3; i++) v.place[i] = 0.08 * stk_rng_normal(&rng);
        stk_se3_move(&rest, d, &v.pose);
        assert_true(stk_bundle_residual(&v.camera, &v.pose, v.place, v.px, r, &J));
        for (int c = 0; c < 11; c++) {
            residual_moved(&v, c, STEP, plus);
            residual_moved(&v, c, -STEP, minus);
            for (int i = 0; i < 2; i++) {
                double slope = (plus[i] - minus[i]) / (2 * STEP);
                double claimed = c < 6   ? J.pose[6 * i + c]
                                 : c < 9 ? J.point[3 * i + c - 6]
                                         : J.shared[2 * i + c - 9];
                assert_true(fabs(slope - claimed) <= TOLERANCE * (1 + fabs(slope)));
            }
        }
    }
}

static void bundle_loss_factor_equals_differences(void **state) {
    (void)state;
    for (double e2 = 0.01; e2 < 1e4; e2 *= 3) {
        double factor, ignored, h = 1e-4 * e2;
        stk_bundle_loss(e2, 1.5, &factor);
        double slope =
            (stk_bundle_loss(e2 + h, 1.5, &ignored) - stk_bundle_loss(e2 - h, 1.5, &ignored)) /
            (2 * h);
        assert_true(fabs(slope - factor) < 1e-6 * factor);
    }
}

/* A random banded matrix with a border, made definite by its diagonal. */
static void band_solve_equals_dense_solve(void **state) {
    (void)state;
    enum { ROWS = 5 * STK_BAND_TILE, REACH = 80, BORDER = 37, ALL = ROWS + BORDER };
    stk_rng rng;
    stk_band band;
    stk_pool *pool = NULL;
    stk_rng_seed(&rng, 9, 1);
    TEST_OK(stk_pool_create(&pool, 2));
    TEST_OK(stk_band_init(&band, ROWS, REACH, BORDER, pool));
    double *A = calloc((size_t)ALL * ALL, sizeof *A), *b = calloc(ALL, sizeof *b);
    double *copy = calloc((size_t)ALL * ALL, sizeof *copy), unit[ALL] = {0}, inverse = 0;
    for (int i = 0; i < ALL; i++) {
        b[i] = stk_rng_normal(&rng);
        for (int j = 0; j <= i; j++) {
            if (i < ROWS && i - j > REACH) continue;
            double a = i == j ? 60 : 0.5 * stk_rng_normal(&rng);
            A[i * ALL + j] = A[j * ALL + i] = a;
            if (i < ROWS)
                stk_band_tile(
                    &band, i / STK_BAND_TILE,
                    i / STK_BAND_TILE -
                        j / STK_BAND_TILE)[i % STK_BAND_TILE * STK_BAND_TILE + j % STK_BAND_TILE] =
                    a;
            else if (j < ROWS)
                band.side[j * band.columns + i - ROWS] = a;
            else
                band.corner[(i - ROWS) * BORDER + j - ROWS] =
                    band.corner[(j - ROWS) * BORDER + i - ROWS] = a;
        }
        if (i < ROWS)
            band.side[i * band.columns + BORDER] = b[i];
        else
            band.corner_side[i - ROWS] = b[i];
    }
    unit[ROWS] = 1;
    memcpy(copy, A, (size_t)ALL * ALL * sizeof *A);
    assert_true(stk_spd_solve(copy, unit, ALL));
    assert_true(stk_spd_solve(A, b, ALL));
    assert_true(stk_band_solve(&band, &inverse));
    assert_true(fabs(inverse - unit[ROWS]) < 1e-12);
    for (int i = 0; i < ALL; i++) {
        double x = i < ROWS ? band.side[i * band.columns + BORDER] : band.corner_side[i - ROWS];
        assert_true(fabs(x - b[i]) < 1e-12);
    }
    free(A);
    free(b);
    free(copy);
    stk_band_clear(&band);
    stk_pool_free(&pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bundle_residual_jacobian_equals_differences),
        cmocka_unit_test(bundle_loss_factor_equals_differences),
        cmocka_unit_test(band_solve_equals_dense_solve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
