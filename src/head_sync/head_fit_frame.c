/* head_fit_frame.c - pose and expression of one frame, together: a mouth that opens lowers the
 * landmarks as a nod does, and taking turns between the two would crawl.
 *
 *   unknowns [6 + E]: left increment of the pose, step of the expression
 *   F = sum_p w_p rho(|r_p|) + nu |e|^2; Levenberg-Marquardt, Huber by reweighting
 *
 * Blendshapes stay >= 0: coefficients at 0 that F pushes below leave the step, the others are cut
 * at 0 (projected step, accepted only when F falls). About 300 kB of stack; no allocation.
 */
#include "head_sync/head_fit_internal.h"
#include "base/spd.h"

#include <math.h>
#include <string.h>

enum { POSE = 6, UNKNOWNS_MAX = POSE + STK_HEAD_MODES_MAX };
static const double HUGE_LOSS = 1e18;

typedef struct problem {
    const stk_head_fit *fit;
    const float (*landmarks)[3];
    stk_pose_model camera; /* its shape is scratch, its vertices the points' landmarks */
    double (*shape)[3];    /* [STK_MESH_LANDMARKS] */
    double expression_prior;
    double total; /* sum of the weights */
} problem;

/* Places the points of an expression. */
static void place(const problem *p, const double *expression) {
    const stk_head_fit *fit = p->fit;
    const stk_head_model *model = fit->model;
    for (int i = 0; i < model->points; i++) {
        double *X = p->shape[model->mesh[i]];
        memcpy(X, fit->neutral[i], 3 * sizeof *X);
        for (int k = 0; k < model->expressions; k++) {
            const double *mode = fit->expression[k * model->points + i];
            for (int c = 0; c < 3; c++) X[c] += expression[k] * mode[c];
        }
    }
}

static double loss_at(const problem *p, const stk_se3 *pose, const double *expression,
                      double *prior) {
    double sum = 0, r[2], d = p->camera.huber_px;
    place(p, expression);
    for (int i = 0; i < p->camera.count; i++) {
        if (!stk_pose_residual(&p->camera, p->landmarks, pose, i, r, NULL)) return HUGE_LOSS;
        double e = sqrt(r[0] * r[0] + r[1] * r[1]);
        sum += p->camera.weights[i] * (e <= d ? e * e : d * (2 * e - d));
    }
    *prior = 0;
    for (int k = 0; k < p->fit->model->expressions; k++)
        *prior += p->expression_prior * expression[k] * expression[k];
    return isfinite(sum) ? sum + *prior : HUGE_LOSS;
}

/* Residual at point i and its derivatives by the unknowns and by the point itself, G [2][3]. */
static int rows_at(const problem *p, const stk_se3 *pose, int i, double r[2],
                   double rows[2][UNKNOWNS_MAX], double G[2][3]) {
    const stk_head_model *model = p->fit->model;
    double J[2 * POSE];
    if (!stk_pose_residual(&p->camera, p->landmarks, pose, i, r, J)) return 0;
    for (int a = 0; a < 2; a++) {
        const double *j = J + POSE * a;
        for (int c = 0; c < 3; c++)
            G[a][c] = j[3] * pose->R[c] + j[4] * pose->R[3 + c] + j[5] * pose->R[6 + c];
        memcpy(rows[a], j, POSE * sizeof *j);
        for (int k = 0; k < model->expressions; k++) {
            const double *mode = p->fit->expression[k * model->points + i];
            rows[a][POSE + k] = G[a][0] * mode[0] + G[a][1] * mode[1] + G[a][2] * mode[2];
        }
    }
    return 1;
}

/* What point i counts at a residual. */
static double weight_at(const problem *p, int i, const double r[2]) {
    double e = sqrt(r[0] * r[0] + r[1] * r[1]), d = p->camera.huber_px;
    return p->camera.weights[i] * (e > d ? d / e : 1);
}

/* Normal equations [n][n] and half the gradient of F. */
static void linearise(const problem *p, const stk_se3 *pose, const double *expression, double *H,
                      double *g) {
    int n = POSE + p->fit->model->expressions;
    double rows[2][UNKNOWNS_MAX], r[2], G[2][3];
    memset(H, 0, (size_t)(n * n) * sizeof *H);
    memset(g, 0, (size_t)n * sizeof *g);
    place(p, expression);
    for (int i = 0; i < p->camera.count; i++) {
        if (!rows_at(p, pose, i, r, rows, G)) continue;
        double w = weight_at(p, i, r);
        for (int a = 0; a < n; a++) {
            double u = w * rows[0][a], v = w * rows[1][a];
            g[a] += u * r[0] + v * r[1];
            for (int b = 0; b <= a; b++) H[n * a + b] += u * rows[0][b] + v * rows[1][b];
        }
    }
    for (int a = 0; a < n; a++)
        for (int b = 0; b < a; b++) H[n * b + a] = H[n * a + b];
    for (int k = 0; k < p->fit->model->expressions; k++) {
        H[(n + 1) * (POSE + k)] += p->expression_prior;
        g[POSE + k] += p->expression_prior * expression[k];
    }
}

/* Which unknowns may move. Returns how many; list holds their numbers. */
static int free_unknowns(const problem *p, const double *expression, const double *g, int *list) {
    int n = 0, bound = p->fit->model->blendshapes;
    for (int a = 0; a < POSE + p->fit->model->expressions; a++) {
        int held = a >= POSE && bound && expression[a - POSE] <= 0 && g[a] >= 0;
        if (!held) list[n++] = a;
    }
    return n;
}

typedef struct state {
    stk_se3 pose;
    double expression[STK_HEAD_MODES_MAX];
    double loss, prior;
} state;

/* The damped step over the free unknowns; 0 when it cannot be had. */
static int step_from(const problem *p, const state *now, const double *H, const double *g,
                     double damping, state *next) {
    int list[UNKNOWNS_MAX], n = POSE + p->fit->model->expressions;
    int m = free_unknowns(p, now->expression, g, list);
    double A[UNKNOWNS_MAX * UNKNOWNS_MAX], d[UNKNOWNS_MAX];
    for (int a = 0; a < m; a++) {
        for (int b = 0; b < m; b++) A[m * a + b] = H[n * list[a] + list[b]];
        A[(m + 1) * a] *= 1 + damping;
        d[a] = -g[list[a]];
    }
    if (!stk_spd_solve(A, d, m)) return 0;
    stk_se3_move(&now->pose, d, &next->pose);
    memcpy(next->expression, now->expression, sizeof next->expression);
    for (int a = POSE; a < m; a++) {
        double *e = &next->expression[list[a] - POSE];
        *e += d[a];
        if (p->fit->model->blendshapes && *e < 0) *e = 0;
    }
    next->loss = loss_at(p, &next->pose, next->expression, &next->prior);
    return next->loss < now->loss;
}

/* What the landmarks say about the pose once the expression is free: the Schur complement. Kept
 * coefficients are not free. */
static void marginalise(const problem *p, const state *now, double *H, const double *g,
                        double *information) {
    int list[UNKNOWNS_MAX], n = POSE + p->fit->model->expressions;
    int m = free_unknowns(p, now->expression, g, list);
    for (int k = m - 1; k >= POSE; k--) {
        const double *pivot = H + n * list[k];
        for (int a = 0; a < k; a++) {
            double f = H[n * list[a] + list[k]] / pivot[list[k]];
            for (int b = 0; b < k; b++) H[n * list[a] + list[b]] -= f * pivot[list[b]];
        }
    }
    for (int a = 0; a < POSE; a++)
        for (int b = 0; b < POSE; b++) information[POSE * a + b] = H[n * a + b];
}

static void descend(const problem *p, state *now, double *information) {
    enum { ITERATIONS = 40, ATTEMPTS = 8 };
    double H[UNKNOWNS_MAX * UNKNOWNS_MAX], g[UNKNOWNS_MAX], damping = 1e-6;
    state next;
    for (int iteration = 0; iteration < ITERATIONS && now->loss < HUGE_LOSS; iteration++) {
        int attempt = 0, better = 0;
        linearise(p, &now->pose, now->expression, H, g);
        for (; attempt < ATTEMPTS && !better; attempt++) {
            better = step_from(p, now, H, g, damping, &next);
            damping = better ? fmax(damping * 0.1, 1e-12) : damping * 8;
        }
        if (!better) break;
        double gain = now->loss - next.loss;
        *now = next;
        if (gain < 1e-8 * now->loss) break;
    }
    stk_mat3_polar(now->pose.R);
    if (information == NULL) return;
    memset(information, 0, 36 * sizeof *information);
    if (now->loss >= HUGE_LOSS) return;
    linearise(p, &now->pose, now->expression, H, g);
    marginalise(p, now, H, g, information);
}

static void start_problem(problem *p, const stk_head_fit *fit, const stk_pose_model *camera,
                          const float (*landmarks)[3], double (*shape)[3]) {
    const stk_head_model *model = fit->model;
    *p = (problem){.fit = fit, .landmarks = landmarks, .camera = *camera, .shape = shape};
    p->camera.shape_head = (const double(*)[3])shape;
    p->camera.vertices = model->mesh;
    p->camera.weights = fit->weights;
    p->camera.count = model->points;
    p->expression_prior = fit->expression_prior;
    for (int i = 0; i < model->points; i++) p->total += fit->weights[i];
}

double stk_head_fit_refine(const stk_head_fit *fit, const stk_pose_model *camera,
                           const float (*landmarks)[3], stk_head_frame *frame,
                           double *information) {
    double shape[STK_MESH_LANDMARKS][3];
    problem p;
    state now = {.pose = frame->pose};
    const int bytes = fit->model->expressions * (int)sizeof(double);
    start_problem(&p, fit, camera, landmarks, shape);
    memcpy(now.expression, frame->expression, (size_t)bytes);
    place(&p, now.expression);
    if (frame->from_nothing && !stk_pose_initial(&p.camera, landmarks, &now.pose, NULL))
        now.loss = HUGE_LOSS;
    else
        now.loss = loss_at(&p, &now.pose, now.expression, &now.prior);
    descend(&p, &now, information);
    frame->pose = now.pose;
    memcpy(frame->expression, now.expression, (size_t)bytes);
    frame->prior = now.prior / p.total;
    if (now.loss >= HUGE_LOSS) return frame->squared = HUGE_LOSS;
    place(&p, now.expression);
    frame->squared = stk_pose_squared_error(&p.camera, landmarks, &now.pose);
    return (now.loss - now.prior) / p.total;
}

void stk_head_fit_errors(const stk_head_fit *fit, const stk_pose_model *camera,
                         const float (*landmarks)[3], const stk_se3 *pose, const double *expression,
                         double cap, double *sums) {
    double shape[STK_MESH_LANDMARKS][3], r[2];
    problem p;
    start_problem(&p, fit, camera, landmarks, shape);
    place(&p, expression);
    for (int i = 0; i < fit->model->points; i++) {
        int seen = stk_pose_residual(&p.camera, landmarks, pose, i, r, NULL);
        sums[i] += seen ? fmin(r[0] * r[0] + r[1] * r[1], cap) : cap;
    }
}

/* --- what a frame says to the identity -------------------------------------------------------- */

/* H = L L^T in place (lower triangle); 0 when not definite. */
static int factorise(double *H, int n) {
    for (int a = 0; a < n; a++)
        for (int b = 0; b <= a; b++) {
            double sum = H[n * a + b];
            for (int k = 0; k < b; k++) sum -= H[n * a + k] * H[n * b + k];
            if (a == b && !(sum > 0)) return 0;
            H[n * a + b] = a == b ? sqrt(sum) : sum / H[n * b + b];
        }
    return 1;
}

/* The free unknowns' part of H, dense, in the order of list. */
static void gather(const double *H, int n, const int *list, int m, double *out) {
    for (int a = 0; a < m; a++)
        for (int b = 0; b < m; b++) out[m * a + b] = H[n * list[a] + list[b]];
}

void stk_head_fit_couple(const stk_head_fit *fit, const stk_pose_model *camera,
                         const float (*landmarks)[3], const stk_head_frame *frame,
                         double (*moments)[12], float *coupling) {
    const stk_head_model *model = fit->model;
    int n = POSE + model->expressions, list[UNKNOWNS_MAX], columns = 3 * model->points;
    double shape[STK_MESH_LANDMARKS][3], rows[2][UNKNOWNS_MAX], r[2], G[2][3], g[UNKNOWNS_MAX];
    double H[UNKNOWNS_MAX * UNKNOWNS_MAX], L[UNKNOWNS_MAX * UNKNOWNS_MAX];
    problem p;
    start_problem(&p, fit, camera, landmarks, shape);
    memset(coupling, 0, (size_t)(n * columns) * sizeof *coupling);
    memset(moments, 0, (size_t)model->points * sizeof *moments);
    linearise(&p, &frame->pose, frame->expression, H, g);
    int m = free_unknowns(&p, frame->expression, g, list);
    gather(H, n, list, m, L);
    if (!factorise(L, m)) return;
    for (int i = 0; i < model->points; i++) {
        if (!rows_at(&p, &frame->pose, i, r, rows, G)) continue;
        double w = weight_at(&p, i, r), *A = moments[i], *b = A + 9;
        for (int c = 0; c < 3; c++) {
            double z[UNKNOWNS_MAX]; /* L^-1 of this coordinate's column of W */
            for (int k = 0; k < 3; k++) A[3 * c + k] = w * (G[0][c] * G[0][k] + G[1][c] * G[1][k]);
            b[c] = -w * (G[0][c] * r[0] + G[1][c] * r[1]);
            for (int a = 0; a < m; a++) {
                z[a] = w * (rows[0][list[a]] * G[0][c] + rows[1][list[a]] * G[1][c]);
                for (int k = 0; k < a; k++) z[a] -= L[m * a + k] * z[k];
                z[a] /= L[m * a + a];
                coupling[a * columns + 3 * i + c] = (float)z[a];
            }
        }
    }
}

double stk_head_fit_frame(const stk_head_fit *fit, const stk_pose_model *camera,
                          const float (*landmarks)[3], stk_se3 *pose, double *information,
                          double *expression) {
    double own[STK_HEAD_MODES_MAX] = {0};
    stk_head_frame frame = {.expression = own, .from_nothing = 1};
    double loss = stk_head_fit_refine(fit, camera, landmarks, &frame, information);
    *pose = frame.pose;
    if (expression != NULL) memcpy(expression, own, (size_t)fit->model->expressions * sizeof *own);
    return loss;
}
