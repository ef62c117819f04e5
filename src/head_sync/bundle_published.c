/* bundle_published.c - the published recipe (reference.md 7.4), for comparison with ours.
 *
 *   points [K][3] = 0, Euler angles and translations as given
 *   stage A  500 Adam steps of 0.01 on the points alone
 *   stage B  8000 Adam steps of 1e-4 on points, angles and translations
 *   loss     mean over observations and two coordinates of the squared error, px^2
 *
 * R = Rx(theta) Ry(phi) Rz(-psi), so dR/dtheta = [e_x] R, dR/dphi = [Rx e_y] R,
 * dR/dpsi = -[Rx Ry e_z] R: the slopes follow from the left increment's. Gradients of points are
 * taken by point, those of poses by frame, each by one task: sums in a fixed order.
 * DIFFERS: the published points are followed through all frames; here the mean runs over the
 * observations there are.
 */
#include "base/memory.h"
#include "head_sync/bundle_internal.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64 };

typedef struct adam_state {
    stk_bundle_problem *b;
    double *angles;   /* [frames][3] theta, phi, psi */
    double *gradient; /* [points][3] then [frames][6] angles, translation */
    double *first, *second;
    double share; /* of one observation in the mean's slope: 1 / observations */
    double rate, correction_first, correction_second;
    int joint;
} adam_state;

static void rotation_x(double angle, double R[9]) {
    double c = cos(angle), s = sin(angle);
    memcpy(R, (const double[9]){1, 0, 0, 0, c, -s, 0, s, c}, sizeof(double[9]));
}

static void rotation_y(double angle, double R[9]) {
    double c = cos(angle), s = sin(angle);
    memcpy(R, (const double[9]){c, 0, s, 0, 1, 0, -s, 0, c}, sizeof(double[9]));
}

static void rotation_z(double angle, double R[9]) {
    double c = cos(angle), s = sin(angle);
    memcpy(R, (const double[9]){c, -s, 0, s, c, 0, 0, 0, 1}, sizeof(double[9]));
}

static void rotation_of(const double angles[3], double x[9], double xy[9], double R[9]) {
    double y[9], z[9];
    rotation_x(angles[0], x);
    rotation_y(angles[1], y);
    rotation_z(-angles[2], z);
    stk_mat3_mul(x, y, xy);
    stk_mat3_mul(xy, z, R);
}

static void angles_of(const double R[9], double angles[3]) {
    angles[0] = atan2(-R[5], R[8]);
    angles[1] = asin(fmax(-1, fmin(1, R[2])));
    angles[2] = atan2(R[1], R[0]);
}

/* The residual's share of the gradient by point (n = 3) or by left increment (n = 6). */
static void add_slope(const adam_state *s, int64_t k, int n, double *gradient) {
    const stk_bundle_problem *b = s->b;
    const stk_bundle_observation *o = &b->list[k];
    stk_bundle_jacobian J;
    double r[2];
    if (!stk_bundle_takes_part(b, k) ||
        !stk_bundle_residual(&b->camera, &b->poses[o->frame], b->place[o->point], o->px, r, &J))
        return;
    const double *rows = n == 3 ? J.point : J.pose;
    for (int i = 0; i < n; i++) gradient[i] += s->share * (rows[i] * r[0] + rows[n + i] * r[1]);
}

static void point_slopes(void *ctx, int task, int worker) {
    (void)worker;
    const adam_state *s = ctx;
    const stk_bundle_problem *b = s->b;
    int to = (task + 1) * BLOCK < b->points ? (task + 1) * BLOCK : b->points;
    for (int p = task * BLOCK; p < to; p++) {
        double *gradient = s->gradient + (ptrdiff_t)3 * p;
        memset(gradient, 0, 3 * sizeof(double));
        for (int64_t k = b->point_first[p]; k < b->point_first[p + 1]; k++)
            add_slope(s, k, 3, gradient);
    }
}

static void pose_slopes(void *ctx, int frame, int worker) {
    (void)worker;
    const adam_state *s = ctx;
    const stk_bundle_problem *b = s->b;
    double g[6] = {0}, x[9], xy[9], R[9];
    double *out = s->gradient + (ptrdiff_t)3 * b->points + (ptrdiff_t)6 * frame;
    for (int64_t k = b->frame_first[frame]; k < b->frame_first[frame + 1]; k++)
        add_slope(s, b->by_frame[k], 6, g);
    rotation_of(s->angles + (ptrdiff_t)3 * frame, x, xy, R);
    out[0] = g[0];
    out[1] = g[0] * x[1] + g[1] * x[4] + g[2] * x[7];
    out[2] = -(g[0] * xy[2] + g[1] * xy[5] + g[2] * xy[8]);
    memcpy(out + 3, g + 3, 3 * sizeof(double));
}

static void update(const adam_state *s, ptrdiff_t at, double *value) {
    static const double BETA_FIRST = 0.9, BETA_SECOND = 0.999, EPSILON = 1e-8;
    double g = s->gradient[at];
    s->first[at] = BETA_FIRST * s->first[at] + (1 - BETA_FIRST) * g;
    s->second[at] = BETA_SECOND * s->second[at] + (1 - BETA_SECOND) * g * g;
    *value -= s->rate * (s->first[at] / s->correction_first) /
              (sqrt(s->second[at] / s->correction_second) + EPSILON);
}

static void adam_step(adam_state *s, int number) {
    stk_bundle_problem *b = s->b;
    s->correction_first = 1 - pow(0.9, number);
    s->correction_second = 1 - pow(0.999, number);
    stk_pool_run(b->pool, (b->points + BLOCK - 1) / BLOCK, point_slopes, s);
    if (s->joint) stk_pool_run(b->pool, b->frames, pose_slopes, s);
    for (int p = 0; p < b->points; p++)
        for (int i = 0; i < 3; i++) update(s, (ptrdiff_t)3 * p + i, &b->place[p][i]);
    for (int f = 0; s->joint && f < b->frames; f++) {
        ptrdiff_t at = (ptrdiff_t)3 * b->points + (ptrdiff_t)6 * f;
        double x[9], xy[9], *angles = s->angles + (ptrdiff_t)3 * f;
        for (int i = 0; i < 3; i++) {
            update(s, at + i, &angles[i]);
            update(s, at + 3 + i, &b->poses[f].t[i]);
        }
        rotation_of(angles, x, xy, b->poses[f].R);
    }
}

static stk_status run_stage(adam_state *s, int steps, double rate, int joint) {
    size_t numbers = 3 * (size_t)s->b->points + 6 * (size_t)s->b->frames;
    memset(s->first, 0, numbers * sizeof(double));
    memset(s->second, 0, numbers * sizeof(double));
    s->rate = rate;
    s->joint = joint;
    for (int i = 1; i <= steps; i++) {
        if (i % 16 == 0 && stk_job_aborted(s->b->job))
            return stk_fail(STK_ERR_ABORTED, "stopped in bundle adjustment");
        adam_step(s, i);
    }
    return STK_OK;
}

static stk_status run_stages(adam_state *s, int points_steps, int joint_steps) {
    stk_bundle_problem *b = s->b;
    int64_t observations = 0;
    for (int64_t k = 0; k < b->count; k++) observations += stk_bundle_takes_part(b, k);
    s->share = observations > 0 ? 1 / (double)observations : 0;
    memset(b->place, 0, (size_t)b->points * sizeof *b->place);
    for (int f = 0; f < b->frames; f++) angles_of(b->poses[f].R, s->angles + (ptrdiff_t)3 * f);
    STK_TRY(run_stage(s, points_steps, 0.01, 0));
    memcpy(b->first_place, b->place, (size_t)b->points * sizeof *b->place);
    STK_TRY(run_stage(s, joint_steps, 1e-4, 1));
    b->iterations = joint_steps;
    return STK_OK;
}

stk_status stk_bundle_published(stk_bundle_problem *b, int points_steps, int joint_steps) {
    adam_state s = {.b = b};
    size_t numbers = 3 * (size_t)b->points + 6 * (size_t)b->frames;
    s.angles = stk_calloc_aligned(3 * (size_t)b->frames, sizeof(double));
    s.gradient = stk_calloc_aligned(numbers, sizeof(double));
    s.first = stk_calloc_aligned(numbers, sizeof(double));
    s.second = stk_calloc_aligned(numbers, sizeof(double));
    stk_status status = STK_OK;
    if (s.angles == NULL || s.gradient == NULL || s.first == NULL || s.second == NULL)
        status = stk_fail_memory("bundle adjustment");
    else
        status = run_stages(&s, points_steps, joint_steps);
    stk_free(s.angles);
    stk_free(s.gradient);
    stk_free(s.first);
    stk_free(s.second);
    return status;
}
