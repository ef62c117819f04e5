/* PSNR, SSIM and the landmark distance. The SSIM values are scikit-image's, printed by
 * scripts/oracle_ssim.py for pictures made by a formula. Ours sums in float: variances up to 2^14
 * carry 2^-24 relative error each, against C2 = 58 that is 2e-5 at the very worst pixel; the mean
 * over a picture stays far below 1e-6. */
#include "support.h"
#include "base/image.h"
#include "metrics/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static stk_image formula_picture(int width, int height, int salt) {
    stk_image image;
    TEST_OK(stk_image_init(&image, width, height, 3));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                int wave = (x * (3 + c) + y * 2) % 256;
                int64_t hash = x * 7919 + y * 104729 + c * 1299709 + (int64_t)salt * 15485863;
                int rough = (int)((hash >> 3) % 64);
                stk_image_row(&image, y)[3 * x + c] =
                    (uint8_t)stk_clampi(wave * 3 / 4 + rough * salt / 4, 0, 255);
            }
    return image;
}

static void ssim_formula_pictures_equal_oracle(void **state) {
    (void)state;
    static const struct {
        int width, height, salt;
        double ssim;
    } cases[] = {
        {64, 48, 1, 0.852185186821}, {64, 48, 2, 0.600005676078},  {37, 53, 3, 0.366444227909},
        {11, 11, 1, 0.795781280505}, {200, 12, 1, 0.853919415916},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stk_image a = formula_picture(cases[i].width, cases[i].height, 0);
        stk_image b = formula_picture(cases[i].width, cases[i].height, cases[i].salt);
        size_t floats = stk_ssim_scratch_floats(a.width, a.height);
        float *scratch = malloc(floats * sizeof *scratch); /* exactly: ASan sees an overrun */
        memset(scratch, 0xff, floats * sizeof *scratch);   /* NaN: must be written before read */
        double ssim = stk_ssim(&a, &b, scratch);
        double bound = cases[i].width == 11 ? 2e-5 : 1e-6; /* a single pixel; a mean */
        if (!(fabs(ssim - cases[i].ssim) < bound))
            fail_msg("case %zu: %.9f against %.9f", i, ssim, cases[i].ssim);
        assert_true(fabs(stk_ssim(&b, &a, scratch) - ssim) < 1e-12);
        assert_true(fabs(stk_ssim(&a, &a, scratch) - 1) < 1e-12);
        free(scratch);
        stk_image_clear(&a);
        stk_image_clear(&b);
    }
}

static void ssim_flat_pictures_equal_luminance_term(void **state) {
    (void)state;
    stk_image a, b;
    float scratch[5 * 13 * 32];
    assert_true(stk_ssim_scratch_floats(32, 32) <= sizeof scratch / sizeof scratch[0]);
    TEST_OK(stk_image_init(&a, 32, 32, 3));
    TEST_OK(stk_image_init(&b, 32, 32, 3));
    for (int y = 0; y < 32; y++) {
        memset(stk_image_row(&a, y), 100, 96);
        memset(stk_image_row(&b, y), 140, 96);
    }
    double ssim = stk_ssim(&a, &b, scratch);
    assert_true(fabs(ssim - 0.945957817881) < 2e-5); /* (2 ab + C1) / (a^2 + b^2 + C1) */
    stk_image small = stk_image_view(&a, (stk_rect){0, 0, 10, 32});
    assert_true(stk_ssim(&small, &small, scratch) == 0); /* no full window */
    stk_image_clear(&a);
    stk_image_clear(&b);
}

static void mse_rectangle_and_mask_count_what_they_should(void **state) {
    (void)state;
    stk_image a, b, mask;
    int64_t pixels;
    TEST_OK(stk_image_init(&a, 20, 10, 3));
    TEST_OK(stk_image_init(&b, 20, 10, 3));
    TEST_OK(stk_image_init(&mask, 20, 10, 1));
    stk_image_row(&b, 4)[3 * 7 + 1] = 255;
    stk_image_row(&mask, 4)[7] = 1;
    stk_image_row(&mask, 5)[7] = 9;
    stk_rect whole = {0, 0, 20, 10}, inside = {5, 3, 9, 6}, outside = {8, 0, 20, 10};
    assert_true(fabs(stk_mse(&a, &b, whole, NULL, &pixels) - 1.0 / 600) < 1e-15);
    assert_int_equal(pixels, 200);
    assert_true(fabs(stk_mse(&a, &b, inside, NULL, &pixels) - 1.0 / 36) < 1e-15);
    assert_int_equal(pixels, 12);
    assert_true(stk_mse(&a, &b, outside, NULL, NULL) == 0);
    assert_true(fabs(stk_mse(&a, &b, whole, &mask, &pixels) - 1.0 / 6) < 1e-15);
    assert_int_equal(pixels, 2);
    assert_true(stk_mse(&a, &b, outside, &mask, &pixels) == 0);
    assert_int_equal(pixels, 0);
    assert_true(stk_mse(&a, &b, (stk_rect){-5, -5, 99, 99}, NULL, &pixels) > 0);
    assert_int_equal(pixels, 200);
    stk_image_clear(&a);
    stk_image_clear(&b);
    stk_image_clear(&mask);
}

static void psnr_known_errors_give_known_decibels(void **state) {
    (void)state;
    assert_true(fabs(stk_psnr_from_mse(0.01) - 20) < 1e-12);
    assert_true(fabs(stk_psnr_from_mse(1.0 / (255 * 255)) - 48.130803609) < 1e-8);
    assert_true(stk_psnr_from_mse(0) == 100);
    assert_true(stk_psnr_from_mse(1e-12) == 100);
}

static void landmark_distance_ignores_shift_and_sees_opening(void **state) {
    (void)state;
    stk_landmarks *a = calloc(2, sizeof *a), *b = a + 1;
    for (int i = 0; i < STK_LANDMARKS; i++) {
        a->xyz[i][0] = (float)(i % 21);
        a->xyz[i][1] = (float)(i % 17);
        b->xyz[i][0] = a->xyz[i][0] + 30;
        b->xyz[i][1] = a->xyz[i][1] - 8;
    }
    assert_true(stk_landmark_distance(a, b, stk_mouth_landmarks, 20) < 1e-9);
    static const int two[2] = {13, 14}; /* 4 px further apart: each 2 px from its place */
    b->xyz[14][1] += 4;
    assert_true(fabs(stk_landmark_distance(a, b, two, 2) - 2) < 1e-6);
    for (int i = 0; i < 20; i++) { /* one point moved 3-4-5: itself 19/20, the others 1/20 each */
        assert_in_range(stk_mouth_landmarks[i], 0, STK_MESH_LANDMARKS - 1);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(stk_mouth_landmarks[i], stk_mouth_landmarks[k]);
    }
    b->xyz[14][1] -= 4;
    b->xyz[61][0] += 3;
    b->xyz[61][1] += 4;
    double expected = (5 * 19.0 / 20 + 19 * 5.0 / 20) / 20;
    assert_true(fabs(stk_landmark_distance(a, b, stk_mouth_landmarks, 20) - expected) < 1e-5);
    free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ssim_formula_pictures_equal_oracle),
        cmocka_unit_test(ssim_flat_pictures_equal_luminance_term),
        cmocka_unit_test(mse_rectangle_and_mask_count_what_they_should),
        cmocka_unit_test(psnr_known_errors_give_known_decibels),
        cmocka_unit_test(landmark_distance_ignores_shift_and_sees_opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
