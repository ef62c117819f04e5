/* Small pieces of the published system: frequency encodings, coordinates of the backdrop, the box,
 * and which parameters there are, in which order and group. Frequency encodings go through the
 * torso branch's own code: pixels through its kernels, anchors through its frame.
 *
 * Tolerances: anchors' encodings 4e-6, pixels' 8e-6 (the published argument 2^7 x + pi/2 is rounded
 * to half a unit of its last place, 7.7e-6 from 128 on); coordinates 2e-7.
 */
#include "support.h"
#include "fixture.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "kernels/march.h"
#include "kernels/torso_private.h"
#include "portrait/torso.h"
#include "render/model.h"

static void box_and_nearest_agree(void **state) {
    (void)state;
    static const float box[6] = {-1, -0.5f, -1, 1, 0.5f, 1};
    stk_safetensors *file = test_fixture_open("units");
    float *want = test_fixture_f32(file, "nf_aabb", NULL);
    assert_memory_equal(want, box, sizeof box);
    assert_true(test_fixture_number(file, "nf_min_near") == (double)STK_MIN_NEAR);
    /* The box by its faces: rays from outside along each axis enter and leave there. */
    stk_march_kernels march;
    stk_march_kernels_init(&march);
    for (int axis = 0; axis < 3; axis++) {
        float o[3] = {0.01f, 0.02f, 0.03f}, d[3] = {1e-6f, 1e-6f, 1e-6f}, near_far[2];
        o[axis] = -3, d[axis] = 1;
        march.near_far(1, o, d, near_far);
        assert_float_equal(near_far[0], want[axis] + 3, 1e-5);
        assert_float_equal(near_far[1], want[3 + axis] + 3, 1e-5);
    }
    stk_free(want);
    stk_safetensors_close(&file);
}

/* (row, column), each from -1 at the first pixel's centre to 1 at the last one's. */
static void check_coordinates(const char *fixture, int height, int width) {
    stk_safetensors *file = test_fixture_open(fixture);
    int64_t n;
    float *want = test_fixture_f32(file, "bg_coords", &n);
    assert_int_equal(n, 2 * height * width);
    for (int i = 0; i < n / 2; i++) {
        const double row = i / width, col = i % width;
        assert_float_equal(want[2 * i], 2 * row / (height - 1) - 1, 2e-7);
        assert_float_equal(want[2 * i + 1], 2 * col / (width - 1) - 1, 2e-7);
    }
    stk_free(want);
    stk_safetensors_close(&file);
}

static void backdrop_coordinates_agree(void **state) {
    (void)state;
    stk_safetensors *file = test_fixture_open("units");
    int32_t *size = test_fixture_raw(file, "rays_HW", STK_I32, NULL);
    check_coordinates("units", size[0], size[1]);
    check_coordinates("dataset_loader", 128, 128);
    stk_free(size);
    stk_safetensors_close(&file);
}

/* Cameras of the loader: their mean distance, and the origin of a frame's rays. */
static void camera_distance_agrees(void **state) {
    (void)state;
    enum { FRAMES = 10 };
    stk_safetensors *file = test_fixture_open("dataset_loader");
    float *poses = test_fixture_f32(file, "poses", NULL);
    float *origin = test_fixture_f32(file, "frame7_rays_o", NULL);
    double sum = 0;
    for (int i = 0; i < FRAMES; i++) {
        const float *m = poses + 16 * i;
        sum += sqrt((double)(m[3] * m[3] + m[7] * m[7] + m[11] * m[11]));
        for (int k = 0; i == 7 && k < 3; k++) assert_true(origin[k] == m[4 * k + 3]);
    }
    assert_float_equal(sum / FRAMES, test_fixture_number(file, "radius"), 1e-6);
    stk_free(poses), stk_free(origin);
    stk_safetensors_close(&file);
}

/* --- frequency encodings ---------------------------------------------------------------------- */

typedef struct branch {
    stk_params params;
    stk_torso torso;
    stk_torso_frame frame;
} branch;

static void open_branch(branch *b) {
    TEST_OK(stk_params_init(&b->params));
    TEST_OK(stk_torso_register(&b->torso, &b->params, 1));
    TEST_OK(stk_params_seal(&b->params, 0));
}

/* A camera at the origin that looks along z sees the anchor (x, y, 1, 1) at (x, y). */
static void set_anchors(branch *b, const float in[6]) {
    static const stk_ngp_camera camera = {.R = {1, 0, 0, 0, 1, 0, 0, 0, 1}, .fx = 1, .fy = 1};
    float *anchors = stk_params_value(&b->params, b->torso.anchors);
    for (int k = 0; k < 3; k++)
        memcpy(anchors + 4 * k, (float[]){in[2 * k], in[2 * k + 1], 1, 1}, 4 * sizeof *anchors);
    stk_torso_frame_init(&b->frame, &b->torso, &b->params, b->params.value, &camera, 0);
}

static void frequencies_of_anchors_agree(void **state) {
    (void)state;
    static branch b;
    stk_safetensors *file = test_fixture_open("units");
    int64_t n;
    float *in = test_fixture_f32(file, "freq6_in", &n);
    float *want = test_fixture_f32(file, "freq6_out", NULL);
    open_branch(&b);
    for (int i = 0; i < n / 6; i++) {
        set_anchors(&b, in + 6 * i);
        test_assert_close("anchors", b.frame.anchors, in + 6 * i, 6, 0);
        test_assert_close("freq6", b.frame.cond, want + STK_TORSO_ANCHOR_ENC * i,
                          STK_TORSO_ANCHOR_ENC, 4e-6);
    }
    stk_params_clear(&b.params);
    stk_free(in), stk_free(want);
    stk_safetensors_close(&file);
}

static void frequencies_of_pixels_agree(void **state) {
    (void)state;
    static const uint32_t masks[] = {0, STK_CPU_AVX2, UINT32_MAX};
    static torso_acts acts STK_ALIGNED(64);
    static branch b;
    stk_safetensors *file = test_fixture_open("units");
    int64_t n;
    float *in = test_fixture_f32(file, "freq2_in", &n);
    float *want = test_fixture_f32(file, "freq2_out", NULL);
    assert_int_equal(n, 2 * STK_TILE);
    open_branch(&b);
    set_anchors(&b, (float[6]){0});
    for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
        STK_ALIGNED(64) float xy[2 * STK_TILE], alpha[STK_TILE], rgb[3 * STK_TILE];
        STK_ALIGNED(64) float point[2 * STK_TILE];
        stk_cpu_set_mask(masks[m]);
        stk_torso_kernels_init(&b.torso.kernels);
        for (int s = 0; s < STK_TILE; s++) {
            xy[s] = in[2 * s];
            xy[STK_TILE + s] = in[2 * s + 1];
        }
        const stk_torso_out out = {alpha, rgb, point};
        b.torso.kernels.forward(&b.torso.layout, &b.frame.weights, xy, (float *)&acts, &out);
        const float *enc = acts.input + STK_TORSO_FEATURES * STK_TILE;
        for (int s = 0; s < STK_TILE; s++)
            for (int k = 0; k < STK_TORSO_ENC; k++)
                assert_float_equal(enc[k * STK_TILE + s], want[STK_TORSO_ENC * s + k], 8e-6);
    }
    stk_cpu_set_mask(UINT32_MAX);
    stk_params_clear(&b.params);
    stk_free(in), stk_free(want);
    stk_safetensors_close(&file);
}

/* --- parameters ------------------------------------------------------------------------------- */

static stk_param_group group_of(const stk_nets *nets, const char *name) {
    const int index = stk_params_find(&nets->params, name);
    if (index < 0) fail_msg("there is no parameter %s", name);
    return nets->params.list[index].group;
}

/* The published optimiser groups, eleven, are our three; and every parameter of ours but the lip
 * probe is in the published list. */
static void parameters_and_groups_agree(void **state) {
    (void)state;
    static const stk_param_group groups[] = {STK_GROUP_NET,       STK_GROUP_GRID, STK_GROUP_GRID,
                                             STK_GROUP_GRID,      STK_GROUP_NET,  STK_GROUP_NET,
                                             STK_GROUP_AUDIO_ATT, STK_GROUP_NET,  STK_GROUP_NET,
                                             STK_GROUP_NET,       STK_GROUP_NET};
    char *text;
    stk_nets nets;
    const stk_model_config config = {
        .audio_kind = STK_AUDIO_AVE, .levels = 12, .exp = STK_EXPRESSIONS, .code_rows = 20000};
    TEST_OK(stk_nets_init(&nets, &config, 0));
    TEST_OK(stk_file_read_text(test_shared_or_skip("parity/fixtures/A_param_order.json"), 1 << 20,
                               &text));
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    const cJSON *names = cJSON_GetObjectItem(json, "param_names"), *group;
    const cJSON *lists = cJSON_GetObjectItem(json, "optimizer_groups"), *name;
    assert_int_equal(cJSON_GetArraySize(names), nets.params.n - 2);
    assert_int_equal(cJSON_GetArraySize(lists), STK_ARRAY_SIZE(groups));
    int g = 0, seen = 0;
    cJSON_ArrayForEach(group, lists) {
        cJSON_ArrayForEach(name, group) {
            assert_int_equal(group_of(&nets, name->valuestring), groups[g]);
            seen++;
        }
        g++;
    }
    cJSON_ArrayForEach(name, names) group_of(&nets, name->valuestring);
    assert_int_equal(seen, nets.params.n - 2);
    cJSON_Delete(json);
    stk_free(text);
    stk_nets_clear(&nets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(box_and_nearest_agree),
        cmocka_unit_test(backdrop_coordinates_agree),
        cmocka_unit_test(camera_distance_agrees),
        cmocka_unit_test(frequencies_of_anchors_agree),
        cmocka_unit_test(frequencies_of_pixels_agree),
        cmocka_unit_test(parameters_and_groups_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
