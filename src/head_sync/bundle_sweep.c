/* bundle_sweep.c - points from poses, poses from points, residuals and what they reject.
 *
 *   sweep_points   per point: damped Gauss-Newton on 3 numbers, one task per block of points
 *   sweep_poses    per frame: the same on 6, with landmark anchors and the weak pose prior
 *   measure        error of each observation; noise from their median (Rayleigh: 1.1774 sigma)
 *   reject         observations beyond the limit; points that keep too few or move on their own
 *
 * Blocks are tasks; nothing is shared between them.
 */
#include "head_sync/bundle_internal.h"
#include "base/spd.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64, POINT_STEPS = 12, POSE_STEPS = 12 };
static const double RAYLEIGH_MEDIAN = 1.1774; /* of errors of spread 1 in either coordinate */

/* One unknown's normal equations at a trial: n = 3 or 6. */
typedef struct normal {
    double H[36], g[6], loss;
} normal;

static void add_row_pair(normal *q, int n, const double *J, const double r[2], double w) {
    for (int i = 0; i < n; i++) {
        q->g[i] += w * (J[i] * r[0] + J[n + i] * r[1]);
        for (int j = 0; j <= i; j++) q->H[n * i + j] += w * (J[i] * J[j] + J[n + i] * J[n + j]);
    }
}

/* d <- -(H + damping diag H)^-1 g. 0 when not definite. */
static int damped_direction(const normal *q, int n, double damping, double *d) {
    double A[36];
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) A[n * i + j] = A[n * j + i] = q->H[n * i + j];
        A[n * i + i] *= 1 + damping;
        d[i] = -q->g[i];
    }
    return stk_spd_solve(A, d, n);
}

/* --- points ----------------------------------------------------------------------------------- */

static int point_normal(const stk_bundle_problem *b, int point, const double place[3], normal *q) {
    memset(q, 0, sizeof *q);
    int seen = 0;
    double prior = b->noise_px * b->noise_px * b->point_prior;
    for (int i = 0; i < 3; i++) {
        double e = place[i] - b->prior[point][i];
        q->loss += prior * e * e;
        q->g[i] += prior * e;
        q->H[4 * i] += prior;
    }
    for (int64_t k = b->point_first[point]; k < b->point_first[point + 1]; k++) {
        const stk_bundle_observation *o = &b->list[k];
        stk_bundle_jacobian J;
        double r[2], factor;
        if (!stk_bundle_takes_part(b, k) || !b->usable[o->frame]) continue;
        if (!stk_bundle_observe(b, k, &b->camera, &b->poses[o->frame], place, r, &J)) return 0;
        q->loss += stk_bundle_observation_loss(b, o, r, &factor);
        add_row_pair(q, 3, J.point, r, factor);
        seen++;
    }
    return seen;
}

static void refine_point(stk_bundle_problem *b, int point) {
    double *place = b->place[point], damping = 1e-6;
    normal q, trial;
    if (point_normal(b, point, place, &q) == 0) return;
    for (int step = 0; step < POINT_STEPS; step++) {
        double d[3], moved[3];
        if (!damped_direction(&q, 3, damping, d)) return;
        for (int i = 0; i < 3; i++) moved[i] = place[i] + d[i];
        if (point_normal(b, point, moved, &trial) == 0 || !(trial.loss < q.loss)) {
            damping *= 16;
            continue;
        }
        double gain = q.loss - trial.loss;
        memcpy(place, moved, sizeof moved);
        q = trial;
        damping = fmax(damping / 16, 1e-9);
        if (gain < 1e-6 * q.loss) return;
    }
}

static void points_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_bundle_problem *b = ctx;
    int to = (task + 1) * BLOCK < b->points ? (task + 1) * BLOCK : b->points;
    for (int p = task * BLOCK; p < to; p++)
        if (b->kept[p]) refine_point(b, p);
}

void stk_bundle_sweep_points(stk_bundle_problem *b) {
    stk_pool_run(b->pool, (b->points + BLOCK - 1) / BLOCK, points_task, b);
}

/* --- poses ------------------------------------------------------------------------------------ */

static int pose_anchors(const stk_bundle_problem *b, int frame, const stk_se3 *pose, normal *q) {
    const stk_bundle_anchors *a = &b->anchors;
    if (a->landmarks == NULL || !a->valid[frame]) return 1;
    for (int i = 0; i < a->count; i++) {
        const float *l = a->landmarks[frame].xyz[a->vertex[i]];
        stk_bundle_jacobian J;
        double r[2], factor;
        if (!stk_bundle_residual(&b->camera, pose, a->place[i], l, r, &J)) return 0;
        q->loss += a->weight * stk_bundle_loss(r[0] * r[0] + r[1] * r[1], a->width_px, &factor);
        add_row_pair(q, 6, J.pose, r, a->weight * factor);
    }
    return 1;
}

static int pose_normal(const stk_bundle_problem *b, int frame, const stk_se3 *pose, normal *q) {
    enum { STEADY_LEAST = 20 };
    int seen = 0;
    memset(q, 0, sizeof *q);
    q->loss = stk_bundle_pose_prior(b, &b->camera, frame, pose, q->g, q->H);
    for (int64_t k = b->frame_first[frame]; k < b->frame_first[frame + 1]; k++) {
        const stk_bundle_observation *o = &b->list[b->by_frame[k]];
        stk_bundle_jacobian J;
        double r[2], factor;
        if (!stk_bundle_takes_part(b, b->by_frame[k])) continue;
        if (!stk_bundle_observe(b, b->by_frame[k], &b->camera, pose, b->place[o->point], r, &J))
            return 0;
        q->loss += stk_bundle_observation_loss(b, o, r, &factor);
        add_row_pair(q, 6, J.pose, r, factor);
        seen++;
    }
    /* Against what changes quickly, landmarks would only pull back to where they are. */
    return b->slow != NULL && seen >= STEADY_LEAST ? 1 : pose_anchors(b, frame, pose, q);
}

static void pose_task(void *ctx, int frame, int worker) {
    (void)worker;
    stk_bundle_problem *b = ctx;
    normal q, trial;
    double damping = 1e-6;
    memset(b->information[frame], 0, sizeof b->information[frame]);
    if (!b->usable[frame] || !pose_normal(b, frame, &b->poses[frame], &q)) return;
    for (int step = 0; step < POSE_STEPS; step++) {
        double d[6];
        stk_se3 moved;
        if (!damped_direction(&q, 6, damping, d)) break;
        stk_se3_move(&b->poses[frame], d, &moved);
        if (!pose_normal(b, frame, &moved, &trial) || !(trial.loss < q.loss)) {
            damping *= 16;
            continue;
        }
        double gain = q.loss - trial.loss;
        b->poses[frame] = moved;
        q = trial;
        damping = fmax(damping / 16, 1e-9);
        if (gain < 1e-7 * q.loss) break;
    }
    stk_mat3_polar(b->poses[frame].R);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j <= i; j++)
            b->information[frame][6 * i + j] = b->information[frame][6 * j + i] = q.H[6 * i + j];
}

void stk_bundle_sweep_poses(stk_bundle_problem *b) {
    stk_pool_run(b->pool, b->frames, pose_task, b);
}

/* --- residuals -------------------------------------------------------------------------------- */

static void measure_task(void *ctx, int task, int worker) {
    (void)worker;
    stk_bundle_problem *b = ctx;
    int to = (task + 1) * BLOCK < b->points ? (task + 1) * BLOCK : b->points;
    for (int p = task * BLOCK; p < to; p++)
        for (int64_t k = b->point_first[p]; k < b->point_first[p + 1]; k++) {
            const stk_bundle_observation *o = &b->list[k];
            double r[2];
            int seen =
                b->kept[p] && b->usable[o->frame] &&
                stk_bundle_observe(b, k, &b->camera, &b->poses[o->frame], b->place[p], r, NULL);
            b->error_px[k] = seen ? (float)sqrt(r[0] * r[0] + r[1] * r[1]) : INFINITY;
        }
}

/* Errors are counted in bins of relative width 2^-8: the top bits of the float itself. */
enum { BIN_SHIFT = 15, BINS = 1 << 16 };

static float error_of_bin(uint32_t bin) {
    uint32_t bits = (bin << BIN_SHIFT) + (1u << (BIN_SHIFT - 1));
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double stk_bundle_quantile(const stk_bundle_problem *b, double q) {
    static _Thread_local int32_t bins[BINS];
    int64_t total = 0, below = 0;
    memset(bins, 0, sizeof bins);
    for (int64_t k = 0; k < b->count; k++) {
        uint32_t bits;
        if (!stk_bundle_takes_part(b, k) || !isfinite(b->error_px[k])) continue;
        memcpy(&bits, &b->error_px[k], sizeof bits);
        bins[bits >> BIN_SHIFT]++;
        total++;
    }
    for (uint32_t i = 0; i < BINS; i++) {
        below += bins[i];
        if (total > 0 && (double)below > q * (double)(total - 1)) return error_of_bin(i);
    }
    return 0;
}

void stk_bundle_measure(stk_bundle_problem *b) {
    static const double CAUCHY_WIDTH = 2.385;  /* 95 % efficient */
    static const double NOISE_LEAST_PX = 0.02; /* what pixel grids allow at best */
    stk_pool_run(b->pool, (b->points + BLOCK - 1) / BLOCK, measure_task, b);
    b->noise_px = fmax(stk_bundle_quantile(b, 0.5) / RAYLEIGH_MEDIAN, NOISE_LEAST_PX);
    b->width_px = CAUCHY_WIDTH * b->noise_px;
    stk_bundle_weigh(b);
}

/* Keeps a point that has enough observations, most of what it had, and sits on a head. */
static int point_stays(stk_bundle_problem *b, int point, double limit_px, double median_px) {
    static const double HEAD_M = 0.35, MOST = 0.5, LIVELY = 3;
    int had = 0, has = 0;
    double squares = 0, distance = 0;
    for (int64_t k = b->point_first[point]; k < b->point_first[point + 1]; k++) {
        stk_bundle_observation *o = &b->list[k];
        o->dropped = !(b->error_px[k] <= limit_px) || !(o->weight > 0);
        had += b->usable[o->frame] && o->weight > 0;
        if (o->dropped) continue;
        has++;
        squares += (double)b->error_px[k] * b->error_px[k];
    }
    for (int i = 0; i < 3; i++) distance += b->place[point][i] * b->place[point][i];
    if (has < STK_BUNDLE_POINT_LEAST || has < MOST * had) return 0;
    return sqrt(squares / has) <= LIVELY * median_px && distance <= HEAD_M * HEAD_M;
}

static void count_frames(stk_bundle_problem *b) {
    const stk_bundle_anchors *a = &b->anchors;
    for (int f = 0; f < b->frames; f++) {
        int seen = a->landmarks != NULL && a->valid[f] ? STK_BUNDLE_FRAME_LEAST : 0;
        for (int64_t k = b->frame_first[f]; k < b->frame_first[f + 1]; k++)
            seen += stk_bundle_takes_part(b, b->by_frame[k]);
        b->usable[f] = b->usable[f] && seen >= STK_BUNDLE_FRAME_LEAST;
    }
}

void stk_bundle_reject(stk_bundle_problem *b, double limit) {
    /* of the noise, not of the errors: those of a picture that stands still are next to none */
    double limit_px = limit * b->noise_px, median_px = RAYLEIGH_MEDIAN * b->noise_px;
    for (int p = 0; p < b->points; p++)
        if (b->kept[p]) b->kept[p] = (uint8_t)point_stays(b, p, limit_px, median_px);
    count_frames(b);
}
