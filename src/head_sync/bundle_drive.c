/* bundle_drive.c - see bundle_drive.h.
 *
 *   D_j    per point with its place: least squares on 6 numbers, the loss's weights, prior 1 mm
 *          for one deviation of b, less towards the eyes
 *   b(i)   per frame: least squares on one, prior one deviation about what was captured
 *   poses  sweep_poses
 */
#include "head_sync/bundle_drive.h"
#include "base/memory.h"
#include "base/spd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64, UNKNOWNS = 6, STEPS = 3 };
static const double DRIVE_M = 0.001, LIFT = 1, LIFT_MOST = 6;
/* Height over the head's origin; eyes are at 26 mm, brows from 35 mm on. */
static const double STILL_M = 0.018, FREE_M = 0.032;

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Centred on the median, of unit deviation; what hardly moves stays small. */
static void normalise(stk_bundle_problem *b, float *sorted) {
    static const double DEVIATION_LEAST = 0.01;
    double sum = 0;
    memcpy(sorted, b->lift, (size_t)b->frames * sizeof *sorted);
    qsort(sorted, (size_t)b->frames, sizeof *sorted, compare_floats);
    for (int f = 0; f < b->frames; f++) {
        const double d = (double)b->lift[f] - (double)sorted[b->frames / 2];
        b->lift_given[f] = (float)d;
        sum += d * d;
    }
    const double deviation = fmax(sqrt(sum / b->frames), DEVIATION_LEAST);
    for (int f = 0; f < b->frames; f++)
        b->lift[f] = b->lift_given[f] = (float)((double)b->lift_given[f] / deviation);
}

stk_status stk_bundle_drive_init(stk_bundle_problem *b, const stk_bundle_input *input) {
    const size_t frames = (size_t)b->frames;
    if (input->lift == NULL) return STK_OK;
    float *sorted = stk_calloc_aligned(frames, sizeof *sorted);
    b->lift = stk_calloc_aligned(frames, sizeof *b->lift);
    b->lift_given = stk_calloc_aligned(frames, sizeof *b->lift_given);
    b->drive = stk_calloc_aligned((size_t)b->points + 1, sizeof *b->drive);
    b->shift = stk_calloc_aligned((size_t)b->count + 1, sizeof *b->shift);
    const int have = sorted != NULL && b->lift != NULL && b->lift_given != NULL &&
                     b->drive != NULL && b->shift != NULL;
    for (size_t f = 0; have && f < frames; f++)
        b->lift[f] = isfinite(input->lift[f]) ? input->lift[f] : 0;
    if (have) normalise(b, sorted);
    stk_free(sorted);
    return have ? STK_OK : stk_fail_memory("bundle adjustment");
}

void stk_bundle_drive_clear(stk_bundle_problem *b) {
    stk_free(b->lift);
    stk_free(b->lift_given);
    stk_free(b->drive);
    stk_free(b->shift);
}

static void shift_point(stk_bundle_problem *b, int point) {
    for (int64_t k = b->point_first[point]; k < b->point_first[point + 1]; k++)
        for (int i = 0; i < 3; i++)
            b->shift[k][i] = (float)((double)b->lift[b->list[k].frame] * b->drive[point][i]);
}

void stk_bundle_drive_apply(stk_bundle_problem *b) {
    for (int p = 0; b->shift != NULL && p < b->points; p++) shift_point(b, p);
}

void stk_bundle_drive_turn(stk_bundle_problem *b, const double Q[9], double scale) {
    for (int p = 0; b->drive != NULL && p < b->points; p++) {
        double turned[3];
        stk_mat3_apply(Q, b->drive[p], turned);
        for (int i = 0; i < 3; i++) b->drive[p][i] = scale * turned[i];
    }
    stk_bundle_drive_apply(b);
}

/* --- D ---------------------------------------------------------------------------------------- */

/* 0 to 1: how far a point of this height may move. */
static double freedom(double height) {
    const double t = fmin(fmax((height - STILL_M) / (FREE_M - STILL_M), 0), 1);
    return t * t * (3 - 2 * t);
}

/* Adds an observation to the normal equations of (X_j, D_j). */
static int add_observation(const stk_bundle_problem *b, int64_t k, double *A, double *g) {
    const stk_bundle_observation *o = &b->list[k];
    stk_bundle_jacobian J;
    double r[2], w;
    if (!stk_bundle_observe(b, k, &b->camera, &b->poses[o->frame], b->place[o->point], r, &J))
        return 0;
    stk_bundle_observation_loss(b, o, r, &w);
    for (int e = 0; e < 2; e++) {
        double row[UNKNOWNS];
        for (int i = 0; i < 3; i++) {
            row[i] = J.point[3 * e + i];
            row[3 + i] = (double)b->lift[o->frame] * row[i];
        }
        for (int i = 0; i < UNKNOWNS; i++) {
            g[i] -= w * row[i] * r[e];
            for (int j = 0; j < UNKNOWNS; j++) A[UNKNOWNS * i + j] += w * row[i] * row[j];
        }
    }
    return 1;
}

static void drive_point(stk_bundle_problem *b, int point) {
    double *place = b->place[point], *drive = b->drive[point];
    const double free = freedom(place[1]), noise2 = b->noise_px * b->noise_px;
    memset(drive, 0, sizeof b->drive[point] * (size_t)(free < 1e-3));
    const double prior = noise2 * (double)b->trust[point] / (DRIVE_M * DRIVE_M * free * free);
    for (int step = 0; free >= 1e-3 && step < STEPS; step++) {
        double A[UNKNOWNS * UNKNOWNS] = {0}, g[UNKNOWNS] = {0};
        shift_point(b, point);
        for (int64_t k = b->point_first[point]; k < b->point_first[point + 1]; k++)
            if (stk_bundle_takes_part(b, k) && b->usable[b->list[k].frame] &&
                !add_observation(b, k, A, g))
                return;
        for (int i = 0; i < 3; i++) {
            A[(UNKNOWNS + 1) * i] += noise2 * b->point_prior;
            g[i] -= noise2 * b->point_prior * (place[i] - b->prior[point][i]);
            A[(UNKNOWNS + 1) * (3 + i)] += prior;
            g[3 + i] -= prior * drive[i];
        }
        if (!stk_spd_solve(A, g, UNKNOWNS)) break;
        for (int i = 0; i < 3; i++) place[i] += g[i], drive[i] += g[3 + i];
    }
    shift_point(b, point);
}

static void points_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_bundle_problem *b = ctx;
    const int to = (task + 1) * BLOCK < b->points ? (task + 1) * BLOCK : b->points;
    for (int p = task * BLOCK; p < to; p++)
        if (b->kept[p]) drive_point(b, p);
}

/* --- b ---------------------------------------------------------------------------------------- */

static void frame_task(void *ctx, int frame, int worker) {
    (void)worker;
    stk_bundle_problem *b = ctx;
    const double prior = b->noise_px * b->noise_px / (LIFT * LIFT), lift = (double)b->lift[frame];
    double curvature = prior, slope = prior * ((double)b->lift_given[frame] - lift);
    if (!b->usable[frame]) return;
    for (int64_t n = b->frame_first[frame]; n < b->frame_first[frame + 1]; n++) {
        const int64_t k = b->by_frame[n];
        const stk_bundle_observation *o = &b->list[k];
        const double *D = b->drive[o->point];
        stk_bundle_jacobian J;
        double r[2], w;
        if (!stk_bundle_takes_part(b, k)) continue;
        if (!stk_bundle_observe(b, k, &b->camera, &b->poses[frame], b->place[o->point], r, &J))
            return;
        stk_bundle_observation_loss(b, o, r, &w);
        for (int e = 0; e < 2; e++) {
            const double *p = J.point + 3 * e, row = p[0] * D[0] + p[1] * D[1] + p[2] * D[2];
            curvature += w * row * row;
            slope -= w * row * r[e];
        }
    }
    b->lift[frame] = (float)fmin(fmax(lift + slope / curvature, -LIFT_MOST), LIFT_MOST);
}

void stk_bundle_drive_sweep(stk_bundle_problem *b, int turns) {
    const int blocks = (b->points + BLOCK - 1) / BLOCK;
    for (int turn = 0; b->drive != NULL && turn < turns; turn++) {
        stk_pool_run(b->pool, blocks, points_task, b);
        stk_pool_run(b->pool, b->frames, frame_task, b);
        stk_bundle_drive_apply(b);
        stk_bundle_sweep_poses(b);
    }
}
