/* Points by the published recipe: a head that moves as
 * known, one frame without a head, weights that are absent, options that contradict. */
#include "support.h"
#include "moving_face.h"
#include "base/image.h"
#include "head_sync/points_published.h"
#include "nn/weights.h"
#include "subject/subject.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 192, FRAMES = 10, HEADLESS = 8 };

/* An ellipse about the nose. */
static void draw_labels(float landmarks[STK_LANDMARKS][3], int none, stk_image *labels) {
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++) {
            const float dx = ((float)x - landmarks[4][0]) / 50;
            const float dy = ((float)y - landmarks[4][1]) / 62;
            stk_image_row(labels, y)[x] =
                !none && dx * dx + dy * dy < 1 ? STK_LABEL_HEAD : STK_LABEL_BACKGROUND;
        }
}

static void check_tracks(const moving_face *face, const stk_tracks *t) {
    double sum = 0;
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(t->first[i + 1] - t->first[i], i == HEADLESS ? 0 : t->points);
        for (int64_t k = t->first[i]; k < t->first[i + 1]; k++) {
            const stk_observation *o = &t->list[k];
            assert_int_equal(o->point, k - t->first[i]);
            sum += moving_face_error(face, STK_PUBLISHED_SOURCE, t->anchor_px[o->point], i, o->x_px,
                                     o->y_px);
        }
    }
    for (int a = 0; a < t->points; a++)
        for (int b = 0; b < a; b++)
            assert_true(fabsf(t->anchor_px[a][0] - t->anchor_px[b][0]) > 5 ||
                        fabsf(t->anchor_px[a][1] - t->anchor_px[b][1]) > 5);
    printf("  %d points, mean error %.3f px\n", t->points, sum / (double)t->first[FRAMES]);
    assert_true(sum / (double)t->first[FRAMES] < 0.6);
}

static void published_points_go_with_the_head(void **state) {
    (void)state;
    const char *weights = test_shared_or_skip("models/raft-small.pth");
    moving_face face = {.size = SIZE, .seed = 5, .speed = 1};
    static float landmarks[STK_LANDMARKS][3];
    stk_published_points *points;
    stk_published_lane *lane;
    stk_published_figures figures;
    stk_image rgb, labels;
    stk_tracks tracks;
    moving_face_start(&face);
    TEST_OK(stk_image_init(&rgb, SIZE, SIZE, 3));
    TEST_OK(stk_image_init(&labels, SIZE, SIZE, 1));
    TEST_OK(stk_published_points_create(&points, SIZE, SIZE, FRAMES, weights));
    TEST_OK(stk_published_lane_create(&lane, points));
    moving_face_draw(&face, STK_PUBLISHED_SOURCE, &rgb, landmarks);
    draw_labels(landmarks, 1, &labels);
    assert_int_equal(stk_published_points_source(points, &rgb, &labels), STK_ERR_CONTENT);
    draw_labels(landmarks, 0, &labels);
    TEST_OK(stk_published_points_source(points, &rgb, &labels));
    for (int i = FRAMES - 1; i >= 0; i--) { /* in any order */
        moving_face_draw(&face, i, &rgb, landmarks);
        draw_labels(landmarks, i == HEADLESS, &labels);
        TEST_OK(stk_published_lane_frame(lane, i, &rgb, &labels));
    }
    TEST_OK(stk_published_points_finish(points, &tracks, &figures));
    assert_int_equal(figures.points, tracks.points);
    assert_int_equal(figures.frames_asked, FRAMES);
    assert_true(tracks.points >= 3);
    check_tracks(&face, &tracks);
    stk_tracks_clear(&tracks);
    stk_published_lane_free(&lane);
    stk_published_points_free(&points);
    stk_image_clear(&rgb);
    stk_image_clear(&labels);
}

static void published_without_weights_says_which(void **state) {
    (void)state;
    const char *folder = test_temporary_folder();
    if (stk_weights_have(folder, "raft-small.pth")) {
        print_message("SKIP: raft-small.pth is installed\n");
        skip();
    }
    const stk_prepare_settings settings = {
        .clip = "clip.mp4", .folder = folder, .models = folder, .published = 1};
    assert_int_equal(stk_subject_prepare(&settings, NULL), STK_ERR_WEIGHTS);
    assert_non_null(strstr(stk_error_text(), "raft-small.pth"));
}

static void published_leaves_no_choice_of_points(void **state) {
    (void)state;
    stk_prepare_settings settings = {.clip = "clip.mp4", .folder = "x", .points = "sift"};
    assert_int_equal(stk_subject_prepare(&settings, NULL), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "--points sift"));
    settings.points = "raft";
    settings.published = 1;
    assert_int_equal(stk_subject_prepare(&settings, NULL), STK_ERR_ARGUMENT);
    assert_non_null(strstr(stk_error_text(), "--published"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_points_go_with_the_head),
        cmocka_unit_test(published_without_weights_says_which),
        cmocka_unit_test(published_leaves_no_choice_of_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
