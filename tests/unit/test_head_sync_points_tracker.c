/* The head points tracker on a textured face whose motion is known: accuracy without and with
 * noise, changing light, a hand that passes, one that stays, frames without a face, a cut, threads, allocations. */
#include "support.h"
#include "sanitized.h"
#include "moving_face.h"
#include "base/image.h"
#include "base/memory.h"
#include "head_sync/points_tracker.h"

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 256, ALIVE = 120 };

typedef struct outcome {
    stk_tracks tracks;
    stk_points_figures figures;
    double median_px, p95_px; /* of the observations that count */
    int counted;
} outcome;

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const moving_face *face, outcome *o) {
    const stk_tracks *t = &o->tracks;
    double *errors = malloc((size_t)(t->first[t->frames] + 1) * sizeof *errors);
    assert_non_null(errors);
    o->counted = 0;
    for (int i = 0; i < t->frames; i++)
        for (int64_t k = t->first[i]; k < t->first[i + 1]; k++) {
            const stk_observation *seen = &t->list[k];
            assert_in_range(seen->point, 0, t->points - 1);
            assert_true(seen->weight >= 0 && seen->weight <= 1);
            if (k > t->first[i]) assert_true(seen->point > seen[-1].point);
            if (seen->weight <= 0 || t->anchor[seen->point] == i) continue;
            errors[o->counted++] = moving_face_error(
                face, t->anchor[seen->point], t->anchor_px[seen->point], i, seen->x_px, seen->y_px);
        }
    qsort(errors, (size_t)o->counted, sizeof *errors, compare_doubles);
    o->median_px = o->counted > 0 ? errors[o->counted / 2] : -1;
    o->p95_px = o->counted > 0 ? errors[(int)(0.95 * o->counted)] : -1;
    free(errors);
}

/* Frames [blind_from, blind_to) have no face. */
static void follow(moving_face *face, int frames, int blind_from, int blind_to, stk_pool *pool,
                   outcome *o) {
    stk_points_tracker *tracker;
    stk_image image;
    static float landmarks[STK_LANDMARKS][3];
    const stk_points_settings settings = {.alive = ALIVE, .pool = pool};
    memset(o, 0, sizeof *o);
    moving_face_start(face);
    TEST_OK(stk_image_init(&image, face->size, face->size, 3));
    TEST_OK(stk_points_tracker_create(&tracker, face->size, face->size, frames, &settings));
    for (int i = 0; i < frames; i++) {
        const int blind = i >= blind_from && i < blind_to;
        moving_face_draw(face, i, &image, landmarks);
        TEST_OK(stk_points_tracker_push(tracker, i, &image,
                                        blind ? NULL : (const float(*)[3])landmarks, NULL));
    }
    TEST_OK(stk_points_tracker_finish(tracker, &o->tracks, &o->figures));
    stk_points_tracker_free(&tracker);
    stk_image_clear(&image);
    measure(face, o);
    printf(
        "  %d keys, %d cuts, %d of %d points kept, seen %.1f frames; error median %.4f px, 95 %% "
        "%.4f; laplacian %.3f, spread %.3f\n",
        o->figures.keys, o->figures.cuts, o->figures.kept, o->figures.picked,
        (double)o->figures.length, o->median_px, o->p95_px, (double)o->figures.laplacian_px,
        (double)o->figures.spread_px);
}

static void follow_clean_clip_is_subpixel(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("accuracy");
    moving_face face = {.size = SIZE, .seed = 5, .speed = 1, .landmark_px = 0.5f};
    outcome o;
    follow(&face, 50, 0, 0, NULL, &o);
    assert_true(o.figures.kept >= ALIVE / 3);
    assert_true(o.figures.length >= 25);
    assert_true(o.median_px <= 0.05);
    assert_true(o.p95_px <= 0.2);
    stk_tracks_clear(&o.tracks);
}

static void follow_noisy_clip_does_not_drift(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("accuracy");
    moving_face face = {.size = SIZE, .seed = 6, .speed = 1, .landmark_px = 1, .noise = 4};
    outcome o;
    follow(&face, 80, 0, 0, NULL, &o);
    assert_true(o.figures.kept >= ALIVE / 3);
    assert_true(o.median_px <= 0.15);
    stk_tracks_clear(&o.tracks);
}

static void follow_fast_turn_keeps_up(void **state) {
    (void)state;
    moving_face face = {.size = SIZE, .seed = 7, .speed = 4, .landmark_px = 0.7f};
    outcome o;
    follow(&face, 40, 0, 0, NULL, &o);
    assert_true(o.figures.kept >= ALIVE / 3);
    assert_true(o.median_px <= 0.08);
    assert_int_equal(o.figures.cuts, 0);
    stk_tracks_clear(&o.tracks);
}

static void follow_changing_light_changes_nothing(void **state) {
    (void)state;
    moving_face face = {.size = SIZE, .seed = 8, .speed = 1, .flicker = 0.25f};
    outcome o;
    follow(&face, 40, 0, 0, NULL, &o);
    assert_true(o.figures.kept >= ALIVE / 3);
    assert_true(o.median_px <= 0.06);
    stk_tracks_clear(&o.tracks);
}

/* Observations that count and lie well inside the hand. */
static int on_hand(const moving_face *face, const stk_tracks *t) {
    int inside = 0;
    for (int i = face->hand_from; i < face->hand_to; i++) {
        stk_rect hand;
        assert_true(moving_face_hand(face, i, &hand));
        for (int64_t k = t->first[i]; k < t->first[i + 1]; k++) {
            const stk_observation *seen = &t->list[k];
            inside += seen->weight > 0 && seen->x_px > (float)hand.x0 + 8 &&
                      seen->x_px < (float)hand.x1 - 8 && seen->y_px > (float)hand.y0 + 8 &&
                      seen->y_px < (float)hand.y1 - 8;
        }
    }
    return inside;
}

/* No observation that counts lies well inside the hand, and points live through it. */
static void follow_hand_is_not_followed(void **state) {
    (void)state;
    moving_face face = {.size = SIZE, .seed = 9, .speed = 1, .landmark_px = 0.5f};
    face.hand_from = 20;
    face.hand_to = 45;
    outcome o;
    follow(&face, 70, 0, 0, NULL, &o);
    int survivors = 0, early = 0;
    const int inside = on_hand(&face, &o.tracks);
    for (int64_t k = o.tracks.first[69]; k < o.tracks.first[70]; k++)
        survivors += o.tracks.anchor[o.tracks.list[k].point] < face.hand_from;
    for (int j = 0; j < o.tracks.points; j++) early += o.tracks.anchor[j] < face.hand_from;
    printf("  %d observations on the hand; %d of %d points live on behind it\n", inside, survivors,
           early);
    assert_int_equal(inside, 0);
    assert_true(2 * survivors >= early);
    assert_true(o.median_px <= 0.05);
    assert_true(o.p95_px <= 0.3);
    stk_tracks_clear(&o.tracks);
}

/* As still as the head, so that nothing but what was there before tells it from the head. */
static void follow_hand_that_stays_is_not_picked(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("accuracy");
    moving_face face = {.size = 160, .seed = 13, .speed = 0, .noise = 2, .hand_stays = 1};
    face.hand_from = 110;
    face.hand_to = 365;
    outcome o;
    follow(&face, 370, 0, 0, NULL, &o);
    assert_true(o.figures.keys >= 2); /* points were picked while the hand was there */
    const int inside = on_hand(&face, &o.tracks);
    printf("  %d of %d observations on the hand\n", inside, (int)o.counted);
    assert_true(50 * inside < o.counted);
    stk_tracks_clear(&o.tracks);
}

static void follow_lost_head_is_found_again(void **state) {
    (void)state;
    moving_face face = {.size = SIZE, .seed = 10, .speed = 1};
    outcome o;
    follow(&face, 60, 20, 28, NULL, &o);
    for (int i = 20; i < 28; i++) assert_int_equal(o.tracks.first[i], o.tracks.first[i + 1]);
    int back = 0;
    for (int64_t k = o.tracks.first[30]; k < o.tracks.first[31]; k++)
        back += o.tracks.anchor[o.tracks.list[k].point] < 20;
    assert_true(back >= ALIVE / 4);
    stk_tracks_clear(&o.tracks);
    follow(&face, 60, 20, 50, NULL, &o); /* for too long: others take over */
    for (int64_t k = o.tracks.first[52]; k < o.tracks.first[53]; k++)
        assert_true(o.tracks.anchor[o.tracks.list[k].point] >= 50);
    assert_true(o.tracks.first[53] - o.tracks.first[52] >= ALIVE / 3);
    stk_tracks_clear(&o.tracks);
    follow(&face, 10, 0, 10, NULL, &o); /* no face at all */
    assert_int_equal(o.tracks.points, 0);
    assert_int_equal(o.tracks.first[10], 0);
    stk_tracks_clear(&o.tracks);
}

static void follow_cut_ends_all_points(void **state) {
    (void)state;
    moving_face face = {.size = SIZE, .seed = 11, .speed = 1, .cut = 30};
    outcome o;
    follow(&face, 60, 0, 0, NULL, &o);
    assert_int_equal(o.figures.cuts, 1);
    int after = 0;
    for (int64_t k = o.tracks.first[30]; k < o.tracks.first[60]; k++)
        if (o.tracks.list[k].weight > 0) {
            assert_true(o.tracks.anchor[o.tracks.list[k].point] >= 30);
            after++;
        }
    assert_true(after >= 30 * ALIVE / 4);
    assert_true(o.tracks.first[31] > o.tracks.first[30]); /* picked in the very frame */
    assert_true(o.median_px <= 0.05);
    stk_tracks_clear(&o.tracks);
}

static void follow_any_threads_same_bits(void **state) {
    (void)state;
    moving_face face = {.size = 192, .seed = 12, .speed = 2, .noise = 2, .landmark_px = 0.5f};
    outcome alone, shared;
    stk_pool *pool;
    follow(&face, 20, 0, 0, NULL, &alone);
    TEST_OK(stk_pool_create(&pool, 3));
    follow(&face, 20, 0, 0, pool, &shared);
    stk_pool_free(&pool);
    const int64_t n = alone.tracks.first[20];
    assert_int_equal(n, shared.tracks.first[20]);
    assert_memory_equal(alone.tracks.list, shared.tracks.list,
                        (size_t)n * sizeof *alone.tracks.list);
    stk_tracks_clear(&alone.tracks);
    stk_tracks_clear(&shared.tracks);
}

/* 512 x 512, ten minutes: what is allocated at once, for the whole clip. */
static void create_ten_minutes_fit_in_memory(void **state) {
    (void)state;
    stk_points_tracker *tracker;
    const stk_points_settings settings = {0};
    const struct mallinfo2 before = mallinfo2();
    TEST_OK(stk_points_tracker_create(&tracker, 512, 512, 15000, &settings));
    const struct mallinfo2 after = mallinfo2();
    const size_t taken = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    printf("  %.1f MiB\n", (double)taken / (1 << 20));
    assert_true(taken <= (size_t)128 << 20);
    stk_points_tracker_free(&tracker);
}

static void push_wrong_frames_is_refused(void **state) {
    (void)state;
    stk_points_tracker *tracker;
    stk_points_settings settings = {.alive = 50};
    stk_image image, grey;
    TEST_OK(stk_image_init(&image, 64, 64, 3));
    TEST_OK(stk_image_init(&grey, 64, 64, 1));
    assert_int_equal(stk_points_tracker_create(&tracker, 32, 64, 4, &settings), STK_ERR_ARGUMENT);
    TEST_OK(stk_points_tracker_create(&tracker, 64, 64, 4, &settings));
    TEST_OK(stk_points_tracker_push(tracker, 1, &image, NULL, NULL));
    assert_int_equal(stk_points_tracker_push(tracker, 1, &image, NULL, NULL), STK_ERR_ARGUMENT);
    assert_int_equal(stk_points_tracker_push(tracker, 4, &image, NULL, NULL), STK_ERR_ARGUMENT);
    assert_int_equal(stk_points_tracker_push(tracker, 2, &grey, NULL, NULL), STK_ERR_ARGUMENT);
    static float wild[STK_LANDMARKS][3];
    for (int k = 0; k < STK_LANDMARKS; k++) wild[k][0] = k % 2 ? NAN : 1e30f;
    TEST_OK(stk_points_tracker_push(tracker, 2, &image, (const float(*)[3])wild, NULL));
    for (int k = 0; k < STK_LANDMARKS; k++)
        wild[k][0] = (float)(k * 7919 % 64), wild[k][1] = (float)(k * 104729 % 64);
    TEST_OK(stk_points_tracker_push(tracker, 3, &image, (const float(*)[3])wild, &grey));
    stk_tracks tracks;
    TEST_OK(stk_points_tracker_finish(tracker, &tracks, NULL));
    assert_int_equal(tracks.points, 0);
    stk_tracks_clear(&tracks);
    stk_points_tracker_free(&tracker);
    stk_points_tracker_free(&tracker);
    stk_image_clear(&image);
    stk_image_clear(&grey);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follow_clean_clip_is_subpixel),
        cmocka_unit_test(follow_noisy_clip_does_not_drift),
        cmocka_unit_test(follow_fast_turn_keeps_up),
        cmocka_unit_test(follow_changing_light_changes_nothing),
        cmocka_unit_test(follow_hand_is_not_followed),
        cmocka_unit_test(follow_hand_that_stays_is_not_picked),
        cmocka_unit_test(follow_lost_head_is_found_again),
        cmocka_unit_test(follow_cut_ends_all_points),
        cmocka_unit_test(follow_any_threads_same_bits),
        cmocka_unit_test(create_ten_minutes_fit_in_memory),
        cmocka_unit_test(push_wrong_frames_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
