/* The head points tracker on clips of the presenter, of which the head's pose is known: how far the
 * points are from where the skull carries them. No weights: the landmarks are the truth's with
 * noise, as a landmark network gives them.
 *
 * A point's place on the head is the one that explains its observations best under the true poses
 * (linear least squares); what is left is the tracker's error and what the skin does. */
#include "support.h"
#include "presented.h"
#include "sanitized.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/spd.h"
#include "head_sync/motion_tracker.h"
#include "head_sync/points_tracker.h"
#include "head_sync/se3.h"
#include "media/media.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct followed {
    presented truth;
    stk_camera camera;
    stk_tracks tracks;
    stk_points_figures figures;
    double rms_px, median_px, p95_px; /* weighted; over all observations that count */
    int points;                       /* seen in half of the frames or more */
} followed;

/* Landmarks of a network: each off by its own constant, plus a shake. */
static void noisy(const float truth[STK_LANDMARKS][3], stk_rng *rng, float size_px,
                  float out[STK_LANDMARKS][3]) {
    stk_rng own;
    stk_rng_seed(&own, 5, 5);
    for (int k = 0; k < STK_LANDMARKS; k++)
        for (int c = 0; c < 3; c++)
            out[k][c] = truth[k][c] +
                        size_px * (0.006f * stk_rng_normal(&own) + 0.002f * stk_rng_normal(rng));
}

static void push_clip(followed *f, stk_points_tracker *tracker) {
    static float landmarks[STK_LANDMARKS][3];
    stk_video_reader *reader;
    stk_rng rng;
    double spent = 0;
    stk_rng_seed(&rng, 6, 6);
    TEST_OK(stk_video_reader_open(&reader, f->truth.clip, NULL));
    for (int i = 0; i < f->truth.frames; i++) {
        const stk_image *frame;
        int end = 0;
        TEST_OK(stk_video_reader_next(reader, &frame, NULL, &end));
        assert_false(end);
        noisy((const float(*)[3])f->truth.landmarks[i], &rng, 0.4f * (float)frame->width,
              landmarks);
        const double start = stk_clock_s();
        TEST_OK(stk_points_tracker_push(tracker, i, frame, (const float(*)[3])landmarks, NULL));
        spent += stk_clock_s() - start;
    }
    stk_video_reader_close(&reader);
    printf("  %.2f ms a frame on one thread\n", 1e3 * spent / f->truth.frames);
}

/* x_cam of a row of P = [R | t]: (u - cx) Z + f X = 0 and (v - cy) Z - f Y = 0, linear in X_head. */
static void add_equations(const followed *f, int frame, const stk_observation *o, double a[9],
                          double b[3]) {
    const stk_pose *pose = &f->truth.poses[frame];
    const double focal = (double)f->camera.focal_px;
    const double at[2] = {(double)(o->x_px - f->camera.cx_px), (double)(o->y_px - f->camera.cy_px)};
    for (int c = 0; c < 2; c++) {
        const double sign = c == 0 ? focal : -focal;
        double row[3], right;
        for (int k = 0; k < 3; k++)
            row[k] = at[c] * (double)pose->R[6 + k] + sign * (double)pose->R[3 * c + k];
        right = -(at[c] * (double)pose->t[2] + sign * (double)pose->t[c]);
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 3; j++) a[3 * i + j] += (double)o->weight * row[i] * row[j];
            b[i] += (double)o->weight * row[i] * right;
        }
    }
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void compare(followed *f) {
    const stk_tracks *t = &f->tracks;
    double(*a)[12] = calloc((size_t)t->points + 1, sizeof *a), sum = 0, total = 0;
    double *errors = calloc((size_t)t->first[t->frames] + 1, sizeof *errors);
    int *seen = calloc((size_t)t->points + 1, sizeof *seen), count = 0;
    assert_true(a != NULL && errors != NULL && seen != NULL);
    for (int i = 0; i < t->frames; i++)
        for (int64_t k = t->first[i]; k < t->first[i + 1]; k++) {
            const stk_observation *o = &t->list[k];
            seen[o->point] += o->weight > 0;
            add_equations(f, i, o, a[o->point], a[o->point] + 9);
        }
    for (int j = 0; j < t->points; j++) {
        f->points += 2 * seen[j] >= t->frames;
        assert_true(stk_spd_solve(a[j], a[j] + 9, 3));
    }
    for (int i = 0; i < t->frames; i++)
        for (int64_t k = t->first[i]; k < t->first[i + 1]; k++) {
            const stk_observation *o = &t->list[k];
            if (o->weight <= 0) continue;
            float head[3], px[2];
            for (int c = 0; c < 3; c++) head[c] = (float)a[o->point][9 + c];
            stk_pose_project(&f->camera, &f->truth.poses[i], head, px);
            const double e = hypot((double)(px[0] - o->x_px), (double)(px[1] - o->y_px));
            errors[count++] = e;
            sum += (double)o->weight * e * e;
            total += (double)o->weight;
        }
    assert_true(count > 0);
    qsort(errors, (size_t)count, sizeof *errors, compare_doubles);
    f->median_px = errors[count / 2];
    f->p95_px = errors[(int)(0.95 * count)];
    f->rms_px = sqrt(sum / total);
    free(a);
    free(errors);
    free(seen);
}

/* Of the weight of all observations in frames with a hand, what lies on the hand. */
static double hand_share(const followed *f) {
    static const uint8_t HAND = 6; /* parts of truth.json */
    const size_t area = (size_t)f->tracks.width * (size_t)f->tracks.height;
    const stk_tracks *t = &f->tracks;
    uint8_t *map = calloc(area, 1);
    double on = 0, all = 0;
    assert_non_null(map);
    for (int i = 0; i < t->frames; i++) {
        double here = 0, hand = 0;
        presented_parts(&f->truth, i, map, area);
        if (memchr(map, HAND, area) == NULL) continue;
        for (int64_t k = t->first[i]; k < t->first[i + 1]; k++) {
            const stk_observation *o = &t->list[k];
            here += (double)o->weight;
            if (map[(size_t)o->y_px * (size_t)t->width + (size_t)o->x_px] == HAND)
                hand += (double)o->weight;
        }
        on += hand;
        all += here;
    }
    free(map);
    return all > 0 ? on / all : -1;
}

static void follow(followed *f, stk_presenter_settings settings) {
    stk_points_tracker *tracker;
    const stk_points_settings points = {.alive = 0};
    memset(f, 0, sizeof *f);
    presented_clip(&f->truth, settings);
    presented_truth(&f->truth);
    const int side = settings.width;
    f->camera = (stk_camera){f->truth.focal_px, 0.5f * (float)side, 0.5f * (float)side, side, side};
    TEST_OK(stk_points_tracker_create(&tracker, side, side, f->truth.frames, &points));
    push_clip(f, tracker);
    TEST_OK(stk_points_tracker_finish(tracker, &f->tracks, &f->figures));
    stk_points_tracker_free(&tracker);
    compare(f);
    printf("  %d keys, %d cuts, %d of %d points kept, seen %.0f of %d frames; %d in half of them; "
           "laplacian %.3f, spread %.3f px\n"
           "  error: median %.3f px, 95 %% %.3f, weighted rms %.3f\n",
           f->figures.keys, f->figures.cuts, f->figures.kept, f->figures.picked,
           (double)f->figures.length, f->truth.frames, f->points, (double)f->figures.laplacian_px,
           (double)f->figures.spread_px, f->median_px, f->p95_px, f->rms_px);
}

static void drop(followed *f) {
    stk_tracks_clear(&f->tracks);
    presented_close(&f->truth);
}

static int unsanitized(void) {
    if (SANITIZED) {
        print_message("SKIP: a clip takes minutes under a sanitizer\n");
        skip();
    }
    return 1;
}

static const stk_presenter_settings PLAIN = {
    .seconds = 6, .width = 256, .height = 256, .seed = 7, .fps = 25, .crf = 12};

static void follow_presenter_moves_with_the_skull(void **state) {
    (void)state;
    followed f;
    if (!unsanitized()) return;
    follow(&f, PLAIN);
    assert_true(f.figures.kept >= 60);
    assert_int_equal(f.figures.cuts, 0);
    assert_true(f.median_px <= 0.25);
    drop(&f);
}

static void follow_hand_and_cut_keep_the_skull(void **state) {
    (void)state;
    followed f;
    if (!unsanitized()) return;
    stk_presenter_settings settings = PLAIN;
    settings.variant.hand = settings.variant.cut = 1;
    settings.seed = 3;
    settings.seconds = 3;
    follow(&f, settings);
    assert_true(f.figures.kept >= 60);
    assert_int_equal(f.figures.cuts, 1);
    assert_true(f.median_px <= 0.25);
    const double hand = hand_share(&f);
    printf("  %.2f %% of the weight on the hand\n", 100 * hand);
    assert_true(hand >= 0 && hand <= 0.05); /* it is there when the take begins, too */
    drop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follow_presenter_moves_with_the_skull),
        cmocka_unit_test(follow_hand_and_cut_keep_the_skull),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
