/* head_fit_identity.c - one step of what the views share: identity a and offsets o.
 *
 * A point moves by dX_p = B_p da + do_p. When the points move, every view's pose and expression
 * follow; with them eliminated the normal equations of the points are
 *   S = A - sum_v Z_v^T Z_v     A block-diagonal [3][3], Z_v [6 + E][3 points]: coupling
 *   (P^T S P + prior) (da, do) = P^T b - prior (a, o)     P = (B, 1), prior = (lambda, mu)
 * solved by conjugate gradients. The preconditioner is the same without the views' part, which is
 * solved exactly: point by point for do, then da [K x K]. Turns between views and identity with the
 * preconditioner alone would take hundreds: a turned head and a longer nose look much alike.
 *
 * Threading: views and points are tasks; every sum has a fixed order.
 */
#include "head_sync/head_fit_internal.h"

#include "base/memory.h"
#include "base/spd.h"

#include <math.h>
#include <string.h>

/* 1 sigma of where the landmark network sees a point against where the model has it. */
static const double OFFSET_SIGMA_M = 0.004;
/* As in head_shape.c: neighbouring frames see the same errors. */
static const double VIEWS_PER_OBSERVATION = 10;
enum { ITERATIONS = 40, MOMENT = 12, BLOCK = 32 };
static const double ENOUGH = 1e-2; /* of the first residual, in the preconditioner's norm */

typedef struct stk_head_identity {
    double (*view_moments)[MOMENT]; /* [views][points] */
    double (*moments)[MOMENT];      /* [points] A and b, summed */
    double (*inverse)[9];           /* [points] (A + mu)^-1 */
    float *coupling;                /* [views][6 + E][3 points] */
    double *answers;                /* [views][6 + E] */
    double *factor;                 /* [K][K], lower triangle */
    double *vectors;                /* 5 of [K + 3 points]: the step, and scratch */
    double lambda;                  /* of the last step */
} stk_head_identity;

typedef struct step {
    stk_head_fit *fit;
    stk_head_identity *s;
    const stk_head_views *views;
    const stk_pose_model *camera;
    double lambda, mu;
    const double *in; /* of the product */
    double *out;
    double (*shift)[3]; /* [points] dX of `in` */
    double (*force)[3]; /* [points] S dX */
} step;

stk_status stk_head_identity_create(stk_head_fit *fit) {
    const stk_head_model *model = fit->model;
    size_t points = (size_t)model->points, k = (size_t)model->identities;
    size_t views = (size_t)fit->views_max, rows = 6 + (size_t)model->expressions;
    stk_head_identity *s = fit->solver = stk_calloc_aligned(1, sizeof *s);
    if (s == NULL) return stk_fail_memory("the morphable head");
    s->view_moments = stk_calloc_aligned(views * points, sizeof *s->view_moments);
    s->moments = stk_calloc_aligned(points, sizeof *s->moments);
    s->inverse = stk_calloc_aligned(points, sizeof *s->inverse);
    s->coupling = stk_calloc_aligned(views * rows * 3 * points, sizeof *s->coupling);
    s->answers = stk_calloc_aligned(views * rows, sizeof *s->answers);
    s->factor = stk_calloc_aligned(k * k + 1, sizeof *s->factor);
    s->vectors = stk_calloc_aligned(5 * (k + 3 * points), sizeof *s->vectors);
    if (s->view_moments == NULL || s->moments == NULL || s->inverse == NULL ||
        s->coupling == NULL || s->answers == NULL || s->factor == NULL || s->vectors == NULL)
        return stk_fail_memory("the morphable head");
    return STK_OK;
}

void stk_head_identity_free(stk_head_fit *fit) {
    stk_head_identity *s = fit->solver;
    if (s == NULL) return;
    stk_free(s->view_moments);
    stk_free(s->moments);
    stk_free(s->inverse);
    stk_free(s->coupling);
    stk_free(s->answers);
    stk_free(s->factor);
    stk_free(s->vectors);
    stk_free(s);
    fit->solver = NULL;
}

/* --- the equations ---------------------------------------------------------------------------- */

static int rows_of(const stk_head_model *model) {
    return 6 + model->expressions;
}

static void couple_task(void *ctx, int task, int worker) {
    (void)worker;
    const step *t = ctx;
    const stk_head_model *model = t->fit->model;
    stk_head_frame frame = {.pose = t->views->poses[task]};
    frame.expression = t->fit->view_expressions + (int64_t)task * model->expressions;
    stk_head_fit_couple(t->fit, t->camera, t->views->landmarks[t->views->frames[task]].xyz, &frame,
                        t->s->view_moments + (int64_t)task * model->points,
                        t->s->coupling + (int64_t)task * rows_of(model) * 3 * model->points);
}

static void moment_task(void *ctx, int task, int worker) {
    (void)worker;
    const step *t = ctx;
    double *sum = t->s->moments[task], *inverse = t->s->inverse[task];
    memset(sum, 0, sizeof *t->s->moments);
    for (int v = 0; v < t->views->count; v++) {
        const double *one = t->s->view_moments[(int64_t)v * t->fit->model->points + task];
        for (int i = 0; i < MOMENT; i++) sum[i] += one[i];
    }
    for (int c = 0; c < 3; c++) {
        double A[9], x[3] = {c == 0, c == 1, c == 2};
        memcpy(A, sum, sizeof A);
        for (int i = 0; i < 3; i++) A[4 * i] += t->mu;
        stk_spd_solve(A, x, 3); /* mu keeps it definite */
        for (int i = 0; i < 3; i++) inverse[3 * i + c] = x[i];
    }
}

/* factor of lambda + sum_p B_p^T (A - A M A) B_p. Returns 0 when it is not definite. */
static int factorise(const step *t) {
    const stk_head_model *model = t->fit->model;
    int n = model->identities;
    double *L = t->s->factor;
    memset(L, 0, (size_t)(n * n) * sizeof *L);
    for (int p = 0; p < model->points; p++) {
        const double *A = t->s->moments[p];
        double AM[9], S[9];
        stk_mat3_mul(A, t->s->inverse[p], AM);
        stk_mat3_mul(AM, A, S);
        for (int i = 0; i < 9; i++) S[i] = A[i] - S[i];
        for (int k = 0; k < n; k++) {
            double v[3];
            stk_mat3_apply(S, model->identity[k * model->points + p], v);
            for (int l = 0; l <= k; l++) {
                const double *other = model->identity[l * model->points + p];
                L[n * k + l] += v[0] * other[0] + v[1] * other[1] + v[2] * other[2];
            }
        }
    }
    for (int a = 0; a < n; a++)
        for (int b = 0; b <= a; b++) {
            double sum = L[n * a + b] + (a == b ? t->lambda : 0);
            for (int k = 0; k < b; k++) sum -= L[n * a + k] * L[n * b + k];
            if (a == b && !(sum > 0)) return 0;
            L[n * a + b] = a == b ? sqrt(sum) : sum / L[n * b + b];
        }
    return 1;
}

static void substitute(const double *L, int n, double *x) {
    for (int a = 0; a < n; a++) {
        for (int k = 0; k < a; k++) x[a] -= L[n * a + k] * x[k];
        x[a] /= L[n * a + a];
    }
    for (int a = n - 1; a >= 0; a--) {
        for (int k = a + 1; k < n; k++) x[a] -= L[n * k + a] * x[k];
        x[a] /= L[n * a + a];
    }
}

/* --- products --------------------------------------------------------------------------------- */

/* dX_p = B_p da + do_p, or without the offsets when offsets is NULL. */
static void shift_point(const stk_head_model *model, const double *identity, const double *offsets,
                        int p, double out[3]) {
    for (int i = 0; i < 3; i++) out[i] = offsets != NULL ? offsets[3 * p + i] : 0;
    for (int k = 0; k < model->identities; k++)
        for (int i = 0; i < 3; i++)
            out[i] += identity[k] * model->identity[k * model->points + p][i];
}

static void shift_task(void *ctx, int task, int worker) {
    (void)worker;
    const step *t = ctx;
    shift_point(t->fit->model, t->in, t->in + t->fit->model->identities, task, t->shift[task]);
}

static void answer_task(void *ctx, int task, int worker) {
    (void)worker;
    const step *t = ctx;
    int rows = rows_of(t->fit->model), columns = 3 * t->fit->model->points;
    const float *Z = t->s->coupling + (int64_t)task * rows * columns;
    const double *shift = t->shift[0];
    for (int a = 0; a < rows; a++, Z += columns) {
        double sum[3] = {0}; /* by coordinate: three chains of additions side by side */
        for (int i = 0; i < columns; i += 3)
            for (int c = 0; c < 3; c++) sum[c] += Z[i + c] * shift[i + c];
        t->s->answers[task * rows + a] = sum[0] + sum[1] + sum[2];
    }
}

/* A block of points, so that what is read of Z is more than a few bytes in a row. */
static void force_task(void *ctx, int task, int worker) {
    (void)worker;
    const step *t = ctx;
    int rows = rows_of(t->fit->model), points = t->fit->model->points, first = task * BLOCK;
    int count = points - first < BLOCK ? points - first : BLOCK;
    double *force = t->force[first];
    for (int p = first; p < first + count; p++)
        stk_mat3_apply(t->s->moments[p], t->shift[p], t->force[p]);
    for (int row = 0; row < t->views->count * rows; row++) {
        const float *Z = t->s->coupling + (int64_t)row * 3 * points + 3 * first;
        double answer = t->s->answers[row];
        for (int i = 0; i < 3 * count; i++) force[i] -= Z[i] * answer;
    }
}

/* out = P^T force + prior in */
static void project_back(const step *t, const double (*force)[3], const double *in, double *out) {
    const stk_head_model *model = t->fit->model;
    int n = model->identities;
    for (int k = 0; k < n; k++) {
        out[k] = t->lambda * in[k];
        for (int p = 0; p < model->points; p++) {
            const double *B = model->identity[k * model->points + p];
            out[k] += B[0] * force[p][0] + B[1] * force[p][1] + B[2] * force[p][2];
        }
    }
    for (int i = 0; i < 3 * model->points; i++)
        out[n + i] = t->mu * in[n + i] + force[i / 3][i % 3];
}

static void multiply(step *t, const double *in, double *out, stk_pool *pool) {
    t->in = in;
    stk_pool_run(pool, t->fit->model->points, shift_task, t);
    stk_pool_run(pool, t->views->count, answer_task, t);
    stk_pool_run(pool, (t->fit->model->points + BLOCK - 1) / BLOCK, force_task, t);
    project_back(t, (const double(*)[3])t->force, in, out);
}

/* out = (P^T A P + prior)^-1 in */
static void precondition(const step *t, const double *in, double *out) {
    const stk_head_model *model = t->fit->model;
    int n = model->identities;
    double *offsets = out + n;
    memcpy(out, in, (size_t)n * sizeof *out);
    for (int p = 0; p < model->points; p++) {
        double m[3], force[3];
        stk_mat3_apply(t->s->inverse[p], in + n + 3 * p, m);
        stk_mat3_apply(t->s->moments[p], m, force);
        for (int k = 0; k < n; k++) {
            const double *B = model->identity[k * model->points + p];
            out[k] -= B[0] * force[0] + B[1] * force[1] + B[2] * force[2];
        }
    }
    substitute(t->s->factor, n, out);
    for (int p = 0; p < model->points; p++) {
        double shift[3], force[3];
        shift_point(model, out, NULL, p, shift);
        stk_mat3_apply(t->s->moments[p], shift, force);
        for (int i = 0; i < 3; i++) force[i] = in[n + 3 * p + i] - force[i];
        stk_mat3_apply(t->s->inverse[p], force, offsets + 3 * p);
    }
}

/* --- the step --------------------------------------------------------------------------------- */

static double dot(const double *a, const double *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* x [n], from r = right-hand side; r, z, d, q are scratch of the same length. */
static void conjugate_gradients(step *t, double *x, double *r, double *z, double *d, double *q,
                                int n, stk_pool *pool) {
    memset(x, 0, (size_t)n * sizeof *x);
    precondition(t, r, z);
    memcpy(d, z, (size_t)n * sizeof *d);
    double rz = dot(r, z, n), first = rz;
    for (int i = 0; i < ITERATIONS && rz > ENOUGH * ENOUGH * first; i++) {
        multiply(t, d, q, pool);
        double curvature = dot(d, q, n);
        if (!(curvature > 0)) break;
        double alpha = rz / curvature;
        for (int k = 0; k < n; k++) x[k] += alpha * d[k], r[k] -= alpha * q[k];
        precondition(t, r, z);
        double next = dot(r, z, n), beta = next / rz;
        for (int k = 0; k < n; k++) d[k] = z[k] + beta * d[k];
        rz = next;
    }
}

double stk_head_identity_move(stk_head_fit *fit, double share) {
    const stk_head_model *model = fit->model;
    const double *x = fit->solver->vectors, *offsets = x + model->identities;
    double squares = 0, prior = 0;
    for (int p = 0; p < model->points; p++) {
        double shift[3];
        shift_point(model, x, offsets, p, shift);
        for (int i = 0; i < 3; i++) {
            fit->neutral[p][i] += share * shift[i];
            fit->offset[p][i] += share * offsets[3 * p + i];
            squares += fit->offset[p][i] * fit->offset[p][i];
        }
    }
    for (int k = 0; k < model->identities; k++) {
        fit->identity[k] += share * x[k];
        prior += fit->identity[k] * fit->identity[k];
    }
    return fit->solver->lambda * (prior + squares / (OFFSET_SIGMA_M * OFFSET_SIGMA_M));
}

void stk_head_identity_step(stk_head_fit *fit, const stk_head_views *views,
                            const stk_pose_model *camera, double noise2, stk_pool *pool) {
    const stk_head_model *model = fit->model;
    int n = model->identities + 3 * model->points;
    double shift[STK_HEAD_POINTS_MAX][3], force[STK_HEAD_POINTS_MAX][3], *v = fit->solver->vectors;
    step t = {.fit = fit, .s = fit->solver, .views = views, .camera = camera};
    t.shift = shift;
    t.force = force;
    t.lambda = noise2 * fmax(views->count, VIEWS_PER_OBSERVATION) / VIEWS_PER_OBSERVATION;
    t.mu = t.lambda / (OFFSET_SIGMA_M * OFFSET_SIGMA_M);
    stk_pool_run(pool, views->count, couple_task, &t);
    stk_pool_run(pool, model->points, moment_task, &t);
    double *x = v, *r = v + n;
    memset(x, 0, (size_t)n * sizeof *x);
    fit->solver->lambda = t.lambda;
    if (!factorise(&t)) return;
    for (int p = 0; p < model->points; p++) memcpy(force[p], t.s->moments[p] + 9, sizeof force[p]);
    for (int k = 0; k < model->identities; k++) x[k] = -fit->identity[k];
    for (int i = 0; i < 3 * model->points; i++)
        x[model->identities + i] = -fit->offset[i / 3][i % 3];
    project_back(&t, (const double(*)[3])force, x, r);
    conjugate_gradients(&t, x, r, v + 2 * n, v + 3 * n, v + 4 * n, n, pool);
}
