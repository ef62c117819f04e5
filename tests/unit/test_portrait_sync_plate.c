/* The background plate: distances against brute force, a known background from a moving disc, wrong
 * masks outvoted, holes filled smoothly. */
#include "support.h"
#include "base/image.h"
#include "base/memory.h"
#include "base/rng.h"
#include "portrait_sync/layers.h"
#include "portrait_sync/parsing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void labels_disc(stk_image *labels, float cx, float cy, float radius, uint8_t label) {
    for (int y = 0; y < labels->height; y++)
        for (int x = 0; x < labels->width; x++)
            if (hypotf((float)x - cx, (float)y - cy) <= radius) stk_image_row(labels, y)[x] = label;
}

static void distance_random_sets_equal_brute_force(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {7, 1}, {1, 9}, {33, 21}, {40, 17}};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        int w = sizes[n][0], h = sizes[n][1];
        stk_image labels;
        TEST_OK(stk_image_init(&labels, w, h, 1));
        for (int i = 0; i < 1 + w * h / 60; i++)
            stk_image_row(&labels, i * 7 % h)[i * 13 % w] =
                i % 2 ? STK_LABEL_HEAD : STK_LABEL_TORSO;
        uint8_t *exact = malloc((size_t)(w * h)), *chamfer = malloc((size_t)(w * h));
        void *scratch = malloc(stk_distance_scratch_bytes(w, h));
        stk_distance_exact(exact, &labels, STK_LABELS_PERSON, scratch);
        stk_distance_chamfer(chamfer, &labels, STK_LABELS_PERSON, 30);
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                double best = 1e9;
                for (int v = 0; v < h; v++)
                    for (int u = 0; u < w; u++)
                        if (stk_image_row(&labels, v)[u] != STK_LABEL_BACKGROUND)
                            best = fmin(best, hypot(u - x, v - y));
                assert_int_equal(exact[y * w + x], (int)fmin(best, STK_DISTANCE_CAP));
                /* 3-4 chamfer is within 6 % below and 8 % above the Euclidean distance */
                assert_true(chamfer[y * w + x] <= fmin(30, 3 * 1.08 * best + 0.01));
                assert_true(chamfer[y * w + x] >= fmin(30, 3 * 0.94 * best - 0.01));
            }
        free(exact), free(chamfer), free(scratch);
        stk_image_clear(&labels);
    }
}

static void distance_empty_set_is_capped(void **state) {
    (void)state;
    stk_image labels;
    uint8_t distance[12 * 5];
    void *scratch = malloc(stk_distance_scratch_bytes(12, 5));
    TEST_OK(stk_image_init(&labels, 12, 5, 1));
    stk_distance_exact(distance, &labels, STK_LABELS_PERSON, scratch);
    for (int i = 0; i < 60; i++) assert_int_equal(distance[i], STK_DISTANCE_CAP);
    free(scratch);
    stk_image_clear(&labels);
}

static void background(uint8_t rgb[3], int x, int y) {
    rgb[0] = (uint8_t)(2 * x), rgb[1] = (uint8_t)(255 - 2 * y), rgb[2] = (uint8_t)((x * y) & 127);
}

static void paint(stk_image *rgb, const stk_image *labels) {
    for (int y = 0; y < rgb->height; y++)
        for (int x = 0; x < rgb->width; x++) {
            uint8_t *p = stk_image_row(rgb, y) + 3 * x;
            if (stk_image_row(labels, y)[x] != STK_LABEL_BACKGROUND)
                memset(p, 200, 3);
            else
                background(p, x, y);
        }
}

enum { W = 101, H = 83 };

static void plate_moving_disc_recovers_background(void **state) {
    (void)state;
    stk_plate *plate;
    stk_image rgb, labels, out;
    TEST_OK(stk_plate_create(&plate, W, H));
    TEST_OK(stk_image_init(&rgb, W, H, 3));
    TEST_OK(stk_image_init(&labels, W, H, 1));
    TEST_OK(stk_image_init(&out, W, H, 3));
    for (int frame = 0; frame < 12; frame++) {
        memset(labels.data, 0, (size_t)labels.stride * H);
        labels_disc(&labels, 8.0f * (float)frame, 41, 14, frame % 3 + 1);
        paint(&rgb, &labels);
        if (frame == 6) /* one frame's mask misses the person altogether */
            memset(labels.data, 0, (size_t)labels.stride * H);
        TEST_OK(stk_plate_add(plate, &rgb, &labels));
    }
    float seen;
    TEST_OK(stk_plate_finish(plate, &out, &seen));
    assert_float_equal(seen, 1, 0);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            uint8_t expected[3];
            background(expected, x, y);
            assert_memory_equal(stk_image_row(&out, y) + 3 * x, expected, 3);
        }
    stk_image_clear(&rgb), stk_image_clear(&labels), stk_image_clear(&out);
    stk_plate_free(&plate);
    assert_null(plate);
}

static void plate_never_seen_pixels_are_filled_smoothly(void **state) {
    (void)state;
    stk_plate *plate;
    stk_image rgb, labels, out;
    TEST_OK(stk_plate_create(&plate, W, H));
    TEST_OK(stk_image_init(&rgb, W, H, 3));
    TEST_OK(stk_image_init(&labels, W, H, 1));
    TEST_OK(stk_image_init(&out, W, H, 3));
    labels_disc(&labels, 50, 41, 20, STK_LABEL_HEAD);
    for (int y = 0; y < H; y++) memset(stk_image_row(&rgb, y), 90, 3 * W);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            if (stk_image_row(&labels, y)[x]) stk_image_row(&rgb, y)[3 * x] = 255;
    for (int frame = 0; frame < 20; frame++) TEST_OK(stk_plate_add(plate, &rgb, &labels));
    float seen;
    TEST_OK(stk_plate_finish(plate, &out, &seen));
    /* a disc of radius 20 + 6 px is not trusted */
    assert_true(fabs(1 - seen - M_PI * 26 * 26 / (W * H)) < 0.02);
    for (int y = 0; y < H; y++)
        for (int i = 0; i < 3 * W; i++) assert_in_range(stk_image_row(&out, y)[i], 89, 91);
    stk_image_clear(&rgb), stk_image_clear(&labels), stk_image_clear(&out);
    stk_plate_free(&plate);
}

static void plate_person_everywhere_is_grey(void **state) {
    (void)state;
    stk_plate *plate;
    stk_image rgb, labels, out;
    TEST_OK(stk_plate_create(&plate, 5, 3));
    TEST_OK(stk_image_init(&rgb, 5, 3, 3));
    TEST_OK(stk_image_init(&labels, 5, 3, 1));
    TEST_OK(stk_image_init(&out, 5, 3, 3));
    labels_disc(&labels, 0, 0, 100, STK_LABEL_TORSO);
    TEST_OK(stk_plate_add(plate, &rgb, &labels));
    float seen;
    TEST_OK(stk_plate_finish(plate, &out, &seen));
    assert_float_equal(seen, 0, 0);
    assert_int_equal(out.data[0], 128);
    stk_image_clear(&labels);
    TEST_OK(stk_image_init(&labels, 6, 3, 1));
    assert_int_equal(stk_plate_add(plate, &rgb, &labels), STK_ERR_ARGUMENT);
    stk_image_clear(&rgb), stk_image_clear(&labels), stk_image_clear(&out);
    stk_plate_free(&plate);
    assert_int_equal(stk_plate_create(&plate, 0, 3), STK_ERR_ARGUMENT);
    stk_plate_free(&plate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_random_sets_equal_brute_force),
        cmocka_unit_test(distance_empty_set_is_capped),
        cmocka_unit_test(plate_moving_disc_recovers_background),
        cmocka_unit_test(plate_never_seen_pixels_are_filled_smoothly),
        cmocka_unit_test(plate_person_everywhere_is_grey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
