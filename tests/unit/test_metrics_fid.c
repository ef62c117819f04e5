/* Inception's features against torchvision's network in float64, and the Frechet distance against
 * scipy's root of the product of covariances (fewer rows than numbers: the eigenvalues of a
 * symmetric product), printed by
 *
 *     python3 scripts/oracle_fid.py
 *
 * for weights and pictures of a formula (tests/support/formula_net.h). Bounds: features are float32
 * through some fifty layers; distances are double on both sides. */
#include "formula_net.h"
#include "support.h"
#include "base/image.h"
#include "base/memory.h"
#include "metrics/fid.h"
#include "render/quality.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 6 };

static const struct network {
    int width, height;
    uint32_t seed;
    double length, sample[SAMPLES]; /* of the features; their elements 331 i + 7 */
} network_oracle[] = {
    {64, 40, 1, 255.362967, {0.17191369, 6.0894584, 12.202666, 3.5819403, 0.0020079066, 1.4955048}},
    {300, 320, 2, 400.200648, {0.39825952, 8.7273935, 15.997577, 6.0827634, 0, 2.2881331}},
};

static const struct gaussian {
    int n, d;
    double distance;
} gaussian_oracle[] = {
    {12, 5, 0.293294582007}, {9, 8, 0.846509956905},   {200, 30, 1.08659567608},
    {5, 40, 7.32664021731},  {60, 300, 41.7181575297},
};

static stk_image formula_picture(int width, int height, uint32_t seed) {
    stk_image image;
    TEST_OK(stk_image_init(&image, width, height, 3));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                const uint32_t at = (uint32_t)((y * width + x) * 3 + c);
                const int rough = (int)(256 * formula_unit(seed, at));
                const int wave = (x * (3 + c) + y * 2 + 40 * (int)seed) % 256;
                stk_image_row(&image, y)[3 * x + c] = (uint8_t)((wave * 3 + rough) / 4);
            }
    return image;
}

static stk_inception *opened;
static stk_pool *threads; /* so that pictures of several frames wait for each other */

static int open_network(void **state) {
    (void)state;
    char path[STK_PATH_MAX];
    formula_inception_write(test_temporary_folder(), FORMULA_WHOLE, path);
    TEST_OK(stk_pool_create(&threads, 2));
    TEST_OK(stk_inception_open_file(&opened, path, threads));
    return 0;
}

static int close_network(void **state) {
    (void)state;
    stk_inception_close(&opened);
    stk_pool_free(&threads);
    return 0;
}

static void features_formula_weights_equal_oracle(void **state) {
    (void)state;
    enum { CASES = STK_ARRAY_SIZE(network_oracle) };
    static float block[CASES][STK_FID_FEATURES];
    stk_image images[CASES];
    for (int i = 0; i < CASES; i++) {
        const struct network *o = &network_oracle[i];
        images[i] = formula_picture(o->width, o->height, o->seed);
        TEST_OK(stk_inception_push(opened, &images[i], block[i]));
    }
    TEST_OK(stk_inception_finish(opened));
    for (int i = 0; i < CASES; i++) {
        const struct network *o = &network_oracle[i];
        double length = 0;
        for (int k = 0; k < STK_FID_FEATURES; k++)
            length += (double)block[i][k] * (double)block[i][k];
        length = sqrt(length);
        print_message("|features| %.6f, oracle %.6f\n", length, o->length);
        assert_true(fabs(length - o->length) < 1e-5 * o->length);
        for (int k = 0; k < SAMPLES; k++) {
            const double found = (double)block[i][331 * k + 7];
            if (!(fabs(found - o->sample[k]) < 1e-5 * o->length))
                fail_msg("picture %d, feature %d: %.8g against %.8g", i, 331 * k + 7, found,
                         o->sample[k]);
        }
        stk_image_clear(&images[i]);
    }
}

/* What `eval` and `compare` say of three frames, the last of which has a portrait of its own. */
static void quality_reports_the_distance_over_frames(void **state) {
    (void)state;
    enum { SIDE = 32, FRAMES = 3 };
    static float features[3][FRAMES][STK_FID_FEATURES]; /* real, made, portrait */
    const stk_quality_settings settings = {
        .inception = opened,
        .models = "/nowhere",
        .camera = {48, 16, 16, SIDE, SIDE},
        .frames = FRAMES,
    };
    stk_quality *quality;
    stk_quality_report report;
    double expected[2];
    TEST_OK(stk_quality_create(&quality, &settings));
    for (int i = 0; i < FRAMES; i++) {
        stk_image images[3];
        const int kinds = i == FRAMES - 1 ? 3 : 2;
        for (int k = 0; k < kinds; k++) {
            images[k] = formula_picture(SIDE, SIDE, (uint32_t)(3 * i + k));
            TEST_OK(stk_inception_push(opened, &images[k], features[k][i]));
            TEST_OK(stk_inception_finish(opened));
        }
        TEST_OK(stk_quality_add(quality, i, &images[0], &images[1]));
        TEST_OK(stk_quality_add_portrait(quality, &images[kinds - 1]));
        if (kinds == 2) memcpy(features[2][i], features[1][i], sizeof features[2][i]);
        for (int k = 0; k < kinds; k++) stk_image_clear(&images[k]);
        if (i > 0) continue;
        TEST_OK(stk_quality_finish(quality, NULL, &report));
        assert_true(isnan(report.fid));
        assert_non_null(strstr(report.fid_reason[0], "takes two"));
    }
    TEST_OK(stk_quality_finish(quality, NULL, &report));
    for (int k = 0; k < 2; k++)
        TEST_OK(stk_frechet_distance(&expected[k], FRAMES, STK_FID_FEATURES, features[0][0],
                                     features[k + 1][0], NULL, NULL));
    assert_true(report.fid == expected[0] && report.fid_portrait == expected[1]);
    assert_true(report.fid > 1 && report.fid != report.fid_portrait);
    stk_quality_free(&quality);
}

static void frechet_distance_equals_oracle(void **state) {
    (void)state;
    for (size_t i = 0; i < STK_ARRAY_SIZE(gaussian_oracle); i++) {
        const struct gaussian *o = &gaussian_oracle[i];
        const size_t all = (size_t)(o->n * o->d);
        float *a = malloc(all * sizeof *a), *b = malloc(all * sizeof *b);
        double found;
        formula_floats(a, all, 7);
        formula_floats(b, all, 8);
        for (size_t k = 0; k < all; k++) b[k] *= b[k];
        TEST_OK(stk_frechet_distance(&found, o->n, o->d, a, b, NULL, NULL));
        print_message("%d x %d: %.9f, oracle %.9f\n", o->n, o->d, found, o->distance);
        assert_true(fabs(found - o->distance) < 1e-6 * o->distance);
        TEST_OK(stk_frechet_distance(&found, o->n, o->d, a, a, NULL, NULL));
        assert_true(found >= 0 && found < 1e-9 * o->d);
        for (size_t k = 0; k < all; k++) b[k] = a[k] + 0.5f; /* the means alone */
        TEST_OK(stk_frechet_distance(&found, o->n, o->d, a, b, NULL, NULL));
        assert_true(fabs(found - 0.25 * o->d) < 1e-5 * o->d);
        free(a);
        free(b);
    }
    float same[2][3] = {{1, 2, 3}, {1, 2, 3}}; /* no spread at all */
    double found;
    TEST_OK(stk_frechet_distance(&found, 2, 3, same[0], same[0], NULL, NULL));
    assert_true(found == 0);
    assert_int_equal(stk_frechet_distance(&found, 1, 3, same[0], same[0], NULL, NULL),
                     STK_ERR_ARGUMENT);
}

static void keep_progress(void *user, const stk_progress *progress) {
    *(stk_progress *)user = *progress;
}

/* More columns and more rows than a task has. */
static void frechet_distance_threads_give_equal_bits(void **state) {
    (void)state;
    enum { WIDTH = 300, MOST = 320, ALL = MOST * WIDTH };
    static float a[ALL], b[ALL];
    stk_pool *pool;
    stk_progress last = {0};
    const stk_job job = {.progress = keep_progress, .user = &last};
    formula_floats(a, ALL, 7);
    formula_floats(b, ALL, 8);
    for (int k = 0; k < ALL; k++) b[k] *= b[k];
    TEST_OK(stk_pool_create(&pool, 3));
    for (int n = 60; n <= MOST; n += MOST - 60) {
        double one, three;
        TEST_OK(stk_frechet_distance(&one, n, WIDTH, a, b, NULL, NULL));
        TEST_OK(stk_frechet_distance(&three, n, WIDTH, a, b, pool, &job));
        assert_true(one == three && one > 1);
        assert_true(last.done == last.total && last.done > n);
    }
    stk_pool_free(&pool);
}

static int yes(void *user) {
    (void)user;
    return 1;
}

/* Few rows and many: a feature that is no number is no distance of 0, and work stops when asked. */
static void frechet_distance_of_no_numbers_is_refused(void **state) {
    (void)state;
    const stk_job stop = {.aborted = yes};
    for (int n = 2; n <= 70; n += 68) {
        float a[70 * 3], b[70 * 3];
        double found = -1;
        formula_floats(a, STK_ARRAY_SIZE(a), 7);
        formula_floats(b, STK_ARRAY_SIZE(b), 8);
        assert_int_equal(stk_frechet_distance(&found, n, 3, a, b, NULL, &stop), STK_ERR_ABORTED);
        b[4] = NAN;
        assert_int_equal(stk_frechet_distance(&found, n, 3, a, b, NULL, NULL), STK_ERR_NUMERIC);
        b[4] = INFINITY;
        assert_int_equal(stk_frechet_distance(&found, n, 3, b, a, NULL, NULL), STK_ERR_NUMERIC);
        assert_true(found == -1);
    }
}

static void open_absent_or_damaged_is_refused(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char path[STK_PATH_MAX];
    stk_inception *net;
    setenv("SYNCTALK_MODELS", folder, 1);
    setenv("XDG_CACHE_HOME", folder, 1);
    assert_int_equal(stk_inception_open(&net, folder, NULL), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "pt_inception-2015-12-05-6726825d.pth"));
    assert_non_null(strstr(stk_error_text(), "get-models.sh -p"));
    TEST_OK(stk_path_join(path, sizeof path, folder, "pt_inception-2015-12-05-6726825d.pth"));
    TEST_OK(stk_file_write(path, "not it", 6));
    assert_int_equal(stk_inception_open(&net, folder, NULL), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "is not the file"));
    unsetenv("SYNCTALK_MODELS");
    unsetenv("XDG_CACHE_HOME");
    formula_inception_write(folder, FORMULA_LACKS_ONE, path);
    assert_int_equal(stk_inception_open_file(&net, path, NULL), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "has no Conv2d_1a_3x3.conv.weight"));
    assert_null(net);
    stk_map map;
    TEST_OK(stk_map_open(&map, path));
    TEST_OK(stk_path_join(path, sizeof path, folder, "short.safetensors"));
    TEST_OK(stk_file_write(path, map.data, map.size / 3));
    stk_map_close(&map);
    assert_int_not_equal(stk_inception_open_file(&net, path, NULL), STK_OK);
    assert_null(net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_formula_weights_equal_oracle),
        cmocka_unit_test(quality_reports_the_distance_over_frames),
        cmocka_unit_test(frechet_distance_equals_oracle),
        cmocka_unit_test(frechet_distance_threads_give_equal_bits),
        cmocka_unit_test(frechet_distance_of_no_numbers_is_refused),
        cmocka_unit_test(open_absent_or_damaged_is_refused),
    };
    return cmocka_run_group_tests(tests, open_network, close_network);
}
