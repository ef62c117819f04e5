/* bundle_solve.c - stage 2: points, poses, focal length, lens and anchors together.
 *
 * Levenberg-Marquardt on the chosen frames (every n-th usable one). With V the 3x3 block of a
 * point, W_i (6x3) its coupling to frame i and W_g (2x3) to focal length and lens, eliminating the
 * point leaves
 *   S_ij = H_ij - sum_p W_i V^-1 W_j',  S_ig = H_ig - W_i V^-1 W_g',  S_gg = H_gg - W_g V^-1 W_g'
 * S_ij is banded by how long points are seen (bundle_band.h); anchors are seen all the time and
 * belong to the border, with focal length and lens. A point seen longer than REACH chosen frames
 * counts as several, cut at places that differ from point to point: work and memory are bounded,
 * and the landmarks tie what is cut.
 * Frames in chunks are tasks: a chunk's task writes the rows of its frames only and walks the
 * points in order, so the sums are the same whatever the number of threads.
 */
#include "base/memory.h"
#include "head_sync/bundle_band.h"
#include "head_sync/bundle_internal.h"

#include <math.h>
#include <string.h>

enum {
    REACH = 48,  /* chosen frames a unit spans at most */
    CHUNK = 64,  /* chosen frames of a task; whole tiles */
    FRAME = 6,   /* unknowns of a frame */
    SHARED = 2,  /* ln f and k, first in the border */
    BLOCK = 128, /* units of a task of the loss */
    FRAMES_OF_TILE = STK_BAND_TILE / FRAME,
    ANCHOR_SUMS = 18, /* H with shared [2][3], own [3][3], gradient [3] */
};
static const double WORK_FLOP = 2e9; /* of one elimination; decides the stride */
static const double DAMPING_START = 1e-5, DAMPING_MOST = 1e8;
static const double HELD = 1e15; /* added to the diagonal of what must not move */

/* A point, or a piece of one, in the chosen frames. */
typedef struct unit {
    int64_t from, to; /* in problem.list */
    int32_t point, first, last;
    double place[3], trial[3];
} unit;

typedef struct solver {
    stk_bundle_problem *b;
    int chosen;     /* frames */
    int32_t *frame; /* [chosen] */
    int32_t *index; /* [problem.frames] or -1 */
    stk_se3 *trial; /* [chosen] */
    unit *units;    /* [unit_count] by point */
    int unit_count, chunks, blocks;
    stk_band band;
    double *sums; /* [chunks][SHARED^2 + SHARED + anchors * ANCHOR_SUMS] of the corner */
    int sums_size;
    double *losses;           /* [blocks] */
    stk_bundle_camera camera; /* of the trial */
    double anchors[STK_BUNDLE_ANCHORS][3];
    double damping;
} solver;

static void solver_clear(solver *s) {
    stk_free(s->frame);
    stk_free(s->index);
    stk_free(s->trial);
    stk_free(s->units);
    stk_free(s->sums);
    stk_free(s->losses);
    stk_band_clear(&s->band);
}

/* --- which frames, which units ---------------------------------------------------------------- */

/* Every stride-th usable frame, counted anew in each take. */
static void choose_frames(solver *s, int stride) {
    const stk_bundle_problem *b = s->b;
    int seen = 0;
    s->chosen = 0;
    for (int f = 0; f < b->frames; f++) {
        if (f > 0 && b->take[f] != b->take[f - 1]) seen = 0;
        s->index[f] = -1;
        if (!b->usable[f] || seen++ % stride != 0) continue;
        s->index[f] = s->chosen;
        s->frame[s->chosen++] = f;
    }
}

static int chosen_index(const solver *s, int64_t k) {
    return stk_bundle_takes_part(s->b, k) ? s->index[s->b->list[k].frame] : -1;
}

/* Adds a unit unless it is seen too seldom. */
static void close_unit(solver *s, unit *u, int seen, int store) {
    if (seen >= STK_BUNDLE_POINT_LEAST / 2) {
        if (store) s->units[s->unit_count] = *u;
        s->unit_count++;
    }
    u->from = u->to;
}

/* Cuts the observations into units; counts only unless store. Returns the work in flop. */
static double make_units(solver *s, int store) {
    const stk_bundle_problem *b = s->b;
    double work = 0;
    s->unit_count = 0;
    for (int p = 0; p < b->points; p++) {
        unit u = {b->point_first[p], b->point_first[p], p, -1, -1, {0}, {0}};
        int seen = 0, end = 0;
        memcpy(u.place, b->place[p], sizeof u.place);
        for (int64_t k = b->point_first[p]; k < b->point_first[p + 1]; k++) {
            int i = chosen_index(s, k);
            if (i < 0) continue;
            if (seen > 0 && i >= end) {
                work += 216.0 * seen * (seen + 1) / 2;
                u.to = k;
                close_unit(s, &u, seen, store);
                seen = 0;
            }
            if (seen++ == 0) { /* the first piece of different points ends at different places */
                int whole = u.from == b->point_first[p];
                u.first = i;
                end = i + (whole ? REACH / 2 + p % (REACH / 2) + 1 : REACH);
            }
            u.last = i;
        }
        work += 216.0 * seen * (seen + 1) / 2;
        u.to = b->point_first[p + 1];
        close_unit(s, &u, seen, store);
    }
    return work;
}

static stk_status solver_init(solver *s, stk_bundle_problem *b) {
    enum { STRIDE_MOST = 8 };
    size_t frames = (size_t)b->frames;
    memset(s, 0, sizeof *s);
    s->b = b;
    s->damping = DAMPING_START;
    s->frame = stk_calloc_aligned(frames, sizeof *s->frame);
    s->index = stk_calloc_aligned(frames, sizeof *s->index);
    s->trial = stk_calloc_aligned(frames, sizeof *s->trial);
    if (s->frame == NULL || s->index == NULL || s->trial == NULL)
        return stk_fail_memory("bundle adjustment");
    for (b->stride = 1; b->stride <= STRIDE_MOST; b->stride++) {
        choose_frames(s, b->stride);
        if (make_units(s, 0) <= WORK_FLOP || b->stride == STRIDE_MOST) break;
    }
    s->chunks = (s->chosen + CHUNK - 1) / CHUNK;
    s->blocks = (s->unit_count + BLOCK - 1) / BLOCK;
    s->sums_size = SHARED * SHARED + SHARED + b->anchors.count * ANCHOR_SUMS;
    s->units = stk_calloc_aligned((size_t)s->unit_count + 1, sizeof *s->units);
    s->sums = stk_calloc_aligned((size_t)s->chunks * (size_t)s->sums_size + 1, sizeof(double));
    s->losses = stk_calloc_aligned((size_t)s->blocks + 1, sizeof(double));
    if (s->units == NULL || s->sums == NULL || s->losses == NULL)
        return stk_fail_memory("bundle adjustment");
    make_units(s, 1);
    int span = 0;
    for (int i = 0; i < s->unit_count; i++)
        span = s->units[i].last - s->units[i].first > span ? s->units[i].last - s->units[i].first
                                                           : span;
    return stk_band_init(&s->band, s->chosen * FRAME, (span + FRAMES_OF_TILE - 1) * FRAME,
                         SHARED + 3 * b->anchors.count, b->pool);
}

/* --- one unit --------------------------------------------------------------------------------- */

typedef struct unit_terms {
    int count, index[REACH];
    double W[REACH][18]; /* [3][6] */
    double J[REACH][FRAME * FRAME], g[REACH][FRAME], Jg[REACH][FRAME * SHARED];
    double V[9], gp[3], Wg[SHARED * 3], Hgg[SHARED * SHARED], gg[SHARED];
    double inverse[9];
} unit_terms;

/* out [n][m] += w (A' B), A [2][n], B [2][m] */
static inline void add_outer(double *out, const double *A, int n, const double *B, int m,
                             double w) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) out[m * i + j] += w * (A[i] * B[j] + A[n + i] * B[m + j]);
}

static inline void add_outer_vector(double *out, const double *A, int n, const double r[2],
                                    double w) {
    for (int i = 0; i < n; i++) out[i] += w * (A[i] * r[0] + A[n + i] * r[1]);
}

/* Inverse of a symmetric positive definite 3x3 matrix by cofactors. */
static void invert3(const double V[9], double out[9]) {
    double a = V[4] * V[8] - V[5] * V[5], b = V[2] * V[5] - V[1] * V[8],
           c = V[1] * V[5] - V[2] * V[4];
    double k = 1 / (V[0] * a + V[1] * b + V[2] * c);
    out[0] = k * a, out[1] = out[3] = k * b, out[2] = out[6] = k * c;
    out[4] = k * (V[0] * V[8] - V[2] * V[2]);
    out[5] = out[7] = k * (V[1] * V[2] - V[0] * V[5]);
    out[8] = k * (V[0] * V[4] - V[1] * V[1]);
}

static void add_observation(const solver *s, const unit *u, int64_t k, int i, int own,
                            unit_terms *t) {
    const stk_bundle_problem *b = s->b;
    const stk_bundle_observation *o = &b->list[k];
    stk_bundle_jacobian J;
    double r[2], factor;
    if (!stk_bundle_observe(b, k, &b->camera, &b->poses[o->frame], u->place, r, &J)) return;
    stk_bundle_observation_loss(b, o, r, &factor);
    double w = factor;
    int n = t->count++;
    t->index[n] = i;
    memset(t->W[n], 0, sizeof t->W[n]);
    add_outer(t->W[n], J.point, 3, J.pose, FRAME, w);
    add_outer(t->V, J.point, 3, J.point, 3, w);
    add_outer_vector(t->gp, J.point, 3, r, w);
    add_outer(t->Wg, J.shared, SHARED, J.point, 3, w);
    add_outer(t->Hgg, J.shared, SHARED, J.shared, SHARED, w);
    add_outer_vector(t->gg, J.shared, SHARED, r, w);
    if (!own) return;
    memset(t->J[n], 0, sizeof t->J[n]);
    memset(t->g[n], 0, sizeof t->g[n]);
    memset(t->Jg[n], 0, sizeof t->Jg[n]);
    add_outer(t->J[n], J.pose, FRAME, J.pose, FRAME, w);
    add_outer(t->Jg[n], J.pose, FRAME, J.shared, SHARED, w);
    add_outer_vector(t->g[n], J.pose, FRAME, r, w);
}

/* All terms of a unit at the present state; V damped and with its prior. J, g and Jg only of chosen
 * frames [from, to). */
static void gather_unit(const solver *s, const unit *u, int from, int to, unit_terms *t) {
    const stk_bundle_problem *b = s->b;
    double prior = b->noise_px * b->noise_px * b->point_prior;
    t->count = 0;
    memset(t->V, 0, sizeof t->V);
    memset(t->gp, 0, sizeof t->gp);
    memset(t->Wg, 0, sizeof t->Wg);
    memset(t->Hgg, 0, sizeof t->Hgg);
    memset(t->gg, 0, sizeof t->gg);
    for (int64_t k = u->from; k < u->to; k++) {
        int i = chosen_index(s, k);
        if (i >= 0 && t->count < REACH) add_observation(s, u, k, i, i >= from && i < to, t);
    }
    for (int i = 0; i < 3; i++) {
        t->V[4 * i] = (t->V[4 * i] + prior) * (1 + s->damping);
        t->gp[i] += prior * (u->place[i] - b->prior[u->point][i]);
    }
    invert3(t->V, t->inverse);
}

/* --- the equations ---------------------------------------------------------------------------- */

/* out [n][3] = A [n][3] B [3][3], B symmetric */
static inline void times_inverse(const double *A, int n, const double B[9], double *out) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < 3; j++)
            out[3 * i + j] = A[3 * i] * B[j] + A[3 * i + 1] * B[3 + j] + A[3 * i + 2] * B[6 + j];
}

static double *block_of(const stk_band *band, int i, int j) {
    int row = i / FRAMES_OF_TILE, column = j / FRAMES_OF_TILE;
    return stk_band_tile(band, row, row - column) +
           (ptrdiff_t)(i % FRAMES_OF_TILE) * FRAME * STK_BAND_TILE + (j % FRAMES_OF_TILE) * FRAME;
}

/* Row i of S: minus W_i V^-1 W_j' for all j up to i, its border and right-hand side. */
static void eliminate_row(solver *s, const unit_terms *t, int n) {
    stk_band *band = &s->band;
    int i = t->index[n];
    double Y[18]; /* [6][3] W_i V^-1 */
    for (int r = 0; r < FRAME; r++)
        for (int c = 0; c < 3; c++)
            Y[3 * r + c] = t->W[n][r] * t->inverse[c] + t->W[n][FRAME + r] * t->inverse[3 + c] +
                           t->W[n][2 * FRAME + r] * t->inverse[6 + c];
    for (int m = 0; m <= n; m++) {
        double *restrict block = block_of(band, i, t->index[m]);
        const double *restrict W = t->W[m];
        for (int r = 0; r < FRAME; r++)
            for (int c = 0; c < FRAME; c++)
                block[r * STK_BAND_TILE + c] -=
                    Y[3 * r] * W[c] + Y[3 * r + 1] * W[FRAME + c] + Y[3 * r + 2] * W[2 * FRAME + c];
    }
    double *side = band->side + (ptrdiff_t)i * FRAME * band->columns;
    for (int r = 0; r < FRAME; r++, side += band->columns) {
        const double *y = Y + (ptrdiff_t)3 * r;
        for (int c = 0; c < SHARED; c++)
            side[c] += t->Jg[n][SHARED * r + c] - y[0] * t->Wg[3 * c] - y[1] * t->Wg[3 * c + 1] -
                       y[2] * t->Wg[3 * c + 2];
        side[band->border] += y[0] * t->gp[0] + y[1] * t->gp[1] + y[2] * t->gp[2] - t->g[n][r];
    }
}

static void eliminate_corner(const unit_terms *t, double *sums) {
    double Y[SHARED * 3];
    times_inverse(t->Wg, SHARED, t->inverse, Y);
    for (int i = 0; i < SHARED; i++) {
        for (int j = 0; j < SHARED; j++) {
            double sum = t->Hgg[SHARED * i + j];
            for (int k = 0; k < 3; k++) sum -= Y[3 * i + k] * t->Wg[3 * j + k];
            sums[SHARED * i + j] += sum;
        }
        double sum = t->gg[i];
        for (int k = 0; k < 3; k++) sum -= Y[3 * i + k] * t->gp[k];
        sums[SHARED * SHARED + i] += sum;
    }
}

/* Landmark anchors of a frame: its own block H and gradient g, its border, the chunk's sums. */
static void add_anchors(solver *s, int i, double *H, double *g, double *sums) {
    const stk_bundle_problem *b = s->b;
    const stk_bundle_anchors *a = &b->anchors;
    stk_band *band = &s->band;
    int frame = s->frame[i];
    if (a->landmarks == NULL || !a->valid[frame]) return;
    for (int k = 0; k < a->count; k++) {
        stk_bundle_jacobian J;
        double r[2], factor, own[FRAME * 3] = {0}, shared[FRAME * SHARED] = {0};
        if (!stk_bundle_residual(&b->camera, &b->poses[frame], a->place[k],
                                 a->landmarks[frame].xyz[a->vertex[k]], r, &J))
            continue;
        stk_bundle_loss(r[0] * r[0] + r[1] * r[1], a->width_px, &factor);
        double w = a->weight * factor, *of_anchor = sums + SHARED * (SHARED + 1) + ANCHOR_SUMS * k;
        add_outer(H, J.pose, FRAME, J.pose, FRAME, w);
        add_outer_vector(g, J.pose, FRAME, r, w);
        add_outer(own, J.pose, FRAME, J.point, 3, w);
        add_outer(shared, J.pose, FRAME, J.shared, SHARED, w);
        add_outer(sums, J.shared, SHARED, J.shared, SHARED, w);
        add_outer_vector(sums + SHARED * SHARED, J.shared, SHARED, r, w);
        add_outer(of_anchor, J.shared, SHARED, J.point, 3, w);
        add_outer(of_anchor + 6, J.point, 3, J.point, 3, w);
        add_outer_vector(of_anchor + 15, J.point, 3, r, w);
        double *side = band->side + (ptrdiff_t)i * FRAME * band->columns;
        for (int p = 0; p < FRAME; p++, side += band->columns) {
            for (int c = 0; c < 3; c++) side[SHARED + 3 * k + c] += own[3 * p + c];
            for (int c = 0; c < SHARED; c++) side[c] += shared[SHARED * p + c];
        }
    }
}

/* The tile rows of a chunk start from nothing; rows beyond the last frame are the identity. */
static void clear_chunk(solver *s, int from, int to) {
    stk_band *band = &s->band;
    int row_from = from / FRAMES_OF_TILE, row_to = (to + FRAMES_OF_TILE - 1) / FRAMES_OF_TILE;
    size_t area = (size_t)STK_BAND_TILE * STK_BAND_TILE;
    size_t rows = (size_t)(row_to - row_from);
    memset(stk_band_tile(band, row_from, 0), 0,
           rows * (size_t)(band->reach + 1) * area * sizeof(double));
    memset(band->side + (ptrdiff_t)row_from * STK_BAND_TILE * band->columns, 0,
           rows * STK_BAND_TILE * (size_t)band->columns * sizeof(double));
    for (int i = to; i < row_to * FRAMES_OF_TILE; i++) {
        double *block = block_of(band, i, i);
        for (int k = 0; k < FRAME; k++) block[k * STK_BAND_TILE + k] = 1;
    }
}

static void finish_frame(solver *s, int i, double *H, double *g, double *sums) {
    stk_band *band = &s->band;
    int frame = s->frame[i];
    add_anchors(s, i, H, g, sums);
    stk_bundle_pose_prior(s->b, &s->b->camera, frame, &s->b->poses[frame], g, H);
    double *block = block_of(band, i, i);
    for (int r = 0; r < FRAME; r++) {
        H[7 * r] *= 1 + s->damping;
        band->side[(ptrdiff_t)(i * FRAME + r) * band->columns + band->border] -= g[r];
        for (int c = 0; c <= r; c++) block[r * STK_BAND_TILE + c] += H[FRAME * r + c];
    }
}

static void chunk_task(void *ctx, int task, int worker) {
    (void)worker;
    solver *s = ctx;
    int from = task * CHUNK, to = from + CHUNK < s->chosen ? from + CHUNK : s->chosen;
    double H[CHUNK][FRAME * FRAME], g[CHUNK][FRAME];
    double *sums = s->sums + (ptrdiff_t)task * s->sums_size;
    unit_terms t;
    memset(H, 0, sizeof H);
    memset(g, 0, sizeof g);
    memset(sums, 0, sizeof(double) * (size_t)s->sums_size);
    clear_chunk(s, from, to);
    for (int k = 0; k < s->unit_count; k++) {
        const unit *u = &s->units[k];
        if (u->first >= to || u->last < from) continue;
        gather_unit(s, u, from, to, &t);
        if (u->first >= from) eliminate_corner(&t, sums);
        for (int n = 0; n < t.count; n++) {
            int i = t.index[n] - from;
            if (i < 0 || i >= to - from) continue;
            for (int c = 0; c < FRAME * FRAME; c++) H[i][c] += t.J[n][c];
            eliminate_row(s, &t, n);
        }
    }
    for (int i = from; i < to; i++) finish_frame(s, i, H[i - from], g[i - from], sums);
}

/* Adds the chunks' sums, priors and damping to the corner; holds what is not fitted. */
static void fill_corner(solver *s) {
    const stk_bundle_problem *b = s->b;
    stk_band *band = &s->band;
    int n = band->border;
    double *D = band->corner, *g = band->corner_side, noise2 = b->noise_px * b->noise_px;
    memset(D, 0, sizeof(double) * (size_t)n * (size_t)n);
    memset(g, 0, sizeof(double) * (size_t)n);
    for (int chunk = 0; chunk < s->chunks; chunk++) {
        const double *sums = s->sums + (ptrdiff_t)chunk * s->sums_size;
        for (int i = 0; i < SHARED; i++) {
            for (int j = 0; j < SHARED; j++) D[n * i + j] += sums[SHARED * i + j];
            g[i] -= sums[SHARED * SHARED + i];
        }
        for (int k = 0; k < b->anchors.count; k++) {
            const double *a = sums + SHARED * (SHARED + 1) + ANCHOR_SUMS * k;
            int at = SHARED + 3 * k;
            for (int i = 0; i < 3; i++) {
                for (int j = 0; j < SHARED; j++) D[n * (at + i) + j] += a[3 * j + i];
                for (int j = 0; j < 3; j++) D[n * (at + i) + at + j] += a[6 + 3 * i + j];
                g[at + i] -= a[15 + i];
            }
        }
    }
    for (int k = 0; k < 3 * b->anchors.count; k++) {
        double prior = noise2 * stk_bundle_anchor_prior;
        D[(n + 1) * (SHARED + k)] += prior;
        g[SHARED + k] -= prior * (b->anchors.place[k / 3][k % 3] - b->anchors.prior[k / 3][k % 3]);
    }
    g[0] -= noise2 * stk_bundle_focal_prior * log(b->camera.focal_px / b->start_focal_px);
    g[1] -= noise2 * stk_bundle_lens_prior * b->camera.lens;
    D[0] += noise2 * stk_bundle_focal_prior;
    D[n + 1] += noise2 * stk_bundle_lens_prior;
    for (int i = 0; i < n; i++) D[(n + 1) * i] *= 1 + s->damping;
    if (!b->fit_lens) D[n + 1] += HELD;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) D[n * j + i] = D[n * i + j];
}

static void build(solver *s) {
    stk_pool_run(s->b->pool, s->chunks, chunk_task, s);
    fill_corner(s);
}

/* --- loss ------------------------------------------------------------------------------------- */

static void loss_task(void *ctx, int task, int worker) {
    (void)worker;
    solver *s = ctx;
    const stk_bundle_problem *b = s->b;
    int to = (task + 1) * BLOCK < s->unit_count ? (task + 1) * BLOCK : s->unit_count;
    double sum = 0, prior = b->noise_px * b->noise_px * b->point_prior;
    for (int n = task * BLOCK; n < to; n++) {
        const unit *u = &s->units[n];
        for (int64_t k = u->from; k < u->to; k++) {
            const stk_bundle_observation *o = &b->list[k];
            int i = chosen_index(s, k);
            double r[2], factor;
            if (i < 0) continue;
            if (!stk_bundle_observe(b, k, &s->camera, &s->trial[i], u->trial, r, NULL))
                sum = INFINITY;
            else
                sum += stk_bundle_observation_loss(b, o, r, &factor);
        }
        for (int i = 0; i < 3; i++) {
            double e = u->trial[i] - b->prior[u->point][i];
            sum += prior * e * e;
        }
    }
    s->losses[task] = sum;
}

static double anchor_loss(const solver *s, int i) {
    const stk_bundle_anchors *a = &s->b->anchors;
    double sum = 0, r[2], factor;
    if (a->landmarks == NULL || !a->valid[s->frame[i]]) return 0;
    for (int k = 0; k < a->count; k++) {
        if (!stk_bundle_residual(&s->camera, &s->trial[i], s->anchors[k],
                                 a->landmarks[s->frame[i]].xyz[a->vertex[k]], r, NULL))
            return INFINITY;
        sum += a->weight * stk_bundle_loss(r[0] * r[0] + r[1] * r[1], a->width_px, &factor);
    }
    return sum;
}

/* Loss of the trial state. */
static double trial_loss(solver *s) {
    const stk_bundle_problem *b = s->b;
    double sum = 0, noise2 = b->noise_px * b->noise_px;
    double turn = log(s->camera.focal_px / b->start_focal_px);
    stk_pool_run(b->pool, s->blocks, loss_task, s);
    for (int i = 0; i < s->blocks; i++) sum += s->losses[i];
    for (int i = 0; i < s->chosen; i++)
        sum += anchor_loss(s, i) +
               stk_bundle_pose_prior(b, &s->camera, s->frame[i], &s->trial[i], NULL, NULL);
    for (int k = 0; k < 3 * b->anchors.count; k++) {
        double e = s->anchors[k / 3][k % 3] - b->anchors.prior[k / 3][k % 3];
        sum += noise2 * stk_bundle_anchor_prior * e * e;
    }
    return sum + noise2 * (stk_bundle_focal_prior * turn * turn +
                           stk_bundle_lens_prior * s->camera.lens * s->camera.lens);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void back_substitute_task(void *ctx, int task, int worker) {
    (void)worker;
    solver *s = ctx;
    const stk_band *band = &s->band;
    int to = (task + 1) * BLOCK < s->unit_count ? (task + 1) * BLOCK : s->unit_count;
    unit_terms t;
    for (int k = task * BLOCK; k < to; k++) {
        unit *u = &s->units[k];
        gather_unit(s, u, 0, 0, &t);
        double g[3] = {-t.gp[0], -t.gp[1], -t.gp[2]}, d[3];
        for (int j = 0; j < 3; j++) {
            for (int n = 0; n < t.count; n++)
                for (int r = 0; r < FRAME; r++)
                    g[j] -= t.W[n][FRAME * j + r] *
                            band->side[(ptrdiff_t)(t.index[n] * FRAME + r) * band->columns +
                                       band->border];
            for (int r = 0; r < SHARED; r++) g[j] -= t.Wg[3 * r + j] * band->corner_side[r];
        }
        stk_mat3_apply(t.inverse, g, d);
        for (int j = 0; j < 3; j++) u->trial[j] = u->place[j] + d[j];
    }
}

static void make_trial(solver *s) {
    const stk_bundle_problem *b = s->b;
    const stk_band *band = &s->band;
    double grow = exp(band->corner_side[0]);
    s->camera = b->camera;
    s->camera.focal_px *= grow;
    s->camera.lens += band->corner_side[1];
    for (int i = 0; i < s->chosen; i++) {
        double d[FRAME];
        stk_se3 pose = b->poses[s->frame[i]];
        for (int r = 0; r < FRAME; r++)
            d[r] = band->side[(ptrdiff_t)(i * FRAME + r) * band->columns + band->border];
        pose.t[2] *= grow;
        stk_se3_move(&pose, d, &s->trial[i]);
    }
    for (int k = 0; k < 3 * b->anchors.count; k++)
        s->anchors[k / 3][k % 3] = b->anchors.place[k / 3][k % 3] + band->corner_side[SHARED + k];
    stk_pool_run(b->pool, s->blocks, back_substitute_task, s);
}

static void accept_trial(solver *s) {
    stk_bundle_problem *b = s->b;
    double grow = s->camera.focal_px / b->camera.focal_px;
    b->camera = s->camera;
    for (int f = 0; f < b->frames; f++) b->poses[f].t[2] *= grow;
    for (int i = 0; i < s->chosen; i++) {
        stk_mat3_polar(s->trial[i].R);
        b->poses[s->frame[i]] = s->trial[i];
    }
    for (int k = 0; k < s->unit_count; k++)
        memcpy(s->units[k].place, s->units[k].trial, sizeof s->units[k].place);
    memcpy(b->anchors.place, s->anchors, sizeof s->anchors);
}

/* Present state as the trial, to take its loss. */
static double present_loss(solver *s) {
    stk_bundle_problem *b = s->b;
    s->camera = b->camera;
    for (int i = 0; i < s->chosen; i++) s->trial[i] = b->poses[s->frame[i]];
    for (int k = 0; k < s->unit_count; k++)
        memcpy(s->units[k].trial, s->units[k].place, sizeof s->units[k].trial);
    memcpy(s->anchors, b->anchors.place, sizeof s->anchors);
    return trial_loss(s);
}

/* One accepted step; returns the new loss, or a negative number when none improves by more than
 * `least`. */
static double step(solver *s, double loss, double least) {
    while (s->damping < DAMPING_MOST) {
        build(s);
        if (!s->b->fit_focal) s->band.corner[0] += HELD;
        if (stk_band_solve(&s->band, NULL)) {
            make_trial(s);
            double next = trial_loss(s);
            if (next < loss) {
                accept_trial(s);
                s->damping = fmax(s->damping / 30, 1e-9);
                return next;
            }
            if (next - loss < least) return -1;
        }
        s->damping *= 10;
    }
    return -1;
}

/* What the observations say of ln f, all else free: the prior's own share is taken off. */
static void measure_focal(solver *s) {
    double inverse = INFINITY;
    s->damping = 0;
    build(s);
    s->b->focal_sd = INFINITY;
    if (!stk_band_solve(&s->band, &inverse)) return;
    double information = 1 / inverse - s->b->noise_px * s->b->noise_px * stk_bundle_focal_prior;
    if (information > 0) s->b->focal_sd = s->b->noise_px / sqrt(information);
}

/* Units back to points: the first piece speaks; the sweeps do the rest. */
static void hand_points_back(const solver *s) {
    stk_bundle_problem *b = s->b;
    for (int k = 0; k < s->unit_count; k++) {
        const unit *u = &s->units[k];
        if (k == 0 || s->units[k - 1].point != u->point)
            memcpy(b->place[u->point], u->place, sizeof u->place);
    }
}

stk_status stk_bundle_solve(stk_bundle_problem *b, int iterations, double gain) {
    solver s;
    stk_status status = solver_init(&s, b);
    if (status == STK_OK && s.chosen < 2)
        status =
            stk_fail(STK_ERR_CONTENT, "bundle adjustment: %d frames have enough points", s.chosen);
    double loss = status == STK_OK ? present_loss(&s) : 0;
    double least = gain * b->noise_px * b->noise_px;
    for (int i = 0; status == STK_OK && i < iterations; i++) {
        double next = step(&s, loss, least);
        if (next < 0) break;
        b->iterations++;
        double gained = loss - next;
        loss = next;
        if (gained < least) break;
        if (stk_job_aborted(b->job))
            status = stk_fail(STK_ERR_ABORTED, "stopped in bundle adjustment");
    }
    if (status == STK_OK) {
        measure_focal(&s);
        hand_points_back(&s);
    }
    solver_clear(&s);
    return status;
}
