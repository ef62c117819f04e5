/* Face capture: smoothing, selection, and the whole chain on real clips. */
#include "support.h"
#include "task.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/image.h"
#include "face_sync/face_capture.h"
#include "face_sync/face_graphs.h"
#include "media/media.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- over time -------------------------------------------------------------------------------- */

/* scipy.signal.savgol_filter([1,0,0,0,0,0,0,0,2], 5, 3) * 35, mode "interp". */
static void smooth_impulses_give_scipy_values(void **state) {
    (void)state;
    float track[9] = {1, 0, 0, 0, 0, 0, 0, 0, 2};
    const float expected[9] = {34.5f, 2, -3, 0, 0, 0, -6, 4, 69};
    stk_blendshapes_smooth(track, 9, 1);
    for (int i = 0; i < 9; i++) track[i] *= 35;
    test_assert_close("smoothed", track, expected, 9, 1e-4);
}

static void smooth_cubic_is_kept(void **state) {
    (void)state;
    for (int n = 1; n < 20; n++) {
        float track[20][3], expected[20];
        for (int i = 0; i < n; i++) {
            float t = (float)i / 20;
            expected[i] = track[i][1] = 0.3f + t - 2 * t * t + 1.5f * t * t * t;
            track[i][0] = track[i][2] = -1;
        }
        stk_blendshapes_smooth(&track[0][1], n, 3);
        for (int i = 0; i < n; i++) {
            assert_true(fabsf(track[i][1] - expected[i]) < 1e-6f);
            assert_true(track[i][0] == -1 && track[i][2] == -1);
        }
    }
}

static void select_upper_takes_published_columns(void **state) {
    (void)state;
    float row[STK_BLENDSHAPES], picked[STK_EXPRESSIONS];
    const float expected[STK_EXPRESSIONS] = {0, 1, 2, 3, 4, 8, 9};
    for (int i = 0; i < STK_BLENDSHAPES; i++) row[i] = (float)i;
    stk_expression_select(row, picked);
    assert_memory_equal(picked, expected, sizeof picked);
}

/* --- crops ------------------------------------------------------------------------------------ */

static void crop_of_whole_square_is_the_picture(void **state) {
    (void)state;
    stk_image image;
    TEST_OK(stk_image_init(&image, 16, 16, 3));
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 48; x++) stk_image_row(&image, y)[x] = (uint8_t)(x * 5 + y);
    float target[16 * 16 * 3];
    stk_face_roi roi = {8, 8, 16, 0};
    stk_face_crop(target, 16, &image, &roi, 1, 0, 0);
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 48; x++)
            assert_true(fabsf(target[y * 48 + x] - (float)stk_image_row(&image, y)[x]) < 1e-3f);
    /* a quarter turn clockwise: the square's right is the picture's bottom */
    roi.angle_rad = 1.57079633f;
    stk_face_crop(target, 16, &image, &roi, 1, 0, 0);
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 16; x++)
            assert_true(fabsf(target[(y * 16 + x) * 3] -
                              (float)stk_image_row(&image, x)[(15 - y) * 3]) < 1e-3f);
    /* far outside: black, or the nearest pixel */
    roi = (stk_face_roi){-1e9f, -1e9f, 16, 0};
    stk_face_crop(target, 16, &image, &roi, 1, 0, 1);
    assert_true(target[0] == 0 && target[767] == 0);
    stk_face_crop(target, 16, &image, &roi, 1, 0, 0);
    assert_true(fabsf(target[0] - (float)image.data[0]) < 1e-3f);
    stk_image_clear(&image);
}

/* --- real faces ------------------------------------------------------------------------------- */

static stk_face_capture *create_or_skip(void) {
    const char *models = test_shared_or_skip("models");
    test_shared_or_skip("models/face_landmarker.task");
    stk_face_capture *capture;
    TEST_OK(stk_face_capture_create(&capture, models));
    assert_string_equal(stk_face_capture_mode(capture), "face_landmarker.task");
    return capture;
}

/* Frame `number` of a clip, as an own picture. */
static void read_frame(const char *clip, int number, stk_image *image) {
    stk_video_reader *reader;
    const stk_image *frame;
    int end = 0;
    TEST_OK(stk_video_reader_open(&reader, test_shared_or_skip(clip), NULL));
    for (int i = 0; i <= number; i++) TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
    assert_false(end);
    TEST_OK(stk_image_init(image, frame->width, frame->height, frame->channels));
    stk_image_copy(image, frame);
    stk_video_reader_close(&reader);
}

static double mean_distance(const stk_landmarks *a, const stk_landmarks *b) {
    double sum = 0;
    int n = a->count < b->count ? a->count : b->count;
    for (int i = 0; i < n; i++)
        sum += hypot((double)(a->xyz[i][0] - b->xyz[i][0]), (double)(a->xyz[i][1] - b->xyz[i][1]));
    return sum / n;
}

/* Anatomy: eyes above nose above mouth above chin, irises inside the eyes, everything in the
 * box. */
static void assert_is_face(const stk_face *face, const stk_image *image) {
    const float(*p)[3] = face->landmarks.xyz;
    assert_int_equal(face->landmarks.count, 478);
    assert_true(face->score > 0.5f);
    assert_true(p[159][1] < p[1][1] && p[1][1] < p[13][1] && p[13][1] < p[152][1]);
    assert_true(p[33][0] < p[133][0] && p[133][0] < p[362][0] && p[362][0] < p[263][0]);
    assert_true(p[33][0] < p[468][0] && p[468][0] < p[133][0]);
    assert_true(p[362][0] < p[473][0] && p[473][0] < p[263][0]);
    assert_true(face->box[0] > -20 && face->box[2] < (float)image->width + 20);
    for (int i = 0; i < STK_BLENDSHAPES; i++)
        assert_true(face->blendshapes[i] >= 0 && face->blendshapes[i] <= 1);
    assert_true(face->blendshapes[51] == 0);
}

static void frame_clip_is_followed(void **state) {
    (void)state;
    stk_face_capture *capture = create_or_skip();
    stk_video_reader *reader;
    TEST_OK(stk_video_reader_open(&reader, test_shared_or_skip("clips/may.mp4"), NULL));
    stk_face face, before;
    double seconds = 0;
    int frames = 0;
    for (; frames < 30; frames++) {
        const stk_image *image;
        int end = 0, found;
        TEST_OK(stk_video_reader_next(reader, &image, NULL, &end));
        assert_false(end);
        double start = stk_clock_s();
        TEST_OK(stk_face_capture_frame(capture, image, &face, &found));
        seconds += stk_clock_s() - start;
        assert_true(found);
        assert_is_face(&face, image);
        /* a head moves a few pixels between frames, not a tenth of its width */
        if (frames > 0)
            assert_true(mean_distance(&face.landmarks, &before.landmarks) <
                        0.1 * (double)(face.box[2] - face.box[0]));
        before = face;
    }
    print_message("face capture: %.1f ms per frame\n", 1e3 * seconds / frames);
    stk_video_reader_close(&reader);
    stk_face_capture_free(&capture);
}

/* Followed for a while or found afresh: the same landmarks within a pixel or so. */
static void frame_followed_equals_fresh(void **state) {
    (void)state;
    stk_face_capture *capture = create_or_skip();
    stk_image image;
    stk_face fresh, followed;
    int found;
    read_frame("clips/obama.mp4", 10, &image);
    TEST_OK(stk_face_capture_frame(capture, &image, &fresh, &found));
    assert_true(found);
    for (int i = 0; i < 4; i++) TEST_OK(stk_face_capture_frame(capture, &image, &followed, &found));
    assert_true(mean_distance(&fresh.landmarks, &followed.landmarks) < 1.0);
    stk_face_capture_reset(capture);
    TEST_OK(stk_face_capture_frame(capture, &image, &followed, &found));
    assert_memory_equal(&fresh.landmarks, &followed.landmarks, sizeof fresh.landmarks);
    float boxes[4][5];
    int count;
    TEST_OK(stk_face_capture_detect(capture, &image, boxes, 4, &count));
    assert_int_equal(count, 1);
    for (int d = 0; d < 2; d++) /* the box's centre lies on the face */
        assert_true(boxes[0][d] < fresh.landmarks.xyz[1][d] &&
                    boxes[0][d + 2] > fresh.landmarks.xyz[1][d]);
    stk_image_clear(&image);
    stk_face_capture_free(&capture);
}

/* A mirrored picture has the mirrored face, and left and right coefficients change places. */
static void frame_mirrored_swaps_sides(void **state) {
    (void)state;
    static const int pairs[][2] = {{33, 263}, {133, 362}, {61, 291},  {1, 1},
                                   {13, 13},  {152, 152}, {468, 473}, {105, 334}};
    stk_face_capture *capture = create_or_skip();
    stk_image image;
    stk_face straight, mirrored;
    int found;
    read_frame("clips/may.mp4", 100, &image); /* tilted head, eyes closed */
    TEST_OK(stk_face_capture_frame(capture, &image, &straight, &found));
    assert_true(found);
    for (int y = 0; y < image.height; y++)
        for (int x = 0; x < image.width / 2; x++)
            for (int c = 0; c < 3; c++) {
                uint8_t *row = stk_image_row(&image, y), swap = row[3 * x + c];
                row[3 * x + c] = row[3 * (image.width - 1 - x) + c];
                row[3 * (image.width - 1 - x) + c] = swap;
            }
    stk_face_capture_reset(capture);
    TEST_OK(stk_face_capture_frame(capture, &image, &mirrored, &found));
    assert_true(found);
    for (size_t i = 0; i < STK_ARRAY_SIZE(pairs); i++) {
        const float *a = straight.landmarks.xyz[pairs[i][0]];
        const float *b = mirrored.landmarks.xyz[pairs[i][1]];
        double error = hypot((double)(a[0] - ((float)image.width - b[0])), (double)(a[1] - b[1]));
        assert_true(error < 0.03 * (double)(straight.box[2] - straight.box[0]));
    }
    for (int k = 8; k < 10; k++) {
        assert_true(straight.blendshapes[k] > 0.5f);
        assert_true(fabsf(straight.blendshapes[k] - mirrored.blendshapes[17 - k]) < 0.2f);
    }
    stk_image_clear(&image);
    stk_face_capture_free(&capture);
}

static void frame_small_face_in_tall_picture_is_found(void **state) {
    (void)state;
    stk_face_capture *capture = create_or_skip();
    for (int k = 1; k <= 3; k++) {
        char clip[32] = "clips/tall0.mp4";
        clip[10] = (char)('0' + k);
        stk_image image;
        stk_face face;
        int found;
        read_frame(clip, 0, &image);
        stk_face_capture_reset(capture);
        TEST_OK(stk_face_capture_frame(capture, &image, &face, &found));
        assert_true(found);
        assert_is_face(&face, &image);
        stk_image_clear(&image);
    }
    stk_face_capture_free(&capture);
}

static void frame_empty_picture_finds_nobody(void **state) {
    (void)state;
    stk_face_capture *capture = create_or_skip();
    stk_image image;
    stk_face face;
    int found = 1;
    TEST_OK(stk_image_init(&image, 320, 180, 3));
    for (int y = 0; y < 180; y++)
        for (int x = 0; x < 960; x++) stk_image_row(&image, y)[x] = (uint8_t)(x * 7 + y * 13);
    TEST_OK(stk_face_capture_frame(capture, &image, &face, &found));
    assert_false(found);
    stk_image grey = {image.data, 320, 180, 1, image.stride};
    assert_int_equal(stk_face_capture_frame(capture, &grey, &face, &found), STK_ERR_ARGUMENT);
    stk_image_clear(&image);
    stk_face_capture_free(&capture);
}

/* Without the .task: 468 points that agree with the 478 on the same picture, and expression numbers
 * of which the blink tells open from closed. */
static void create_without_task_uses_old_mesh(void **state) {
    (void)state;
    static const char *const names[] = {"face_landmark_468.tflite",
                                        "face_detection_short_range.tflite"};
    const char *folder = test_temporary_folder();
    stk_face_capture *full = create_or_skip(), *old;
    setenv("XDG_CACHE_HOME", folder, 1);
    unsetenv("SYNCTALK_MODELS");
    assert_int_equal(stk_face_capture_create(&old, folder), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "face_landmarker.task"));
    for (int i = 0; i < 2; i++) {
        char source[STK_PATH_MAX], target[STK_PATH_MAX];
        TEST_OK(stk_path_join(source, sizeof source, test_shared_or_skip("models"), names[i]));
        TEST_OK(stk_path_join(target, sizeof target, folder, names[i]));
        char *absolute = realpath(source, NULL);
        assert_non_null(absolute);
        assert_int_equal(symlink(absolute, target), 0);
        free(absolute);
    }
    TEST_OK(stk_face_capture_create(&old, folder));
    assert_non_null(strstr(stk_face_capture_mode(old), "468"));
    float blink[2];
    for (int k = 0; k < 2; k++) { /* frame 50: eyes open, frame 100: closed */
        stk_image image;
        stk_face a, b;
        int found;
        memset(&b, 0xee, sizeof b); /* absurd numbers, should a point be left out */
        read_frame("clips/may.mp4", k ? 100 : 50, &image);
        stk_face_capture_reset(full);
        stk_face_capture_reset(old);
        TEST_OK(stk_face_capture_frame(full, &image, &a, &found));
        TEST_OK(stk_face_capture_frame(old, &image, &b, &found));
        assert_true(found && b.landmarks.count == 468);
        print_message("468 against 478 points: %.2f px apart in the mean\n",
                      mean_distance(&a.landmarks, &b.landmarks));
        assert_true(mean_distance(&a.landmarks, &b.landmarks) < 6);
        const float(*p)[3] = (const float(*)[3])a.landmarks.xyz;
        const float eye_px = hypotf(p[133][0] - p[33][0], p[133][1] - p[33][1]);
        for (int i = STK_MESH_LANDMARKS; i < STK_LANDMARKS; i++)
            assert_true(hypotf(p[i][0] - b.landmarks.xyz[i][0], p[i][1] - b.landmarks.xyz[i][1]) <
                        0.5f * eye_px);
        blink[k] = 0.5f * (b.blendshapes[8] + b.blendshapes[9]);
        stk_image_clear(&image);
    }
    print_message("blink from landmarks: open %.2f, closed %.2f\n", (double)blink[0],
                  (double)blink[1]);
    assert_true(blink[1] > blink[0] + 0.3f);
    stk_face_capture_free(&full);
    stk_face_capture_free(&old);
    unsetenv("XDG_CACHE_HOME");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smooth_impulses_give_scipy_values),
        cmocka_unit_test(smooth_cubic_is_kept),
        cmocka_unit_test(select_upper_takes_published_columns),
        cmocka_unit_test(crop_of_whole_square_is_the_picture),
        cmocka_unit_test(frame_clip_is_followed),
        cmocka_unit_test(frame_followed_equals_fresh),
        cmocka_unit_test(frame_mirrored_swaps_sides),
        cmocka_unit_test(frame_small_face_in_tall_picture_is_found),
        cmocka_unit_test(frame_empty_picture_finds_nobody),
        cmocka_unit_test(create_without_task_uses_old_mesh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
