/* The example of an official dataset folder, imported, against what the published loader makes of
 * it (fixture dataset_loader: the ten training frames). */
#include "support.h"
#include "fixture.h"
#include "base/image.h"
#include "base/memory.h"
#include "face_sync/ave_encoder.h"
#include "nn/npy.h"
#include "portrait/field.h"
#include "render/render.h"
#include "subject/official.h"
#include "subject/regions.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 10, SIDE = 128 };
static stk_subject *subject;
static stk_safetensors *fixture;

static void import_example(void **state) {
    (void)state;
    if (subject != NULL) return;
    test_shared_or_skip("parity/dataset_official/transforms_train.json");
    static char folder[STK_PATH_MAX];
    stk_convert_figures figures;
    TEST_OK(stk_path_join(folder, sizeof folder, test_temporary_folder(), "subject"));
    const stk_convert_settings settings = {test_shared("parity/dataset_official"), folder, 2};
    TEST_OK(stk_subject_import(&settings, NULL, &figures));
    assert_int_equal(figures.frames, 12);
    assert_int_equal(figures.train_frames, FRAMES);
    assert_int_equal(figures.skipped, 0);
    TEST_OK(stk_subject_open(&subject, folder));
    fixture = test_fixture_open("dataset_loader");
}

static int release(void **state) {
    (void)state;
    stk_subject_close(&subject);
    stk_safetensors_close(&fixture);
    return 0;
}

static void ngp_camera(int frame, stk_ngp_camera *camera) {
    const stk_subject_info *info = stk_subject_get_info(subject);
    stk_ngp_camera_from_pose(&info->camera, &stk_subject_poses(subject)[frame], camera);
}

static void poses_in_ngp_frame_agree(void **state) {
    import_example(state);
    float *poses = test_fixture_f32(fixture, "poses", NULL);
    double *intrinsics = test_fixture_raw(fixture, "intrinsics", STK_F64, NULL);
    for (int i = 0; i < FRAMES; i++) {
        stk_ngp_camera camera;
        ngp_camera(i, &camera);
        float ours[12];
        for (int r = 0; r < 3; r++) {
            for (int c = 0; c < 3; c++) ours[4 * r + c] = camera.R[3 * r + c];
            ours[4 * r + 3] = camera.origin[r];
        }
        test_assert_close("pose", ours, poses + 16 * i, 12, 1e-6);
        assert_float_equal(camera.fx, intrinsics[0], 1e-4);
        assert_float_equal(camera.cx, intrinsics[2], 1e-5);
        assert_float_equal(camera.cy, intrinsics[3], 1e-5);
    }
    stk_free(poses), stk_free(intrinsics);
}

static void rays_of_frame_7_agree(void **state) {
    import_example(state);
    float *rays = test_fixture_f32(fixture, "frame7_rays_d", NULL);
    stk_ngp_camera camera;
    ngp_camera(7, &camera);
    for (int i = 0; i < SIDE * SIDE; i++) {
        float d[3];
        stk_ngp_ray(&camera, (float)(i % SIDE), (float)(i / SIDE), d);
        test_assert_close("ray", d, rays + 3 * i, 3, 1e-6);
    }
    stk_free(rays);
}

static void expressions_agree(void **state) {
    import_example(state);
    float *eye = test_fixture_f32(fixture, "eye_area", NULL);
    float *au45 = test_fixture_f32(fixture, "eye_area_au45", NULL);
    const float(*ours)[STK_EXPRESSIONS] = stk_subject_expressions(subject);
    test_assert_close("expressions", &ours[0][0], eye, FRAMES * STK_EXPRESSIONS, 0);
    assert_non_null(stk_subject_au45(subject));
    test_assert_close("AU45", stk_subject_au45(subject), au45, FRAMES, 1e-7);
    stk_free(eye), stk_free(au45);
}

static void sound_features_agree(void **state) {
    import_example(state);
    float *deepspeech = test_fixture_f32(fixture, "auds_deepspeech", NULL);
    float *hubert = test_fixture_f32(fixture, "auds_hubert", NULL);
    for (int i = 0; i < FRAMES; i++) {
        const float *d = stk_subject_feature_row(subject, STK_AUDIO_DEEPSPEECH, i);
        const float *h = stk_subject_feature_row(subject, STK_AUDIO_HUBERT, i);
        assert_true(d != NULL && h != NULL);
        test_assert_close("deepspeech", d, deepspeech + 29 * 16 * i, 29 * 16, 0);
        test_assert_close("hubert", h, hubert + 2048 * i, 2048, 0);
    }
    assert_null(stk_subject_feature_row(subject, STK_AUDIO_WAV2VEC, 0));
    stk_free(deepspeech), stk_free(hubert);
}

/* The published audio-visual encoder on the subject's mel rows: features by its own windows and
 * padding. */
static void encoded_sound_agrees(void **state) {
    import_example(state);
    int64_t count;
    float ours[FRAMES * STK_AVE_FLOATS], largest = 0.0f;
    float *want = test_fixture_f32(fixture, "auds", &count);
    stk_ave_encoder *encoder;
    assert_int_equal(count, FRAMES * STK_AVE_FLOATS);
    const char *path = test_shared_or_skip("parity/official_audio_visual_encoder.pth");
    TEST_OK(stk_ave_encoder_create(&encoder, path));
    TEST_OK(stk_ave_encoder_run(encoder, FRAMES, stk_subject_audio_row(subject, 0), ours));
    for (int i = 0; i < count; i++) largest = fmaxf(largest, want[i]);
    test_assert_close("encoded sound", ours, want, (size_t)count, 1e-5 * (double)largest);
    stk_ave_encoder_free(&encoder);
    stk_free(want);
}

/* The published rectangles are (row_min, row_max, col_min, col_max). */
static void check_rect(const char *name, int frame, stk_rect r, const int32_t *want) {
    const int ours[4] = {r.y0, r.y1, r.x0, r.x1};
    for (int k = 0; k < 4; k++)
        if (ours[k] != want[k])
            fail_msg("%s of frame %d: %d %d %d %d, not %d %d %d %d", name, frame, ours[0], ours[1],
                     ours[2], ours[3], want[0], want[1], want[2], want[3]);
}

static void rectangles_agree(void **state) {
    import_example(state);
    static const char *const names[] = {"face_rect", "lowface_rect", "eye_rect", "lips_rect"};
    int32_t *want[4];
    for (int k = 0; k < 4; k++) want[k] = test_fixture_raw(fixture, names[k], STK_I32, NULL);
    for (int i = 0; i < FRAMES; i++) {
        stk_regions r = stk_subject_regions(subject, i);
        stk_rect lips = stk_regions_lips(stk_subject_landmarks(subject, i), SIDE, SIDE);
        check_rect(names[0], i, r.face, want[0] + 4 * i);
        check_rect(names[1], i, r.low_face, want[1] + 4 * i);
        check_rect(names[2], i, r.eyes, want[2] + 4 * i);
        check_rect(names[3], i, lips, want[3] + 4 * i);
    }
    for (int k = 0; k < 4; k++) stk_free(want[k]);
}

static void mirrored_indices_agree(void **state) {
    import_example(state);
    int64_t count;
    int32_t *want = test_fixture_raw(fixture, "mirror_index", STK_I32, &count);
    for (int i = 0; i < count; i++) assert_int_equal(stk_mirror_index(i, FRAMES), want[i]);
    stk_free(want);
}

/* Mean absolute difference in levels of 255, and the share of values that differ by more than 16. */
static void check_picture(const char *name, const stk_image *ours, double mean_max,
                          double share_max) {
    float *want = test_fixture_f32(fixture, name, NULL);
    double sum = 0.0;
    int far = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < 3 * SIDE; x++) {
            double d = fabs(stk_image_row(ours, y)[x] - 255.0 * (double)want[3 * SIDE * y + x]);
            sum += d;
            far += d > 16.0;
        }
    double mean = sum / (3.0 * SIDE * SIDE), share = far / (3.0 * SIDE * SIDE);
    print_message("%s: mean %.3f levels, %.4f differ by more than 16\n", name, mean, share);
    assert_true(mean < mean_max && share < share_max);
    stk_free(want);
}

/* The subject's videos store colour at half the resolution (H.264): edges between strong colours
 * lose some. */
static void pictures_of_frame_7_agree(void **state) {
    import_example(state);
    stk_frame_store *store;
    const stk_image *frame;
    TEST_OK(stk_subject_open_pictures(subject, &store));
    TEST_OK(stk_frame_store_get(store, 7, &frame));
    check_picture("frame7_ori", frame, 2.0, 0.02);
    stk_frame_store_close(&store);
    TEST_OK(stk_subject_open_torsos(subject, &store));
    TEST_OK(stk_frame_store_get(store, 7, &frame));
    check_picture("frame7_bg", frame, 2.0, 0.02);
    stk_frame_store_close(&store);
    stk_image plate;
    TEST_OK(stk_subject_plate(subject, &plate));
    check_picture("bg_img", &plate, 0.5, 1e-9);
    stk_image_clear(&plate);
}

/* The head class and the published target agree on where the wall is. */
static void labels_of_frame_7_fit_the_target(void **state) {
    import_example(state);
    float *target = test_fixture_f32(fixture, "frame7_image", NULL);
    float *wall = test_fixture_f32(fixture, "bg_img", NULL);
    stk_image labels;
    TEST_OK(stk_image_init(&labels, SIDE, SIDE, 1));
    TEST_OK(stk_subject_labels(subject, 7, &labels));
    int wrong = 0, count[4] = {0};
    for (int i = 0; i < SIDE * SIDE; i++) {
        int label = stk_image_row(&labels, i / SIDE)[i % SIDE], same = 1;
        for (int c = 0; c < 3; c++)
            same &= fabsf(target[3 * i + c] - wall[3 * i + c]) < 24.0f / 255.0f;
        wrong += label == STK_LABEL_BACKGROUND && !same;
        count[label]++;
    }
    assert_true(count[1] > 0 && count[2] > 0 && count[3] > 0);
    print_message("background that shows no wall: %d of %d pixels\n", wrong, count[0]);
    assert_true(wrong < count[0] / 100);
    stk_image_clear(&labels);
    stk_free(target), stk_free(wall);
}

/* --- and out again ---------------------------------------------------------------------------- */

static cJSON *read_json(const char *folder, const char *name) {
    char path[STK_PATH_MAX], *text;
    TEST_OK(stk_path_join(path, sizeof path, folder, name));
    TEST_OK(stk_file_read_text(path, 1 << 20, &text));
    cJSON *json = cJSON_Parse(text);
    stk_free(text);
    assert_non_null(json);
    return json;
}

static double number_in(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void compare_transforms(const char *a_folder, const char *b_folder, const char *name) {
    cJSON *a = read_json(a_folder, name), *b = read_json(b_folder, name);
    static const char *const keys[] = {"focal_len", "cx", "cy"};
    for (int k = 0; k < 3; k++)
        assert_float_equal(number_in(a, keys[k]), number_in(b, keys[k]), 1e-4);
    const cJSON *fa = cJSON_GetObjectItem(a, "frames"), *fb = cJSON_GetObjectItem(b, "frames");
    assert_int_equal(cJSON_GetArraySize(fa), cJSON_GetArraySize(fb));
    for (int i = 0; i < cJSON_GetArraySize(fa); i++) {
        const cJSON *p = cJSON_GetArrayItem(fa, i), *q = cJSON_GetArrayItem(fb, i);
        const cJSON *m = cJSON_GetObjectItem(p, "transform_matrix");
        const cJSON *n = cJSON_GetObjectItem(q, "transform_matrix");
        assert_int_equal(number_in(p, "img_id"), number_in(q, "img_id"));
        assert_int_equal(number_in(p, "aud_id"), number_in(q, "aud_id"));
        for (int k = 0; k < 16; k++)
            assert_float_equal(cJSON_GetArrayItem(cJSON_GetArrayItem(m, k / 4), k % 4)->valuedouble,
                               cJSON_GetArrayItem(cJSON_GetArrayItem(n, k / 4), k % 4)->valuedouble,
                               1e-6);
    }
    cJSON_Delete(a), cJSON_Delete(b);
}

static void compare_points(const char *a_folder, const char *b_folder, const char *name) {
    char path[STK_PATH_MAX], *text[2];
    TEST_OK(stk_path_join(path, sizeof path, a_folder, name));
    TEST_OK(stk_file_read_text(path, 1 << 16, &text[0]));
    TEST_OK(stk_path_join(path, sizeof path, b_folder, name));
    TEST_OK(stk_file_read_text(path, 1 << 16, &text[1]));
    char *at[2] = {text[0], text[1]};
    for (int i = 0; i < 2 * STK_POINTS_68; i++) {
        double a = strtod(at[0], &at[0]), b = strtod(at[1], &at[1]);
        assert_float_equal(a, b, 1e-5); /* float of up to 128 */
    }
    stk_free(text[0]), stk_free(text[1]);
}

static void exported_again_it_is_the_same(void **state) {
    import_example(state);
    char subject_folder[STK_PATH_MAX], out[STK_PATH_MAX];
    const char *official = test_shared("parity/dataset_official");
    stk_convert_figures figures;
    TEST_OK(stk_subject_path(subject, "", subject_folder));
    TEST_OK(stk_path_join(out, sizeof out, test_temporary_folder(), "out"));
    const stk_convert_settings settings = {subject_folder, out, 2};
    TEST_OK(stk_subject_export(&settings, NULL, &figures));
    compare_transforms(official, out, "transforms_train.json");
    compare_transforms(official, out, "transforms_val.json");
    compare_points(official, out, "ori_imgs/7.lms");
    char path[STK_PATH_MAX];
    static const char *const arrays[] = {"bs.npy", "aud_ds.npy", "aud_hu.npy"};
    for (int k = 0; k < 3; k++) {
        static float values[2][12 * 2048];
        const char *const folders[2] = {official, out};
        int64_t count = 0;
        for (int i = 0; i < 2; i++) {
            stk_npy *npy;
            TEST_OK(stk_path_join(path, sizeof path, folders[i], arrays[k]));
            TEST_OK(stk_npy_open(&npy, path));
            count = stk_npy_get(npy)->count;
            TEST_OK(stk_npy_read(npy, values[i], count));
            stk_npy_close(&npy);
        }
        test_assert_close(arrays[k], values[1], values[0], (size_t)count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poses_in_ngp_frame_agree),
        cmocka_unit_test(rays_of_frame_7_agree),
        cmocka_unit_test(expressions_agree),
        cmocka_unit_test(sound_features_agree),
        cmocka_unit_test(encoded_sound_agrees),
        cmocka_unit_test(rectangles_agree),
        cmocka_unit_test(mirrored_indices_agree),
        cmocka_unit_test(pictures_of_frame_7_agree),
        cmocka_unit_test(labels_of_frame_7_fit_the_target),
        cmocka_unit_test(exported_again_it_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, release);
}
