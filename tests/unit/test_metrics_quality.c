/* MS-SSIM, NIQE, BRISQUE, expression and 68-point distances, and what a column of values comes to.
 * Expected: torch, scipy, OpenCV and numpy, printed by
 *
 *     python3 scripts/oracle_metrics.py MODELS
 *
 * for pictures made by a formula. Bounds: ours of MS-SSIM sums in float as SSIM does; NIQE is double
 * on both sides; OpenCV's BRISQUE is float (features of 7 digits, times slopes of the regression of up
 * to 1024 gamma). */
#include "support.h"
#include "base/face_mesh.h"
#include "base/file.h"
#include "base/image.h"
#include "metrics/figure.h"
#include "metrics/natural.h"
#include "metrics/naturalness.h"
#include "metrics/picture.h"
#include "nn/weights.h"

#include <math.h>
#include <stdio.h>
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

static const struct quality {
    int width, height, salt;
    double ms_ssim, niqe, brisque;
} oracle[] = {
    {192, 176, 1, 0.989370051, 22.040487268, 99.396751},
    {192, 200, 2, 0.963735927, 15.528694829, 40.226139},
    {257, 203, 3, 0.932204902, 34.286059416, 19.291206},
    {300, 200, 1, 0.989348104, 21.449401153, 95.027435},
};

static void ms_ssim_formula_pictures_equal_oracle(void **state) {
    (void)state;
    for (size_t i = 0; i < STK_ARRAY_SIZE(oracle); i++) {
        const struct quality *o = &oracle[i];
        stk_image a = formula_picture(o->width, o->height, 0);
        stk_image b = formula_picture(o->width, o->height, o->salt);
        const size_t floats = stk_ms_ssim_scratch_floats(a.width, a.height);
        float *scratch = malloc(floats * sizeof *scratch); /* exactly: ASan sees an overrun */
        memset(scratch, 0xff, floats * sizeof *scratch);   /* NaN: must be written before read */
        const double found = stk_ms_ssim(&a, &b, scratch);
        if (!(fabs(found - o->ms_ssim) < 1e-6))
            fail_msg("%dx%d: %.9f against %.9f", o->width, o->height, found, o->ms_ssim);
        assert_true(fabs(stk_ms_ssim(&a, &a, scratch) - 1) < 1e-9);
        stk_image small = stk_image_view(&a, (stk_rect){0, 0, 175, o->height});
        assert_true(isnan(stk_ms_ssim(&small, &small, scratch)));
        free(scratch);
        stk_image_clear(&a);
        stk_image_clear(&b);
    }
}

static void niqe_formula_pictures_equal_oracle(void **state) {
    (void)state;
    const char *prior = test_shared_or_skip("models/niqe_pris_params.npz");
    char folder[STK_PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(prior, '/') - prior), prior);
    for (size_t i = 0; i < STK_ARRAY_SIZE(oracle); i++) {
        const struct quality *o = &oracle[i];
        stk_image picture = formula_picture(o->width, o->height, o->salt);
        stk_niqe *niqe;
        TEST_OK(stk_niqe_open(&niqe, folder, o->width, o->height));
        const double found = stk_niqe_of(niqe, &picture);
        print_message("niqe %.9f, oracle %.9f\n", found, o->niqe);
        assert_true(fabs(found - o->niqe) < 1e-6 * o->niqe);
        assert_true(stk_niqe_of(niqe, &picture) == found);
        for (int y = 0; y < o->height; y++)
            memset(stk_image_row(&picture, y), 200, 3 * (size_t)o->width);
        assert_true(isnan(stk_niqe_of(niqe, &picture))); /* no texture anywhere */
        stk_niqe_close(&niqe);
        stk_image_clear(&picture);
    }
    stk_niqe *niqe;
    assert_int_equal(stk_niqe_open(&niqe, folder, 191, 191), STK_ERR_ARGUMENT);
    assert_null(niqe);
}

static void brisque_formula_pictures_equal_oracle(void **state) {
    (void)state;
    for (size_t i = 0; i < STK_ARRAY_SIZE(oracle); i++) {
        const struct quality *o = &oracle[i];
        stk_brisque *brisque;
        const stk_status status = stk_brisque_open(&brisque, NULL, o->width, o->height);
        if (status == STK_ERR_WEIGHTS) {
            assert_non_null(strstr(stk_error_text(), "apt install opencv-data"));
            print_message("skipped: %s\n", stk_error_text());
            skip();
        }
        TEST_OK(status);
        stk_image picture = formula_picture(o->width, o->height, o->salt);
        const double found = stk_brisque_of(brisque, &picture);
        print_message("brisque %.6f, oracle %.6f\n", found, o->brisque);
        assert_true(fabs(found - o->brisque) < 0.005);
        for (int y = 0; y < o->height; y++)
            memset(stk_image_row(&picture, y), 9, 3 * (size_t)o->width);
        assert_true(isnan(stk_brisque_of(brisque, &picture)));
        stk_brisque_close(&brisque);
        stk_image_clear(&picture);
    }
}

/* Files that are something else are refused with a sentence, not read. */
static void brisque_damaged_model_is_refused(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char path[STK_PATH_MAX];
    stk_brisque *brisque;
    TEST_OK(stk_path_join(path, sizeof path, folder, "brisque_range_live.yml"));
    static const char text[] = "range:\n   data: [ 1., 2.,\n  - 3";
    TEST_OK(stk_file_write(path, text, sizeof text - 1));
    assert_int_equal(stk_brisque_open(&brisque, folder, 64, 64), STK_ERR_FORMAT);
    assert_null(brisque);
    assert_int_equal(stk_brisque_open(&brisque, folder, 15, 64), STK_ERR_ARGUMENT);
}

/* Gaussian noise has shape 2 and sides of its sigma; a lopsided one keeps its sides apart. */
static void aggd_fit_finds_known_shapes(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    stk_aggd_table *table = malloc(sizeof *table);
    double *values = malloc(COUNT * sizeof *values);
    stk_aggd_table_init(table);
    /* Quantiles of the normal distribution: inverted by bisection on erf. */
    for (int i = 0; i < COUNT; i++) {
        double low = -6, high = 6;
        for (int k = 0; k < 60; k++) {
            const double middle = (low + high) / 2;
            *(0.5 * (1 + erf(middle / M_SQRT2)) < (i + 0.5) / COUNT ? &low : &high) = middle;
        }
        values[i] = 3 * low;
    }
    stk_aggd fit;
    assert_true(stk_aggd_fit(table, values, COUNT, &fit));
    assert_true(fabs(fit.alpha - 2) < 0.01 && fabs(fit.left - 3) < 0.01);
    assert_true(fabs(fit.right - 3) < 0.01);
    double left, right, mean;
    stk_aggd_scales(&fit, &left, &right, &mean); /* G(1/2) / G(3/2) = 2 */
    assert_true(fabs(left - 3 * M_SQRT2) < 0.03 && fabs(mean) < 0.01);
    for (int i = 0; i < COUNT; i++)
        if (values[i] > 0) values[i] *= 2;
    assert_true(stk_aggd_fit(table, values, COUNT, &fit));
    assert_true(fabs(fit.right / fit.left - 2) < 1e-6);
    for (int i = 0; i < COUNT; i++) values[i] = fabs(values[i]);
    assert_false(stk_aggd_fit(table, values, COUNT, &fit));
    free(values);
    free(table);
}

static void figure_known_values_equal_oracle(void **state) {
    (void)state;
    enum { COUNT = 150 };
    double values[COUNT + 2];
    for (int i = 0; i < COUNT; i++) values[i] = i * 37 % 61 + 20 * sin(i / 7.0);
    values[COUNT] = values[COUNT + 1] = (double)NAN; /* do not count */
    stk_figure figure, again;
    /* Percentiles of 1000 means scatter by sqrt(.025 .975 / 1000) / density: 0.09 standard errors
     * (1.8, 2.9) where it counts; four times that is the bound. */
    static const double ends[2][2] = {{27.9030, 35.0682}, {25.7970, 37.0796}};
    for (int i = 0; i < 2; i++) {
        const stk_figure_settings settings = {.seed = 1, .block = i == 0 ? 1 : 0}; /* 0: 6 */
        TEST_OK(stk_figure_of(&figure, values, COUNT + 2, &settings));
        assert_int_equal(figure.count, COUNT);
        assert_true(fabs(figure.mean - 31.484335631) < 1e-8);
        assert_true(fabs(figure.median - 31.955929593) < 1e-8);
        print_message("95 %% %.3f .. %.3f\n", figure.ci95[0], figure.ci95[1]);
        for (int k = 0; k < 2; k++) assert_true(fabs(figure.ci95[k] - ends[i][k]) < 0.9);
        TEST_OK(stk_figure_of(&again, values, COUNT + 2, &settings));
        assert_memory_equal(&figure, &again, sizeof figure);
    }
    assert_true(figure.ci95[1] - figure.ci95[0] > 9); /* blocks: wider than 7.2 */
}

static void figure_worst_frames_come_first(void **state) {
    (void)state;
    const double nan = (double)NAN;
    const double values[] = {5, 1, nan, 9, 1, 7, 8, 2};
    stk_figure figure;
    TEST_OK(stk_figure_of(&figure, values, 8, &(stk_figure_settings){.seed = 1}));
    static const int low[] = {1, 4, 7, 0, 5}, high[] = {3, 6, 5, 0, 7};
    assert_int_equal(figure.worst_count, 5);
    assert_memory_equal(figure.worst, low, sizeof low);
    assert_true(figure.median == 5 && fabs(figure.mean - 33.0 / 7) < 1e-12);
    TEST_OK(stk_figure_of(&figure, values, 8, &(stk_figure_settings){1, 0, 1}));
    assert_memory_equal(figure.worst, high, sizeof high);
    TEST_OK(stk_figure_of(&figure, &nan, 1, &(stk_figure_settings){.seed = 1}));
    assert_true(figure.count == 0 && isnan(figure.mean) && figure.worst_count == 0);
    TEST_OK(stk_figure_of(&figure, values, 1, &(stk_figure_settings){.seed = 1}));
    assert_true(figure.mean == 5 && figure.ci95[0] == 5 && figure.ci95[1] == 5);
}

static void face_distances_see_what_they_should(void **state) {
    (void)state;
    stk_landmarks *a = calloc(2, sizeof *a), *b = a + 1;
    float p[STK_BLENDSHAPES] = {0}, q[STK_BLENDSHAPES] = {0};
    for (int i = 0; i < STK_LANDMARKS; i++)
        for (int k = 0; k < 2; k++) {
            a->xyz[i][k] = (float)((i * (7 + k)) % 101);
            b->xyz[i][k] = a->xyz[i][k] + 12;
        }
    assert_true(stk_landmark_distance_68(a, b) < 1e-9);
    b->xyz[stk_mesh_of_68[8]][1] += 5; /* one of 68: itself 67/68, the others 1/68 each */
    assert_true(fabs(stk_landmark_distance_68(a, b) - 2 * 5 * 67.0 / 68 / 68) < 1e-6);
    free(a);
    p[8] = 0.7f;  /* eyeBlinkLeft */
    q[25] = 1.0f; /* below the eyes: does not count */
    assert_true(fabs(stk_upper_face_error(p, q) - 0.1) < 1e-7);
    assert_true(stk_upper_face_error(q, q) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ms_ssim_formula_pictures_equal_oracle),
        cmocka_unit_test(niqe_formula_pictures_equal_oracle),
        cmocka_unit_test(brisque_formula_pictures_equal_oracle),
        cmocka_unit_test(brisque_damaged_model_is_refused),
        cmocka_unit_test(aggd_fit_finds_known_shapes),
        cmocka_unit_test(figure_known_values_equal_oracle),
        cmocka_unit_test(figure_worst_frames_come_first),
        cmocka_unit_test(face_distances_see_what_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
