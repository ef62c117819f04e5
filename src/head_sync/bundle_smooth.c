/* bundle_smooth.c - see bundle_smooth.h. Frames are tasks. */
#include "head_sync/bundle_smooth.h"
#include "base/memory.h"
#include "head_sync/bundle_steady.h"
#include "head_sync/pose_smooth.h"

#include <math.h>
#include <string.h>

static const double LADDER[] = {0, 1.0 / 512, 1.0 / 256, 1.0 / 128, 1.0 / 64, 1.0 / 16, 0.25, 1, 4};
enum { STEPS = sizeof LADDER / sizeof LADDER[0], ALL_FRAMES = -1 };

typedef struct smoothing {
    stk_bundle_problem *b;
    stk_pose_smoother **smoothers; /* [takes] */
    stk_se3 *smooth;               /* [frames] */
    double *sums;                  /* [frames][2]: squared error, weight of observations */
    stk_se3 *before;               /* [frames] */
} smoothing;

static void smoothing_clear(smoothing *s) {
    for (int i = 0; s->smoothers != NULL && i < s->b->takes; i++)
        stk_pose_smoother_free(&s->smoothers[i]);
    stk_free(s->smoothers);
    stk_free(s->smooth);
    stk_free(s->sums);
    stk_free(s->before);
}

int stk_bundle_take_end(const stk_bundle_problem *b, int from) {
    int to = from + 1;
    while (to < b->frames && b->take[to] == b->take[from]) to++;
    return to;
}

static stk_status open_smoothers(smoothing *s) {
    stk_bundle_problem *b = s->b;
    for (int from = 0; from < b->frames; from = stk_bundle_take_end(b, from)) {
        stk_pose_smoother **smoother = &s->smoothers[b->take[from]];
        stk_pose_smoother_free(smoother);
        STK_TRY(stk_pose_smoother_create(
            smoother, b->poses + from, (const double(*)[36])b->information + from, b->usable + from,
            NULL, stk_bundle_take_end(b, from) - from, b->pool));
    }
    return STK_OK;
}

/* fold: of frames, or ALL_FRAMES. */
static void run_smoothers(smoothing *s, double stiffness, int fold) {
    stk_bundle_problem *b = s->b;
    memcpy(s->smooth, b->poses, (size_t)b->frames * sizeof *b->poses);
    for (int from = 0; stiffness > 0 && from < b->frames; from = stk_bundle_take_end(b, from))
        stk_pose_smoother_run(s->smoothers[b->take[from]], stiffness, fold, s->smooth + from);
}

/* The errors of a frame's observations at its smoothed pose: of the part of the face that is held
 * out, or of all where none is. */
static void measure_task(void *ctx, int frame, int worker) {
    (void)worker;
    const smoothing *s = ctx;
    const stk_bundle_problem *b = s->b;
    double *sum = s->sums + (ptrdiff_t)2 * frame, r[2];
    sum[0] = sum[1] = 0;
    for (int64_t k = b->frame_first[frame]; b->usable[frame] && k < b->frame_first[frame + 1];
         k++) {
        const stk_bundle_observation *o = &b->list[b->by_frame[k]];
        if (o->dropped || !(o->weight > 0) || !b->kept[o->point] ||
            (b->fold >= 0 && b->part[o->point] != b->fold) ||
            !stk_bundle_observe(b, b->by_frame[k], &b->camera, &s->smooth[frame],
                                b->place[o->point], r, NULL))
            continue;
        double factor, weight = (double)o->weight * (double)b->trust[o->point];
        sum[0] += weight * stk_bundle_loss(r[0] * r[0] + r[1] * r[1], b->width_px, &factor);
        sum[1] += weight;
    }
}

/* Adds up the errors of every frame (step 1), or of each `step`-th of a take from `first`. */
static void add_errors(smoothing *s, int first, int step, double sum[2]) {
    const stk_bundle_problem *b = s->b;
    stk_pool_run(b->pool, b->frames, measure_task, s);
    for (int from = 0; from < b->frames; from = stk_bundle_take_end(b, from))
        for (int f = from + first; f < stk_bundle_take_end(b, from); f += step)
            for (int k = 0; k < 2; k++) sum[k] += s->sums[2 * f + k];
}

/* Each part of the face is held out of the poses by turns (the points stay where all observations
 * put them): the stiffest that predicts it no worse than poses that are not smoothed. */
static stk_status stiffness_of_parts(smoothing *s, double squares[STEPS], int *best) {
    stk_bundle_problem *b = s->b;
    stk_status status = STK_OK;
    for (b->fold = 0; b->fold < STK_BUNDLE_PARTS && status == STK_OK; b->fold++) {
        stk_bundle_sweep_poses(b);
        status = open_smoothers(s);
        for (int i = 0; i < STEPS && status == STK_OK; i++) {
            double sum[2] = {0};
            run_smoothers(s, LADDER[i], ALL_FRAMES);
            add_errors(s, 0, 1, sum);
            squares[i] += sum[1] > 0 ? sum[0] / sum[1] / STK_BUNDLE_PARTS : 0;
        }
    }
    b->fold = -1;
    *best = 0;
    for (int i = 1; i < STEPS; i++)
        if (squares[i] <= squares[0]) *best = i;
    return status;
}

/* Frames are held out by turns: what predicts them best of all that smooths at all. The smoothers
 * are open. */
static int stiffness_of_frames(smoothing *s) {
    double least = INFINITY;
    int best = 0;
    for (int i = 1; i < STEPS; i++) {
        double sum[2] = {0};
        for (int fold = 0; fold < STK_SMOOTH_FOLDS; fold++) {
            run_smoothers(s, LADDER[i], fold);
            add_errors(s, fold, STK_SMOOTH_FOLDS, sum);
        }
        if (!(sum[1] > 0) || sum[0] / sum[1] >= least) continue;
        least = sum[0] / sum[1];
        best = i;
    }
    return best;
}

static stk_status choose_and_smooth(smoothing *s, stk_bundle *result) {
    stk_bundle_problem *b = s->b;
    double squares[STEPS] = {0};
    int parts;
    memcpy(s->before, b->poses, (size_t)b->frames * sizeof *b->poses);
    STK_TRY(stiffness_of_parts(s, squares, &parts));
    memcpy(b->poses, s->before, (size_t)b->frames * sizeof *b->poses);
    stk_bundle_sweep_poses(b);
    STK_TRY(open_smoothers(s));
    const int frames = stiffness_of_frames(s), best = frames > parts ? frames : parts;
    result->smoothing = LADDER[best];
    result->held_out_px = sqrt(squares[0]);
    result->held_out_smooth_px = sqrt(squares[best]);
    run_smoothers(s, LADDER[best], ALL_FRAMES);
    memcpy(b->poses, s->smooth, (size_t)b->frames * sizeof *b->poses);
    return STK_OK;
}

stk_status stk_bundle_smooth(stk_bundle_problem *b, stk_bundle *result) {
    const size_t frames = (size_t)b->frames;
    smoothing s = {.b = b};
    stk_status status = STK_OK;
    s.smoothers = stk_calloc_aligned((size_t)b->takes, sizeof(stk_pose_smoother *));
    s.smooth = stk_calloc_aligned(frames, sizeof *s.smooth);
    s.before = stk_calloc_aligned(frames, sizeof *s.before);
    s.sums = stk_calloc_aligned(frames, 2 * sizeof *s.sums);
    if (s.smoothers == NULL || s.smooth == NULL || s.before == NULL || s.sums == NULL)
        status = stk_fail_memory("bundle adjustment");
    if (status == STK_OK) status = choose_and_smooth(&s, result);
    smoothing_clear(&s);
    return status;
}
