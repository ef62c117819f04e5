/* The torso branch against the published system's: encodings, nets, a whole picture with the head
 * over it, one training step's loss and gradients, one update of the occupancy.
 *
 * Tolerances: shared/parity/README.md for features (2e-4, resolution 2048), colours (1e-4),
 * pictures (2e-4), loss (1e-5 relative) and gradients (1e-3 in relative L2 norm, 3e-3 of the
 * largest entry). Cosines: the published argument 2^7 x + pi/2 is rounded to half a unit of its last
 * place, 3.8e-6 below 128 and 7.7e-6 from there on; ours is exact, see kernels/torso_body.h.
 */
#include "support.h"
#include "checkpoint.h"
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/image.h"
#include "base/memory.h"
#include "kernels/torso_private.h"
#include "nn/pth.h"
#include "portrait/ray_render.h"
#include "portrait/torso.h"

enum { SIDE = 128, PIXELS = SIDE * SIDE, CODE_ROWS = 20000 };

typedef struct branch {
    stk_params params;
    stk_torso torso;
    stk_torso_occupancy occupancy;
} branch;

/* The branch of official_B.pth under `mask`, with gradients. */
static void open_branch(branch *b, uint32_t mask) {
    const char *path = test_shared_or_skip("parity/official_B.pth");
    stk_cpu_set_mask(mask);
    TEST_OK(stk_params_init(&b->params));
    TEST_OK(stk_torso_register(&b->torso, &b->params, CODE_ROWS));
    TEST_OK(stk_params_seal(&b->params, 1));
    stk_pth *file = NULL;
    TEST_OK(stk_pth_open(&file, path));
    const stk_pth_value *model = stk_pth_model(file);
    TEST_OK(stk_params_load_pth(&b->params, model, path, NULL));
    TEST_OK(stk_torso_occupancy_init(&b->occupancy));
    TEST_OK(stk_pth_read_f32(stk_pth_get(model, "density_grid_torso"), b->occupancy.density,
                             STK_TORSO_GRID_CELLS, "density_grid_torso"));
    stk_torso_occupancy_mean(&b->occupancy);
    stk_pth_close(&file);
}

static void close_branch(branch *b) {
    stk_torso_occupancy_clear(&b->occupancy);
    stk_params_clear(&b->params);
}

/* An ngp camera-to-world matrix, row-major 4x4; no intrinsics. */
static stk_ngp_camera camera_of(const stk_safetensors *file, const char *name) {
    float *m = test_fixture_f32(file, name, NULL);
    stk_ngp_camera camera = {.fx = 1, .fy = 1};
    for (int k = 0; k < 9; k++) camera.R[k] = m[4 * (k / 3) + k % 3];
    for (int k = 0; k < 3; k++) camera.origin[k] = m[4 * k + 3];
    stk_free(m);
    return camera;
}

/* The code row that a fixture's code vector came from. */
static int code_row_of(const branch *b, const float *code) {
    const float *codes = stk_params_value(&b->params, b->torso.codes);
    for (int row = 0; row < CODE_ROWS; row++)
        if (memcmp(codes + row * STK_TORSO_CODE, code, STK_TORSO_CODE * sizeof *code) == 0)
            return row;
    fail_msg("no row of the codes is the fixture's");
    return -1;
}

/* --- the nets --------------------------------------------------------------------------------- */

/* [n][channels] of the fixture against rows of activations, tile by tile. */
static void check_rows(const char *what, const float *want, int channels, int tile,
                       const float *rows, double tolerance) {
    float got[STK_TILE * 64];
    for (int s = 0; s < STK_TILE; s++)
        for (int c = 0; c < channels; c++) got[s * channels + c] = rows[c * STK_TILE + s];
    test_assert_close(what, got, want + tile * STK_TILE * channels, (size_t)STK_TILE * channels,
                      tolerance);
}

static void network_every_mask_agrees(void **state) {
    static branch b;
    static stk_torso_frame frame;
    open_branch(&b, *(uint32_t *)*state);
    stk_safetensors *file = test_fixture_open("B_grad_torso");
    float *x = test_fixture_f32(file, "net/x", NULL);
    float *enc = test_fixture_f32(file, "net/enc_x", NULL), *dx, *feat, *alpha, *color;
    dx = test_fixture_f32(file, "net/dx", NULL),
    feat = test_fixture_f32(file, "net/torso_feat", NULL);
    alpha = test_fixture_f32(file, "net/alpha", NULL),
    color = test_fixture_f32(file, "net/color", NULL);
    float *code = test_fixture_f32(file, "net/ind_code", NULL);
    float *anchors = test_fixture_f32(file, "net/wrapped_anchor", NULL);
    float *anchor_enc = test_fixture_f32(file, "net/enc_anchor", NULL);
    const stk_ngp_camera camera = camera_of(file, "in/poses");
    stk_torso_frame_init(&frame, &b.torso, &b.params, b.params.value, &camera,
                         code_row_of(&b, code));
    test_assert_close("anchors", frame.anchors, anchors, 6, 2e-6);
    test_assert_close("enc_anchor", frame.cond, anchor_enc, STK_TORSO_ANCHOR_ENC, 1e-5);
    torso_acts *acts = stk_calloc_aligned(1, sizeof *acts);
    assert_non_null(acts);
    for (int tile = 0; tile < 256 / STK_TILE; tile++) {
        STK_ALIGNED(64) float xy[2 * STK_TILE], a[STK_TILE], rgb[3 * STK_TILE], point[2 * STK_TILE];
        STK_ALIGNED(64) float moved[2 * STK_TILE];
        for (int i = 0; i < 2 * STK_TILE; i++)
            xy[i] = 0.8f * x[2 * (tile * STK_TILE + i % STK_TILE) + i / STK_TILE];
        const stk_torso_out out = {a, rgb, point};
        b.torso.kernels.forward(&b.torso.layout, &frame.weights, xy, (float *)acts, &out);
        for (int i = 0; i < 2 * STK_TILE; i++) moved[i] = acts->moved[i] - xy[i];
        check_rows("enc_x", enc, STK_TORSO_ENC, tile, acts->input + STK_TORSO_FEATURES * STK_TILE,
                   4e-6);
        check_rows("dx", dx, 2, tile, moved, 1e-5);
        check_rows("torso_feat", feat, STK_TORSO_FEATURES, tile, acts->input, 2e-4);
        check_rows("alpha", alpha, 1, tile, a, 1e-4);
        check_rows("color", color, 3, tile, rgb, 1e-4);
    }
    float *blocks[] = {x, enc, dx, feat, alpha, color, code, anchors, anchor_enc, (float *)acts};
    for (size_t i = 0; i < STK_ARRAY_SIZE(blocks); i++) stk_free(blocks[i]);
    stk_safetensors_close(&file);
    close_branch(&b);
}

/* --- a picture -------------------------------------------------------------------------------- */

/* The head of the frame over `backdrop` (floats), by the published march. */
static void render_head(const stk_safetensors *file, const float *backdrop, float *image) {
    const char *path = test_shared_or_skip("parity/official_B.pth");
    stk_params params;
    stk_field field;
    stk_field_weights weights;
    STK_ALIGNED(64) float audio[STK_AUD];
    float exp[STK_EXP_MAX] = {0}, code[STK_CODE], matrix[16], lens[4];
    test_checkpoint_field(path, 7, &params, &field);
    uint8_t *bits = test_checkpoint_bits(path);
    stk_field_weights_view(&field, &params, params.value, &weights);
    TEST_OK(stk_safetensors_read_f32(file, "enc_a", audio, STK_AUD));
    TEST_OK(stk_safetensors_read_f32(file, "eye", exp, 7));
    TEST_OK(stk_safetensors_read_f32(file, "ind_code", code, STK_CODE));
    TEST_OK(stk_safetensors_read_f32(file, "transform_matrix", matrix, 16));
    TEST_OK(stk_safetensors_read_f32(file, "intrinsics", lens, 4));
    stk_ray_frame frame = {.field = &field,
                           .weights = &weights,
                           .bits = bits,
                           .audio = audio,
                           .exp = exp,
                           .code = code,
                           .rect = {0, 0, SIDE, SIDE},
                           .rule = STK_MARCH_REFERENCE};
    stk_ngp_camera_from_json(matrix, lens[0], lens[1], lens[2], lens[3], &frame.camera);
    stk_ray_renderer *renderer;
    static STK_ALIGNED(16) float rgba[4 * PIXELS];
    TEST_OK(stk_ray_renderer_create(&renderer, SIDE, SIDE, 1));
    stk_ray_render(renderer, &frame, SIDE, SIDE, rgba, NULL, NULL);
    for (int i = 0; i < 3 * PIXELS; i++) {
        const float *pixel = rgba + i / 3 * 4;
        const float v = pixel[i % 3] + (1 - pixel[3]) * backdrop[i];
        image[i] = v < 0 ? 0 : v > 1 ? 1 : v;
    }
    stk_ray_renderer_free(&renderer);
    stk_params_clear(&params);
    stk_free(bits);
}

static void frame_every_mask_agrees(void **state) {
    static branch b;
    static stk_torso_frame frame;
    static float alpha[PIXELS], rgb[3 * PIXELS], image[3 * PIXELS];
    open_branch(&b, *(uint32_t *)*state);
    stk_safetensors *file = test_fixture_open("B_frame");
    float *bg = test_fixture_f32(file, "bg_color", NULL);
    float *want_alpha = test_fixture_f32(file, "torso_alpha", NULL);
    float *want_rgb = test_fixture_f32(file, "torso_composite", NULL);
    float *want_image = test_fixture_f32(file, "image", NULL);
    float *code = test_fixture_f32(file, "ind_code_torso", NULL);
    const double mean = test_fixture_number(file, "mean_density_torso");
    assert_float_equal(b.occupancy.mean_density, mean, 1e-6 * mean);
    stk_image plate = {0}, picture = {0};
    TEST_OK(stk_image_init(&plate, SIDE, SIDE, 3));
    TEST_OK(stk_image_init(&picture, SIDE, SIDE, 3));
    for (int i = 0; i < 3 * PIXELS; i++) {
        uint8_t *p = stk_image_row(&plate, i / (3 * SIDE)) + i % (3 * SIDE);
        *p = (uint8_t)(255 * bg[i] + 0.5f);
        assert_true(fabsf(*p / 255.0f - bg[i]) < 1e-6f); /* the fixture's plate is an 8-bit one */
    }
    const stk_ngp_camera camera = camera_of(file, "pose");
    stk_torso_frame_init(&frame, &b.torso, &b.params, b.params.value, &camera,
                         code_row_of(&b, code));
    const stk_torso_picture request = {
        &b.torso, &frame, b.occupancy.density, b.occupancy.mean_density, &plate, &picture,
        alpha,    rgb};
    stk_torso_draw(&request, NULL);
    test_assert_close("torso_alpha", alpha, want_alpha, PIXELS, 2e-4);
    test_assert_close("torso_composite", rgb, want_rgb, 3 * PIXELS, 2e-4);
    for (int i = 0; i < 3 * PIXELS; i++) {
        const uint8_t *p = stk_image_row(&picture, i / (3 * SIDE)) + i % (3 * SIDE);
        assert_true(fabsf(*p - 255 * want_rgb[i]) <= 0.5f + 255 * 2e-4f);
    }
    if (*(uint32_t *)*state == UINT32_MAX) { /* the head under each mask: test_parity_frame */
        render_head(file, rgb, image);
        test_assert_close("image", image, want_image, 3 * PIXELS, 2e-4);
    }
    stk_image_clear(&plate), stk_image_clear(&picture);
    stk_free(bg), stk_free(want_alpha), stk_free(want_rgb), stk_free(want_image), stk_free(code);
    stk_safetensors_close(&file);
    close_branch(&b);
}

/* --- a step ----------------------------------------------------------------------------------- */

static void check_gradient(const branch *b, const stk_safetensors *file, int index) {
    const stk_param *p = &b->params.list[index];
    char name[96];
    int64_t count;
    snprintf(name, sizeof name, "grad/%s", p->name);
    float *want = test_fixture_f32(file, name, &count);
    assert_int_equal(count, p->count);
    const float *got = b->params.grad + p->offset;
    double largest = 0;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)want[i]));
    assert_true(largest > 0);
    const double l2 = test_relative_l2(got, want, p->count);
    const double worst = test_max_abs_error(got, want, p->count) / largest;
    print_message("  %-32s relative L2 %.2g, largest error %.2g of the largest entry\n", p->name,
                  l2, worst);
    if (!(l2 <= 1e-3)) fail_msg("%s: relative L2 error %.3g", p->name, l2);
    if (!(worst <= 3e-3)) fail_msg("%s: error %.3g of the largest entry", p->name, worst);
    stk_free(want);
}

static void step_every_mask_agrees(void **state) {
    static branch b;
    open_branch(&b, *(uint32_t *)*state);
    stk_safetensors *file = test_fixture_open("B_grad_torso");
    int64_t count;
    float *coords = test_fixture_f32(file, "in/bg_coords", &count);
    float *plate = test_fixture_f32(file, "in/bg_color", NULL);
    float *target = test_fixture_f32(file, "in/bg_torso_color", NULL);
    const stk_torso_batch batch = {(int)(count / 2),
                                   coords,
                                   plate,
                                   target,
                                   camera_of(file, "in/poses"),
                                   (int)test_fixture_number(file, "in/index"),
                                   &b.occupancy};
    stk_torso_trainer *trainer;
    stk_pool *pool;
    TEST_OK(stk_torso_trainer_create(&trainer, batch.pixels));
    TEST_OK(stk_pool_create(&pool, 2));
    const double loss = stk_torso_step(trainer, &b.torso, &batch, &b.params, pool);
    const double want = test_fixture_number(file, "loss");
    print_message("%s: loss %.9g, published %.9g\n", b.torso.kernels.isa, loss, want);
    assert_float_equal(loss, want, 1e-5 * want);
    for (int i = 0; i < b.params.n; i++) check_gradient(&b, file, i);
    stk_torso_trainer_free(&trainer);
    stk_pool_free(&pool);
    stk_free(coords), stk_free(plate), stk_free(target);
    stk_safetensors_close(&file);
    close_branch(&b);
}

/* --- occupancy -------------------------------------------------------------------------------- */

static void occupancy_update_agrees(void **state) {
    static branch b;
    static stk_torso_frame frame;
    open_branch(&b, *(uint32_t *)*state);
    stk_safetensors *file = test_fixture_open("B_density_torso");
    float *before = test_fixture_f32(file, "before", NULL);
    float *after = test_fixture_f32(file, "after", NULL);
    const stk_ngp_camera camera = camera_of(file, "pose");
    memcpy(b.occupancy.density, before, STK_TORSO_GRID_CELLS * sizeof *before);
    stk_torso_frame_init(&frame, &b.torso, &b.params, b.params.value, &camera,
                         (int)test_fixture_number(file, "rand_idx"));
    stk_torso_occupancy_update(&b.occupancy, &b.torso, &frame, NULL, NULL);
    test_assert_close("density", b.occupancy.density, after, STK_TORSO_GRID_CELLS, 1e-4);
    assert_float_equal(b.occupancy.mean_density, test_fixture_number(file, "mean_density_torso"),
                       1e-5);
    stk_free(before), stk_free(after);
    stk_safetensors_close(&file);
    close_branch(&b);
}

int main(void) {
    static uint32_t masks[] = {0, STK_CPU_AVX2, UINT32_MAX};
    const struct CMUnitTest tests[] = {
        {"network, c", network_every_mask_agrees, NULL, NULL, &masks[0]},
        {"network, avx2", network_every_mask_agrees, NULL, NULL, &masks[1]},
        {"network, all", network_every_mask_agrees, NULL, NULL, &masks[2]},
        {"frame, c", frame_every_mask_agrees, NULL, NULL, &masks[0]},
        {"frame, avx2", frame_every_mask_agrees, NULL, NULL, &masks[1]},
        {"frame, all", frame_every_mask_agrees, NULL, NULL, &masks[2]},
        {"step, c", step_every_mask_agrees, NULL, NULL, &masks[0]},
        {"step, avx2", step_every_mask_agrees, NULL, NULL, &masks[1]},
        {"step, all", step_every_mask_agrees, NULL, NULL, &masks[2]},
        {"occupancy, c", occupancy_update_agrees, NULL, NULL, &masks[0]},
        {"occupancy, avx2", occupancy_update_agrees, NULL, NULL, &masks[1]},
        {"occupancy, all", occupancy_update_agrees, NULL, NULL, &masks[2]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
