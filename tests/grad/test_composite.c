/* Compositing gradients against finite differences of a double-precision forward. */
#include "support.h"
#include "base/rng.h"
#include "kernels/field.h"
#include "kernels/march.h"

#include <math.h>
#include <string.h>

enum {
    COUNT = 16,
    FIRST = 55,
    TILES = 2,
    FLAT = TILES * STK_TILE
}; /* the ray crosses a tile edge */

typedef struct block {
    float sigma[FLAT], rgb[3 * FLAT], amb_aud[FLAT], amb_exp[FLAT], unc[FLAT], dt[FLAT], t[FLAT];
} block;

static int rgb_at(int i, int k) {
    return (i / STK_TILE * 3 + k) * STK_TILE + i % STK_TILE;
}

/* sum over outputs of dout * out, by the rule of 4.4 in doubles; `visited` samples. */
static double loss(const block *b, int visited, const stk_ray_dout *g) {
    double T = 1, sum = 0;
    for (int i = FIRST; i < FIRST + visited; i++) {
        double alpha = 1 - exp(-(double)b->sigma[i] * (double)b->dt[i]), w = alpha * T;
        for (int k = 0; k < 3; k++) sum += w * (double)b->rgb[rgb_at(i, k)] * (double)g->rgb[k];
        sum += w * (double)b->unc[i] * (double)g->unc + w * (double)g->weight;
        sum += (double)b->amb_aud[i] * (double)g->amb_aud;
        sum += (double)b->amb_exp[i] * (double)g->amb_exp;
        T *= 1 - alpha;
    }
    return sum;
}

/* Central difference in doubles of the float input *x: step h is exactly representable around it.
 */
static double slope(const block *b, float *x, int visited, const stk_ray_dout *g) {
    const float keep = *x, h = 1e-3f * fmaxf(1.0f, fabsf(keep));
    *x = keep + h;
    const double up = loss(b, visited, g), xu = (double)*x;
    *x = keep - h;
    const double down = loss(b, visited, g), xd = (double)*x;
    *x = keep;
    return (up - down) / (xu - xd);
}

static void check_ray(float density, int want_visited) {
    static block b, d;
    stk_rng rng;
    stk_rng_seed(&rng, 11, 4);
    for (int i = 0; i < FLAT; i++) {
        b.sigma[i] = density * (0.2f + stk_rng_float(&rng));
        b.amb_aud[i] = stk_rng_float(&rng);
        b.amb_exp[i] = stk_rng_float(&rng);
        b.unc[i] = stk_rng_float(&rng);
        b.dt[i] = STK_STEP_NGP;
        b.t[i] = 2;
    }
    for (int i = 0; i < 3 * FLAT; i++) b.rgb[i] = stk_rng_float(&rng);
    const stk_samples samples = {b.sigma, b.rgb, b.amb_aud, b.amb_exp, b.unc, b.dt, b.t};
    stk_dsamples dsamples = {d.sigma, d.rgb, d.amb_aud, d.amb_exp, d.unc};
    const stk_ray_dout g = {{0.8f, -0.5f, 0.3f}, -0.6f, 0.25f, -0.75f, 0.4f};
    stk_march_kernels kernels;
    stk_march_kernels_init(&kernels);
    stk_ray_out out;
    int visited = kernels.composite(&samples, FIRST, COUNT, &out);
    assert_true(want_visited == COUNT ? visited == COUNT : visited < COUNT);
    kernels.composite_backward(&samples, FIRST, COUNT, &out, &g, &dsamples);
    /* The truncation error of the difference is below 1e-6 of the slope; what is left is float32
     * rounding of the backward, 16 terms of 1e-7 against sums of order 1. */
    for (int i = FIRST; i < FIRST + COUNT; i++) {
        int live = i - FIRST < visited;
        double s = live ? slope(&b, &b.sigma[i], visited, &g) : 0;
        assert_true(fabs(s - (double)d.sigma[i]) < 2e-6 * (double)STK_STEP_NGP * 20);
        s = slope(&b, &b.unc[i], visited, &g);
        assert_true(fabs(s - (double)d.unc[i]) < 3e-6);
        s = slope(&b, &b.amb_aud[i], visited, &g);
        assert_true(fabs(s - (double)d.amb_aud[i]) < 3e-6);
        s = slope(&b, &b.amb_exp[i], visited, &g);
        assert_true(fabs(s - (double)d.amb_exp[i]) < 3e-6);
        for (int k = 0; k < 3; k++) {
            s = slope(&b, &b.rgb[rgb_at(i, k)], visited, &g);
            assert_true(fabs(s - (double)d.rgb[rgb_at(i, k)]) < 3e-6);
        }
    }
}

static void composite_backward_thin_ray_matches_differences(void **state) {
    (void)state;
    check_ray(4.0f, COUNT);
}

static void composite_backward_thick_ray_matches_differences(void **state) {
    (void)state;
    check_ray(60.0f, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composite_backward_thin_ray_matches_differences),
        cmocka_unit_test(composite_backward_thick_ray_matches_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
