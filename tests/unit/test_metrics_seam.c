/* Seam, neck and flicker on pictures whose answer is known by construction. */
#include "support.h"
#include "base/image.h"
#include "metrics/seam.h"

#include <math.h>
#include <string.h>

enum { SIDE = 64, REACH = 6 };

/* Grey value 40 + slope x. */
static stk_image ramp(int slope) {
    stk_image image;
    TEST_OK(stk_image_init(&image, SIDE, SIDE, 3));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < 3 * SIDE; x++)
            stk_image_row(&image, y)[x] = (uint8_t)(40 + slope * (x / 3));
    return image;
}

/* 255 right of column 32, soft over eight columns. */
static stk_image right_half(void) {
    stk_image mask;
    TEST_OK(stk_image_init(&mask, SIDE, SIDE, 1));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            stk_image_row(&mask, y)[x] = (uint8_t)stk_clampi((x - 28) * 32, 0, 255);
    return mask;
}

static void brighten(stk_image *image, int from_x, int by) {
    for (int y = 0; y < SIDE; y++)
        for (int x = 3 * from_x; x < 3 * SIDE; x++)
            stk_image_row(image, y)[x] = (uint8_t)(stk_image_row(image, y)[x] + by);
}

static void seam_step_of_known_height_gives_its_ratio(void **state) {
    (void)state;
    stk_image real = ramp(2), made = ramp(2), mask = right_half();
    stk_seam seam = {0};
    stk_seam_add(&seam, &real, &real, &mask, REACH);
    assert_true(seam.made.count == SIDE); /* one pixel a row */
    assert_true(fabs(stk_mean_of(seam.real) - 2 * 2 * REACH) < 1e-12);
    assert_true(stk_seam_ratio(&seam) == 1 && seam.mismatch.sum == 0);
    brighten(&made, 32, 12); /* real steps of 24, made of 36 */
    seam = (stk_seam){0};
    stk_seam_add(&seam, &made, &real, &mask, REACH);
    assert_true(fabs(stk_seam_ratio(&seam) - 1.5) < 1e-12);
    assert_true(fabs(stk_mean_of(seam.mismatch) - 12) < 1e-12);
    stk_image_clear(&mask);
    stk_image_clear(&made);
    stk_image_clear(&real);
}

/* A difference far inside the face is none of the seam. */
static void seam_sees_only_the_rim(void **state) {
    (void)state;
    stk_image real = ramp(1), made = ramp(1), mask = right_half();
    stk_seam seam = {0};
    brighten(&made, 32 + REACH + 4, 60);
    stk_seam_add(&seam, &made, &real, &mask, REACH);
    assert_true(stk_seam_ratio(&seam) == 1);
    memset(mask.data, 255, (size_t)mask.stride * SIDE);
    seam = (stk_seam){0};
    stk_seam_add(&seam, &made, &real, &mask, REACH);
    assert_true(seam.made.count == 0 && stk_seam_ratio(&seam) == 1);
    stk_image_clear(&mask);
    stk_image_clear(&made);
    stk_image_clear(&real);
}

/* Published values of sRGB's corners. */
static void lab_of_known_colours(void **state) {
    (void)state;
    static const struct {
        uint8_t rgb[3];
        float lab[3];
    } known[] = {
        {{0, 0, 0}, {0, 0, 0}},
        {{255, 255, 255}, {100, 0, 0}},
        {{255, 0, 0}, {53.24f, 80.09f, 67.20f}},
        {{0, 255, 0}, {87.73f, -86.18f, 83.18f}},
        {{0, 0, 255}, {32.30f, 79.19f, -107.86f}},
        {{119, 119, 119}, {50.03f, 0, 0}},
    };
    for (size_t i = 0; i < STK_ARRAY_SIZE(known); i++) {
        float lab[3];
        stk_lab_of_rgb(known[i].rgb, lab);
        for (int c = 0; c < 3; c++) assert_true(fabsf(lab[c] - known[i].lab[c]) < 0.05f);
    }
}

static void colour_distance_counts_its_label_alone(void **state) {
    (void)state;
    stk_image a = ramp(0), b = ramp(0), labels;
    stk_sum sum = {0};
    TEST_OK(stk_image_init(&labels, SIDE, SIDE, 1));
    for (int x = 0; x < 10; x++) stk_image_row(&labels, 5)[x] = STK_LABEL_NECK;
    brighten(&b, 5, 79); /* grey 40 -> 119: L 15.9 -> 50.0 */
    stk_colour_distance_add(&sum, &a, &b, &labels, STK_LABEL_NECK);
    float before[3], after[3];
    stk_lab_of_rgb((const uint8_t[3]){40, 40, 40}, before);
    stk_lab_of_rgb((const uint8_t[3]){119, 119, 119}, after);
    assert_int_equal(sum.count, 10);
    assert_true(fabs(stk_mean_of(sum) - 0.5 * (double)(after[0] - before[0])) < 1e-3);
    stk_image_clear(&labels);
    stk_image_clear(&b);
    stk_image_clear(&a);
}

static void changes_of_label_and_of_still_pixels(void **state) {
    (void)state;
    stk_image dark = ramp(0), bright = ramp(0), half = ramp(0), labels;
    TEST_OK(stk_image_init(&labels, SIDE, SIDE, 1));
    memset(stk_image_row(&labels, 7), STK_LABEL_NECK, SIDE);
    brighten(&bright, 0, 9);
    brighten(&half, SIDE / 2, 6); /* real: right half moves, left half stands still */
    const stk_succession s = {{&dark, &bright}, {&dark, &half}, {&labels, &labels}};
    stk_sum made = {0}, real = {0};
    stk_change_add(&made, &real, &s, STK_LABEL_NECK);
    assert_int_equal(made.count, SIDE);
    assert_true(fabs(stk_mean_of(made) - 9) < 1e-12 && fabs(stk_mean_of(real) - 3) < 1e-12);
    made = real = (stk_sum){0};
    stk_still_change_add(&made, &real, &s, 2);
    assert_int_equal(made.count, SIDE * SIDE / 2);
    assert_true(fabs(stk_mean_of(made) - 9) < 1e-12 && stk_mean_of(real) == 0);
    stk_image_clear(&labels);
    stk_image_clear(&half);
    stk_image_clear(&bright);
    stk_image_clear(&dark);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seam_step_of_known_height_gives_its_ratio),
        cmocka_unit_test(seam_sees_only_the_rim),
        cmocka_unit_test(lab_of_known_colours),
        cmocka_unit_test(colour_distance_counts_its_label_alone),
        cmocka_unit_test(changes_of_label_and_of_still_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
