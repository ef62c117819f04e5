/* The field against the published network on single points: features, sigma, colour, ambient norms,
 * uncertainty. Tolerances are those of shared/parity/README.md (measured float-against-double noise
 * of the published code, times three or so). */
#include "support.h"
#include "checkpoint.h"
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audio_code.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "kernels/field_common.h"
#include "kernels/field_private.h"

/* The fixture's tensors, [n][..] each; a second set where it also has them in doubles. */
typedef struct points {
    int64_t n;
    int precise; /* compared with the doubles */
    float *x, *d, *feat[3], *sigma, *rgb, *aud, *eye, *unc;
    float *aud_att, *eye_att, *geo, *log_sigma, *sh;
    float audio[STK_AUD], exp[STK_EXP_MAX], code[STK_CODE];
} points;

/* NAME, or NAME_f64. */
static float *tensor(const points *p, const stk_safetensors *file, const char *name) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, p->precise ? "_f64" : "");
    return test_fixture_f32(file, full, NULL);
}

static void points_read(points *p, const stk_safetensors *file, int exp, int precise) {
    static const char *const feats[] = {"feat_xy", "feat_yz", "feat_xz"};
    memset(p, 0, sizeof *p);
    p->precise = precise;
    p->x = test_fixture_f32(file, "x", &p->n);
    p->n /= 3;
    p->d = test_fixture_f32(file, "d", NULL);
    for (int k = 0; k < (precise ? 1 : 3); k++) p->feat[k] = tensor(p, file, feats[k]);
    p->sigma = tensor(p, file, "sigma");
    p->rgb = tensor(p, file, "rgb");
    p->aud = tensor(p, file, "ambient_aud");
    p->eye = tensor(p, file, "ambient_eye");
    p->unc = tensor(p, file, "uncertainty");
    p->aud_att = test_fixture_f32(file, "aud_ch_att", NULL);
    p->eye_att = test_fixture_f32(file, "eye_att", NULL);
    p->geo = test_fixture_f32(file, "geo_feat", NULL);
    p->log_sigma = test_fixture_f32(file, "log_sigma", NULL);
    p->sh = test_fixture_f32(file, "sh", NULL);
    TEST_OK(stk_safetensors_read_f32(file, "enc_a", p->audio, STK_AUD));
    TEST_OK(stk_safetensors_read_f32(file, "eye", p->exp, exp));
    TEST_OK(stk_safetensors_read_f32(file, "ind_code", p->code, STK_CODE));
}

static void points_free(points *p) {
    float *blocks[] = {p->x,   p->d,       p->sigma,   p->rgb, p->aud,       p->eye,
                       p->unc, p->aud_att, p->eye_att, p->geo, p->log_sigma, p->sh};
    for (size_t i = 0; i < STK_ARRAY_SIZE(blocks); i++) stk_free(blocks[i]);
    for (int k = 0; k < 3; k++) stk_free(p->feat[k]);
}

static void close_to(const char *what, float got, float want, double absolute, double relative) {
    if (!(fabs((double)got - want) <= absolute + relative * fabs((double)want)))
        fail_msg("%s: %.9g instead of %.9g", what, (double)got, (double)want);
}

/* Row k of an activation, lane s, against [n][rows]. */
static void check_rows(const char *what, const float *got, const float *want, int rows,
                       int64_t first, int n, double absolute, double relative) {
    for (int s = 0; s < n; s++)
        for (int k = 0; k < rows; k++)
            close_to(what, got[k * STK_TILE + s], want[(first + s) * rows + k], absolute, relative);
}

/* What lies between features and outputs: attention, density net, harmonics. Attention values and
 * geometry are sums of up to 75 terms without a squashing: 1e-4 of their size, or of 1. */
static void check_inside(const points *p, const stk_field_shape *shape, float *block,
                         const float *dir, int64_t first, int n) {
    field_acts acts;
    STK_ALIGNED(64) float sh[STK_SH * STK_TILE], log_sigma[STK_TILE];
    field_acts_bind(shape, block, &acts);
    sh_rows(dir, sh);
    for (int s = 0; s < n; s++) log_sigma[s] = logf(acts.density[s]);
    check_rows("aud_ch_att", acts.aud, p->aud_att, STK_AUD, first, n, 1e-4, 1e-4);
    check_rows("eye_att", acts.exp, p->eye_att, shape->exp, first, n, 1e-4, 1e-4);
    check_rows("log_sigma", log_sigma, p->log_sigma, 1, first, n, 1e-4, 0);
    check_rows("geo_feat", acts.density + STK_TILE, p->geo, STK_GEO, first, n, 1e-4, 1e-4);
    check_rows("sh", sh, p->sh, STK_SH, first, n, 1e-6, 0);
}

static void check_tile(const points *p, const stk_field *field, const stk_field_weights *weights,
                       float *acts, int64_t first) {
    STK_ALIGNED(64) float xyz[3 * STK_TILE] = {0}, dir[3 * STK_TILE] = {0}, rgb[3 * STK_TILE];
    STK_ALIGNED(64) float enc[STK_ENC_MAX * STK_TILE], density[STK_TILE];
    STK_ALIGNED(64) float sigma[STK_TILE], aud[STK_TILE], eye[STK_TILE], unc[STK_TILE];
    static const uint16_t rows[STK_TILE];
    int n = p->n - first < STK_TILE ? (int)(p->n - first) : STK_TILE;
    for (int s = 0; s < n; s++)
        for (int k = 0; k < 3; k++) {
            xyz[k * STK_TILE + s] = p->x[3 * (first + s) + k];
            dir[k * STK_TILE + s] = p->d[3 * (first + s) + k];
        }
    stk_field_cond cond = {p->audio, p->exp, p->code};
    stk_field_in in = {xyz, dir, rows, n};
    stk_field_out out = {sigma, rgb, aud, eye, unc};
    field->kernels.forward(&field->shape, weights, &cond, &in, acts, &out);
    check_inside(p, &field->shape, acts, dir, first, n);
    field->kernels.encode(&field->shape, weights, &in, enc);
    field->kernels.density(&field->shape, weights, &cond, &in, density);
    int levels = field->shape.grid.levels;
    /* A norm near zero: features rounded at their positions (3e-5 against doubles) move it. */
    const double small = p->precise ? 2e-5 : 1e-7;
    for (int s = 0; s < n; s++) {
        int64_t i = first + s;
        for (int c = 0; c < (p->precise ? levels : field->shape.enc); c++)
            close_to("feature", enc[c * STK_TILE + s], p->feat[c / levels][i * levels + c % levels],
                     p->precise ? 5e-5 : 1e-6, 0);
        close_to("sigma", sigma[s], p->sigma[i], 0, 1e-4);
        close_to("density", density[s], p->sigma[i], 0, 1e-4);
        for (int k = 0; k < 3; k++)
            close_to("rgb", rgb[k * STK_TILE + s], p->rgb[3 * i + k], 1e-4, 0);
        close_to("ambient_aud", aud[s], p->aud[i], small, 1e-4);
        close_to("ambient_eye", eye[s], p->eye[i], small, 1e-4);
        close_to("uncertainty", unc[s], p->unc[i], 1e-4, 0);
    }
}

static void check_points(const points *p, stk_field *field, const stk_field_weights *weights) {
    static const uint32_t masks[] = {0, STK_CPU_AVX2, UINT32_MAX};
    float *acts = stk_calloc_aligned(stk_field_act_floats(&field->shape), sizeof(float));
    assert_non_null(acts);
    for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
        stk_cpu_set_mask(masks[m]);
        stk_field_kernels_init(&field->kernels);
        for (int64_t first = 0; first < p->n; first += STK_TILE)
            check_tile(p, field, weights, acts, first);
    }
    stk_free(acts);
}

/* Against the published code in floats, and in doubles. */
static void check_network(const char *fixture, const char *checkpoint, int exp) {
    stk_safetensors *file = test_fixture_open(fixture);
    stk_params params;
    stk_field field;
    stk_field_weights weights;
    test_checkpoint_field(test_shared_or_skip(checkpoint), exp, &params, &field);
    stk_field_weights_view(&field, &params, params.value, &weights);
    for (int precise = 0; precise < 2; precise++) {
        points p;
        points_read(&p, file, exp, precise);
        check_points(&p, &field, &weights);
        points_free(&p);
    }
    stk_params_clear(&params);
    stk_safetensors_close(&file);
}

static void network_released_shape_agrees(void **state) {
    (void)state;
    check_network("A_network", "parity/official_A.pth", 7);
}

static void network_au45_shape_agrees(void **state) {
    (void)state;
    check_network("E_network", "parity/official_E.pth", 1);
}

static void network_other_audio_agrees(void **state) {
    (void)state;
    check_network("C_network", "parity/official_C.pth", 7);
    check_network("D_network", "parity/official_D.pth", 7);
}

/* Scales, resolutions and offsets are the published ones to the bit. */
static void check_layout(const char *fixture) {
    stk_safetensors *file = test_fixture_open(fixture);
    int64_t n;
    float *scale = test_fixture_f32(file, "level_scale", &n);
    int32_t *resolution = test_fixture_raw(file, "level_resolution", STK_I32, NULL);
    int32_t *offset = test_fixture_raw(file, "offsets", STK_I32, NULL);
    stk_grid_layout layout;
    stk_grid_layout_init(&layout, (int)n);
    assert_int_equal(offset[0], 0);
    for (int level = 0; level < (int)n; level++) {
        assert_true(layout.scale[level] == scale[level]);
        assert_int_equal(layout.resolution[level], resolution[level]);
        assert_int_equal(layout.offset[level + 1], offset[level + 1]);
    }
    stk_free(scale), stk_free(resolution), stk_free(offset);
    stk_safetensors_close(&file);
}

static void layout_fixture_equal(void **state) {
    (void)state;
    static const char *const fixtures[] = {"A_network", "C_network", "D_network", "E_network"};
    for (size_t k = 0; k < STK_ARRAY_SIZE(fixtures); k++) check_layout(fixtures[k]);
}

/* The code that the points are conditioned on is that of the features given with it. */
static void check_code(const char *fixture, const char *checkpoint) {
    stk_safetensors *file = test_fixture_open(fixture);
    float *auds = test_fixture_f32(file, "auds", NULL),
          *want = test_fixture_f32(file, "enc_a", NULL);
    float code[STK_AUD];
    test_audio_code(test_shared_or_skip(checkpoint), auds, code);
    test_assert_close("enc_a", code, want, STK_AUD, 1e-5);
    stk_free(auds), stk_free(want);
    stk_safetensors_close(&file);
}

static void code_of_the_features_agrees(void **state) {
    (void)state;
    check_code("A_network", "parity/official_A.pth");
    check_code("E_network", "parity/official_E.pth");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_fixture_equal),
        cmocka_unit_test(code_of_the_features_agrees),
        cmocka_unit_test(network_released_shape_agrees),
        cmocka_unit_test(network_au45_shape_agrees),
        cmocka_unit_test(network_other_audio_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
