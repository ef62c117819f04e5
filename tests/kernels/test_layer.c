/* test_layer.c - every variant of the layer kernels against the plain-C twin. Variants differ by
 * fused multiply-adds only: one rounding of 2^-24 a term, 64 terms a float sum: 1e-5 of the
 * largest. Channel counts that fill no vector are among them. */
#include "support.h"
#include "base/attr.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernels/layer.h"

#include <math.h>
#include <string.h>

enum { ROWS = 131, MOST = 48 * ROWS };

typedef struct results {
    double sums[4][48];
    float y[2][MOST], g[MOST], dz[MOST], added[MOST], p[MOST], m[MOST], v[MOST];
    uint16_t half[MOST];
} results;

static void run(const stk_layer_kernels *k, int c, const float *data, results *r) {
    const float *z = data, *res = data + MOST, *dy = data + 2 * MOST, *scale = data + 3 * MOST;
    const float *shift = scale + 48, *mean = shift + 48;
    const size_t n = (size_t)c * ROWS;
    memset(r, 0, sizeof *r);
    k->moments(ROWS, c, z, mean, r->sums[0], r->sums[1]);
    k->apply(ROWS, c, z, scale, shift, NULL, 0, r->y[0]);
    k->apply(ROWS, c, z, scale, shift, res, 1, r->y[1]);
    memcpy(r->g, dy, n * sizeof(float));
    k->gate(ROWS, c, z, res, mean, 1, r->g, r->sums[2], r->sums[3]);
    k->spread(ROWS, c, dy, z, mean, (const float *const[]){scale, shift, mean}, r->dz);
    memcpy(r->added, res, n * sizeof(float));
    k->add(n, z, r->added);
    k->halve(n, z, r->half);
    memcpy(r->p, z, n * sizeof(float));
    memcpy(r->m, res, n * sizeof(float));
    for (size_t i = 0; i < n; i++) r->v[i] = res[i] * res[i];
    const stk_adam adam = {0.01f, 0.1f, 0.9f, 0.99f, 1e-8f, 0.5f, 0.3f};
    k->adam(&adam, n, dy, r->p, r->m, r->v);
}

static void fill(float *data, size_t n) {
    stk_rng rng;
    stk_rng_seed(&rng, 7, 0);
    for (size_t i = 0; i < n; i++) data[i] = stk_rng_normal(&rng);
}

static void every_variant_agrees_with_twin(void **state) {
    static float data[3 * MOST + 3 * 48];
    static results twin, other;
    static const int channels[] = {1, 3, 16, 21, 48};
    static const char *const masks[] = {"avx2", "avx512"};
    (void)state;
    fill(data, STK_ARRAY_SIZE(data));
    for (size_t i = 0; i < STK_ARRAY_SIZE(channels); i++)
        for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
            stk_layer_kernels kernels;
            uint32_t mask;
            stk_cpu_set_mask(0);
            stk_layer_kernels_init(&kernels);
            assert_string_equal(kernels.isa, "c");
            run(&kernels, channels[i], data, &twin);
            assert_int_equal(stk_cpu_parse_mask(masks[m], &mask), 0);
            stk_cpu_set_mask(mask);
            stk_layer_kernels_init(&kernels);
            run(&kernels, channels[i], data, &other);
            for (int s = 0; s < 4; s++)
                for (int c = 0; c < channels[i]; c++)
                    assert_true(fabs(twin.sums[s][c] - other.sums[s][c]) < 1e-5 * ROWS);
            assert_memory_equal(twin.half, other.half, sizeof twin.half);
            const size_t floats = 8 * (size_t)MOST;
            test_assert_close(masks[m], other.y[0], twin.y[0], floats, 1e-5);
        }
    stk_cpu_set_mask(~0u);
}

/* Whatever place of a vector it has. */
static void no_number_stays_none(void **state) {
    enum { C = 37 };
    static const char *const masks[] = {"c", "avx2", "avx512"};
    float one[C], zero[C] = {0};
    (void)state;
    for (int i = 0; i < C; i++) one[i] = 1;
    for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++)
        for (int at = 0; at < C; at++) {
            stk_layer_kernels k;
            uint32_t mask = 0;
            float z[C] = {0}, y[C], dy[C];
            double sums[2][C];
            if (m > 0) assert_int_equal(stk_cpu_parse_mask(masks[m], &mask), 0);
            stk_cpu_set_mask(mask);
            stk_layer_kernels_init(&k);
            z[at] = NAN;
            for (int relu = 0; relu < 2; relu++)
                for (int residual = 0; residual < 2; residual++) {
                    k.apply(1, C, z, one, zero, residual ? one : NULL, relu, y);
                    for (int i = 0; i < C; i++) assert_true(isnan(y[i]) == (i == at));
                }
            memcpy(dy, one, sizeof dy);
            dy[at] = NAN;
            y[at] = 1;
            k.gate(1, C, y, zero, zero, 1, dy, sums[0], sums[1]);
            for (int i = 0; i < C; i++) assert_true(isnan(sums[0][i]) == (i == at));
            dy[at] = 1;
            y[at] = NAN;
            k.gate(1, C, y, zero, zero, 1, dy, sums[0], sums[1]);
            assert_true(dy[at] == 1);
        }
    stk_cpu_set_mask(~0u);
}

static void moments_agree_with_doubles(void **state) {
    static float data[MOST], about[3] = {5, 0, -5};
    stk_layer_kernels kernels;
    double sum[3], square[3], expected[2] = {0};
    (void)state;
    fill(data, MOST);
    for (int i = 0; i < 3 * ROWS; i++) data[i] += about[i % 3];
    stk_layer_kernels_init(&kernels);
    kernels.moments(ROWS, 3, data, about, sum, square);
    for (int i = 0; i < ROWS; i++) {
        expected[0] += (double)data[3 * i];
        expected[1] += pow((double)data[3 * i] - 5, 2);
    }
    assert_true(fabs(sum[0] - expected[0]) < 1e-5 * 5 * ROWS);
    assert_true(fabs(square[0] - expected[1]) < 1e-5 * ROWS);
}

static void adam_first_step_is_the_rate(void **state) {
    float p[2] = {1, 1}, m[2] = {0}, v[2] = {0};
    const float g[2] = {0.3f, -20};
    stk_layer_kernels kernels;
    (void)state;
    stk_layer_kernels_init(&kernels);
    const stk_adam adam = {0.01f, 0, 0.9f, 0.99f, 1e-8f, 0.1f, 0.01f};
    kernels.adam(&adam, 2, g, p, m, v);
    /* m / c1 = g, v / c2 = g^2 */
    assert_true(fabsf(p[0] - 0.99f) < 1e-6f && fabsf(p[1] - 1.01f) < 1e-6f);
}

static void halve_rounds_to_nearest_even(void **state) {
    const float x[] = {1.0f, 1.00390625f /* 1 + 2^-8: a tie */, 1.01171875f, -2.51f, 0};
    const uint16_t expected[] = {0x3f80, 0x3f80, 0x3f82, 0xc021, 0};
    uint16_t y[5];
    stk_layer_kernels kernels;
    (void)state;
    stk_layer_kernels_init(&kernels);
    kernels.halve(5, x, y);
    assert_memory_equal(y, expected, sizeof y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_agrees_with_twin),
        cmocka_unit_test(no_number_stays_none),
        cmocka_unit_test(moments_agree_with_doubles),
        cmocka_unit_test(halve_rounds_to_nearest_even),
        cmocka_unit_test(adam_first_step_is_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
