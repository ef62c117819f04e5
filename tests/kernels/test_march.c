/* Marching and compositing kernels: lattice, skipping and termination rules on synthetic grids, and
 * every CPU mask against the plain-C twin. */
#include "support.h"
#include "base/attr.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/types.h"
#include "kernels/field.h"
#include "kernels/march.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const uint32_t MASKS[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};

static void normalise(float d[3]) {
    const float norm = sqrtf(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    for (int k = 0; k < 3; k++) d[k] /= norm;
}

static void random_direction(stk_rng *rng, float d[3]) {
    for (int k = 0; k < 3; k++) d[k] = stk_rng_normal(rng);
    normalise(d);
}

static void morton_encode_all_axes_round_trips(void **state) {
    (void)state;
    assert_int_equal(stk_morton_encode(1, 0, 0), 1);
    assert_int_equal(stk_morton_encode(0, 1, 0), 2);
    assert_int_equal(stk_morton_encode(0, 0, 1), 4);
    assert_int_equal(stk_morton_encode(127, 127, 127), STK_GRID_CELLS - 1);
    for (uint32_t i = 0; i < STK_GRID_CELLS; i += 7) {
        uint32_t x, y, z;
        stk_morton_decode(i, &x, &y, &z);
        assert_int_equal(stk_morton_encode(x, y, z), i);
    }
}

static void near_far_straight_ray_hits_depth_faces(void **state) {
    (void)state;
    stk_march_kernels kernels;
    stk_march_kernels_init(&kernels);
    const float o[9] = {0.1f, 2.4f, 0.2f, 0.1f, 2.4f, 0.2f, 0, 0, 0};
    const float d[9] = {1e-4f, -1, 1e-4f, 1, 1e-4f, 1e-4f, 1e-4f, 1e-4f, 1};
    float near_far[6];
    kernels.near_far(3, o, d, near_far);
    assert_float_equal(near_far[0], 1.9f, 1e-5);
    assert_float_equal(near_far[1], 2.9f, 1e-5);
    assert_true(near_far[2] == FLT_MAX && near_far[3] == FLT_MAX);
    assert_true(near_far[4] == STK_MIN_NEAR); /* from inside: raised to min near */
    assert_float_equal(near_far[5], 1.0f, 1e-6);
}

static void march_full_grid_takes_every_lattice_point(void **state) {
    (void)state;
    stk_march_kernels kernels;
    stk_march_kernels_init(&kernels);
    uint8_t *bits = stk_calloc_aligned(STK_GRID_BYTES, 1);
    memset(bits, 0xff, STK_GRID_BYTES);
    const float o[3] = {0.01f, 2.4f, 0.02f}, d[3] = {0, -1, 0};
    float xyz[48], dt_t[32], end;
    int n = kernels.march(o, d, 1.9f, 2.9f, bits, STK_TRAIN_SAMPLES_MAX, xyz, dt_t, &end);
    assert_int_equal(n, STK_TRAIN_SAMPLES_MAX);
    for (int i = 0; i < n; i++) {
        assert_float_equal(xyz[3 * i + 1], 0.5f - (float)i * STK_STEP_NGP, 1e-5);
        assert_float_equal(dt_t[2 * i], STK_STEP_NGP, 0);
        assert_float_equal(dt_t[2 * i + 1], 1.9f + (float)(i + 1) * STK_STEP_NGP, 1e-5);
    }
    assert_float_equal(end, dt_t[2 * n - 1], 0);
    memset(bits, 0, STK_GRID_BYTES);
    assert_int_equal(kernels.march(o, d, 1.9f, 2.9f, bits, 16, xyz, dt_t, &end), 0);
    assert_true(end >= 2.9f);
    stk_free(bits);
}

/* Of cameras that are none: no direction; so far away that a step is lost in rounding. */
static void march_endless_ray_ends(void **state) {
    (void)state;
    stk_march_kernels kernels;
    stk_march_kernels_init(&kernels);
    uint8_t *bits = stk_calloc_aligned(STK_GRID_BYTES, 1);
    const float o[2][3] = {{0.01f, 0.2f, 0.02f}, {0, 1e6f, 0}};
    const float d[2][3] = {{0, 0, 0}, {0, -1, 0}};
    for (int i = 0; i < 2; i++) {
        float near_far[2], xyz[3], dt_t[2], end;
        kernels.near_far(1, o[i], d[i], near_far);
        assert_true(near_far[0] < near_far[1]);
        assert_int_equal(
            kernels.march(o[i], d[i], near_far[0], near_far[1], bits, 1, xyz, dt_t, &end), 0);
    }
    stk_free(bits);
}

/* Walking every lattice point and asking its bit must give the samples that skipping gives, save
 * where a lattice point sits within rounding of a cell face. */
static void march_random_grid_equals_brute_force(void **state) {
    (void)state;
    stk_march_kernels kernels;
    stk_march_kernels_init(&kernels);
    uint8_t *bits = stk_calloc_aligned(STK_GRID_BYTES, 1);
    stk_rng rng;
    stk_rng_seed(&rng, 1, 1);
    for (int i = 0; i < STK_GRID_BYTES; i++)
        bits[i] = (uint8_t)(stk_rng_u32(&rng) & stk_rng_u32(&rng));
    for (int ray = 0; ray < 300; ray++) {
        float o[3] = {0, 2.4f, 0}, d[3], near_far[2], xyz[128 * 3], dt_t[256], end;
        random_direction(&rng, d);
        for (int k = 0; k < 3; k++) o[k] = -2.0f * d[k] + 0.3f * (stk_rng_float(&rng) - 0.5f);
        kernels.near_far(1, o, d, near_far);
        int n = kernels.march(o, d, near_far[0], near_far[1], bits, 128, xyz, dt_t, &end);
        int hit = 0;
        for (float t = near_far[0]; t < near_far[1]; t += STK_STEP_NGP) {
            uint32_t cell[3];
            int unsure = 0;
            for (int k = 0; k < 3; k++) {
                float c = stk_clampf((o[k] + t * d[k] + 1) * 64, 0, 127);
                unsure |= fabsf(c - roundf(c)) < 1e-3f;
                cell[k] = (uint32_t)c;
            }
            uint32_t index = stk_morton_encode(cell[0], cell[1], cell[2]);
            int set = bits[index >> 3] >> (index & 7) & 1;
            int taken = hit < n && dt_t[2 * hit + 1] == t + STK_STEP_NGP;
            if (!unsure) assert_int_equal(set, taken);
            hit += taken;
        }
        assert_int_equal(hit, n);
    }
    stk_free(bits);
}

/* Every mask's scan equals the twin bit for bit, and both list the points that march samples. */
static void scan_every_mask_equals_march(void **state) {
    (void)state;
    enum { N = 256 };
    STK_ALIGNED(64) static float d[3 * N], t0[N], far[N];
    STK_ALIGNED(64) static uint32_t mask[2][STK_SCAN_WORDS * N];
    stk_march_kernels twin, kernels;
    stk_cpu_set_mask(0);
    stk_march_kernels_init(&twin);
    uint8_t *bits = stk_calloc_aligned(STK_GRID_BYTES, 1);
    stk_rng rng;
    stk_rng_seed(&rng, 8, 1);
    for (int i = 0; i < STK_GRID_BYTES; i++)
        bits[i] = (uint8_t)(stk_rng_u32(&rng) & stk_rng_u32(&rng));
    for (int round = 0; round < 8; round++) {
        const float o[3] = {stk_rng_normal(&rng), 2 * stk_rng_normal(&rng), stk_rng_normal(&rng)};
        for (int i = 0; i < N; i++) {
            float one[3], near_far[2];
            random_direction(&rng, one);
            if (i % 4) /* aim at the box */
                for (int k = 0; k < 3; k++) one[k] = 0.2f * one[k] - o[k];
            if (i == 7) one[0] = 0;
            normalise(one);
            twin.near_far(1, o, one, near_far);
            for (int k = 0; k < 3; k++) d[k * N + i] = one[k];
            t0[i] = near_far[0] + 0.02f * stk_rng_float(&rng);
            far[i] = near_far[1];
        }
        twin.scan(N, o, d, t0, far, bits, mask[0]);
        for (int i = 0; i < N; i++) {
            const float one[3] = {d[i], d[N + i], d[2 * N + i]};
            float xyz[3 * STK_SCAN_POINTS], dt_t[2 * STK_SCAN_POINTS], end;
            int want = twin.march(o, one, t0[i], far[i], bits, STK_SCAN_POINTS, xyz, dt_t, &end);
            int got = 0;
            for (int w = 0; w < STK_SCAN_WORDS; w++) got += __builtin_popcount(mask[0][w * N + i]);
            assert_int_equal(got, want);
        }
        for (size_t m = 0; m < STK_ARRAY_SIZE(MASKS); m++) {
            stk_cpu_set_mask(MASKS[m]);
            stk_march_kernels_init(&kernels);
            kernels.scan(N, o, d, t0, far, bits, mask[1]);
            assert_memory_equal(mask[0], mask[1], sizeof mask[0]);
        }
    }
    stk_cpu_set_mask(~0u);
    stk_free(bits);
}

enum { SAMPLES = 4 * STK_TILE };
typedef struct sample_block {
    float sigma[SAMPLES], rgb[3 * SAMPLES], amb_aud[SAMPLES], amb_exp[SAMPLES], unc[SAMPLES];
    float dt[SAMPLES], t_after[SAMPLES];
} sample_block;

static stk_samples block_view(const sample_block *b) {
    return (stk_samples){b->sigma, b->rgb, b->amb_aud, b->amb_exp, b->unc, b->dt, b->t_after};
}

static void fill_block(sample_block *b, stk_rng *rng) {
    for (int i = 0; i < SAMPLES; i++) {
        b->sigma[i] = expf(4.0f * stk_rng_normal(rng));
        b->amb_aud[i] = stk_rng_float(rng);
        b->amb_exp[i] = stk_rng_float(rng);
        b->unc[i] = stk_rng_float(rng);
        b->dt[i] = STK_STEP_NGP;
        b->t_after[i] = 2.0f + STK_STEP_NGP * (float)(i % 16);
    }
    for (int i = 0; i < 3 * SAMPLES; i++) b->rgb[i] = stk_rng_float(rng);
}

static void composite_every_mask_agrees_with_twin(void **state) {
    (void)state;
    static sample_block block, grad[2];
    stk_rng rng;
    stk_rng_seed(&rng, 5, 1);
    fill_block(&block, &rng);
    const stk_samples samples = block_view(&block);
    stk_march_kernels twin, kernels;
    stk_cpu_set_mask(0);
    stk_march_kernels_init(&twin);
    for (size_t m = 0; m < STK_ARRAY_SIZE(MASKS); m++) {
        stk_cpu_set_mask(MASKS[m]);
        stk_march_kernels_init(&kernels);
        for (int first = 0; first < SAMPLES - 20; first += 13) {
            int count = first % 17;
            stk_ray_out a, b;
            assert_int_equal(twin.composite(&samples, first, count, &a),
                             kernels.composite(&samples, first, count, &b));
            test_assert_close("composite", &b.rgb[0], &a.rgb[0], sizeof a / 4, 2e-6);
            const stk_ray_dout dout = {{0.3f, -0.2f, 0.5f}, 0.7f, 0.1f, -0.4f, 0.2f};
            memset(grad, 0, sizeof grad);
            for (int v = 0; v < 2; v++) {
                stk_dsamples d = {grad[v].sigma, grad[v].rgb, grad[v].amb_aud, grad[v].amb_exp,
                                  grad[v].unc};
                (v ? &kernels : &twin)->composite_backward(&samples, first, count, &a, &dout, &d);
            }
            test_assert_close("composite_backward", grad[1].sigma, grad[0].sigma,
                              sizeof grad[0] / 4, 1e-6);
        }
    }
    stk_cpu_set_mask(~0u);
}

static void composite_opaque_sample_ends_the_ray(void **state) {
    (void)state;
    static sample_block block, grad;
    stk_rng rng;
    stk_rng_seed(&rng, 6, 1);
    fill_block(&block, &rng);
    for (int i = 60; i < 70; i++) block.sigma[i] = i == 63 ? 1e4f : 1.0f;
    const stk_samples samples = block_view(&block);
    stk_march_kernels kernels;
    stk_march_kernels_init(&kernels);
    stk_ray_out out;
    assert_int_equal(kernels.composite(&samples, 60, 10, &out), 4);
    assert_float_equal(out.weight, 1.0f, 1e-6);
    const stk_ray_dout dout = {{1, 1, 1}, 1, 1, 1, 1};
    for (int i = 0; i < SAMPLES; i++) grad.sigma[i] = grad.amb_aud[i] = 9;
    stk_dsamples d = {grad.sigma, grad.rgb, grad.amb_aud, grad.amb_exp, grad.unc};
    kernels.composite_backward(&samples, 60, 10, &out, &dout, &d);
    for (int i = 60; i < 64; i++) assert_float_equal(grad.amb_aud[i], 1, 0);
    for (int i = 64; i < 70; i++) {
        assert_float_equal(grad.amb_aud[i], 0, 0);
        assert_float_equal(grad.sigma[i], 0, 0);
    }
    assert_float_equal(grad.sigma[59], 9, 0); /* neighbours untouched */
    assert_float_equal(grad.sigma[70], 9, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(morton_encode_all_axes_round_trips),
        cmocka_unit_test(near_far_straight_ray_hits_depth_faces),
        cmocka_unit_test(march_full_grid_takes_every_lattice_point),
        cmocka_unit_test(march_endless_ray_ends),
        cmocka_unit_test(march_random_grid_equals_brute_force),
        cmocka_unit_test(scan_every_mask_equals_march),
        cmocka_unit_test(composite_every_mask_agrees_with_twin),
        cmocka_unit_test(composite_opaque_sample_ends_the_ray),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
