/* Noise: what its header promises, over a few hundred thousand points. */
#include "support.h"

#include "presenter/noise.h"

#include <math.h>

enum { POINTS = 200000 };

/* Points spread over +-50 by an irrational step, so that no lattice is favoured. */
static void point(int n, float p[3]) {
    for (int i = 0; i < 3; i++) {
        static const double step[3] = {0.7548776662466927, 0.5698402909980532, 0.4301597090019468};
        double v = (n + 1) * step[i];
        p[i] = (float)((v - floor(v)) * 100.0 - 50.0);
    }
}

static void stk_noise3_many_points_zero_mean_within_range(void **state) {
    (void)state;
    double sum = 0.0, square = 0.0;
    for (int n = 0; n < POINTS; n++) {
        float p[3];
        point(n, p);
        float v = stk_noise3(p[0], p[1], p[2], 7);
        assert_true(fabsf(v) <= 1.1f);
        sum += v;
        square += v * v;
    }
    /* deviation of one value is about 0.27, of the mean (cells of 1, 10^6 of them) below 0.001 */
    assert_true(fabs(sum / POINTS) < 0.005);
    assert_true(sqrt(square / POINTS) > 0.2 && sqrt(square / POINTS) < 0.4);
}

static void stk_noise3_small_step_small_change(void **state) {
    (void)state;
    for (int n = 0; n < POINTS; n++) {
        float p[3];
        point(n, p);
        if (n % 4 == 0) p[n % 3] = floorf(p[n % 3]); /* across the borders of cells, too */
        float a = stk_noise3(p[0] - 5e-4f, p[1], p[2], 3);
        float b = stk_noise3(p[0] + 5e-4f, p[1], p[2], 3);
        assert_true(fabsf(a - b) < 4e-3f); /* slope at most about 4 */
    }
}

static void stk_noise3_other_seed_other_values(void **state) {
    (void)state;
    double dot = 0.0, square = 0.0;
    for (int n = 0; n < POINTS; n++) {
        float p[3];
        point(n, p);
        float a = stk_noise3(p[0], p[1], p[2], 1), b = stk_noise3(p[0], p[1], p[2], 2);
        dot += a * b;
        square += a * a;
        assert_true(a == stk_noise3(p[0], p[1], p[2], 1));
    }
    assert_true(fabs(dot / square) < 0.02);
}

static void stk_noise_fractal3_many_points_within_range(void **state) {
    (void)state;
    double sum = 0.0;
    for (int n = 0; n < POINTS; n++) {
        float p[3];
        point(n, p);
        float v = stk_noise_fractal3(p[0], p[1], p[2], 4, 11);
        assert_true(fabsf(v) <= 1.1f);
        sum += v;
    }
    assert_true(fabs(sum / POINTS) < 0.005);
    assert_true(stk_noise_fractal3(0.3f, 0.4f, 0.5f, 0, 11) == 0.0f);
}

/* All 125 cells around by the definition, without the early way out. */
static void stk_noise_cells3_many_points_same_as_definition(void **state) {
    (void)state;
    for (int n = 0; n < 3000; n++) {
        float p[3], nearest, second, best = 1e9f, next = 1e9f;
        point(n, p);
        stk_noise_cells3(p[0], p[1], p[2], 5, &nearest, &second);
        for (int c = 0; c < 27; c++) {
            int i = (int)floorf(p[0]) + c % 3 - 1, j = (int)floorf(p[1]) + c / 3 % 3 - 1;
            int k = (int)floorf(p[2]) + c / 9 - 1;
            uint32_t h = stk_noise_hash((uint32_t)i, (uint32_t)j, (uint32_t)k, 5);
            float x = (float)i + (float)(h & 1023) / 1024.0f - p[0];
            float y = (float)j + (float)(h >> 10 & 1023) / 1024.0f - p[1];
            float z = (float)k + (float)(h >> 20 & 1023) / 1024.0f - p[2];
            float d = sqrtf(x * x + y * y + z * z);
            if (d < best) {
                next = best;
                best = d;
            } else if (d < next) {
                next = d;
            }
        }
        assert_true(fabsf(nearest - best) < 2e-5f && fabsf(second - next) < 2e-5f);
        assert_true(nearest <= second && second < 2.0f);
    }
}

static void stk_noise_hash_neighbours_half_of_bits_differ(void **state) {
    (void)state;
    long bits = 0;
    for (uint32_t n = 0; n < 3000; n++) {
        uint32_t h = stk_noise_hash(n % 10, n / 10 % 10, n / 100, 1);
        bits += __builtin_popcount(h ^ stk_noise_hash(n % 10 + 1, n / 10 % 10, n / 100, 1));
        bits += __builtin_popcount(h ^ stk_noise_hash(n % 10, n / 10 % 10, n / 100 + 1, 1));
        bits += __builtin_popcount(h ^ stk_noise_hash(n % 10, n / 10 % 10, n / 100, 2));
    }
    assert_true(fabs((double)bits / 9000.0 - 16.0) < 0.3);
}

static void stk_smoothstep_both_directions_clamped(void **state) {
    (void)state;
    assert_true(stk_smoothstep(1.0f, 3.0f, 0.0f) == 0.0f);
    assert_true(stk_smoothstep(1.0f, 3.0f, 4.0f) == 1.0f);
    assert_true(fabsf(stk_smoothstep(1.0f, 3.0f, 2.0f) - 0.5f) < 1e-6f);
    assert_true(stk_smoothstep(3.0f, 1.0f, 0.0f) == 1.0f);
    assert_true(stk_smoothstep(3.0f, 1.0f, 4.0f) == 0.0f);
    assert_true(stk_smoothstep(2.0f, 2.0f, 1.9f) == 0.0f);
    assert_true(stk_smoothstep(2.0f, 2.0f, 2.0f) == 1.0f);
}

static void stk_srgb_from_linear_all_bytes_round_trip(void **state) {
    (void)state;
    for (int b = 0; b < 256; b++) {
        float v = stk_srgb_from_linear(stk_linear_from_srgb((float)b / 255.0f));
        assert_true(fabsf(v * 255.0f - (float)b) < 0.01f);
    }
    assert_true(stk_srgb_from_linear(-1.0f) == 0.0f && stk_srgb_from_linear(2.0f) == 1.0f);
    assert_true(fabsf(stk_linear_from_srgb(0.5f) - 0.2140411f) < 1e-6f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stk_noise3_many_points_zero_mean_within_range),
        cmocka_unit_test(stk_noise3_small_step_small_change),
        cmocka_unit_test(stk_noise3_other_seed_other_values),
        cmocka_unit_test(stk_noise_fractal3_many_points_within_range),
        cmocka_unit_test(stk_noise_cells3_many_points_same_as_definition),
        cmocka_unit_test(stk_noise_hash_neighbours_half_of_bits_differ),
        cmocka_unit_test(stk_smoothstep_both_directions_clamped),
        cmocka_unit_test(stk_srgb_from_linear_all_bytes_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
