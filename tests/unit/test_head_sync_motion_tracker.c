/* Head motion tracker on clips whose truth is known (support/synthetic_head.h).
 *
 * Bounds: 144 vertices with 0.7 px noise fix a frame's turn to about 0.05 deg and its place to
 * 0.06 px when the shape is known; the shape's own error (prior 4 mm, depth seen through +-12 deg
 * of turning) adds a turn that follows the head's turn by a few per cent. Over twenty seeds the
 * worst were 0.82 deg, 0.28 px and 19 % in focal length; the bounds lie a third above.
 */
#include "support.h"
#include "sanitized.h"
#include "synthetic_head.h"
#include "base/job.h"
#include "head_sync/motion_tracker.h"

#include <math.h>
#include <string.h>

typedef struct truth_error {
    double turn_deg;  /* rms error of the turn since the middle frame */
    double nose_px;   /* rms error of the projected nose tip against the noiseless one */
    double depth;     /* mean of estimated / true distance */
    double depth_rms; /* relative spread of that ratio */
} truth_error;

/* Everything is compared through quantities that the choice of the head's own axes cannot change.
 * */
static truth_error compare(const synthetic_head *clip, const stk_head_track *track) {
    enum { NOSE_TIP = 4 };
    truth_error e = {0};
    int n = clip->frames, middle = n / 2;
    double middle_R[9], squares = 0;
    for (int k = 0; k < 9; k++) middle_R[k] = track->poses[middle].R[k];
    for (int i = 0; i < n; i++) {
        double R[9], ours[9], truth[9], relative[9], w[3], c[3];
        float px[2];
        for (int k = 0; k < 9; k++) R[k] = track->poses[i].R[k];
        stk_mat3_mul_bt(R, middle_R, ours);
        stk_mat3_mul_bt(clip->poses[i].R, clip->poses[middle].R, truth);
        stk_mat3_mul_bt(ours, truth, relative);
        stk_so3_log(relative, w);
        e.turn_deg += w[0] * w[0] + w[1] * w[1] + w[2] * w[2];
        stk_mat3_apply(clip->poses[i].R, clip->shape_head[NOSE_TIP], c);
        for (int k = 0; k < 3; k++) c[k] += clip->poses[i].t[k];
        stk_pose_project(&track->camera, &track->poses[i], track->shape_head[NOSE_TIP], px);
        double du = 0.5 * clip->size - clip->focal_px * c[0] / c[2] - px[0];
        double dv = 0.5 * clip->size + clip->focal_px * c[1] / c[2] - px[1];
        e.nose_px += du * du + dv * dv;
        double ratio = track->poses[i].t[2] / clip->poses[i].t[2];
        e.depth += ratio;
        squares += ratio * ratio;
    }
    e.turn_deg = sqrt(e.turn_deg / n) * 180 / M_PI;
    e.nose_px = sqrt(e.nose_px / n);
    e.depth /= n;
    e.depth_rms = sqrt(fmax(squares / n - e.depth * e.depth, 0)) / e.depth;
    return e;
}

static stk_status track_clip(const synthetic_head *clip, stk_pool *pool, stk_head_track *track) {
    return stk_head_track_clip(clip->landmarks, clip->valid, clip->frames, clip->size, clip->size,
                               pool, NULL, track);
}

static synthetic_head speaker(double focal_px, double noise_px, uint64_t seed) {
    return (synthetic_head){.frames = 200,
                            .size = 512,
                            .focal_px = focal_px,
                            .noise_px = noise_px,
                            .identity_m = 0.003,
                            .motion = 1,
                            .distance_m = focal_px / 1300,
                            .seed = seed};
}

static void check(const char *what, double value, double bound) {
    if (!(value <= bound)) fail_msg("%s is %g, at most %g was expected", what, value, bound);
}

static void track_clip_speaker_recovers_focal_and_poses(void **state) {
    (void)state;
    static const double focal[] = {900, 1200, 1500}, noise[] = {0.5, 1.0, 0.7};
    for (int i = 0; i < 3; i++) {
        synthetic_head clip = speaker(focal[i], noise[i], (uint64_t)i + 11);
        synthetic_head_make(&clip);
        stk_head_track track;
        TEST_OK(track_clip(&clip, NULL, &track));
        truth_error e = compare(&clip, &track);
        print_message("f %g: found %.1f, turn %.3f deg, nose %.3f px, depth %.3f +- %.4f, "
                      "reprojection %.3f px, jitter %.3f <- %.3f px\n",
                      focal[i], (double)track.camera.focal_px, e.turn_deg, e.nose_px, e.depth,
                      e.depth_rms, (double)track.reprojection_median_px, (double)track.jitter_px,
                      (double)track.jitter_raw_px);
        check("focal error", fabs(track.camera.focal_px / focal[i] - 1), 0.25);
        check("turn error", e.turn_deg, 1.1);
        check("nose error", e.nose_px, 0.4);
        check("depth spread", e.depth_rms, 0.004);
        check("distance follows focal", fabs(e.depth / (track.camera.focal_px / focal[i]) - 1),
              0.02);
        /* 144 x 2 residuals less 6 + a share of the shape: rms distance just below sqrt(2) sigma */
        check("reprojection", fabs(track.reprojection_median_px / (M_SQRT2 * noise[i]) - 1), 0.03);
        assert_true(track.jitter_px < track.jitter_raw_px);
        assert_int_equal(track.rigid_vertices, 144);
        stk_head_track_clear(&track);
        synthetic_head_clear(&clip);
    }
}

/* A face that shakes as a whole from frame to frame (the detector's crop) must not shake the pose.
 * */
static void track_clip_common_shake_is_removed(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("accuracy");
    synthetic_head clip = speaker(1200, 0.8, 21);
    clip.common_noise_px = 0.3;
    clip.motion = 0.4;
    synthetic_head_make(&clip);
    stk_head_track track;
    TEST_OK(track_clip(&clip, NULL, &track));
    truth_error e = compare(&clip, &track);
    print_message("jitter %.3f <- %.3f px, nose %.3f px\n", (double)track.jitter_px,
                  (double)track.jitter_raw_px, e.nose_px);
    check("jitter", track.jitter_px, 0.25 * track.jitter_raw_px);
    check("nose error", e.nose_px, 0.4);
    stk_head_track_clear(&track);
    synthetic_head_clear(&clip);
}

static void track_clip_still_head_stays_still(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("accuracy");
    synthetic_head clip = speaker(1200, 0.7, 31);
    clip.motion = 0;
    synthetic_head_make(&clip);
    stk_head_track track;
    TEST_OK(track_clip(&clip, NULL, &track));
    truth_error e = compare(&clip, &track);
    check("turn error", e.turn_deg, 0.1);
    check("jitter", track.jitter_px, 0.05);
    /* nothing tells the focal length: the prior at 2.2 sides decides */
    check("focal against prior", fabs(track.camera.focal_px / (2.2 * 512) - 1), 0.15);
    stk_head_track_clear(&track);
    synthetic_head_clear(&clip);
}

static void track_clip_missing_frames_are_interpolated(void **state) {
    (void)state;
    synthetic_head clip = speaker(1200, 0.5, 41);
    synthetic_head_make(&clip);
    for (int i = 0; i < clip.frames; i++) {
        if (i >= 3 && i < clip.frames - 4 && !(i >= 60 && i < 65) && i % 17 != 0) continue;
        clip.valid[i] = 0;
        memset(&clip.landmarks[i], 0xff, sizeof clip.landmarks[i]); /* NaN: must not be read */
    }
    memset(&clip.landmarks[100], 0xff, sizeof clip.landmarks[100]); /* said to be valid, is not */
    stk_head_track track;
    TEST_OK(track_clip(&clip, NULL, &track));
    for (int i = 0; i < clip.frames; i++) {
        int bad = !clip.valid[i] || i == 100;
        assert_true(bad ? track.reprojection_px[i] < 0 : track.reprojection_px[i] > 0);
        const float *R = track.poses[i].R;
        double det = R[0] * (R[4] * R[8] - R[5] * R[7]) - R[1] * (R[3] * R[8] - R[5] * R[6]) +
                     R[2] * (R[3] * R[7] - R[4] * R[6]);
        check("determinant error", fabs(det - 1), 1e-5);
    }
    assert_memory_equal(&track.poses[0], &track.poses[3], sizeof track.poses[0]);
    assert_memory_equal(&track.poses[199], &track.poses[195], sizeof track.poses[0]);
    truth_error e = compare(&clip, &track);
    check("turn error", e.turn_deg, 1.5);
    check("nose error", e.nose_px, 3);
    stk_head_track_clear(&track);
    synthetic_head_clear(&clip);
}

static void track_clip_thread_count_does_not_matter(void **state) {
    (void)state;
    synthetic_head clip = speaker(1000, 0.7, 51);
    clip.frames = 90;
    synthetic_head_make(&clip);
    stk_head_track one, many;
    stk_pool *pool;
    TEST_OK(stk_pool_create(&pool, 3));
    TEST_OK(track_clip(&clip, NULL, &one));
    TEST_OK(track_clip(&clip, pool, &many));
    assert_memory_equal(one.poses, many.poses, sizeof *one.poses * 90);
    assert_memory_equal(one.shape_head, many.shape_head, sizeof one.shape_head);
    assert_true(one.camera.focal_px == many.camera.focal_px);
    stk_pool_free(&pool);
    stk_head_track_clear(&one);
    stk_head_track_clear(&many);
    synthetic_head_clear(&clip);
}

/* Runs longer than one block of the smoother: no seam between blocks. */
static void track_clip_long_clip_has_no_seams(void **state) {
    (void)state;
    TEST_SKIP_SANITIZED("accuracy");
    synthetic_head clip = speaker(1200, 0.7, 61);
    clip.frames = 1300;
    clip.motion = 0.3;
    synthetic_head_make(&clip);
    stk_head_track track;
    TEST_OK(track_clip(&clip, NULL, &track));
    double worst = 0, sum = 0;
    for (int i = 2; i < clip.frames; i++) {
        double d = 0;
        for (int k = 0; k < 2; k++) {
            double a = track.poses[i].t[k] - 2 * track.poses[i - 1].t[k] + track.poses[i - 2].t[k];
            d += a * a * 1300 * 1300;
        }
        sum += d;
        worst = fmax(worst, d);
    }
    check("largest second difference over rms", sqrt(worst / (sum / clip.frames)), 5);
    stk_head_track_clear(&track);
    synthetic_head_clear(&clip);
}

static void track_clip_two_frames_works(void **state) {
    (void)state;
    synthetic_head clip = speaker(1200, 0.5, 71);
    clip.frames = 2;
    synthetic_head_make(&clip);
    stk_head_track track;
    TEST_OK(track_clip(&clip, NULL, &track));
    assert_true(track.reprojection_median_px < 2);
    assert_true(track.poses[0].t[2] < -0.3 && track.poses[1].t[2] < -0.3);
    stk_head_track_clear(&track);
    clip.valid[1] = 0;
    assert_int_equal(track_clip(&clip, NULL, &track), STK_ERR_CONTENT);
    clip.valid[0] = 0;
    assert_int_equal(track_clip(&clip, NULL, &track), STK_ERR_CONTENT);
    assert_null(track.poses);
    memset(clip.landmarks, 0, 2 * sizeof *clip.landmarks); /* all in one point */
    clip.valid[0] = clip.valid[1] = 1;
    assert_int_equal(track_clip(&clip, NULL, &track), STK_ERR_CONTENT);
    synthetic_head_clear(&clip);
}

static int always(void *user) {
    return user == NULL;
}

static void track_clip_abort_is_obeyed(void **state) {
    (void)state;
    synthetic_head clip = speaker(1200, 0.5, 81);
    clip.frames = 20;
    synthetic_head_make(&clip);
    stk_head_track track;
    stk_job job = {.aborted = always};
    assert_int_equal(
        stk_head_track_clip(clip.landmarks, clip.valid, clip.frames, 512, 512, NULL, &job, &track),
        STK_ERR_ABORTED);
    assert_null(track.poses);
    synthetic_head_clear(&clip);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(track_clip_speaker_recovers_focal_and_poses),
        cmocka_unit_test(track_clip_common_shake_is_removed),
        cmocka_unit_test(track_clip_still_head_stays_still),
        cmocka_unit_test(track_clip_missing_frames_are_interpolated),
        cmocka_unit_test(track_clip_thread_count_does_not_matter),
        cmocka_unit_test(track_clip_long_clip_has_no_seams),
        cmocka_unit_test(track_clip_two_frames_works),
        cmocka_unit_test(track_clip_abort_is_obeyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
