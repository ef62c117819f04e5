/* Kernels that follow points: closed forms of the planes and of sampling, memory safety at and
 * beyond the border, and every slot under every CPU mask against the plain-C twin. */
#include "support.h"
#include "base/attr.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernels/lk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t MASKS[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};
enum { WIDE = 203, MASK_COUNT = 3 };

static void use(int mask, stk_lk_kernels *kernels) {
    stk_cpu_set_mask(MASKS[mask]);
    stk_lk_kernels_init(kernels);
    stk_cpu_set_mask(~0u);
}

/* Exactly width * height samples and no more, so that a sanitizer sees a read beyond. */
static stk_lk_plane make_plane(int width, int height, uint64_t seed) {
    stk_rng rng;
    stk_rng_seed(&rng, seed, 4);
    uint16_t *data = malloc((size_t)width * (size_t)height * sizeof *data);
    assert_non_null(data);
    for (int i = 0; i < width * height; i++) data[i] = (uint16_t)(stk_rng_float(&rng) * 32640);
    return (stk_lk_plane){data, width, height, width};
}

static void planes_every_mask_same_bits(void **state) {
    (void)state;
    const int widths[] = {2, 3, 4, 5, 17, 64, 101, WIDE};
    stk_rng rng;
    stk_rng_seed(&rng, 1, 1);
    for (size_t w = 0; w < STK_ARRAY_SIZE(widths); w++) {
        const int n = widths[w];
        uint8_t *rgb = malloc((size_t)(3 * n));
        uint16_t *rows[4], want[WIDE], out[WIDE];
        for (int i = 0; i < 3 * n; i++) rgb[i] = (uint8_t)(stk_rng_float(&rng) * 256);
        for (int k = 0; k < 4; k++) {
            rows[k] = malloc((size_t)n * sizeof **rows);
            for (int i = 0; i < n; i++) rows[k][i] = (uint16_t)(stk_rng_float(&rng) * 32641);
        }
        for (int slot = 0; slot < 3; slot++)
            for (int mask = 0; mask < MASK_COUNT; mask++) {
                stk_lk_kernels k;
                use(mask, &k);
                uint16_t *to = mask == 0 ? want : out;
                const int count = slot == 2 ? n / 2 : n;
                if (slot == 0) k.grey(n, rgb, to);
                if (slot == 1) k.smooth(n, rows[0], rows[1], rows[2], to);
                if (slot == 2) k.halve(count, n, (const uint16_t *const *)rows, to);
                assert_memory_equal(to, want, (size_t)count * sizeof *to);
            }
        free(rgb);
        for (int k = 0; k < 4; k++) free(rows[k]);
    }
}

static void planes_constant_and_ramp_keep_place(void **state) {
    (void)state;
    uint16_t flat[64], ramp[64], out[64];
    uint8_t white[3 * 64];
    stk_lk_kernels k;
    memset(white, 255, sizeof white);
    for (int i = 0; i < 64; i++) flat[i] = 12345, ramp[i] = (uint16_t)(100 * i);
    const uint16_t *rows[4] = {flat, flat, flat, flat}, *ramps[4] = {ramp, ramp, ramp, ramp};
    for (int mask = 0; mask < MASK_COUNT; mask++) {
        use(mask, &k);
        k.grey(64, white, out);
        for (int i = 0; i < 64; i++) assert_int_equal(out[i], 255 * STK_LK_ONE);
        k.smooth(64, flat, flat, flat, out);
        for (int i = 0; i < 64; i++) assert_int_equal(out[i], 12345);
        k.halve(32, 64, rows, out);
        for (int i = 0; i < 32; i++) assert_int_equal(out[i], 12345);
        k.halve(32, 64, ramps, out); /* sample i lies between 2i and 2i + 1 */
        for (int i = 1; i < 31; i++) assert_int_equal(out[i], 200 * i + 50);
    }
}

/* value = 2x + 3y grey levels at pixel centres: bilinear sampling gives it back anywhere. */
static void sample_ramp_is_exact(void **state) {
    (void)state;
    uint16_t data[48 * 40];
    for (int i = 0; i < 48 * 40; i++)
        data[i] = (uint16_t)((2 * (i % 48) + 3 * (i / 48)) * STK_LK_ONE);
    const stk_lk_plane plane = {data, 48, 40, 48};
    const float m[6] = {0.9f, 0.1f, 22.3f, -0.2f, 1.1f, 19.6f};
    STK_ALIGNED(64) float out[STK_LK_SAMPLES];
    for (int mask = 0; mask < MASK_COUNT; mask++) {
        stk_lk_kernels k;
        use(mask, &k);
        k.sample(&plane, m, 7, out);
        for (int i = 0; i < STK_LK_SAMPLES; i++) {
            const double x = i % 16 - 7.5, y = i / 16 - 7.5;
            const double u = 0.9 * x + 0.1 * y + 22.3 - 0.5, v = -0.2 * x + 1.1 * y + 19.6 - 0.5;
            assert_true(fabs((double)out[i] - (2 * u + 3 * v - 7)) < 2e-3);
        }
    }
}

static void sample_every_mask_agrees_and_stays_inside(void **state) {
    (void)state;
    const int sizes[][2] = {{2, 2}, {3, 5}, {40, 33}, {129, 70}};
    STK_ALIGNED(64) float want[STK_LK_SAMPLES], out[STK_LK_SAMPLES];
    stk_rng rng;
    stk_rng_seed(&rng, 2, 2);
    for (size_t s = 0; s < STK_ARRAY_SIZE(sizes); s++) {
        const stk_lk_plane plane = make_plane(sizes[s][0], sizes[s][1], s);
        for (int round = 0; round < 40; round++) {
            float m[6];
            for (int i = 0; i < 6; i++) m[i] = (i % 4 == 0) + 0.3f * stk_rng_normal(&rng);
            m[2] = (float)plane.width * (2 * stk_rng_float(&rng) - 0.5f);
            m[5] = (float)plane.height * (2 * stk_rng_float(&rng) - 0.5f);
            if (round == 0) m[2] = NAN;
            if (round == 1) m[3] = INFINITY;
            if (round == 2) m[5] = -1e30f;
            for (int mask = 0; mask < MASK_COUNT; mask++) {
                stk_lk_kernels k;
                use(mask, &k);
                k.sample(&plane, m, 128, mask == 0 ? want : out);
                if (mask == 0) continue;
                /* A fused position may differ by 2^-24 of 1000 px; times 255 levels a pixel. */
                for (int i = 0; i < STK_LK_SAMPLES; i++)
                    assert_true(fabsf(out[i] - want[i]) <= 0.05f);
            }
        }
        free((void *)(uintptr_t)plane.data);
    }
}

static void dots_every_mask_agrees(void **state) {
    (void)state;
    STK_ALIGNED(64) static float basis[STK_LK_ROWS_MAX * STK_LK_SAMPLES], s[STK_LK_SAMPLES];
    stk_rng rng;
    stk_rng_seed(&rng, 3, 3);
    for (size_t i = 0; i < STK_ARRAY_SIZE(basis); i++) basis[i] = stk_rng_normal(&rng);
    for (int i = 0; i < STK_LK_SAMPLES; i++) s[i] = 30 * stk_rng_normal(&rng);
    for (int rows = 4; rows <= 8; rows += 4)
        for (int mask = 0; mask < MASK_COUNT; mask++) {
            float sums[STK_LK_ROWS_MAX + 1];
            stk_lk_kernels kernels;
            use(mask, &kernels);
            kernels.dots(rows, basis, s, sums);
            for (int k = 0; k <= rows; k++) {
                double want = 0, size = 0;
                const float *row = basis + (k < rows ? k : rows - 1) * STK_LK_SAMPLES;
                for (int i = 0; i < STK_LK_SAMPLES; i++) {
                    const double v = (double)s[i], term = (double)row[i] * (k < rows ? v : v * v);
                    want += term;
                    size += fabs(term);
                }
                /* 256 roundings of 2^-24 each at worst */
                assert_true(fabs((double)sums[k] - want) <= 256 * 6e-8 * size);
            }
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes_every_mask_same_bits),
        cmocka_unit_test(planes_constant_and_ramp_keep_place),
        cmocka_unit_test(sample_ramp_is_exact),
        cmocka_unit_test(sample_every_mask_agrees_and_stays_inside),
        cmocka_unit_test(dots_every_mask_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
