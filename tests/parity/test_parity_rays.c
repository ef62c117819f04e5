/* What lies around the field in the fixtures: rays from poses, boxes, masks and noise of training
 * steps; and the published rounds of the test path (reference.md 4.5) once more, sample by sample,
 * for the sums that the renderer does not keep (ambient) and the depth it leaves to its caller.
 *
 * Tolerances from shared/parity/README.md: ambient 1e-4 relative, depth 2e-4, rays 5e-7 as in
 * test_parity_camera.c.
 */
#include "support.h"
#include "audio_code.h"
#include "checkpoint.h"
#include "fixture.h"
#include "base/memory.h"
#include "kernels/march.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 128, PIXELS = SIDE * SIDE, STEP_MAX = 8 };

/* A pose in the ngp frame, [4][4], and the intrinsics of every picture. */
static stk_ngp_camera camera_of(const float *pose, const float *intrinsics) {
    stk_ngp_camera camera = {
        .fx = intrinsics[0], .fy = intrinsics[1], .cx = intrinsics[2], .cy = intrinsics[3]};
    for (int k = 0; k < 9; k++) camera.R[k] = pose[4 * (k / 3) + k % 3];
    for (int k = 0; k < 3; k++) camera.origin[k] = pose[4 * k + 3];
    return camera;
}

/* --- frames ----------------------------------------------------------------------------------- */

typedef struct ray {
    float d[3], t, far, rgb[3], weight, depth, amb_aud, amb_exp;
    int pixel, first, count;
} ray;

typedef struct scene {
    stk_safetensors *file;
    stk_params params;
    stk_field field;
    stk_field_weights weights;
    stk_march_kernels march;
    uint8_t *bits;
    stk_ngp_camera camera;
    STK_ALIGNED(64) float audio[STK_AUD];
    float exp[STK_EXP_MAX], code[STK_CODE];
    ray rays[PIXELS];
    int alive[PIXELS], living;
    /* samples of a round, in tiles */
    STK_ALIGNED(64) float xyz[3 * PIXELS];
    STK_ALIGNED(64) float dir[3 * PIXELS];
    STK_ALIGNED(64) float sigma[PIXELS];
    STK_ALIGNED(64) float rgb[3 * PIXELS];
    STK_ALIGNED(64) float aud[PIXELS];
    STK_ALIGNED(64) float expr[PIXELS];
    float t_after[PIXELS];
    float amb_aud[PIXELS], amb_exp[PIXELS], depth[PIXELS], weight[PIXELS];
} scene;

static void open_scene(scene *s, const char *fixture, const char *checkpoint, int exp) {
    const char *path = test_shared_or_skip(checkpoint);
    float matrix[16], lens[4];
    memset(s, 0, sizeof *s);
    s->file = test_fixture_open(fixture);
    test_checkpoint_field(path, exp, &s->params, &s->field);
    s->bits = test_checkpoint_bits(path);
    stk_field_weights_view(&s->field, &s->params, s->params.value, &s->weights);
    stk_march_kernels_init(&s->march);
    float *auds = test_fixture_f32(s->file, "auds", NULL);
    float *enc_a = test_fixture_f32(s->file, "enc_a", NULL);
    test_audio_code(path, auds, s->audio);
    test_assert_close("enc_a", s->audio, enc_a, STK_AUD, 1e-5);
    stk_free(auds), stk_free(enc_a);
    TEST_OK(stk_safetensors_read_f32(s->file, "eye", s->exp, exp));
    TEST_OK(stk_safetensors_read_f32(s->file, "ind_code", s->code, STK_CODE));
    TEST_OK(stk_safetensors_read_f32(s->file, "transform_matrix", matrix, 16));
    TEST_OK(stk_safetensors_read_f32(s->file, "intrinsics", lens, 4));
    stk_ngp_camera_from_json(matrix, lens[0], lens[1], lens[2], lens[3], &s->camera);
    assert_float_equal(test_fixture_number(s->file, "T_thresh"), (double)STK_TRANSMITTANCE_MIN,
                       1e-12);
}

static void close_scene(scene *s) {
    stk_free(s->bits);
    stk_params_clear(&s->params);
    stk_safetensors_close(&s->file);
}

static void check_pose(const scene *s) {
    float *pose = test_fixture_f32(s->file, "pose", NULL);
    float *origin = test_fixture_f32(s->file, "rays_o", NULL);
    int32_t *size = test_fixture_raw(s->file, "HW", STK_I32, NULL);
    const stk_ngp_camera want = camera_of(pose, (float[4]){0});
    test_assert_close("R", s->camera.R, want.R, 9, 1e-6);
    test_assert_close("origin", s->camera.origin, want.origin, 3, 1e-6);
    test_assert_close("rays_o", s->camera.origin, origin, 3, 1e-6);
    assert_true(size[0] == SIDE && size[1] == SIDE);
    stk_free(pose), stk_free(origin), stk_free(size);
}

/* All rays with their entry and exit, against the fixture's. */
static void start_rays(scene *s) {
    float *d = test_fixture_f32(s->file, "rays_d", NULL);
    float *near = test_fixture_f32(s->file, "nears", NULL);
    float *far = test_fixture_f32(s->file, "fars", NULL);
    for (int i = 0; i < PIXELS; i++) {
        ray *r = &s->rays[i];
        float near_far[2];
        stk_ngp_ray(&s->camera, (float)(i % SIDE), (float)(i / SIDE), r->d);
        test_assert_close("rays_d", r->d, d + 3 * i, 3, 5e-7);
        s->march.near_far(1, s->camera.origin, r->d, near_far);
        if (near[i] == FLT_MAX || near_far[0] == FLT_MAX)
            assert_true(near_far[0] == near[i] && near_far[1] == far[i]);
        else
            test_assert_close("near, far", near_far, (float[]){near[i], far[i]}, 2, 1e-5);
        r->t = near_far[0], r->far = near_far[1], r->pixel = i;
        s->alive[i] = i;
    }
    s->living = PIXELS;
    stk_free(d), stk_free(near), stk_free(far);
}

static int march_round(scene *s, int step) {
    int total = 0;
    for (int i = 0; i < s->living; i++) {
        ray *r = &s->rays[s->alive[i]];
        float xyz[3 * STEP_MAX], dt_t[2 * STEP_MAX];
        r->first = total;
        r->count =
            s->march.march(s->camera.origin, r->d, r->t, r->far, s->bits, step, xyz, dt_t, &r->t);
        for (int k = 0; k < r->count; k++, total++) {
            assert_true(total < PIXELS);
            for (int c = 0; c < 3; c++) {
                const int at = (total / STK_TILE * 3 + c) * STK_TILE + total % STK_TILE;
                s->xyz[at] = xyz[3 * k + c];
                s->dir[at] = r->d[c];
            }
            s->t_after[total] = dt_t[2 * k + 1];
        }
    }
    return total;
}

static void evaluate(scene *s, int total) {
    static const uint16_t row_zero[STK_TILE];
    const stk_field_cond cond = {s->audio, s->exp, s->code};
    for (int at = 0; at < total; at += STK_TILE) {
        const stk_field_in in = {s->xyz + 3 * at, s->dir + 3 * at, row_zero,
                                 total - at < STK_TILE ? total - at : STK_TILE};
        stk_field_out out = {s->sigma + at, s->rgb + 3 * at, s->aud + at, s->expr + at, NULL};
        s->field.kernels.forward(&s->field.shape, &s->weights, &cond, &in, NULL, &out);
    }
}

/* Plain sums of the ambient norms up to and with the sample that ends the ray. */
static int composite(const scene *s, ray *r, int step) {
    for (int k = r->first; k < r->first + r->count; k++) {
        const float before = 1 - r->weight;
        const float w = (1 - expf(-s->sigma[k] * STK_STEP_NGP)) * before;
        r->weight += w;
        r->depth += w * s->t_after[k];
        for (int c = 0; c < 3; c++)
            r->rgb[c] += w * s->rgb[(k / STK_TILE * 3 + c) * STK_TILE + k % STK_TILE];
        r->amb_aud += s->aud[k];
        r->amb_exp += s->expr[k];
        if (before < STK_TRANSMITTANCE_MIN) return 0;
    }
    return r->count == step;
}

static void check_rounds(scene *s) {
    int64_t count;
    int32_t *rounds = test_fixture_raw(s->file, "rounds", STK_I32, &count);
    for (int i = 0; i < count / 2; i++) {
        const int step = rounds[2 * i + 1];
        assert_in_range(s->living, rounds[2 * i] - 2, rounds[2 * i] + 2);
        evaluate(s, march_round(s, step));
        int kept = 0;
        for (int k = 0; k < s->living; k++)
            if (composite(s, &s->rays[s->alive[k]], step)) s->alive[kept++] = s->alive[k];
        s->living = kept;
    }
    stk_free(rounds);
}

static void check_image(const scene *s, const char *name, const float *got, double absolute,
                        double relative) {
    int64_t n;
    float *want = test_fixture_f32(s->file, name, &n);
    double worst = 0;
    assert_int_equal(n, PIXELS);
    for (int i = 0; i < PIXELS; i++) {
        if (isnan(want[i]) || isnan(got[i])) {
            assert_true(isnan(want[i]) && isnan(got[i]));
            continue;
        }
        const double error = fabs((double)got[i] - (double)want[i]);
        worst = fmax(worst, error);
        if (error > absolute + relative * fabs((double)want[i]))
            fail_msg("%s, pixel %d: %.9g instead of %.9g", name, i, (double)got[i],
                     (double)want[i]);
    }
    print_message("%s: %.2g\n", name, worst);
    stk_free(want);
}

static void check_frame(const char *fixture, const char *checkpoint, int exp) {
    static scene s;
    open_scene(&s, fixture, checkpoint, exp);
    check_pose(&s);
    start_rays(&s);
    check_rounds(&s);
    for (int i = 0; i < PIXELS; i++) {
        const ray *r = &s.rays[i];
        s.amb_aud[i] = r->amb_aud, s.amb_exp[i] = r->amb_exp, s.weight[i] = r->weight;
        s.depth[i] = r->depth;
    }
    float *image = test_fixture_f32(s.file, "image_raw", NULL);
    for (int i = 0; i < PIXELS; i++)
        test_assert_close("image_raw", s.rays[i].rgb, image + 3 * i, 3, 2e-4);
    stk_free(image);
    check_image(&s, "ambient_aud", s.amb_aud, 1e-6, 1e-4);
    check_image(&s, "ambient_eye", s.amb_exp, 1e-6, 1e-4);
    check_image(&s, "weights_sum", s.weight, 2e-4, 0);
    check_image(&s, "depth_raw", s.depth, 2e-4, 0);
    float *near = test_fixture_f32(s.file, "nears", NULL),
          *far = test_fixture_f32(s.file, "fars", NULL);
    for (int i = 0; i < PIXELS; i++) /* 0 / 0 where the ray misses the box */
        s.depth[i] = fmaxf(s.depth[i] - near[i], 0) / (far[i] - near[i]);
    check_image(&s, "depth", s.depth, 2e-4, 0);
    stk_free(near), stk_free(far);
    close_scene(&s);
}

static void frame_sums_a_agree(void **state) {
    (void)state;
    check_frame("A_frame", "parity/official_A.pth", 7);
}

static void frame_sums_b_agree(void **state) {
    (void)state;
    check_frame("B_frame", "parity/official_B.pth", 7);
}

static void frame_sums_e_agree(void **state) {
    (void)state;
    check_frame("E_frame", "parity/official_E.pth", 1);
}

/* --- training steps --------------------------------------------------------------------------- */

static float *input(const stk_safetensors *file, const char *prefix, const char *name,
                    int64_t *count) {
    char path[96];
    snprintf(path, sizeof path, "%sin/%s", prefix, name);
    return test_fixture_f32(file, path, count);
}

/* The rays of a step are those of its pose through its pixels, which bg_coords name. */
static void check_step_rays(const stk_safetensors *file, const char *prefix,
                            const stk_safetensors *loader) {
    int64_t n;
    float lens[4];
    float *pose = input(file, prefix, "poses", NULL), *o = input(file, prefix, "rays_o", NULL);
    float *d = input(file, prefix, "rays_d", &n), *coords = input(file, prefix, "bg_coords", NULL);
    TEST_OK(stk_safetensors_read_f32(loader, "intrinsics", lens, 4));
    const stk_ngp_camera camera = camera_of(pose, lens);
    for (int i = 0; i < n / 3; i++) {
        float got[3];
        stk_ngp_ray(&camera, roundf((coords[2 * i + 1] + 1) / 2 * (SIDE - 1)),
                    roundf((coords[2 * i] + 1) / 2 * (SIDE - 1)), got);
        test_assert_close("rays_d", got, d + 3 * i, 3, 5e-7);
        test_assert_close("rays_o", camera.origin, o + 3 * i, 3, 0);
    }
    stk_free(pose), stk_free(o), stk_free(d), stk_free(coords);
}

/* A mask says of each ray whether its pixel lies in the frame's rectangle, half open, rows first
 * (reference.md 1.6). */
static void check_step_masks(const stk_safetensors *file, const char *prefix,
                             const stk_safetensors *loader) {
    static const char *const names[] = {"face", "lowface", "upface", "lhalf", "eye"};
    float *coords = input(file, prefix, "bg_coords", NULL);
    float *index = input(file, prefix, "index", NULL);
    for (size_t k = 0; k < STK_ARRAY_SIZE(names); k++) {
        char name[32];
        int64_t n;
        int inside = 0;
        snprintf(name, sizeof name, "%s_rect", names[k]);
        int32_t *rects = test_fixture_raw(loader, name, STK_I32, NULL);
        const int32_t *rect = rects + 4 * (int)index[0];
        snprintf(name, sizeof name, "%s_mask", names[k]);
        float *mask = input(file, prefix, name, &n);
        for (int i = 0; i < n; i++) {
            const float row = roundf((coords[2 * i] + 1) / 2 * (SIDE - 1));
            const float col = roundf((coords[2 * i + 1] + 1) / 2 * (SIDE - 1));
            const int in = row >= (float)rect[0] && row < (float)rect[1] && col >= (float)rect[2] &&
                           col < (float)rect[3];
            if (in != (mask[i] != 0)) fail_msg("%s of ray %d", name, i);
            inside += in;
        }
        assert_true(inside > 0 && inside < n);
        stk_free(rects), stk_free(mask);
    }
    stk_free(coords), stk_free(index);
}

/* Noise, number of samples (padding of 1 to 128 makes it a multiple of 128), normalised depth. */
static void check_step_samples(const stk_safetensors *file) {
    int64_t rays, samples, used = 0;
    float *noise = test_fixture_f32(file, "march/noises", &rays);
    float *deltas = test_fixture_f32(file, "march/deltas", &samples);
    int32_t *places = test_fixture_raw(file, "march/rays", STK_I32, NULL);
    const int jitter = stk_safetensors_find(file, "noise_salt") != NULL;
    const uint32_t salt = jitter ? (uint32_t)test_fixture_number(file, "noise_salt") : 0;
    for (int i = 0; i < rays; i++) {
        assert_true(noise[i] == (jitter ? test_hashed_noise((uint32_t)i, salt) : 0));
        used += places[3 * i + 2];
    }
    assert_int_equal(used, (int)test_fixture_number(file, "march/total"));
    assert_int_equal(samples / 2, (used / 128 + 1) * 128);
    if (stk_safetensors_find(file, "ray/depth") != NULL) {
        float *raw = test_fixture_f32(file, "ray/depth_raw", NULL);
        float *depth = test_fixture_f32(file, "ray/depth", NULL);
        float *near = test_fixture_f32(file, "march/nears", NULL);
        float *far = test_fixture_f32(file, "march/fars", NULL);
        for (int i = 0; i < rays; i++) {
            const float want = fmaxf(raw[i] - near[i], 0) / (far[i] - near[i]);
            if (isnan(depth[i]))
                assert_true(isnan(want));
            else
                assert_float_equal(depth[i], want, 1e-6);
        }
        stk_free(raw), stk_free(depth), stk_free(near), stk_free(far);
    }
    stk_free(noise), stk_free(deltas), stk_free(places);
}

static void step_inputs_agree(void **state) {
    (void)state;
    static const char *const names[] = {"A_grad_simple", "A_grad_step", "A_grad_step_reg",
                                        "B_grad_torso", "A_train3"};
    stk_safetensors *loader = test_fixture_open("dataset_loader");
    for (size_t k = 0; k < STK_ARRAY_SIZE(names); k++) {
        stk_safetensors *file = test_fixture_open(names[k]);
        const int steps = strcmp(names[k], "A_train3") == 0 ? 3 : 1;
        for (int step = 0; step < steps; step++) {
            char prefix[24] = "";
            if (steps > 1) snprintf(prefix, sizeof prefix, "step%d/", step);
            check_step_rays(file, prefix, loader);
            check_step_masks(file, prefix, loader);
        }
        if (stk_safetensors_find(file, "march/rays") != NULL) check_step_samples(file);
        stk_safetensors_close(&file);
    }
    stk_safetensors_close(&loader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_sums_a_agree),
        cmocka_unit_test(frame_sums_b_agree),
        cmocka_unit_test(frame_sums_e_agree),
        cmocka_unit_test(step_inputs_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
