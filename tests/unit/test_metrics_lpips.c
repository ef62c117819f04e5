/* LPIPS and its gradient, against torchvision's backbones and torch's autograd in float64, printed by
 *
 *     python3 scripts/oracle_lpips.py
 *
 * for weights and pictures of a formula (tests/support/formula_net.h). Bounds: float32 sums of up to
 * 4608 products after up to 13 layers, each rounded to 6e-8 of itself. */
#include "formula_net.h"
#include "support.h"
#include "base/image.h"
#include "base/memory.h"
#include "metrics/lpips.h"
#include "nn/weights.h"
#include "render/quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 6, PICTURES = 5, NETS = 3 };

static const struct expected {
    stk_lpips_net net;
    int pictures, width, height;
    uint32_t seed;
    double distance[PICTURES];
    double length, sample[SAMPLES]; /* of the gradient of the mean; of its elements 7919 i + 13 */
} oracle[] = {
    {STK_LPIPS_ALEX,
     2,
     64,
     64,
     77,
     {0.10379332, 0.0973214672},
     0.037577095,
     {-2.211603e-05, 0.0001347873, -0.0005029583, -0.0003246068, -9.277483e-05, -0.0003177612}},
    {STK_LPIPS_VGG,
     2,
     64,
     64,
     109,
     {0.0984003779, 0.0961772004},
     0.015732236,
     {2.726358e-05, -0.000127263, -2.681093e-05, 0.0001362854, 1.815633e-05, -6.770078e-06}},
    {STK_LPIPS_SQUEEZE,
     2,
     64,
     64,
     77,
     {0.0935198175, 0.10091119},
     0.062217971,
     {0.000250721, -9.978964e-05, -0.0001855853, 0.0001161494, 6.309386e-05, 0.0006273448}},
    {STK_LPIPS_ALEX,
     5,
     47,
     33,
     77,
     {0.0997869173, 0.108108561, 0.0963988832, 0.110044687, 0.093120927},
     0.040212912,
     {-2.380425e-05, 0.000223893, -0.0003856178, -5.982535e-05, -0.0001003498, -0.000209402}},
    {STK_LPIPS_ALEX,
     1,
     37,
     20,
     77,
     {0.0996992003},
     0.11048,
     {-0.002198724, -0.001152885, -0.001276765, -0.001112039, -0.0004138713, 0.000749796}},
    {STK_LPIPS_SQUEEZE,
     1,
     50,
     31,
     77,
     {0.101457331},
     0.12528583,
     {4.25604e-05, 0.001794495, 0.0009319325, -0.0001058906, -0.004601666, -0.0004994008}},
};

static stk_lpips *opened[NETS];
static char backbones[NETS][STK_PATH_MAX];
static float *a, *b, *da, *other;

static int open_all(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    for (int i = 0; i < NETS; i++) {
        char heads[STK_PATH_MAX];
        formula_lpips_write(folder, (stk_lpips_net)i, FORMULA_WHOLE, backbones[i], heads);
        TEST_OK(stk_lpips_open_files(&opened[i], (stk_lpips_net)i, backbones[i], heads));
    }
    const size_t most = 3 * 64 * 64 * PICTURES;
    a = stk_calloc_aligned(4 * most, sizeof *a);
    assert_non_null(a);
    b = a + most, da = b + most, other = da + most;
    return 0;
}

static int close_all(void **state) {
    (void)state;
    for (int i = 0; i < NETS; i++) stk_lpips_close(&opened[i]);
    stk_free(a);
    return 0;
}

static size_t make_pictures(const struct expected *e) {
    const size_t n = (size_t)(e->pictures * e->width * e->height) * 3;
    formula_floats(a, n, e->seed);
    formula_floats(b, n, e->seed + 1);
    for (size_t i = 0; i < n; i++) b[i] = 0.75f * a[i] + 0.25f * b[i];
    return n;
}

static stk_lpips_shape shape_of(const struct expected *e, int gradient) {
    return (stk_lpips_shape){e->width, e->height, e->pictures, gradient};
}

static void distance_formula_weights_equal_oracle(void **state) {
    (void)state;
    for (size_t i = 0; i < STK_ARRAY_SIZE(oracle); i++) {
        const struct expected *e = &oracle[i];
        const stk_lpips_shape shape = shape_of(e, 0);
        stk_lpips_pass *pass;
        double found[PICTURES];
        make_pictures(e);
        TEST_OK(stk_lpips_pass_create(&pass, opened[e->net], &shape, NULL));
        for (int again = 0; again < 2; again++) {
            TEST_OK(stk_lpips_distance(pass, a, b, found));
            for (int k = 0; k < e->pictures; k++)
                if (!(fabs(found[k] - e->distance[k]) < 2e-6 * e->distance[k]))
                    fail_msg("net %d picture %d: %.9f against %.9f", (int)e->net, k, found[k],
                             e->distance[k]);
        }
        TEST_OK(stk_lpips_distance(pass, b, b, found));
        for (int k = 0; k < e->pictures; k++) assert_true(found[k] == 0);
        stk_lpips_pass_free(&pass);
    }
}

static void gradient_formula_weights_equal_autograd(void **state) {
    (void)state;
    for (size_t i = 0; i < STK_ARRAY_SIZE(oracle); i++) {
        const struct expected *e = &oracle[i];
        const stk_lpips_shape shape = shape_of(e, 1);
        const size_t n = make_pictures(e);
        stk_lpips_pass *pass;
        double found, mean = 0, length = 0;
        TEST_OK(stk_lpips_pass_create(&pass, opened[e->net], &shape, NULL));
        TEST_OK(stk_lpips_gradient(pass, a, b, 1, &found, da));
        for (int k = 0; k < e->pictures; k++) mean += e->distance[k] / e->pictures;
        assert_true(fabs(found - mean) < 2e-6 * mean);
        for (size_t k = 0; k < n; k++) length += (double)da[k] * (double)da[k];
        length = sqrt(length);
        print_message("net %d: |gradient| %.8f, oracle %.8f\n", (int)e->net, length, e->length);
        assert_true(fabs(length - e->length) < 1e-5 * e->length);
        for (size_t k = 0; k < SAMPLES; k++) {
            const double one = (double)da[(k * 7919 + 13) % n];
            if (!(fabs(one - e->sample[k]) < 1e-5 * e->length))
                fail_msg("net %d element %zu: %.9g against %.9g", (int)e->net, k, one,
                         e->sample[k]);
        }
        TEST_OK(stk_lpips_gradient(pass, a, b, 3, &found, other));
        for (size_t k = 0; k < n; k++)
            assert_true(fabs((double)(other[k] - 3 * da[k])) < 1e-6 * e->length);
        stk_lpips_pass_free(&pass);
    }
}

/* The mean distance of a + step times direction. */
static double distance_along(stk_lpips_pass *pass, const struct expected *e, size_t n,
                             const float *direction, double step) {
    double found[PICTURES], mean = 0;
    for (size_t k = 0; k < n; k++) other[k] = a[k] + (float)(step * (double)direction[k]);
    TEST_OK(stk_lpips_distance(pass, other, b, found));
    for (int k = 0; k < e->pictures; k++) mean += found[k] / e->pictures;
    return mean;
}

/* Up the gradient the distance grows by its length; along one number, by that number's part. ReLU
 * and max have kinks, of which steps along one number cross a few. */
static void gradient_equals_finite_differences(void **state) {
    (void)state;
    static const int cases[] = {3, 5}; /* alex, squeeze */
    for (size_t i = 0; i < STK_ARRAY_SIZE(cases); i++) {
        const struct expected *e = &oracle[cases[i]];
        const stk_lpips_shape shape = shape_of(e, 1);
        const size_t n = make_pictures(e);
        float *direction = da + PICTURES * 64 * 64 * 3 / 2;
        stk_lpips_pass *pass;
        double mean, length = 0;
        size_t most = 0;
        TEST_OK(stk_lpips_pass_create(&pass, opened[e->net], &shape, NULL));
        TEST_OK(stk_lpips_gradient(pass, a, b, 1, &mean, da));
        for (size_t k = 0; k < n; k++) {
            length += (double)da[k] * (double)da[k];
            direction[k] = 0;
            if (fabsf(da[k]) > fabsf(da[most])) most = k;
        }
        length = sqrt(length);
        const double up = (distance_along(pass, e, n, da, 0.002 / length) -
                           distance_along(pass, e, n, da, -0.002 / length)) /
                          0.004;
        direction[most] = 1;
        const double one = (distance_along(pass, e, n, direction, 0.005) -
                            distance_along(pass, e, n, direction, -0.005)) /
                           0.01;
        print_message("|gradient| %.6f by differences %.6f, largest %.6f and %.6f\n", length, up,
                      (double)da[most], one);
        assert_true(fabs(up - length) < 0.005 * length);
        assert_true(fabs(one - (double)da[most]) < 0.03 * fabs(one));
        stk_lpips_pass_free(&pass);
    }
}

/* The number of threads is nobody's business; a pass that was of another size neither. */
static void gradient_threads_and_reshape_change_nothing(void **state) {
    (void)state;
    const struct expected *e = &oracle[3];
    stk_lpips_shape shape = shape_of(e, 1), small = {9, 40, 2, 1};
    const size_t n = make_pictures(e);
    stk_pool *pool;
    stk_lpips_pass *pass;
    double mean, again;
    TEST_OK(stk_lpips_pass_create(&pass, opened[e->net], &shape, NULL));
    TEST_OK(stk_lpips_gradient(pass, a, b, 1, &mean, da));
    stk_lpips_pass_free(&pass);
    TEST_OK(stk_pool_create(&pool, 3));
    TEST_OK(stk_lpips_pass_create(&pass, opened[e->net], &small, pool));
    TEST_OK(stk_lpips_gradient(pass, a, b, 1, &again, other));
    TEST_OK(stk_lpips_pass_reshape(pass, &shape));
    TEST_OK(stk_lpips_pass_reshape(pass, &shape));
    TEST_OK(stk_lpips_gradient(pass, a, b, 1, &again, other));
    assert_true(mean == again);
    assert_memory_equal(da, other, n * sizeof *da);
    shape.width = 0;
    assert_int_equal(stk_lpips_pass_reshape(pass, &shape), STK_ERR_ARGUMENT);
    assert_int_equal(stk_lpips_gradient(pass, a, b, 1, &again, other), STK_ERR_ARGUMENT);
    stk_lpips_pass_free(&pass);
    stk_pool_free(&pool);
}

/* 8-bit pictures are the floats they stand for. */
static void distance_of_images_equals_that_of_floats(void **state) {
    (void)state;
    const stk_lpips_shape shape = {40, 36, 1, 0};
    stk_image images[2];
    float *floats[2] = {a, b};
    stk_lpips_pass *pass;
    double of_images, of_floats;
    for (int i = 0; i < 2; i++) {
        TEST_OK(stk_image_init(&images[i], 40, 36, 3));
        for (int y = 0; y < 36; y++)
            for (int x = 0; x < 120; x++) {
                const int level = (int)(256 * formula_unit((uint32_t)i, (uint32_t)(120 * y + x)));
                stk_image_row(&images[i], y)[x] = (uint8_t)level;
                floats[i][120 * y + x] = (float)level / 255;
            }
    }
    TEST_OK(stk_lpips_pass_create(&pass, opened[STK_LPIPS_SQUEEZE], &shape, NULL));
    TEST_OK(stk_lpips_distance_images(pass, &images[0], &images[1], &of_images));
    TEST_OK(stk_lpips_distance(pass, a, b, &of_floats));
    assert_true(of_images > 0.1 && fabs(of_images - of_floats) < 1e-6 * of_floats);
    const stk_image view = stk_image_view(&images[0], (stk_rect){0, 0, 39, 36});
    assert_int_equal(stk_lpips_distance_images(pass, &view, &images[1], &of_images),
                     STK_ERR_ARGUMENT);
    stk_lpips_pass_free(&pass);
    for (int i = 0; i < 2; i++) stk_image_clear(&images[i]);
}

/* What `eval` and `compare` say of a frame and of its portrait. */
static void quality_reports_the_distance_of_frame_and_portrait(void **state) {
    (void)state;
    enum { SIDE = 48 };
    stk_image images[3];
    for (int i = 0; i < 3; i++) {
        TEST_OK(stk_image_init(&images[i], SIDE, SIDE, 3));
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < 3 * SIDE; x++)
                stk_image_row(&images[i], y)[x] =
                    (uint8_t)(200 * formula_unit((uint32_t)i / 2, (uint32_t)(y * 3 * SIDE + x)) +
                              (i == 2 ? 20 : 0));
    }
    const stk_quality_settings settings = {
        .perceptual = "squeeze",
        .lpips = opened[STK_LPIPS_SQUEEZE],
        .models = "/nowhere", /* no landmarks, no FID */
        .camera = {70, 24, 24, SIDE, SIDE},
        .frames = 1,
    };
    const stk_lpips_shape shape = {SIDE, SIDE, 1, 0};
    static const stk_quality_column columns[2] = {STK_QUALITY_LPIPS, STK_QUALITY_LPIPS_PORTRAIT};
    stk_quality *quality;
    stk_quality_report report;
    stk_lpips_pass *pass;
    TEST_OK(stk_lpips_pass_create(&pass, opened[STK_LPIPS_SQUEEZE], &shape, NULL));
    for (int same = 0; same < 2; same++) {
        TEST_OK(stk_quality_create(&quality, &settings));
        TEST_OK(stk_quality_add(quality, 7, &images[0], &images[1]));
        TEST_OK(stk_quality_add_portrait(quality, &images[same ? 1 : 2]));
        TEST_OK(stk_quality_finish(quality, NULL, &report));
        assert_string_equal(report.perceptual, "squeeze");
        assert_true(isnan(report.fid) && isnan(report.fid_portrait));
        for (int k = 0; k < 2; k++) {
            double expected;
            TEST_OK(stk_lpips_distance_images(pass, &images[0], &images[k && !same ? 2 : 1],
                                              &expected));
            assert_int_equal(report.figure[columns[k]].count, 1);
            assert_true(report.figure[columns[k]].mean == expected);
        }
        stk_quality_free(&quality);
    }
    stk_lpips_pass_free(&pass);
    for (int i = 0; i < 3; i++) stk_image_clear(&images[i]);
}

/* --- files ------------------------------------------------------------------------------------ */

static void open_damaged_files_are_refused(void **state) {
    (void)state;
    static const struct {
        formula_damage damage;
        const char *says;
    } cases[] = {{FORMULA_LACKS_ONE, "features.12.expand3x3.bias"},
                 {FORMULA_OTHER_SHAPE, "features.0.weight is not of the shape"},
                 {FORMULA_NO_NUMBER, "features.0.bias holds no numbers"}};
    const char *folder = test_temporary_folder();
    char backbone[STK_PATH_MAX], heads[STK_PATH_MAX];
    stk_lpips *lpips;
    for (size_t i = 0; i < STK_ARRAY_SIZE(cases); i++) {
        formula_lpips_write(folder, STK_LPIPS_SQUEEZE, cases[i].damage, backbone, heads);
        assert_int_equal(stk_lpips_open_files(&lpips, STK_LPIPS_SQUEEZE, backbone, heads),
                         STK_ERR_WEIGHTS);
        assert_null(lpips);
        assert_non_null(strstr(stk_error_text(), cases[i].says));
    }
    formula_lpips_write(folder, STK_LPIPS_SQUEEZE, FORMULA_WHOLE, backbone, heads);
    assert_int_equal(stk_lpips_open_files(&lpips, STK_LPIPS_ALEX, backbone, heads),
                     STK_ERR_WEIGHTS); /* another network's heads */
    assert_int_equal(stk_lpips_open_files(&lpips, STK_LPIPS_SQUEEZE, heads, heads),
                     STK_ERR_WEIGHTS);
    stk_map map;
    TEST_OK(stk_map_open(&map, backbone));
    TEST_OK(stk_file_write(heads, map.data, map.size / 2));
    stk_map_close(&map);
    assert_int_not_equal(stk_lpips_open_files(&lpips, STK_LPIPS_SQUEEZE, heads, heads), STK_OK);
    assert_null(lpips);
    assert_int_not_equal(stk_lpips_open_files(&lpips, STK_LPIPS_SQUEEZE, "/nowhere", heads),
                         STK_OK);
}

/* Only what its name promises goes by the name of LPIPS. */
static void open_unchecked_backbone_is_refused(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    char path[STK_PATH_MAX], backbone[STK_PATH_MAX], heads[STK_PATH_MAX];
    stk_lpips *lpips;
    setenv("SYNCTALK_MODELS", folder, 1);
    setenv("XDG_CACHE_HOME", folder, 1);
    assert_int_equal(stk_lpips_open(&lpips, folder, STK_LPIPS_SQUEEZE), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "squeezenet1_1-b8a52dc0.pth"));
    assert_non_null(strstr(stk_error_text(), "get-models.sh -p"));
    formula_lpips_write(folder, STK_LPIPS_SQUEEZE, FORMULA_WHOLE, backbone, heads);
    TEST_OK(stk_path_join(path, sizeof path, folder, "squeezenet1_1-f364aa15.pth"));
    assert_int_equal(rename(backbone, path), 0);
    assert_int_equal(stk_lpips_open(&lpips, folder, STK_LPIPS_SQUEEZE), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "f364aa15.pth: is not the file"));
    assert_null(lpips);
    unsetenv("SYNCTALK_MODELS");
    unsetenv("XDG_CACHE_HOME");
}

/* A name's hexadecimal part is compared with the file's digest, whichever name it is. */
static void find_hashed_takes_what_its_name_promises(void **state) {
    (void)state;
    /* sha256("abc") = ba7816bf..., of FIPS 180 */
    static const char *const names[] = {"net-00000000.pth", "net-ba7816bf.pth"};
    const char *folder = test_temporary_folder();
    char path[STK_PATH_MAX], found[STK_PATH_MAX];
    for (int i = 1; i >= 0; i--) {
        TEST_OK(stk_path_join(path, sizeof path, folder, names[i]));
        TEST_OK(stk_file_write(path, "abc", 3));
        TEST_OK(stk_weights_find_hashed(folder, names, 2, "a test", found));
        assert_non_null(strstr(found, names[1]));
    }
    assert_int_equal(stk_weights_find_hashed(folder, names, 1, "a test", found), STK_ERR_WEIGHTS);
    assert_string_equal(found, "");
}

/* The published heads over a formula's backbones, against the same oracle. */
static void distance_published_heads_equals_oracle(void **state) {
    (void)state;
    static const struct {
        const char *name, *heads;
        double distance;
    } cases[NETS] = {{"alex", "models/lpips_v0.1_alex.pth", 0.0122622522},
                     {"vgg", "models/lpips_v0.1_vgg.pth", 0.0150153805},
                     {"squeeze", "models/lpips_v0.1_squeeze.pth", 0.0133742914}};
    static const struct expected picture = {.pictures = 1, .width = 64, .height = 64, .seed = 77};
    const stk_lpips_shape shape = shape_of(&picture, 0);
    make_pictures(&picture);
    for (int i = 0; i < NETS; i++) {
        stk_lpips_net net;
        stk_lpips *lpips;
        stk_lpips_pass *pass;
        double found;
        const char *published = test_shared_or_skip(cases[i].heads);
        TEST_OK(stk_lpips_net_of(cases[i].name, &net));
        TEST_OK(stk_lpips_open_files(&lpips, net, backbones[net], published));
        TEST_OK(stk_lpips_pass_create(&pass, lpips, &shape, NULL));
        TEST_OK(stk_lpips_distance(pass, a, b, &found));
        if (!(fabs(found - cases[i].distance) < 2e-6 * cases[i].distance))
            fail_msg("%s: %.9f against %.9f", cases[i].name, found, cases[i].distance);
        stk_lpips_pass_free(&pass);
        stk_lpips_close(&lpips);
    }
    stk_lpips_net net;
    assert_int_equal(stk_lpips_net_of("resnet", &net), STK_ERR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_formula_weights_equal_oracle),
        cmocka_unit_test(gradient_formula_weights_equal_autograd),
        cmocka_unit_test(gradient_equals_finite_differences),
        cmocka_unit_test(gradient_threads_and_reshape_change_nothing),
        cmocka_unit_test(distance_of_images_equals_that_of_floats),
        cmocka_unit_test(quality_reports_the_distance_of_frame_and_portrait),
        cmocka_unit_test(open_damaged_files_are_refused),
        cmocka_unit_test(open_unchecked_backbone_is_refused),
        cmocka_unit_test(find_hashed_takes_what_its_name_promises),
        cmocka_unit_test(distance_published_heads_equals_oracle),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
