/* motion_tracker.c - see motion_tracker.h.
 *
 *   valid frames -> scaled-orthographic poses -> 64 views for the focal length, 192 for the shape
 *   views -> focal length (focal_search.h) -> shape and weights (head_shape.h, 6 turns)
 *   every frame -> pose by Levenberg-Marquardt from its own closed start
 *   poses -> smoothing (pose_smooth.h)
 *   frames without a face -> slerp between their neighbours; at the ends: held
 *
 * Frames are independent until the smoothing, which is symmetric in time: a pose depends on neither
 * the order nor the number of threads. Besides the result, memory is about 500 bytes a frame.
 * MediaPipe's landmark z is not metric and is not used.
 */
#include "head_sync/motion_tracker.h"
#include "base/clock.h"
#include "base/memory.h"
#include "head_sync/focal_search.h"
#include "head_sync/head_fit.h"
#include "head_sync/head_shape.h"
#include "head_sync/pose_smooth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FOCAL_VIEWS = 64, SHAPE_VIEWS = 192, SHAPE_TURNS = 6, REWEIGHT_FROM = 2 };
/* Huber width as a length on the face, so that it follows the picture's scale. */
static const double HUBER_M = 0.002, HUBER_LEAST_PX = 0.5;
/* Smoothing may raise the mean squared reprojection error by this factor, no more (10 % in px). */
static const double SMOOTH_PRICE = 1.21;

typedef struct tracker {
    const stk_landmarks *landmarks;
    int frames;
    const int32_t *take; /* [frames] or NULL */
    uint8_t *valid;
    stk_se3 *poses, *smooth;   /* [frames] */
    double *error_px;          /* [frames] of the closed start, then squared errors */
    double (*information)[36]; /* [frames] */
    stk_pose_model model;
    stk_head_shape shape;
    stk_head_fit *head; /* NULL: the face mesh carries the pose */
    stk_head_views views;
    int view_frames[SHAPE_VIEWS];
    stk_se3 view_poses[SHAPE_VIEWS];
    double view_costs[SHAPE_VIEWS];
    const stk_se3 *measured; /* whose squared errors measure_task takes */
    stk_pool *pool;
    const stk_job *job;
} tracker;

void stk_pose_project(const stk_camera *camera, const stk_pose *pose, const float head[3],
                      float px[2]) {
    const float *R = pose->R, *t = pose->t;
    float x = R[0] * head[0] + R[1] * head[1] + R[2] * head[2] + t[0];
    float y = R[3] * head[0] + R[4] * head[1] + R[5] * head[2] + t[1];
    float z = R[6] * head[0] + R[7] * head[1] + R[8] * head[2] + t[2];
    px[0] = camera->cx_px - camera->focal_px * x / z;
    px[1] = camera->cy_px + camera->focal_px * y / z;
}

void stk_head_track_clear(stk_head_track *track) {
    if (track == NULL) return;
    stk_free(track->poses);
    stk_free(track->reprojection_px);
    memset(track, 0, sizeof *track);
}

static stk_status tracker_allocate(tracker *t, stk_head_track *track) {
    size_t n = (size_t)t->frames;
    t->valid = stk_calloc_aligned(n, 1);
    t->poses = stk_calloc_aligned(n, sizeof *t->poses);
    t->smooth = stk_calloc_aligned(n, sizeof *t->smooth);
    t->error_px = stk_calloc_aligned(n, sizeof *t->error_px);
    t->information = stk_calloc_aligned(n, sizeof *t->information);
    track->poses = stk_calloc_aligned(n, sizeof *track->poses);
    track->reprojection_px = stk_calloc_aligned(n, sizeof *track->reprojection_px);
    if (t->valid == NULL || t->poses == NULL || t->smooth == NULL || t->error_px == NULL ||
        t->information == NULL || track->poses == NULL || track->reprojection_px == NULL)
        return stk_fail_memory("the head motion tracker");
    return STK_OK;
}

static void tracker_clear(tracker *t) {
    stk_free(t->valid);
    stk_free(t->poses);
    stk_free(t->smooth);
    stk_free(t->error_px);
    stk_free(t->information);
    stk_head_fit_free(&t->head);
}

/* --- which frames ----------------------------------------------------------------------------- */

static void start_task(void *ctx, int task, int worker) {
    (void)worker;
    tracker *t = ctx;
    if (!t->valid[task]) return;
    t->valid[task] = (uint8_t)stk_pose_initial(&t->model, t->landmarks[task].xyz, &t->poses[task],
                                               &t->error_px[task]);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int n, double q) {
    return sorted[(int)(q * (n - 1) + 0.5)];
}

/* Distance between two poses as seen in the picture: turn, and place and size. */
static double pose_distance(const stk_se3 *a, const stk_se3 *b) {
    static const double PLACE_PER_RAD = 0.5; /* turning teaches more about shape than moving */
    double relative[9], w[3], sum = 0;
    stk_mat3_mul_bt(b->R, a->R, relative);
    stk_so3_log(relative, w);
    for (int i = 0; i < 3; i++) {
        double shift = PLACE_PER_RAD * (b->t[i] - a->t[i]) / fabs(a->t[2]);
        sum += w[i] * w[i] + shift * shift;
    }
    return sum;
}

/* Lowers every frame's distance to the nearest chosen view; chosen and unusable ones hold -1. */
static void account_view(const tracker *t, int view, double *nearest) {
    nearest[view] = -1;
    for (int i = 0; i < t->frames; i++)
        if (nearest[i] >= 0)
            nearest[i] = fmin(nearest[i], pose_distance(&t->poses[view], &t->poses[i]));
}

static int farthest_frame(const tracker *t, const double *nearest) {
    int farthest = -1;
    for (int i = 0; i < t->frames; i++)
        if (nearest[i] >= 0 && (farthest < 0 || nearest[i] > nearest[farthest])) farthest = i;
    return farthest;
}

/* Half of the views spread evenly over time, the rest each the one farthest from all before it.
 * Frames whose closed start fits badly (blur, a wrong face) are not asked. nearest is scratch. */
static int choose_views(const tracker *t, int wanted, double limit_px, int *views,
                        double *nearest) {
    int usable = 0, count = 0, seen = 0;
    for (int i = 0; i < t->frames; i++) {
        nearest[i] = t->valid[i] && t->error_px[i] <= limit_px ? INFINITY : -1;
        usable += nearest[i] >= 0;
    }
    int total = usable < wanted ? usable : wanted, even = (total + 1) / 2;
    for (int i = 0; i < t->frames && count < even; i++)
        if (nearest[i] >= 0 && (int64_t)seen++ * even >= (int64_t)count * usable)
            views[count++] = i;
    for (int k = 0; k < count; k++) account_view(t, views[k], nearest);
    while (count < total) {
        views[count] = farthest_frame(t, nearest);
        account_view(t, views[count++], nearest);
    }
    return count;
}

/* Closed starts of all frames; the clip's scale sets the Huber width. */
static stk_status look_at_frames(tracker *t, double *limit_px) {
    stk_pool_run(t->pool, t->frames, start_task, t);
    double *sorted = &t->information[0][0]; /* free until the poses are fitted */
    int count = 0;
    for (int i = 0; i < t->frames; i++)
        if (t->valid[i]) sorted[count++] = t->error_px[i];
    if (count < 2)
        return stk_fail(STK_ERR_CONTENT,
                        "the head tracker needs at least 2 frames with a face, and %d of %d have "
                        "one; use a clip in which the face is visible",
                        count, t->frames);
    qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
    *limit_px = 2 * quantile(sorted, count, 0.5) + 1e-9;
    count = 0;
    for (int i = 0; i < t->frames; i++)
        if (t->valid[i]) sorted[count++] = t->model.focal_px / fabs(t->poses[i].t[2]);
    qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
    t->model.huber_px = fmax(HUBER_LEAST_PX, HUBER_M * quantile(sorted, count, 0.5));
    return STK_OK;
}

/* --- shape ------------------------------------------------------------------------------------ */

static void fit_shape(tracker *t) {
    stk_head_shape_init(&t->shape);
    stk_head_shape_attach(&t->shape, &t->model);
    stk_head_views_start(&t->views, &t->model, t->pool);
    for (int turn = 0; turn < SHAPE_TURNS; turn++) {
        stk_head_shape_turn(&t->shape, &t->views, &t->model, turn + 1 == SHAPE_TURNS, t->pool);
        if (turn >= REWEIGHT_FROM) stk_head_shape_reweight(&t->shape, &t->views, &t->model);
    }
}

/* The morphable head's identity; the poses come later, all frames alike. */
static void fit_head(tracker *t) {
    stk_head_fit_views(t->head, &t->views, &t->model, REWEIGHT_FROM, t->pool);
    for (int turn = REWEIGHT_FROM; turn < SHAPE_TURNS; turn++) {
        stk_head_fit_reweight(t->head, &t->views, &t->model);
        stk_head_fit_turn(t->head, &t->views, &t->model, t->pool);
    }
    stk_head_fit_settle(t->head);
}

/* The face mesh under the morphable head's poses. */
static void follow_head(tracker *t) {
    int count = 0;
    for (int n = 0; n < t->views.count; n++) {
        int frame = t->view_frames[n];
        if (!t->valid[frame]) continue;
        t->view_frames[count] = frame;
        t->view_costs[count] = t->view_costs[n];
        t->view_poses[count++] = t->poses[frame];
    }
    t->views.count = count;
    if (count == 0) return;
    stk_head_shape_init(&t->shape);
    stk_head_shape_attach(&t->shape, &t->model);
    stk_head_shape_follow(&t->shape, &t->views, &t->model, t->pool);
    stk_head_shape_reweight(&t->shape, &t->views, &t->model);
}

/* A mean loss beyond this means that no pose in front of the camera was found. */
static const double UNFITTED_PX2 = 1e9;

/* --- poses ------------------------------------------------------------------------------------ */

static void pose_task(void *ctx, int task, int worker) {
    (void)worker;
    tracker *t = ctx;
    if (!t->valid[task]) return;
    const float(*landmarks)[3] = t->landmarks[task].xyz;
    double *information = t->information[task];
    if (t->head != NULL && stk_head_fit_frame(t->head, &t->model, landmarks, &t->poses[task],
                                              information, NULL) < UNFITTED_PX2)
        return;
    if (t->head == NULL && stk_pose_initial(&t->model, landmarks, &t->poses[task], NULL) &&
        stk_pose_refine(&t->model, landmarks, &t->poses[task], information) < UNFITTED_PX2)
        return;
    t->valid[task] = 0;
}

static void measure_task(void *ctx, int task, int worker) {
    (void)worker;
    tracker *t = ctx;
    if (t->valid[task])
        t->error_px[task] =
            stk_pose_squared_error(&t->model, t->landmarks[task].xyz, &t->measured[task]);
}

/* Frames with a larger squared error than this do not decide anything. */
static double wild_px2(const tracker *t) {
    return 4 * t->model.huber_px * t->model.huber_px;
}

/* Squared errors of all frames into t->error_px; returns their sum, wild ones capped. */
static double sum_errors(tracker *t, const stk_se3 *poses) {
    double sum = 0, cap = wild_px2(t);
    t->measured = poses;
    stk_pool_run(t->pool, t->frames, measure_task, t);
    for (int i = 0; i < t->frames; i++)
        if (t->valid[i]) sum += fmin(t->error_px[i], cap);
    return sum;
}

static void measure_jitter(const tracker *t, const stk_se3 *poses, float *rot_deg, float *px) {
    double turn_deg, shift_px;
    stk_pose_jitter(poses, t->valid, t->take, t->frames, t->model.focal_px, &turn_deg, &shift_px);
    *rot_deg = (float)turn_deg;
    *px = (float)shift_px;
}

/* Sum of the squared errors of frames predicted by the others: each of them is held out once. */
static double held_out_error(tracker *t, stk_pose_smoother *smoother, double stiffness) {
    double sum = 0, cap = wild_px2(t);
    for (int fold = 0; fold < STK_SMOOTH_FOLDS; fold++) {
        stk_pose_smoother_run(smoother, stiffness, fold, t->smooth);
        sum_errors(t, t->smooth);
        for (int i = fold; i < t->frames; i += STK_SMOOTH_FOLDS)
            if (t->valid[i]) sum += fmin(t->error_px[i], cap);
    }
    return sum;
}

/* Takes the stiffness that predicts held-out frames best: smooth enough to drop what landmarks
 * invent from frame to frame, no smoother than the head moves. t->poses receives it unless the
 * reprojection error rises too much or the jitter does not fall. */
static stk_status smooth_poses(tracker *t, stk_head_track *track) {
    static const double LADDER[] = {0.015625, 0.0625, 0.25, 1, 4, 16, 64, 256};
    enum { STEPS = sizeof LADDER / sizeof LADDER[0] };
    stk_pose_smoother *smoother = NULL;
    float rot_deg, px;
    measure_jitter(t, t->poses, &track->jitter_raw_rot_deg, &track->jitter_raw_px);
    double fitted = sum_errors(t, t->poses), least = INFINITY;
    STK_TRY(stk_pose_smoother_create(&smoother, t->poses, (const double(*)[36])t->information,
                                     t->valid, t->take, t->frames, t->pool));
    for (int k = 0; k < STEPS; k++) {
        double error = held_out_error(t, smoother, LADDER[k]);
        if (error >= least) continue;
        stk_pose_smoother_run(smoother, LADDER[k], -1, t->smooth);
        if (sum_errors(t, t->smooth) > SMOOTH_PRICE * fitted) continue;
        least = error;
        track->smoothing = (float)LADDER[k];
    }
    if (track->smoothing > 0) {
        stk_pose_smoother_run(smoother, track->smoothing, -1, t->smooth);
        measure_jitter(t, t->smooth, &rot_deg, &px);
        if (px >= track->jitter_raw_px && rot_deg >= track->jitter_raw_rot_deg)
            track->smoothing = 0;
    }
    stk_pose_smoother_free(&smoother);
    if (track->smoothing > 0)
        for (int i = 0; i < t->frames; i++)
            if (t->valid[i]) t->poses[i] = t->smooth[i];
    return STK_OK;
}

/* --- result ----------------------------------------------------------------------------------- */

static int same_take(const tracker *t, int a, int b) {
    return t->take == NULL || t->take[a] == t->take[b];
}

/* Frames without a pose: between their neighbours within the take, held at its ends; a take
 * without any takes the nearest before it. */
static void fill_gaps(tracker *t) {
    int before = -1;
    for (int i = 0; i <= t->frames; i++) {
        if (i < t->frames && !t->valid[i]) continue;
        for (int k = before + 1; k < i; k++) {
            const int left = before >= 0 && same_take(t, before, k);
            const int right = i < t->frames && same_take(t, i, k);
            if (left && right)
                stk_se3_between(&t->poses[before], &t->poses[i],
                                (double)(k - before) / (i - before), &t->poses[k]);
            else
                t->poses[k] = t->poses[before < 0 || (right && !left) ? i : before];
        }
        before = i;
    }
}

/* Unweighted rms distance over the rigid vertices, per frame, and its quantiles. */
static void measure_reprojection(tracker *t, stk_head_track *track) {
    stk_head_shape plain = t->shape;
    for (int k = 0; k < plain.rigid_count; k++) plain.weights[k] = 1;
    t->model.weights = plain.weights;
    sum_errors(t, t->poses);
    t->model.weights = t->shape.weights;
    double *sorted = &t->information[0][0];
    int count = 0;
    for (int i = 0; i < t->frames; i++) {
        double rms = t->valid[i] ? sqrt(t->error_px[i]) : -1;
        track->reprojection_px[i] = (float)rms;
        if (t->valid[i]) sorted[count++] = rms;
    }
    qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
    track->reprojection_median_px = (float)quantile(sorted, count, 0.5);
    track->reprojection_p95_px = (float)quantile(sorted, count, 0.95);
}

static void hand_over(tracker *t, stk_head_track *track) {
    measure_jitter(t, t->poses, &track->jitter_rot_deg, &track->jitter_px);
    measure_reprojection(t, track);
    fill_gaps(t);
    for (int i = 0; i < t->frames; i++) {
        for (int k = 0; k < 9; k++) track->poses[i].R[k] = (float)t->poses[i].R[k];
        for (int k = 0; k < 3; k++) track->poses[i].t[k] = (float)t->poses[i].t[k];
    }
    for (int v = 0; v < STK_MESH_LANDMARKS; v++)
        for (int k = 0; k < 3; k++) track->shape_head[v][k] = (float)t->shape.shape_head[v][k];
    track->rigid_vertices = t->shape.rigid_count;
}

static stk_status track_frames(tracker *t, stk_head_track *track) {
    double limit_px = 0, start_s = stk_clock_s();
    STK_TRY(look_at_frames(t, &limit_px));
    t->views.count = choose_views(t, FOCAL_VIEWS, limit_px, t->view_frames, &t->information[0][0]);
    STK_TRY(stk_focal_search(&t->views, &t->model, t->head, t->pool, t->job, track));
    t->model.focal_px = track->camera.focal_px;
    t->views.count = choose_views(t, SHAPE_VIEWS, limit_px, t->view_frames, &t->information[0][0]);
    if (t->head != NULL)
        fit_head(t);
    else
        fit_shape(t);
    stk_pool_run(t->pool, t->frames, pose_task, t);
    if (t->head != NULL) follow_head(t);
    int fitted = 0;
    for (int i = 0; i < t->frames; i++) fitted += t->valid[i];
    if (fitted < 2)
        return stk_fail(STK_ERR_CONTENT,
                        "no head pose explains the landmarks of %d frames; use a "
                        "clip in which the face is visible",
                        t->frames);
    stk_job_report(t->job, "head poses", t->frames, t->frames, start_s, NULL);
    if (stk_job_aborted(t->job)) return stk_fail(STK_ERR_ABORTED, "stopped in the head tracker");
    STK_TRY(smooth_poses(t, track));
    hand_over(t, track);
    return STK_OK;
}

static void start_tracker(tracker *t, const stk_head_clip *clip, stk_head_track *track) {
    t->landmarks = clip->landmarks;
    t->take = clip->take;
    t->frames = track->frames = clip->frames;
    track->camera = (stk_camera){0, 0.5f * (float)clip->width, 0.5f * (float)clip->height,
                                 clip->width, clip->height};
    t->model.cx_px = track->camera.cx_px;
    t->model.cy_px = track->camera.cy_px;
    /* any focal length: the first look is orthographic */
    t->model.focal_px = clip->width > clip->height ? clip->width : clip->height;
    t->views = (stk_head_views){clip->landmarks, t->view_frames, t->view_poses, t->view_costs, 0};
    stk_head_shape_init(&t->shape);
    stk_head_shape_attach(&t->shape, &t->model);
}

stk_status stk_head_track_takes(const stk_head_clip *clip, stk_pool *pool, const stk_job *job,
                                stk_head_track *track) {
    memset(track, 0, sizeof *track);
    if (clip->frames < 1 || clip->width < 1 || clip->height < 1)
        return stk_fail(STK_ERR_ARGUMENT, "head tracker: %d frames of %dx%d px", clip->frames,
                        clip->width, clip->height);
    tracker *t = stk_calloc_aligned(1, sizeof *t);
    if (t == NULL) return stk_fail_memory("the head motion tracker");
    t->pool = pool;
    t->job = job;
    start_tracker(t, clip, track);
    stk_status status = tracker_allocate(t, track);
    if (status == STK_OK && clip->model != NULL)
        status = stk_head_fit_create(&t->head, clip->model, SHAPE_VIEWS);
    if (status == STK_OK) {
        for (int i = 0; i < clip->frames; i++) t->valid[i] = clip->valid[i] != 0;
        status = track_frames(t, track);
    }
    tracker_clear(t);
    stk_free(t);
    if (status != STK_OK) stk_head_track_clear(track);
    return status;
}

stk_status stk_head_track_clip(const stk_landmarks *landmarks, const uint8_t *valid, int frames,
                               int width, int height, stk_pool *pool, const stk_job *job,
                               stk_head_track *track) {
    const stk_head_clip clip = {landmarks, valid, NULL, frames, width, height, NULL};
    return stk_head_track_takes(&clip, pool, job, track);
}
