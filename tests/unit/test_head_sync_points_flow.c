/* Dense flow from key frames, and the points tracker led by it, on pictures whose every point's
 * motion is known; weights that are not there. */
#include "support.h"
#include "moving_face.h"
#include "base/image.h"
#include "head_sync/points_flow.h"
#include "head_sync/points_tracker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 160, FRAMES = 12 };

static stk_points_flow *open_flow(const char *weights, int window, stk_pool *pool) {
    stk_points_flow *flow;
    const stk_points_flow_settings settings = {
        .weights = weights, .window = {window, window}, .iterations = 4, .pool = pool};
    TEST_OK(stk_points_flow_create(&flow, SIZE, SIZE, &settings));
    return flow;
}

/* Texture carried by a window that goes with the face: what comes back is where the point is. */
static void flow_of_a_moving_face_is_near(void **state) {
    (void)state;
    const char *weights = test_shared_or_skip("models/raft-small.pth");
    moving_face face = {.size = SIZE, .seed = 5, .speed = 2};
    static float landmarks[STK_LANDMARKS][3];
    stk_image image;
    stk_points_flow *flow = open_flow(weights, 112, NULL);
    moving_face_start(&face);
    TEST_OK(stk_image_init(&image, SIZE, SIZE, 3));
    const float anchor[2] = {72, 84};
    float now[2], error = 0;
    for (int i = 0; i < FRAMES; i++) {
        moving_face_draw(&face, i, &image, landmarks);
        TEST_OK(stk_points_flow_look(flow, &image, landmarks[4]));
        if (i == 0) {
            assert_false(stk_points_flow_at(flow, 0, anchor, now, &error));
            stk_points_flow_hold(flow, 0);
        }
        assert_true(stk_points_flow_at(flow, 0, anchor, now, &error));
        assert_true(error < 0.5f);
        assert_true(moving_face_error(&face, 0, anchor, i, now[0], now[1]) < 0.5);
    }
    assert_false(stk_points_flow_at(flow, 0, (const float[2]){2, 2}, now, &error));
    stk_points_flow_forget(flow);
    assert_false(stk_points_flow_at(flow, 0, anchor, now, &error));
    stk_image_clear(&image);
    stk_points_flow_free(&flow);
    assert_null(flow);
}

static void follow(const char *weights, stk_pool *pool, stk_tracks *tracks) {
    moving_face face = {.size = SIZE, .seed = 6, .speed = 2, .landmark_px = 1};
    static float landmarks[STK_LANDMARKS][3];
    stk_points_flow *flow = open_flow(weights, 112, pool);
    stk_points_tracker *tracker;
    stk_image image;
    const stk_points_settings settings = {.alive = 80, .pool = pool, .flow = flow};
    moving_face_start(&face);
    TEST_OK(stk_image_init(&image, SIZE, SIZE, 3));
    TEST_OK(stk_points_tracker_create(&tracker, SIZE, SIZE, FRAMES, &settings));
    for (int i = 0; i < FRAMES; i++) {
        moving_face_draw(&face, i, &image, landmarks);
        TEST_OK(stk_points_tracker_push(tracker, i, &image, (const float(*)[3])landmarks, NULL));
    }
    TEST_OK(stk_points_tracker_finish(tracker, tracks, NULL));
    stk_points_tracker_free(&tracker);
    stk_points_flow_free(&flow);
    stk_image_clear(&image);
    double sum = 0;
    for (int i = 0; i < FRAMES; i++)
        for (int64_t k = tracks->first[i]; k < tracks->first[i + 1]; k++) {
            const stk_observation *o = &tracks->list[k];
            sum += moving_face_error(&face, tracks->anchor[o->point], tracks->anchor_px[o->point],
                                     i, o->x_px, o->y_px);
        }
    const double mean = sum / (double)tracks->first[FRAMES];
    print_message("%d points, mean error %.4f px\n", tracks->points, mean);
    assert_true(tracks->points >= 40);
    assert_true(tracks->first[FRAMES] > 30 * FRAMES);
    assert_true(mean < 0.06);
}

static void follow_led_by_flow_is_subpixel(void **state) {
    (void)state;
    const char *weights = test_shared_or_skip("models/raft-small.pth");
    stk_tracks tracks;
    follow(weights, NULL, &tracks);
    stk_tracks_clear(&tracks);
}

static void follow_with_flow_any_threads_same_bits(void **state) {
    (void)state;
    const char *weights = test_shared_or_skip("models/raft-small.pth");
    stk_tracks alone, shared;
    stk_pool *pool;
    follow(weights, NULL, &alone);
    TEST_OK(stk_pool_create(&pool, 3));
    follow(weights, pool, &shared);
    stk_pool_free(&pool);
    assert_int_equal(alone.first[FRAMES], shared.first[FRAMES]);
    for (int64_t k = 0; k < alone.first[FRAMES]; k++) {
        assert_true(alone.list[k].x_px == shared.list[k].x_px);
        assert_true(alone.list[k].weight == shared.list[k].weight);
    }
    stk_tracks_clear(&alone);
    stk_tracks_clear(&shared);
}

static void create_absent_weights_says_which(void **state) {
    (void)state;
    stk_points_flow *flow;
    const stk_points_flow_settings settings = {.weights = "/nowhere/raft-small.pth",
                                               .window = {112, 112}};
    assert_int_not_equal(stk_points_flow_create(&flow, SIZE, SIZE, &settings), STK_OK);
    assert_non_null(strstr(stk_error_text(), "raft-small.pth"));
    assert_null(flow);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flow_of_a_moving_face_is_near),
        cmocka_unit_test(follow_led_by_flow_is_subpixel),
        cmocka_unit_test(follow_with_flow_any_threads_same_bits),
        cmocka_unit_test(create_absent_weights_says_which),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
