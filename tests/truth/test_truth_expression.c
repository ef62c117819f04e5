/* Captured expression against what the presenter's face was told to do: smoothing over time takes
 * noise away, not blinks. Figures are printed; bounds are what holds today with a margin. */
#include "support.h"
#include "presented.h"
#include "sanitized.h"
#include "face_sync/face_capture.h"
#include "media/media.h"
#include "render/expression_capture.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 256, COLUMNS = 7, LIDS = 5, FRAMES_MAX = 1000 };
#define SECONDS 6.0
static const int columns[COLUMNS] = {0, 1, 2, 3, 4, 8, 9};

static presented person;
static float raw[FRAMES_MAX][COLUMNS], smooth[FRAMES_MAX][COLUMNS];

/* The clip that others share, compressed as films are: its noise is what smoothing is for. */
static void compress(void) {
    stk_video_reader *reader;
    stk_video_writer *writer;
    const stk_image *frame;
    char path[STK_PATH_MAX];
    const stk_writer_options options = {.format = STK_WRITER_MP4,
                                        .width = SIDE,
                                        .height = SIDE,
                                        .fps = 25,
                                        .crf = 23,
                                        .threads = 2,
                                        .sound_path = person.clip};
    TEST_OK(stk_path_join(path, sizeof path, test_temporary_folder(), "compressed.mp4"));
    TEST_OK(stk_video_reader_open(&reader, person.clip, NULL));
    TEST_OK(stk_video_writer_create(&writer, path, &options));
    for (int i = 0, end = 0; i < person.frames; i++) {
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
        assert_false(end);
        TEST_OK(stk_video_writer_frame(writer, frame));
    }
    TEST_OK(stk_video_writer_finish(&writer));
    stk_video_reader_close(&reader);
    memcpy(person.clip, path, sizeof path);
}

static void capture(void) {
    stk_face_capture *face_capture;
    stk_video_reader *reader;
    TEST_OK(stk_face_capture_create(&face_capture, presented_models()));
    TEST_OK(stk_video_reader_open(&reader, person.clip, NULL));
    assert_true(person.frames <= FRAMES_MAX);
    for (int i = 0; i < person.frames; i++) {
        const stk_image *frame;
        stk_face face;
        int found, end;
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
        assert_false(end);
        TEST_OK(stk_face_capture_frame(face_capture, frame, &face, &found));
        assert_true(found);
        stk_expression_select(face.blendshapes, raw[i]);
    }
    memcpy(smooth, raw, sizeof raw);
    for (int k = 0; k < COLUMNS; k++) stk_blendshapes_smooth(&smooth[0][k], person.frames, COLUMNS);
    stk_video_reader_close(&reader);
    stk_face_capture_free(&face_capture);
}

static int make_person(void **state) {
    (void)state;
    if (SANITIZED || presented_models() == NULL) return 0;
    presented_clip(
        &person,
        (stk_presenter_settings){
            .seconds = SECONDS, .width = SIDE, .height = SIDE, .seed = 7, .fps = 25, .crf = 12});
    presented_truth(&person);
    compress();
    capture();
    return 0;
}

static int drop_person(void **state) {
    (void)state;
    presented_close(&person);
    return 0;
}

static float truth_of(int frame, int k) {
    return person.blendshapes[frame][columns[k]];
}

static double correlation(const float (*track)[COLUMNS], int k) {
    static float a[FRAMES_MAX], b[FRAMES_MAX];
    for (int i = 0; i < person.frames; i++) {
        a[i] = truth_of(i, k);
        b[i] = track[i][k];
    }
    return presented_correlation(a, b, person.frames);
}

/* Root mean square of what the second difference has more than the truth's. */
static double jitter(const float (*track)[COLUMNS], int k) {
    double sum = 0;
    for (int i = 1; i + 1 < person.frames; i++) {
        const double d = track[i - 1][k] - 2.0 * track[i][k] + track[i + 1][k];
        const double t = truth_of(i - 1, k) - 2.0 * truth_of(i, k) + truth_of(i + 1, k);
        if (fabs(t) < 0.01) sum += d * d / (person.frames - 2);
    }
    return sqrt(sum);
}

static void smoothing_takes_noise_away(void **state) {
    (void)state;
    presented_need_speed();
    for (int k = 2; k < COLUMNS; k++) {
        const double before = correlation(raw, k), after = correlation(smooth, k);
        const double rough = jitter(raw, k), calm = jitter(smooth, k);
        print_message("column %d: correlation %.4f raw, %.4f smoothed; jitter %.5f, %.5f\n",
                      columns[k], before, after, rough, calm);
        assert_true(after > before - 0.005);
        assert_true(calm < 0.8 * rough);
    }
}

/* Peaks of the truth above a half: each is as high in the smoothed track as in the raw one. */
static void smoothing_keeps_blinks(void **state) {
    (void)state;
    presented_need_speed();
    for (int k = LIDS; k < COLUMNS; k++) {
        double least = 1;
        int blinks = 0;
        for (int i = 3; i + 3 < person.frames; i++) {
            const float t = truth_of(i, k);
            if (t < 0.5f || t < truth_of(i - 1, k) || t <= truth_of(i + 1, k)) continue;
            float a = 0, b = 0;
            for (int j = i - 3; j <= i + 3; j++) {
                a = fmaxf(a, raw[j][k]);
                b = fmaxf(b, smooth[j][k]);
            }
            least = fmin(least, b / a);
            blinks++;
        }
        print_message("column %d: %d blinks, the least keeps %.3f of its peak\n", columns[k],
                      blinks, least);
        assert_true(blinks >= 2 && least > 0.85);
    }
}

/* What drives a film by another video is this track. */
static void a_video_is_captured_as_prepare_does(void **state) {
    (void)state;
    presented_need_speed();
    float(*rows)[STK_EXPRESSIONS];
    int count;
    TEST_OK(stk_expression_capture(person.clip, presented_models(), NULL, &rows, &count));
    assert_int_equal(count, person.frames);
    test_assert_close("expression", rows[0], smooth[0], (size_t)count * COLUMNS, 1e-6);
    stk_free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smoothing_takes_noise_away),
        cmocka_unit_test(smoothing_keeps_blinks),
        cmocka_unit_test(a_video_is_captured_as_prepare_does),
    };
    return cmocka_run_group_tests(tests, make_person, drop_person);
}
