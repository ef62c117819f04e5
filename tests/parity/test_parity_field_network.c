/* The field against the published network on single points: features, sigma, colour, ambient norms,
 * uncertainty. Tolerances are those of shared/parity/README.md (measured float-against-double noise
 * of the published code, times three or so). */
#include "support.h"
#include "checkpoint.h"
#include "fixture.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"

typedef struct points {
    int64_t n;
    float *x, *d, *feat[3], *sigma, *rgb, *aud, *eye, *unc;
    float audio[STK_AUD], exp[STK_EXP_MAX], code[STK_CODE];
} points;

static void points_read(points *p, const stk_safetensors *file, int exp) {
    static const char *const feats[] = {"feat_xy", "feat_yz", "feat_xz"};
    memset(p, 0, sizeof *p);
    p->x = test_fixture_f32(file, "x", &p->n);
    p->n /= 3;
    p->d = test_fixture_f32(file, "d", NULL);
    for (int k = 0; k < 3; k++) p->feat[k] = test_fixture_f32(file, feats[k], NULL);
    p->sigma = test_fixture_f32(file, "sigma", NULL);
    p->rgb = test_fixture_f32(file, "rgb", NULL);
    p->aud = test_fixture_f32(file, "ambient_aud", NULL);
    p->eye = test_fixture_f32(file, "ambient_eye", NULL);
    p->unc = test_fixture_f32(file, "uncertainty", NULL);
    TEST_OK(stk_safetensors_read_f32(file, "enc_a", p->audio, STK_AUD));
    TEST_OK(stk_safetensors_read_f32(file, "eye", p->exp, exp));
    TEST_OK(stk_safetensors_read_f32(file, "ind_code", p->code, STK_CODE));
}

static void points_free(points *p) {
    stk_free(p->x), stk_free(p->d), stk_free(p->sigma), stk_free(p->rgb), stk_free(p->aud);
    stk_free(p->eye), stk_free(p->unc);
    for (int k = 0; k < 3; k++) stk_free(p->feat[k]);
}

static void close_to(const char *what, float got, float want, double absolute, double relative) {
    if (!(fabs((double)got - want) <= absolute + relative * fabs((double)want)))
        fail_msg("%s: %.9g instead of %.9g", what, (double)got, (double)want);
}

static void check_tile(const points *p, const stk_field *field, const stk_field_weights *weights,
                       int64_t first) {
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
    field->kernels.forward(&field->shape, weights, &cond, &in, NULL, &out);
    field->kernels.encode(&field->shape, weights, &in, enc);
    field->kernels.density(&field->shape, weights, &cond, &in, density);
    int levels = field->shape.grid.levels;
    for (int s = 0; s < n; s++) {
        int64_t i = first + s;
        for (int c = 0; c < field->shape.enc; c++)
            close_to("feature", enc[c * STK_TILE + s], p->feat[c / levels][i * levels + c % levels],
                     1e-6, 0);
        close_to("sigma", sigma[s], p->sigma[i], 0, 1e-4);
        close_to("density", density[s], p->sigma[i], 0, 1e-4);
        for (int k = 0; k < 3; k++)
            close_to("rgb", rgb[k * STK_TILE + s], p->rgb[3 * i + k], 1e-4, 0);
        close_to("ambient_aud", aud[s], p->aud[i], 1e-7, 1e-4);
        close_to("ambient_eye", eye[s], p->eye[i], 1e-7, 1e-4);
        close_to("uncertainty", unc[s], p->unc[i], 1e-4, 0);
    }
}

static void check_network(const char *fixture, const char *checkpoint, int exp) {
    static const uint32_t masks[] = {0, STK_CPU_AVX2, UINT32_MAX};
    stk_safetensors *file = test_fixture_open(fixture);
    stk_params params;
    stk_field field;
    stk_field_weights weights;
    points p;
    points_read(&p, file, exp);
    test_checkpoint_field(test_shared_or_skip(checkpoint), exp, &params, &field);
    stk_field_weights_view(&field, &params, params.value, &weights);
    for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
        stk_cpu_set_mask(masks[m]);
        stk_field_kernels_init(&field.kernels);
        for (int64_t first = 0; first < p.n; first += STK_TILE)
            check_tile(&p, &field, &weights, first);
    }
    points_free(&p);
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
static void layout_fixture_equal(void **state) {
    (void)state;
    stk_safetensors *file = test_fixture_open("A_network");
    int64_t n;
    float *scale = test_fixture_f32(file, "level_scale", &n);
    int32_t *resolution = test_fixture_raw(file, "level_resolution", STK_I32, NULL);
    int32_t *offset = test_fixture_raw(file, "offsets", STK_I32, NULL);
    stk_grid_layout layout;
    stk_grid_layout_init(&layout, (int)n);
    for (int level = 0; level < (int)n; level++) {
        assert_true(layout.scale[level] == scale[level]);
        assert_int_equal(layout.resolution[level], resolution[level]);
        assert_int_equal(layout.offset[level + 1], offset[level + 1]);
    }
    stk_free(scale), stk_free(resolution), stk_free(offset);
    stk_safetensors_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_fixture_equal),
        cmocka_unit_test(network_released_shape_agrees),
        cmocka_unit_test(network_au45_shape_agrees),
        cmocka_unit_test(network_other_audio_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
