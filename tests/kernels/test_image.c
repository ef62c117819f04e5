/* Pixel kernels: resizing keeps constants, means and positions; warps, blur and drawing. */
#include "support.h"
#include "base/image.h"
#include "kernels/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static stk_image make(int width, int height, int channels) {
    stk_image image;
    TEST_OK(stk_image_init(&image, width, height, channels));
    return image;
}

/* Value = 3x + 2y + 10c: linear, so bilinear filters reproduce it away from the border. */
static stk_image ramp(int width, int height, int channels) {
    stk_image image = make(width, height, channels);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                stk_image_row(&image, y)[x * channels + c] = (uint8_t)(3 * x + 2 * y + 10 * c);
    return image;
}

static void resize_same_size_copies(void **state) {
    (void)state;
    stk_image a = ramp(70, 9, 3), b = make(70, 9, 3);
    stk_image_resize(&b, &a);
    for (int y = 0; y < 9; y++)
        assert_memory_equal(stk_image_row(&a, y), stk_image_row(&b, y), 70 * 3);
    stk_image_clear(&a);
    stk_image_clear(&b);
}

static void resize_constant_stays_constant(void **state) {
    (void)state;
    const int sizes[][2] = {{1, 1}, {3, 7}, {64, 65}, {130, 40}, {200, 9}};
    for (int channels = 1; channels <= 4; channels++)
        for (size_t s = 0; s < 5; s++)
            for (size_t t = 0; t < 5; t++) {
                stk_image a = make(sizes[s][0], sizes[s][1], channels);
                stk_image b = make(sizes[t][0], sizes[t][1], channels);
                memset(a.data, 201, (size_t)a.stride * (size_t)a.height);
                stk_image_resize(&b, &a);
                for (int y = 0; y < b.height; y++)
                    for (int x = 0; x < b.width * channels; x++)
                        assert_int_equal(stk_image_row(&b, y)[x], 201);
                stk_image_clear(&a);
                stk_image_clear(&b);
            }
}

/* A ramp stays a ramp under the half-pixel-centre rule, whichever filter an axis gets. */
static void resize_ramp_keeps_positions(void **state) {
    (void)state;
    const int sizes[][2] = {{20, 16}, {40, 32}, {60, 48}, {10, 8}, {8, 6}};
    for (size_t t = 0; t < 5; t++) {
        stk_image a = ramp(40, 32, 3), b = make(sizes[t][0], sizes[t][1], 3);
        stk_image_resize(&b, &a);
        double kx = 40.0 / b.width, ky = 32.0 / b.height;
        for (int y = 1; y < b.height - 1; y++)
            for (int x = 1; x < b.width - 1; x++) {
                double want = 3 * ((x + 0.5) * kx - 0.5) + 2 * ((y + 0.5) * ky - 0.5);
                assert_true(fabs(stk_image_row(&b, y)[x * 3] - want) <= 0.51);
            }
        stk_image_clear(&a);
        stk_image_clear(&b);
    }
}

static void plane_resize_shrinking_keeps_mean(void **state) {
    (void)state;
    float source[37 * 23], target[9 * 5];
    double before = 0, after = 0;
    for (int i = 0; i < 37 * 23; i++) before += source[i] = (float)((i * 7919) % 101) / 101.0f;
    stk_plane_resize(target, 9, 5, source, 37, 23);
    for (int i = 0; i < 9 * 5; i++) after += target[i];
    assert_true(fabs(before / (37 * 23) - after / (9 * 5)) < 1e-6);
    float one[4] = {1, 2, 3, 4}, up[16];
    stk_plane_resize(up, 4, 4, one, 2, 2);
    assert_true(up[0] == 1 && up[15] == 4);
    assert_true(fabsf(up[5] - 1.75f) < 1e-6f); /* (0.25, 0.25) of the way: 1 + 0.25 + 0.5 */
}

static void warp_identity_scales_and_shifts(void **state) {
    (void)state;
    stk_image a = ramp(20, 10, 3);
    float out[20 * 10 * 3];
    const float identity[6] = {1, 0, 0, 0, 1, 0};
    stk_image_warp_affine_f32(out, 20, 10, &a, identity, 2, -1);
    for (int y = 0; y < 10; y++)
        for (int i = 0; i < 60; i++)
            assert_true(fabsf(out[y * 60 + i] - (2 * stk_image_row(&a, y)[i] - 1.0f)) < 1e-4f);
    stk_image_clear(&a);
}

static void warp_quarter_turn_moves_pixels(void **state) {
    (void)state;
    stk_image a = ramp(8, 8, 1);
    float out[64];
    const float turn[6] = {0, 1, 0, -1, 0, 8}; /* target (x,y) from source (y, 8-x) */
    stk_image_warp_affine_f32(out, 8, 8, &a, turn, 1, 0);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
            assert_true(fabsf(out[y * 8 + x] - stk_image_row(&a, 7 - x)[y]) < 1e-4f);
    const float far[6] = {1, 0, 1000, 0, 1, -1000}; /* outside: the corner */
    stk_image_warp_affine_f32(out, 8, 8, &a, far, 1, 0);
    for (int i = 0; i < 64; i++) assert_true(out[i] == (float)stk_image_row(&a, 0)[7]);
    stk_image_clear(&a);
}

static void blur_impulse_is_gaussian(void **state) {
    (void)state;
    enum { N = 33 };
    static float plane[N * N], scratch[N * N];
    memset(plane, 0, sizeof plane);
    plane[16 * N + 16] = 1;
    stk_plane_blur(plane, scratch, N, N, 2, 8);
    double sum = 0;
    for (int i = 0; i < N * N; i++) sum += plane[i];
    assert_true(fabs(sum - 1) < 1e-5);
    double ratio = plane[16 * N + 18] / plane[16 * N + 16]; /* exp(-2^2 / (2 2^2)) */
    assert_true(fabs(ratio - exp(-0.5)) < 1e-5);
    for (int i = 0; i < N * N; i++) plane[i] = 3; /* constant stays, borders included */
    stk_plane_blur(plane, scratch, N, N, 5, 31);
    for (int i = 0; i < N * N; i++) assert_true(fabsf(plane[i] - 3) < 1e-5f);
}

static int count_lit(const stk_image *image) {
    int lit = 0;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) lit += stk_image_row(image, y)[3 * x] != 0;
    return lit;
}

static void draw_shapes_clip_and_cover(void **state) {
    (void)state;
    const uint8_t white[3] = {255, 255, 255};
    stk_image image = make(40, 30, 3);
    stk_draw_line(&image, -1e3f, 10.5f, 1e3f, 10.5f, white);
    assert_int_equal(count_lit(&image), 40);
    stk_draw_line(&image, 0, NAN, 3, 3, white);
    stk_draw_disc(&image, 1e9f, 0, 1e3f, white);
    stk_draw_disc(&image, -5, -5, 2, white);
    assert_int_equal(count_lit(&image), 40);
    memset(image.data, 0, (size_t)image.stride * 30);
    stk_draw_disc(&image, 20, 15, 10, white);
    assert_true(abs(count_lit(&image) - 314) < 12);
    stk_image_clear(&image);
}

static void draw_text_glyphs_differ(void **state) {
    (void)state;
    const uint8_t white[3] = {255, 255, 255};
    uint8_t seen[95][8 * 6];
    for (int code = 32; code <= 126; code++) {
        stk_image image = make(6, 8, 3);
        const char text[2] = {(char)code, 0};
        stk_draw_text(&image, 0, 0, 1, text, white);
        for (int y = 0; y < 8; y++)
            for (int x = 0; x < 6; x++)
                seen[code - 32][y * 6 + x] = stk_image_row(&image, y)[3 * x];
        for (int other = 32; other < code; other++)
            assert_memory_not_equal(seen[code - 32], seen[other - 32], 48);
        stk_image_clear(&image);
    }
    stk_image image = make(20, 20, 3);
    stk_draw_text(&image, -3, 15, 2, "clipped \xc3\xa9\n on all sides", white);
    stk_image_clear(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_same_size_copies),
        cmocka_unit_test(resize_constant_stays_constant),
        cmocka_unit_test(resize_ramp_keeps_positions),
        cmocka_unit_test(plane_resize_shrinking_keeps_mean),
        cmocka_unit_test(warp_identity_scales_and_shifts),
        cmocka_unit_test(warp_quarter_turn_moves_pixels),
        cmocka_unit_test(blur_impulse_is_gaussian),
        cmocka_unit_test(draw_shapes_clip_and_cover),
        cmocka_unit_test(draw_text_glyphs_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
