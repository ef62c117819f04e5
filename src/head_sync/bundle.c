/* bundle.c - see bundle.h: the order of the stages, what is kept, and the figures.
 *
 *   stage 1   points from the given poses, starting where their ray meets the face mesh (DIFFERS:
 *             the paper starts at random; the robust loss needs a start on the head)
 *   settling  poses and points by turns, twice: takes out what the start is off by
 *   stage 2   together with the focal length held; if it then looks determined, freed; residuals
 *             set the loss's width and drop outliers between rounds. Where the motion does not
 *             determine it, points are held nearer to the face mesh: relief is no better known
 *   frames    those between the chosen ones, and all observations: points and poses by turns
 *   drive     where the brows' lift is given: the forehead moves with it (bundle_drive.h), then
 *             all together again; how far points are trusted stays as it was
 *   steadying poses once more, all points alike, from what changes quickly (bundle_steady.h)
 *   smoothing as stiff as held-out parts of the face and held-out frames allow (bundle_smooth.h)
 *   gaps      frames with too few observations: between their neighbours
 */
#include "head_sync/bundle.h"
#include "base/clock.h"
#include "base/memory.h"
#include "head_sync/bundle_drive.h"
#include "head_sync/bundle_smooth.h"
#include "head_sync/bundle_steady.h"
#include "head_sync/pose_smooth.h"

#include <math.h>
#include <string.h>

enum { POINTS_LEAST = 8, FRAMES_LEAST = 2 };
/* Relative standard deviations of the focal length: worth trying, and good enough. */
static const double FOCAL_TRY = 0.1;
/* Spread of points about the face mesh where the motion tells too little of relief. */
static const double RELIEF_M = 0.01;
static const double OUTLIER =
    4.5; /* noise widths; 4e-5 of Rayleigh-distributed errors lie beyond */

void stk_bundle_clear(stk_bundle *bundle) {
    if (bundle == NULL) return;
    stk_free(bundle->poses);
    stk_free(bundle->solved);
    stk_free(bundle->points_head);
    stk_free(bundle->kept);
    memset(bundle, 0, sizeof *bundle);
}

/* A state to come back to. */
typedef struct snapshot {
    stk_se3 *poses;     /* [frames] */
    double (*place)[3]; /* [points] */
    double (*drive)[3]; /* [points] */
    float *lift;        /* [frames] */
    double anchors[STK_BUNDLE_ANCHORS][3];
    stk_bundle_camera camera;
} snapshot;

static stk_status snapshot_init(snapshot *s, const stk_bundle_problem *b) {
    memset(s, 0, sizeof *s);
    s->poses = stk_calloc_aligned((size_t)b->frames, sizeof *s->poses);
    s->place = stk_calloc_aligned((size_t)b->points + 1, sizeof *s->place);
    s->drive = stk_calloc_aligned((size_t)b->points + 1, sizeof *s->drive);
    s->lift = stk_calloc_aligned((size_t)b->frames, sizeof *s->lift);
    return s->poses && s->place && s->drive && s->lift ? STK_OK
                                                       : stk_fail_memory("bundle adjustment");
}

static void snapshot_clear(snapshot *s) {
    stk_free(s->poses);
    stk_free(s->place);
    stk_free(s->drive);
    stk_free(s->lift);
}

static void save(const stk_bundle_problem *b, snapshot *s) {
    memcpy(s->poses, b->poses, (size_t)b->frames * sizeof *b->poses);
    memcpy(s->place, b->place, (size_t)b->points * sizeof *b->place);
    memcpy(s->anchors, b->anchors.place, sizeof s->anchors);
    if (b->drive != NULL) {
        memcpy(s->drive, b->drive, (size_t)b->points * sizeof *b->drive);
        memcpy(s->lift, b->lift, (size_t)b->frames * sizeof *b->lift);
    }
    s->camera = b->camera;
}

static void restore(stk_bundle_problem *b, const snapshot *s) {
    memcpy(b->poses, s->poses, (size_t)b->frames * sizeof *b->poses);
    memcpy(b->place, s->place, (size_t)b->points * sizeof *b->place);
    memcpy(b->anchors.place, s->anchors, sizeof s->anchors);
    if (b->drive != NULL) {
        memcpy(b->drive, s->drive, (size_t)b->points * sizeof *b->drive);
        memcpy(b->lift, s->lift, (size_t)b->frames * sizeof *b->lift);
        stk_bundle_drive_apply(b);
    }
    b->camera = s->camera;
}

static stk_status enough(const stk_bundle_problem *b) {
    int points = 0, frames = 0;
    for (int p = 0; p < b->points; p++) points += b->kept[p];
    for (int f = 0; f < b->frames; f++) frames += b->usable[f];
    if (points >= POINTS_LEAST && frames >= FRAMES_LEAST) return STK_OK;
    return stk_fail(STK_ERR_CONTENT,
                    "bundle adjustment needs at least %d points followed through the clip and %d "
                    "frames that see %d of them, and has %d and %d; keep the tracker's poses",
                    POINTS_LEAST, FRAMES_LEAST, STK_BUNDLE_FRAME_LEAST, points, frames);
}

/* --- stages ----------------------------------------------------------------------------------- */

/* Between chosen frames the rest start at their neighbours' poses. */
static void settle_unchosen(stk_bundle_problem *b) {
    int before = -1, seen = 0;
    for (int f = 0; f < b->frames && b->stride > 1; f++) {
        if (f > 0 && b->take[f] != b->take[f - 1]) before = -1, seen = 0;
        if (!b->usable[f] || seen++ % b->stride != 0) continue;
        for (int k = before + 1; before >= 0 && k < f; k++)
            stk_se3_between(&b->poses[before], &b->poses[f], (double)(k - before) / (f - before),
                            &b->poses[k]);
        before = f;
    }
}

static stk_status settle(stk_bundle_problem *b) {
    enum { TURNS = 2 };
    stk_bundle_measure(b);
    for (int turn = 0; turn < TURNS; turn++) {
        stk_bundle_sweep_points(b);
        stk_bundle_measure(b);
    }
    memcpy(b->first_place, b->place, (size_t)b->points * sizeof *b->place);
    for (int turn = 0; turn < TURNS; turn++) {
        stk_bundle_sweep_poses(b);
        stk_bundle_sweep_points(b);
        stk_bundle_measure(b);
    }
    return STK_OK;
}

/* Rounds of stage 2, each with the loss's width and the outliers of the one before. */
static stk_status rounds(stk_bundle_problem *b) {
    static const double GAIN[] = {500, 50, 5}, LIMIT[] = {8, 6, OUTLIER};
    static const int STEPS[] = {30, 15, 15};
    for (int round = 0; round < 3; round++) {
        STK_TRY(stk_bundle_solve(b, STEPS[round], GAIN[round]));
        STK_TRY(stk_bundle_fix_gauge(b));
        settle_unchosen(b);
        stk_bundle_measure(b);
        stk_bundle_reject(b, LIMIT[round]);
        STK_TRY(enough(b));
        stk_bundle_measure(b);
        if (b->fit_focal && b->focal_sd > 2 * STK_FOCAL_DETERMINED) return STK_OK;
    }
    return STK_OK;
}

static stk_status solve_together(stk_bundle_problem *b, const stk_bundle_options *options,
                                 snapshot *held, int *determined) {
    *determined = 0;
    b->fit_lens = 0;
    STK_TRY(stk_bundle_solve(b, 10, 100));
    STK_TRY(stk_bundle_fix_gauge(b));
    settle_unchosen(b);
    stk_bundle_measure(b);
    save(b, held);
    const int told = b->focal_sd < STK_FOCAL_DETERMINED;
    b->fit_focal = options->fit_focal && b->focal_sd < FOCAL_TRY;
    b->fit_lens = options->fit_lens;
    if (!b->fit_focal && !told) b->point_prior = 1 / (RELIEF_M * RELIEF_M);
    STK_TRY(rounds(b));
    *determined = b->focal_sd < STK_FOCAL_DETERMINED;
    if (!b->fit_focal || *determined) return STK_OK;
    b->point_prior = 1 / (RELIEF_M * RELIEF_M);
    b->fit_focal = 0;
    restore(b, held);
    stk_bundle_measure(b);
    return rounds(b);
}

static void finish_frames(stk_bundle_problem *b) {
    enum { TURNS = 3 };
    for (int turn = 0; turn < TURNS; turn++) {
        stk_bundle_sweep_points(b);
        stk_bundle_sweep_poses(b);
        stk_bundle_measure(b);
        stk_bundle_reject(b, OUTLIER);
    }
    stk_bundle_measure(b);
}

static stk_status drive(stk_bundle_problem *b) {
    enum { ROUNDS = 3, TURNS = 5, SETTLING = 3, STEPS = 10 };
    static const double GAIN = 5;
    b->trust_held = 1;
    for (int round = 0; round < ROUNDS; round++) {
        stk_bundle_drive_sweep(b, TURNS);
        stk_bundle_measure(b);
        STK_TRY(stk_bundle_solve(b, STEPS, GAIN));
        STK_TRY(stk_bundle_fix_gauge(b));
        settle_unchosen(b);
        for (int turn = 0; turn < SETTLING; turn++) {
            stk_bundle_sweep_points(b);
            stk_bundle_sweep_poses(b);
        }
        stk_bundle_measure(b);
        stk_bundle_reject(b, OUTLIER);
    }
    return enough(b);
}

/* --- figures and result ----------------------------------------------------------------------- */

/* Frames without a pose of their own: between their neighbours in the take, held at its ends. A
 * take without any keeps the given poses. */
static void fill_gaps(stk_bundle_problem *b) {
    for (int from = 0, to; from < b->frames; from = to) {
        int before = -1;
        to = stk_bundle_take_end(b, from);
        for (int f = from; f <= to; f++) {
            if (f < to && !b->usable[f]) continue;
            for (int k = before < 0 ? from : before + 1; k < f; k++) {
                if (before >= 0 && f < to)
                    stk_se3_between(&b->poses[before], &b->poses[f],
                                    (double)(k - before) / (f - before), &b->poses[k]);
                else if (before >= 0 || f < to)
                    b->poses[k] = b->poses[before >= 0 ? before : f];
            }
            before = f;
        }
    }
}

static void measure_before(stk_bundle_problem *b, stk_bundle *result) {
    stk_bundle_problem before = *b;
    before.poses = b->start;
    before.place = b->first_place;
    before.camera.focal_px = b->start_focal_px;
    before.camera.lens = 0;
    before.shift = NULL;
    stk_bundle_measure(&before);
    result->reprojection_before_median_px = stk_bundle_quantile(&before, 0.5);
    result->reprojection_before_p95_px = stk_bundle_quantile(&before, 0.95);
    stk_pose_jitter(b->start, b->usable, b->take, b->frames, b->start_focal_px,
                    &result->jitter_before_deg, &result->jitter_before_px);
}

static void measure_after(stk_bundle_problem *b, stk_bundle *result) {
    stk_bundle_measure(b);
    result->reprojection_median_px = stk_bundle_quantile(b, 0.5);
    result->reprojection_p95_px = stk_bundle_quantile(b, 0.95);
    result->noise_px = b->noise_px;
    stk_pose_jitter(b->poses, b->usable, b->take, b->frames, b->camera.focal_px,
                    &result->jitter_deg, &result->jitter_px);
    for (int64_t k = 0; k < b->count; k++) result->observations_kept += stk_bundle_takes_part(b, k);
    result->observations = b->count;
    result->iterations = b->iterations;
    result->stride = b->stride;
    result->takes = b->takes;
}

static stk_status hand_over(stk_bundle_problem *b, stk_bundle *result) {
    size_t frames = (size_t)b->frames, points = (size_t)b->points;
    result->frames = b->frames;
    result->points = b->points;
    result->poses = stk_calloc_aligned(frames, sizeof *result->poses);
    result->solved = stk_calloc_aligned(frames, 1);
    result->points_head = stk_calloc_aligned(points + 1, sizeof *result->points_head);
    result->kept = stk_calloc_aligned(points + 1, 1);
    if (result->poses == NULL || result->solved == NULL || result->points_head == NULL ||
        result->kept == NULL)
        return stk_fail_memory("the result of bundle adjustment");
    fill_gaps(b);
    for (int f = 0; f < b->frames; f++) {
        for (int k = 0; k < 9; k++) result->poses[f].R[k] = (float)b->poses[f].R[k];
        for (int k = 0; k < 3; k++) result->poses[f].t[k] = (float)b->poses[f].t[k];
        result->frames_solved += result->solved[f] = b->usable[f];
    }
    for (int p = 0; p < b->points; p++) {
        result->points_kept += result->kept[p] = b->kept[p];
        for (int k = 0; k < 3 && b->kept[p]; k++) result->points_head[p][k] = (float)b->place[p][k];
    }
    result->camera.focal_px = (float)b->camera.focal_px;
    result->lens = b->camera.lens;
    return STK_OK;
}

static stk_status adjust_robust(stk_bundle_problem *b, const stk_bundle_options *options,
                                stk_bundle *result) {
    snapshot held;
    stk_status status = snapshot_init(&held, b);
    if (status == STK_OK) status = settle(b);
    if (status == STK_OK) status = solve_together(b, options, &held, &result->focal_determined);
    if (status == STK_OK) {
        finish_frames(b);
        status = enough(b);
        if (status == STK_OK && b->drive != NULL) status = drive(b);
    }
    result->focal_sd_px = b->focal_sd * b->camera.focal_px;
    if (status == STK_OK) status = stk_bundle_steady(b);
    if (status == STK_OK && !options->no_smoothing) status = stk_bundle_smooth(b, result);
    stk_bundle_steady_end(b);
    snapshot_clear(&held);
    return status;
}

static stk_status adjust(stk_bundle_problem *b, const stk_bundle_options *options,
                         stk_bundle *result) {
    STK_TRY(enough(b));
    if (options->mode == STK_BUNDLE_PUBLISHED) {
        int points = options->published_points, joint = options->published_joint;
        b->stride = 1;
        result->focal_sd_px = INFINITY;
        STK_TRY(stk_bundle_published(b, points > 0 ? points : 500, joint > 0 ? joint : 8000));
    } else {
        STK_TRY(adjust_robust(b, options, result));
    }
    measure_before(b, result);
    measure_after(b, result);
    return hand_over(b, result);
}

stk_status stk_bundle_adjust(const stk_bundle_input *input, const stk_bundle_options *options,
                             stk_pool *pool, const stk_job *job, stk_bundle *result) {
    double start_s = stk_clock_s();
    stk_bundle_problem b;
    memset(result, 0, sizeof *result);
    result->camera = input->camera;
    stk_status status = stk_bundle_problem_init(&b, input, pool, job);
    if (status == STK_OK) status = adjust(&b, options, result);
    stk_bundle_problem_clear(&b);
    if (status != STK_OK) {
        stk_bundle_clear(result);
        return status;
    }
    result->seconds = stk_clock_s() - start_s;
    stk_job_report(job, "bundle adjustment", result->frames, result->frames, start_s, NULL);
    return STK_OK;
}
