/* head_fit.c - see head_fit.h: identity and offsets from the views, and the turns.
 *
 *   per point p over the views: A_p [3][3] += w G^T G, b_p [3] -= w G^T r   (G = dr/dX_p)
 *   offset eliminated: A'_p = A_p - A_p M_p A_p, M_p = (A_p + mu)^-1, c_p = b_p - mu o_p
 *   (sum_p B_p^T A'_p B_p + lambda) da = sum_p B_p^T (b_p - A_p M_p c_p) - lambda a
 *   do_p = M_p (c_p - A_p B_p da)
 *
 * So a turn costs views x points for the moments and points x identities^2 for the system, whatever
 * the number of the model's vertices. Threading: views and points are tasks of the pool.
 */
#include "head_sync/head_fit_internal.h"

#include "base/face_mesh.h"
#include "base/memory.h"
#include "head_sync/similarity.h"

#include <math.h>
#include <string.h>

/* 1 sigma of where the landmark network sees a point against where the model has it. */
static const double OFFSET_SIGMA_M = 0.002;
/* As in head_shape.c: neighbouring frames see the same errors. */
static const double VIEWS_PER_OBSERVATION = 10;
/* Neighbouring points of one frame do, too. */
static const double POINTS_PER_OBSERVATION = 4;
static const double NOISE_FLOOR_PX = 0.3;

stk_status stk_head_fit_create(stk_head_fit **out, const stk_head_model *model, int views_max) {
    stk_head_fit *fit = stk_calloc_aligned(1, sizeof *fit);
    size_t points = (size_t)model->points, k = (size_t)model->identities;
    size_t e = (size_t)model->expressions, views = (size_t)views_max;
    *out = fit;
    if (fit == NULL) return stk_fail_memory("the morphable head");
    fit->model = model;
    fit->views_max = views_max;
    fit->expression = stk_calloc_aligned(e * points + 1, sizeof *fit->expression);
    fit->moments = stk_calloc_aligned(points, sizeof *fit->moments);
    fit->system = stk_calloc_aligned(k * k + 1, sizeof *fit->system);
    fit->right = stk_calloc_aligned(k + 1, sizeof *fit->right);
    fit->view_expressions = stk_calloc_aligned(views * e + 1, sizeof(double));
    fit->view_prior = stk_calloc_aligned(views, sizeof(double));
    fit->squared = stk_calloc_aligned(views, sizeof(double));
    if (fit->expression != NULL && fit->moments != NULL && fit->system != NULL &&
        fit->right != NULL && fit->view_expressions != NULL && fit->view_prior != NULL &&
        fit->squared != NULL)
        return STK_OK;
    stk_head_fit_free(out);
    return stk_fail_memory("the morphable head");
}

void stk_head_fit_free(stk_head_fit **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_head_fit *fit = *handle;
    stk_free(fit->expression);
    stk_free(fit->moments);
    stk_free(fit->system);
    stk_free(fit->right);
    stk_free(fit->view_expressions);
    stk_free(fit->view_prior);
    stk_free(fit->squared);
    stk_free(fit);
    *handle = NULL;
}

const double *stk_head_fit_identity(const stk_head_fit *fit) {
    return fit->identity;
}

static void reset(stk_head_fit *fit, const stk_head_views *views, const stk_pose_model *camera) {
    const stk_head_model *model = fit->model;
    size_t points = (size_t)model->points, e = (size_t)model->expressions;
    memcpy(fit->neutral, model->mean, points * sizeof *fit->neutral);
    memcpy(fit->weights, model->weights, points * sizeof *fit->weights);
    if (e > 0) memcpy(fit->expression, model->expression, e * points * sizeof *fit->expression);
    memset(fit->offset, 0, sizeof fit->offset);
    memset(fit->identity, 0, sizeof fit->identity);
    memset(fit->view_expressions, 0, (size_t)views->count * e * sizeof(double));
    fit->expression_prior = POINTS_PER_OBSERVATION * camera->huber_px * camera->huber_px;
}

/* --- views ------------------------------------------------------------------------------------ */

typedef struct turn_context {
    stk_head_fit *fit;
    stk_head_views *views;
    const stk_pose_model *camera;
    int start;
} turn_context;

static void view_task(void *ctx, int task, int worker) {
    (void)worker;
    turn_context *turn = ctx;
    stk_head_fit *fit = turn->fit;
    const float(*landmarks)[3] = turn->views->landmarks[turn->views->frames[task]].xyz;
    stk_head_frame frame = {.pose = turn->views->poses[task], .from_nothing = turn->start};
    frame.expression = fit->view_expressions + (int64_t)task * fit->model->expressions;
    turn->views->costs[task] = stk_head_fit_refine(fit, turn->camera, landmarks, &frame, NULL);
    turn->views->poses[task] = frame.pose;
    fit->view_prior[task] = frame.prior;
    fit->squared[task] = frame.squared;
}

/* Variance of one coordinate, px^2. */
static double noise_of(const stk_head_views *views) {
    return fmax(stk_head_views_loss(views) / 2, NOISE_FLOOR_PX * NOISE_FLOOR_PX);
}

static void fit_poses(stk_head_fit *fit, stk_head_views *views, const stk_pose_model *camera,
                      int start, stk_pool *pool) {
    turn_context turn = {fit, views, camera, start};
    stk_pool_run(pool, views->count, view_task, &turn);
    fit->expression_prior = POINTS_PER_OBSERVATION * noise_of(views);
}

/* --- identity --------------------------------------------------------------------------------- */

/* Where point p lies in a view. */
static void view_point(const stk_head_fit *fit, int view, int p, double X[3]) {
    const stk_head_model *model = fit->model;
    const double *e = fit->view_expressions + (int64_t)view * model->expressions;
    memcpy(X, fit->neutral[p], 3 * sizeof *X);
    for (int k = 0; k < model->expressions; k++)
        for (int c = 0; c < 3; c++) X[c] += e[k] * fit->expression[k * model->points + p][c];
}

/* Residual of point p in a view and its derivative by the point, [2][3]. */
static int point_residual(const turn_context *turn, int view, int p, double r[2], double G[6]) {
    const stk_head_views *views = turn->views;
    const stk_se3 *pose = &views->poses[view];
    double X[1][3], J[12];
    float landmark[1][3]; /* the solver looks both up under one number */
    const int first = 0;
    stk_pose_model one = *turn->camera;
    view_point(turn->fit, view, p, X[0]);
    memcpy(landmark[0], views->landmarks[views->frames[view]].xyz[turn->fit->model->mesh[p]],
           sizeof landmark[0]);
    one.shape_head = (const double(*)[3])X;
    one.vertices = &first;
    one.count = 1;
    if (!stk_pose_residual(&one, (const float(*)[3])landmark, pose, 0, r, J)) return 0;
    for (int a = 0; a < 2; a++)
        for (int c = 0; c < 3; c++)
            G[3 * a + c] = J[6 * a + 3] * pose->R[c] + J[6 * a + 4] * pose->R[3 + c] +
                           J[6 * a + 5] * pose->R[6 + c];
    return 1;
}

static void moment_task(void *ctx, int task, int worker) {
    (void)worker;
    const turn_context *turn = ctx;
    double *A = turn->fit->moments[task], *b = A + 9;
    memset(A, 0, sizeof *turn->fit->moments);
    for (int n = 0; n < turn->views->count; n++) {
        double r[2], G[6], w = turn->fit->weights[task];
        if (!point_residual(turn, n, task, r, G)) continue;
        double e = sqrt(r[0] * r[0] + r[1] * r[1]);
        if (e > turn->camera->huber_px) w *= turn->camera->huber_px / e;
        for (int i = 0; i < 3; i++) {
            b[i] -= w * (G[i] * r[0] + G[3 + i] * r[1]);
            for (int j = 0; j < 3; j++) A[3 * i + j] += w * (G[i] * G[j] + G[3 + i] * G[3 + j]);
        }
    }
}

/* (A + mu)^-1 of a symmetric A. */
static void inverse_plus(const double A[9], double mu, double M[9]) {
    for (int c = 0; c < 3; c++) {
        double copy[9], x[3] = {c == 0, c == 1, c == 2};
        memcpy(copy, A, sizeof copy);
        for (int i = 0; i < 3; i++) copy[4 * i] += mu;
        stk_spd_solve(copy, x, 3);
        for (int i = 0; i < 3; i++) M[3 * i + c] = x[i];
    }
}

/* Adds a point to the system of the identity. */
static void add_point(stk_head_fit *fit, int p, double mu) {
    const stk_head_model *model = fit->model;
    const double *A = fit->moments[p], *b = A + 9;
    double M[9], AM[9], AMA[9], c[3], AMc[3];
    inverse_plus(A, mu, M);
    stk_mat3_mul(A, M, AM);
    stk_mat3_mul(AM, A, AMA);
    for (int i = 0; i < 3; i++) c[i] = b[i] - mu * fit->offset[p][i];
    stk_mat3_apply(AM, c, AMc);
    for (int k = 0; k < model->identities; k++) {
        const double *B = model->identity[k * model->points + p];
        double v[3];
        for (int i = 0; i < 3; i++) {
            fit->right[k] += B[i] * (b[i] - AMc[i]);
            v[i] = 0;
            for (int j = 0; j < 3; j++) v[i] += (A[3 * i + j] - AMA[3 * i + j]) * B[j];
        }
        for (int l = 0; l <= k; l++) {
            const double *other = model->identity[l * model->points + p];
            fit->system[k * model->identities + l] +=
                v[0] * other[0] + v[1] * other[1] + v[2] * other[2];
        }
    }
}

/* The offset's own step, once the identity's is known; then the point moves. */
static void move_point(stk_head_fit *fit, int p, const double *step, double mu) {
    const stk_head_model *model = fit->model;
    const double *A = fit->moments[p], *b = A + 9;
    double M[9], shift[3] = {0}, rest[3], offset[3];
    for (int k = 0; k < model->identities; k++)
        for (int i = 0; i < 3; i++) shift[i] += step[k] * model->identity[k * model->points + p][i];
    stk_mat3_apply(A, shift, rest);
    for (int i = 0; i < 3; i++) rest[i] = b[i] - mu * fit->offset[p][i] - rest[i];
    inverse_plus(A, mu, M);
    stk_mat3_apply(M, rest, offset);
    for (int i = 0; i < 3; i++) {
        fit->offset[p][i] += offset[i];
        fit->neutral[p][i] += shift[i] + offset[i];
    }
}

/* One Gauss-Newton step of identity and offsets. Returns the priors at the new place, px^2. */
static double fit_identity(stk_head_fit *fit, stk_head_views *views, const stk_pose_model *camera,
                           stk_pool *pool) {
    const stk_head_model *model = fit->model;
    int n = model->identities;
    double lambda =
        noise_of(views) * fmax(views->count, VIEWS_PER_OBSERVATION) / VIEWS_PER_OBSERVATION;
    double mu = lambda / (OFFSET_SIGMA_M * OFFSET_SIGMA_M), prior = 0;
    turn_context turn = {fit, views, camera, 0};
    stk_pool_run(pool, model->points, moment_task, &turn);
    memset(fit->system, 0, (size_t)(n * n) * sizeof *fit->system);
    memset(fit->right, 0, (size_t)n * sizeof *fit->right);
    for (int p = 0; p < model->points; p++) add_point(fit, p, mu);
    for (int k = 0; k < n; k++) {
        for (int l = 0; l < k; l++) fit->system[l * n + k] = fit->system[k * n + l];
        fit->system[(n + 1) * k] += lambda;
        fit->right[k] -= lambda * fit->identity[k];
    }
    if (n > 0 && !stk_spd_solve(fit->system, fit->right, n)) return 0;
    for (int p = 0; p < model->points; p++) move_point(fit, p, fit->right, mu);
    for (int k = 0; k < n; k++) {
        fit->identity[k] += fit->right[k];
        prior += lambda * fit->identity[k] * fit->identity[k];
    }
    for (int p = 0; p < model->points; p++)
        for (int i = 0; i < 3; i++) prior += mu * fit->offset[p][i] * fit->offset[p][i];
    return prior;
}

/* --- turns ------------------------------------------------------------------------------------ */

stk_head_fit_loss stk_head_fit_views(stk_head_fit *fit, stk_head_views *views,
                                     const stk_pose_model *camera, int turns, stk_pool *pool) {
    stk_head_fit_loss loss = {0, 0};
    double prior = 0, total = 0;
    reset(fit, views, camera);
    fit_poses(fit, views, camera, 1, pool);
    for (int turn = 0; turn < turns; turn++) {
        prior = fit_identity(fit, views, camera, pool);
        fit_poses(fit, views, camera, 0, pool);
    }
    for (int p = 0; p < fit->model->points; p++) total += fit->weights[p];
    loss.prior = prior / (total * views->count);
    for (int i = 0; i < views->count; i++) {
        loss.squared += fit->squared[i] / views->count;
        loss.prior += fit->view_prior[i] / views->count;
    }
    return loss;
}

void stk_head_fit_turn(stk_head_fit *fit, stk_head_views *views, const stk_pose_model *camera,
                       stk_pool *pool) {
    fit_identity(fit, views, camera, pool);
    fit_poses(fit, views, camera, 0, pool);
}

void stk_head_fit_reweight(stk_head_fit *fit, const stk_head_views *views,
                           const stk_pose_model *camera) {
    double error2[STK_HEAD_POINTS_MAX], sorted[STK_HEAD_POINTS_MAX], r[2], G[6];
    double cap = 9 * camera->huber_px * camera->huber_px; /* as stk_head_shape_reweight */
    stk_head_views borrowed = *views;
    const turn_context turn = {fit, &borrowed, camera, 0};
    int points = fit->model->points;
    for (int p = 0; p < points; p++) {
        error2[p] = 0;
        for (int n = 0; n < views->count; n++) {
            int seen = point_residual(&turn, n, p, r, G);
            error2[p] += seen ? fmin(r[0] * r[0] + r[1] * r[1], cap) : cap;
        }
        error2[p] /= views->count;
        int at = p;
        for (; at > 0 && sorted[at - 1] > error2[p]; at--) sorted[at] = sorted[at - 1];
        sorted[at] = error2[p];
    }
    double median = sorted[points / 2] + 1e-12;
    for (int p = 0; p < points; p++)
        fit->weights[p] = fit->model->weights[p] * 2 * median / (median + error2[p]);
}

void stk_head_fit_settle(stk_head_fit *fit) {
    const stk_head_model *model = fit->model;
    double canonical[STK_HEAD_POINTS_MAX][3], weights[STK_HEAD_POINTS_MAX];
    stk_similarity s;
    for (int p = 0; p < model->points; p++) {
        weights[p] = model->rigid[p] ? fit->weights[p] : 0;
        for (int i = 0; i < 3; i++) canonical[p][i] = stk_canonical_face()[model->mesh[p]][i];
    }
    if (!stk_similarity_fit((const double(*)[3])fit->neutral, (const double(*)[3])canonical,
                            weights, model->points, &s))
        return;
    for (int p = 0; p < model->points; p++) {
        double moved[3];
        stk_similarity_apply(&s, fit->neutral[p], moved);
        memcpy(fit->neutral[p], moved, sizeof moved);
    }
    for (int64_t i = 0; i < (int64_t)model->expressions * model->points; i++) {
        double turned[3];
        stk_mat3_apply(s.Q, fit->expression[i], turned);
        for (int c = 0; c < 3; c++) fit->expression[i][c] = s.scale * turned[c];
    }
}
