/* head_fit.c - see head_fit.h: the views, the turns, the weights and the head frame.
 *
 *   closed starts -> (identity step, as much of it as lowers the whole -> views refitted) x turns
 *   -> weights of points that do not follow (as for the face mesh) -> the head onto the canonical
 *
 * Threading: views are tasks of the pool. */
#include "head_sync/head_fit_internal.h"

#include "base/face_mesh.h"
#include "base/memory.h"
#include "head_sync/similarity.h"

#include <math.h>
#include <string.h>

/* Neighbouring points of one frame share their errors: so many count as one observation. */
static const double POINTS_PER_OBSERVATION = 4;
/* What the network gets wrong about a face depends on how it is turned, so it neither averages out
 * over the views nor shows in the residuals, which identity and offsets can follow: it wants
 * strong priors. 1.5 Huber widths are 3 mm. On clips of the presenter (three persons) 1, 1.2 and
 * 1.5 widths gave focal lengths 29, 24 and 17 % off and 1.12, 1.09 and 1.06 degrees of rotation
 * error. */
static const double NOISE_IN_HUBER_WIDTHS = 1.5;
/* Of the expressions, which are fitted to each frame alone: 0.1, 0.5 and 1.5 widths gave 1.14, 1.11
 * and 1.06 degrees there, none at all 1.02. */
static const double EXPRESSION_NOISE_IN_HUBER_WIDTHS = 1;

stk_status stk_head_fit_create(stk_head_fit **out, const stk_head_model *model, int views_max) {
    stk_head_fit *fit = stk_calloc_aligned(1, sizeof *fit);
    size_t points = (size_t)model->points;
    size_t e = (size_t)model->expressions, views = (size_t)views_max;
    *out = fit;
    if (fit == NULL) return stk_fail_memory("the morphable head");
    fit->model = model;
    fit->views_max = views_max;
    fit->expression = stk_calloc_aligned(e * points + 1, sizeof *fit->expression);
    fit->view_expressions = stk_calloc_aligned(views * e + 1, sizeof(double));
    fit->view_prior = stk_calloc_aligned(views, sizeof(double));
    fit->squared = stk_calloc_aligned(views, sizeof(double));
    fit->kept_poses = stk_calloc_aligned(views, sizeof *fit->kept_poses);
    fit->kept_expressions = stk_calloc_aligned(views * e + 1, sizeof(double));
    if (fit->expression != NULL && fit->view_expressions != NULL && fit->view_prior != NULL &&
        fit->squared != NULL && fit->kept_poses != NULL && fit->kept_expressions != NULL &&
        stk_head_identity_create(fit) == STK_OK)
        return STK_OK;
    stk_head_fit_free(out);
    return stk_fail_memory("the morphable head");
}

void stk_head_fit_free(stk_head_fit **handle) {
    if (handle == NULL || *handle == NULL) return;
    stk_head_fit *fit = *handle;
    stk_free(fit->expression);
    stk_head_identity_free(fit);
    stk_free(fit->view_expressions);
    stk_free(fit->view_prior);
    stk_free(fit->squared);
    stk_free(fit->kept_poses);
    stk_free(fit->kept_expressions);
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
static double noise_of(const stk_head_views *views, double least_px) {
    return fmax(stk_head_views_loss(views) / 2, least_px * least_px);
}

static void fit_poses(stk_head_fit *fit, stk_head_views *views, const stk_pose_model *camera,
                      int start, stk_pool *pool) {
    turn_context turn = {fit, views, camera, start};
    stk_pool_run(pool, views->count, view_task, &turn);
}

static double total_weight(const stk_head_fit *fit) {
    double total = 0;
    for (int p = 0; p < fit->model->points; p++) total += fit->weights[p];
    return total;
}

/* What is minimised, without the identity's priors, px^2. */
static double views_objective(const stk_head_fit *fit, const stk_head_views *views) {
    double sum = 0;
    for (int n = 0; n < views->count; n++) sum += views->costs[n] + fit->view_prior[n];
    return sum * total_weight(fit);
}

static void keep_views(stk_head_fit *fit, stk_head_views *views, int restore) {
    size_t poses = (size_t)views->count * sizeof *views->poses;
    size_t numbers = (size_t)(views->count * fit->model->expressions) * sizeof(double);
    memcpy(restore ? views->poses : fit->kept_poses, restore ? fit->kept_poses : views->poses,
           poses);
    memcpy(restore ? fit->view_expressions : fit->kept_expressions,
           restore ? fit->kept_expressions : fit->view_expressions, numbers);
}

/* One step of the identity, as much of it as lowers the whole, the views refitted. Returns the
 * identity's priors. */
static double turn_once(stk_head_fit *fit, stk_head_views *views, const stk_pose_model *camera,
                        stk_pool *pool) {
    enum { ATTEMPTS = 4 };
    stk_head_identity_step(fit, views, camera,
                           noise_of(views, NOISE_IN_HUBER_WIDTHS * camera->huber_px), pool);
    double before = views_objective(fit, views) + stk_head_identity_move(fit, 0), share = 1;
    keep_views(fit, views, 0);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++, share *= 0.4) {
        double prior = stk_head_identity_move(fit, share);
        fit_poses(fit, views, camera, 0, pool);
        if (views_objective(fit, views) + prior < before) return prior;
        stk_head_identity_move(fit, -share);
        keep_views(fit, views, 1);
    }
    fit_poses(fit, views, camera, 0, pool);
    return stk_head_identity_move(fit, 0);
}

/* --- turns ------------------------------------------------------------------------------------ */

stk_head_fit_loss stk_head_fit_views(stk_head_fit *fit, stk_head_views *views,
                                     const stk_pose_model *camera, int turns, stk_pool *pool) {
    stk_head_fit_loss loss = {0, 0};
    double prior = 0;
    reset(fit, views, camera);
    fit_poses(fit, views, camera, 1, pool);
    for (int turn = 0; turn < turns; turn++) {
        fit->expression_prior =
            POINTS_PER_OBSERVATION *
            noise_of(views, EXPRESSION_NOISE_IN_HUBER_WIDTHS * camera->huber_px);
        prior = turn_once(fit, views, camera, pool);
    }
    loss.prior = prior / (total_weight(fit) * views->count);
    for (int i = 0; i < views->count; i++) {
        loss.squared += fit->squared[i] / views->count;
        loss.prior += fit->view_prior[i] / views->count;
    }
    return loss;
}

void stk_head_fit_turn(stk_head_fit *fit, stk_head_views *views, const stk_pose_model *camera,
                       stk_pool *pool) {
    turn_once(fit, views, camera, pool);
}

void stk_head_fit_reweight(stk_head_fit *fit, const stk_head_views *views,
                           const stk_pose_model *camera) {
    double error2[STK_HEAD_POINTS_MAX] = {0}, sorted[STK_HEAD_POINTS_MAX];
    double cap = 9 * camera->huber_px * camera->huber_px; /* as stk_head_shape_reweight */
    int points = fit->model->points;
    for (int n = 0; n < views->count; n++) {
        const double *expression = fit->view_expressions + (int64_t)n * fit->model->expressions;
        stk_head_fit_errors(fit, camera, views->landmarks[views->frames[n]].xyz, &views->poses[n],
                            expression, cap, error2);
    }
    for (int p = 0; p < points; p++) {
        error2[p] /= views->count;
        int at = p; /* insertion sort for the median */
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
