/* Marching, compositing, AdamW and EMA against the published system's numbers. */
#include "support.h"
#include "checkpoint.h"
#include "fixture.h"
#include "base/attr.h"
#include "base/memory.h"
#include "kernels/field.h"
#include "kernels/march.h"
#include "kernels/optimiser.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const GRADS[] = {"A_grad_simple", "A_grad_step", "A_grad_step_reg"};

static void near_far_fixture_agrees(void **state) {
    (void)state;
    stk_safetensors *file = test_fixture_open("units");
    int64_t n;
    float *near = test_fixture_f32(file, "nf_near", &n),
          *far = test_fixture_f32(file, "nf_far", NULL);
    float *o = test_fixture_f32(file, "nf_rays_o", NULL),
          *d = test_fixture_f32(file, "nf_rays_d", NULL);
    float *got = stk_calloc_aligned((size_t)n * 2, sizeof *got);
    stk_march_kernels kernels;
    stk_march_kernels_init(&kernels);
    kernels.near_far((int)n, o, d, got);
    int misses = 0;
    for (int64_t i = 0; i < n; i++) {
        misses += near[i] == FLT_MAX;
        if (near[i] == FLT_MAX) assert_true(got[2 * i] == FLT_MAX && got[2 * i + 1] == FLT_MAX);
        assert_float_equal(got[2 * i], near[i], 1e-6);
        assert_float_equal(got[2 * i + 1], far[i], 1e-6);
    }
    assert_true(misses > 300);
    stk_free(near), stk_free(far), stk_free(o), stk_free(d), stk_free(got);
    stk_safetensors_close(&file);
}

static void morton_and_noise_fixture_equal(void **state) {
    (void)state;
    stk_safetensors *file = test_fixture_open("units");
    int64_t n;
    int32_t *index = test_fixture_raw(file, "morton_index", STK_I32, &n);
    int32_t *xyz = test_fixture_raw(file, "morton_coords", STK_I32, NULL);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(index[i], stk_morton_encode((uint32_t)xyz[3 * i], (uint32_t)xyz[3 * i + 1],
                                                     (uint32_t)xyz[3 * i + 2]));
    float *noise = test_fixture_f32(file, "hash_noise_salt700", &n);
    for (int64_t i = 0; i < n; i++) assert_true(noise[i] == test_hashed_noise((uint32_t)i, 700));
    stk_free(index), stk_free(xyz), stk_free(noise);
    stk_safetensors_close(&file);
}

/* All rays of a fixture through march: counts equal, positions within 1e-5. */
static void check_march(const stk_safetensors *file, const uint8_t *bits) {
    int64_t n, total;
    float *o = test_fixture_f32(file, "in/rays_o", NULL),
          *d = test_fixture_f32(file, "in/rays_d", NULL);
    float *near = test_fixture_f32(file, "march/nears", &n);
    float *far = test_fixture_f32(file, "march/fars", NULL);
    float *noise = test_fixture_f32(file, "march/noises", NULL);
    int32_t *rays = test_fixture_raw(file, "march/rays", STK_I32, NULL);
    float *xyz = test_fixture_f32(file, "march/xyzs", &total);
    float *deltas = test_fixture_f32(file, "march/deltas", NULL);
    stk_march_kernels kernels;
    stk_march_kernels_init(&kernels);
    for (int64_t i = 0; i < n; i++) {
        float near_far[2], p[48], dt_t[32], end;
        kernels.near_far(1, o + 3 * i, d + 3 * i, near_far);
        assert_float_equal(near_far[0], near[i], 1e-6);
        assert_float_equal(near_far[1], far[i], 1e-6);
        float t0 = near_far[0] + noise[i] * STK_STEP_NGP;
        int count = kernels.march(o + 3 * i, d + 3 * i, t0, near_far[1], bits, 16, p, dt_t, &end);
        assert_int_equal(rays[3 * i], i);
        assert_int_equal(count, rays[3 * i + 2]);
        test_assert_close("xyz", p, xyz + 3 * rays[3 * i + 1], (size_t)count * 3, 1e-5);
        test_assert_close("deltas", dt_t, deltas + 2 * rays[3 * i + 1], (size_t)count * 2, 1e-5);
    }
    stk_free(o), stk_free(d), stk_free(near), stk_free(far), stk_free(noise), stk_free(rays);
    stk_free(xyz), stk_free(deltas);
}

/* The training fixtures march through the bitfield of official_A.pth. */
static void march_gradient_fixtures_same_samples(void **state) {
    (void)state;
    const char *path = test_shared_or_skip("parity/official_A.pth");
    uint8_t *bits = test_checkpoint_bits(path);
    for (size_t i = 0; i < STK_ARRAY_SIZE(GRADS); i++) {
        stk_safetensors *file = test_fixture_open(GRADS[i]);
        check_march(file, bits);
        stk_safetensors_close(&file);
    }
    stk_free(bits);
}

/* Column `first` .. of a fixture's [n][stride] tensor as [tiles][channels][64]. */
static float *scatter_tiles(const stk_safetensors *file, const char *name, int stride, int channels,
                            int first) {
    int64_t count;
    float *flat = test_fixture_f32(file, name, &count);
    const int64_t n = count / stride;
    float *out = stk_calloc_aligned((size_t)(n + STK_TILE) * (size_t)channels, sizeof *out);
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < channels; k++)
            out[(i / STK_TILE * channels + k) * STK_TILE + i % STK_TILE] =
                flat[i * stride + first + k];
    stk_free(flat);
    return out;
}

static void check_composite(const stk_safetensors *file) {
    float *sigma = scatter_tiles(file, "samples/sigmas", 1, 1, 0);
    float *rgb = scatter_tiles(file, "samples/rgbs", 3, 3, 0);
    float *aud = scatter_tiles(file, "samples/amb_aud", 1, 1, 0);
    float *eye = scatter_tiles(file, "samples/amb_eye", 1, 1, 0);
    float *unc = scatter_tiles(file, "samples/uncertainty", 1, 1, 0);
    float *dt = scatter_tiles(file, "march/deltas", 2, 1, 0);
    float *t = scatter_tiles(file, "march/deltas", 2, 1, 1);
    const stk_samples samples = {sigma, rgb, aud, eye, unc, dt, t};
    int64_t n;
    int32_t *rays = test_fixture_raw(file, "march/rays", STK_I32, NULL);
    float *weight = test_fixture_f32(file, "ray/weights_sum", &n);
    float *depth = test_fixture_f32(file, "ray/depth_raw", NULL);
    float *image = test_fixture_f32(file, "ray/image_raw", NULL);
    float *amb_aud = test_fixture_f32(file, "ray/ambient_aud", NULL);
    float *amb_eye = test_fixture_f32(file, "ray/ambient_eye", NULL);
    float *uncertainty = test_fixture_f32(file, "ray/uncertainty", NULL);
    stk_march_kernels kernels;
    stk_march_kernels_init(&kernels);
    for (int64_t i = 0; i < n; i++) {
        stk_ray_out out;
        kernels.composite(&samples, rays[3 * i + 1], rays[3 * i + 2], &out);
        assert_float_equal(out.weight, weight[i], 1e-6);
        assert_float_equal(out.depth, depth[i], 1e-5);
        assert_float_equal(out.amb_aud, amb_aud[i], 1e-5 * (1 + fabsf(amb_aud[i])));
        assert_float_equal(out.amb_exp, amb_eye[i], 1e-5 * (1 + fabsf(amb_eye[i])));
        assert_float_equal(out.unc, uncertainty[i], 1e-5);
        test_assert_close("rgb", out.rgb, image + 3 * i, 3, 2e-6);
    }
    stk_free(sigma), stk_free(rgb), stk_free(aud), stk_free(eye), stk_free(unc), stk_free(dt);
    stk_free(t), stk_free(rays), stk_free(weight), stk_free(depth), stk_free(image);
    stk_free(amb_aud), stk_free(amb_eye), stk_free(uncertainty);
}

static void composite_gradient_fixtures_agree(void **state) {
    (void)state;
    for (size_t i = 0; i < STK_ARRAY_SIZE(GRADS); i++) {
        stk_safetensors *file = test_fixture_open(GRADS[i]);
        check_composite(file);
        stk_safetensors_close(&file);
    }
}

/* Vector `which` (1 or 2) through four steps; padded to 48 for the kernels. */
static void check_adamw(const stk_safetensors *file, int which, float weight_decay) {
    STK_ALIGNED(64) float p[48] = {0}, g[48] = {0}, v[48] = {0}, ema[48] = {0};
    stk_optimiser_kernels kernels;
    stk_optimiser_kernels_init(&kernels);
    char name[32];
    snprintf(name, sizeof name, "p%d_0", which);
    TEST_OK(stk_safetensors_read_f32(file, name, p, 40));
    memcpy(ema, p, sizeof p);
    for (int step = 1; step <= 4; step++) {
        float lr[2], want[40];
        snprintf(name, sizeof name, "lr_%d", step);
        TEST_OK(stk_safetensors_read_f32(file, name, lr, 2));
        snprintf(name, sizeof name, "g%d_%d", which, step);
        TEST_OK(stk_safetensors_read_f32(file, name, g, 40));
        const stk_adamw settings = {lr[which - 1], weight_decay, 0.99f, 1e-8f,
                                    1.0f - powf(0.99f, (float)step)};
        assert_int_equal(kernels.adamw(&settings, 48, p, g, v), 0);
        snprintf(name, sizeof name, "p%d_%d", which, step);
        TEST_OK(stk_safetensors_read_f32(file, name, want, 40));
        test_assert_close(name, p, want, 40, 1e-6);
        float decay = fminf(0.95f, (1.0f + (float)step) / (10.0f + (float)step));
        kernels.ema(decay, 48, p, ema);
        snprintf(name, sizeof name, "ema%d_%d", which, step);
        TEST_OK(stk_safetensors_read_f32(file, name, want, 40));
        test_assert_close(name, ema, want, 40, 1e-6);
    }
}

static void adamw_and_ema_fixture_agree(void **state) {
    (void)state;
    stk_safetensors *file = test_fixture_open("optimizer");
    check_adamw(file, 1, 0.01f);
    check_adamw(file, 2, 0.0f);
    stk_safetensors_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_far_fixture_agrees),
        cmocka_unit_test(morton_and_noise_fixture_equal),
        cmocka_unit_test(march_gradient_fixtures_same_samples),
        cmocka_unit_test(composite_gradient_fixtures_agree),
        cmocka_unit_test(adamw_and_ema_fixture_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
