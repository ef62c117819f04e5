/* pose_solver.c - see pose_solver.h.
 *
 * Start: l ~ l0 + s A X with A the first two rows of R (v downwards), solved as a linear
 * least-squares problem about the weighted centroids; [s r1; s r2] gives s, and the rotation by its
 * polar factor; the depth is -f/s. (The first step of POSIT, DeMenthon and Davis 1995.)
 * Refinement: Levenberg-Marquardt on the left increment (turn about the head's origin, shift), with
 * the Huber loss by iteratively reweighted least squares.
 */
#include "head_sync/pose_solver.h"
#include "base/spd.h"

#include <math.h>
#include <string.h>

/* A point nearer to the camera plane than this cannot be a head's. */
static const double NEAREST_M = 1e-3;
static const double HUGE_COST = 1e18;

int stk_pose_residual(const stk_pose_model *model, const float (*landmarks)[3], const stk_se3 *pose,
                      int k, double residual[2], double *jacobian) {
    int vertex = model->vertices[k];
    double arm[3]; /* R X: the lever that rotation acts on */
    stk_mat3_apply(pose->R, model->shape_head[vertex], arm);
    double x = arm[0] + pose->t[0], y = arm[1] + pose->t[1], z = arm[2] + pose->t[2];
    if (!(z < -NEAREST_M)) return 0;
    double f_z = model->focal_px / z;
    residual[0] = model->cx_px - f_z * x - landmarks[vertex][0];
    residual[1] = model->cy_px + f_z * y - landmarks[vertex][1];
    if (jacobian == NULL) return 1;
    double *du = jacobian, *dv = jacobian + 6; /* d residual / d x_cam, then through -[arm]x */
    du[3] = -f_z, du[4] = 0, du[5] = f_z * x / z;
    dv[3] = 0, dv[4] = f_z, dv[5] = -f_z * y / z;
    for (double *row = jacobian; row <= dv; row += 6) { /* row . (w x arm) = w . (arm x row) */
        row[0] = arm[1] * row[5] - arm[2] * row[4];
        row[1] = arm[2] * row[3] - arm[0] * row[5];
        row[2] = arm[0] * row[4] - arm[1] * row[3];
    }
    return 1;
}

/* Weighted centroids of shape and landmarks; 0 when a landmark is not finite. */
static int centroids(const stk_pose_model *model, const float (*landmarks)[3], double head[3],
                     double px[2]) {
    double total = 0;
    head[0] = head[1] = head[2] = px[0] = px[1] = 0;
    for (int k = 0; k < model->count; k++) {
        int vertex = model->vertices[k];
        double w = model->weights[k];
        total += w;
        for (int i = 0; i < 3; i++) head[i] += w * model->shape_head[vertex][i];
        for (int i = 0; i < 2; i++) px[i] += w * landmarks[vertex][i];
    }
    if (!(total > 0) || !isfinite(px[0]) || !isfinite(px[1])) return 0;
    for (int i = 0; i < 3; i++) head[i] /= total;
    for (int i = 0; i < 2; i++) px[i] /= total;
    return 1;
}

/* rows[i][3]: least-squares map from the centred shape to the centred landmarks (u right, v up). */
static int orthographic_rows(const stk_pose_model *model, const float (*landmarks)[3],
                             const double head[3], const double px[2], double rows[2][3]) {
    double moment[9] = {0};
    memset(rows, 0, 6 * sizeof(double));
    for (int k = 0; k < model->count; k++) {
        int vertex = model->vertices[k];
        double d[3], l[2] = {landmarks[vertex][0] - px[0], px[1] - landmarks[vertex][1]};
        for (int i = 0; i < 3; i++) d[i] = model->shape_head[vertex][i] - head[i];
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 3; j++) moment[3 * i + j] += model->weights[k] * d[i] * d[j];
            for (int j = 0; j < 2; j++) rows[j][i] += model->weights[k] * d[i] * l[j];
        }
    }
    double copy[9];
    memcpy(copy, moment, sizeof copy);
    return stk_spd_solve(moment, rows[0], 3) && stk_spd_solve(copy, rows[1], 3);
}

int stk_pose_initial(const stk_pose_model *model, const float (*landmarks)[3], stk_se3 *pose,
                     double *error_px) {
    double head[3], px[2], rows[2][3], *R = pose->R;
    if (!centroids(model, landmarks, head, px)) return 0;
    if (!orthographic_rows(model, landmarks, head, px, rows)) return 0;
    double a = 0, b = 0, c = 0; /* the 2x2 Gram matrix: its root's mean eigenvalue is s */
    for (int i = 0; i < 3; i++) {
        a += rows[0][i] * rows[0][i];
        b += rows[1][i] * rows[1][i];
        c += rows[0][i] * rows[1][i];
    }
    double area = sqrt(fmax(a * b - c * c, 0)), scale = 0.5 * sqrt(a + b + 2 * area);
    if (!(area > 1e-4 * (a + b)) || !(scale > 1e-6)) return 0;
    for (int i = 0; i < 3; i++) {
        R[i] = rows[0][i];
        R[3 + i] = rows[1][i];
    }
    R[6] = (R[1] * R[5] - R[2] * R[4]) / scale; /* third row as long as the others */
    R[7] = (R[2] * R[3] - R[0] * R[5]) / scale;
    R[8] = (R[0] * R[4] - R[1] * R[3]) / scale;
    if (!stk_mat3_polar(R)) return 0;
    double centre[3], sum = 0, total = 0; /* the centroid's depth is -f/s */
    stk_mat3_apply(R, head, centre);
    pose->t[0] = (px[0] - model->cx_px) / scale - centre[0];
    pose->t[1] = (model->cy_px - px[1]) / scale - centre[1];
    pose->t[2] = -model->focal_px / scale - centre[2];
    for (int k = 0; error_px != NULL && k < model->count; k++) {
        const double *X = model->shape_head[model->vertices[k]];
        const float *l = landmarks[model->vertices[k]];
        double q[3];
        stk_mat3_apply(R, X, q);
        double eu = px[0] + scale * (q[0] - centre[0]) - l[0];
        double ev = px[1] - scale * (q[1] - centre[1]) - l[1];
        sum += model->weights[k] * (eu * eu + ev * ev);
        total += model->weights[k];
    }
    if (error_px != NULL) *error_px = sqrt(sum / total);
    return 1;
}

/* Mean Huber loss at a pose; with H and g also the reweighted normal equations of the sum. */
static double robust_cost(const stk_pose_model *model, const float (*landmarks)[3],
                          const stk_se3 *pose, double *H, double *g) {
    double sum = 0, total = 0, r[2], J[12];
    if (H != NULL) memset(H, 0, 36 * sizeof(double)), memset(g, 0, 6 * sizeof(double));
    for (int k = 0; k < model->count; k++) {
        double w = model->weights[k], d = model->huber_px;
        if (!stk_pose_residual(model, landmarks, pose, k, r, H != NULL ? J : NULL))
            return HUGE_COST;
        double e = sqrt(r[0] * r[0] + r[1] * r[1]);
        total += w;
        sum += w * (e <= d ? e * e : d * (2 * e - d));
        if (H == NULL) continue;
        if (e > d) w *= d / e;
        for (int i = 0; i < 6; i++) {
            g[i] += w * (J[i] * r[0] + J[6 + i] * r[1]);
            for (int j = 0; j <= i; j++) H[6 * i + j] += w * (J[i] * J[j] + J[6 + i] * J[6 + j]);
        }
    }
    for (int i = 0; H != NULL && i < 6; i++)
        for (int j = 0; j < i; j++) H[6 * j + i] = H[6 * i + j];
    return total > 0 ? sum / total : HUGE_COST;
}

/* One damped step; raises *damping until the loss falls. Returns the new loss, or a negative number
 * when no step improves. */
static double damped_step(const stk_pose_model *model, const float (*landmarks)[3], stk_se3 *pose,
                          const double H[36], const double g[6], double cost, double *damping) {
    enum { ATTEMPTS = 10 };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++, *damping *= 8) {
        double A[36], d[6];
        memcpy(A, H, sizeof A);
        for (int i = 0; i < 6; i++) {
            A[7 * i] += *damping * H[7 * i];
            d[i] = -g[i];
        }
        if (!stk_spd_solve(A, d, 6)) continue;
        stk_se3 moved;
        stk_se3_move(pose, d, &moved);
        double next = robust_cost(model, landmarks, &moved, NULL, NULL);
        if (!(next < cost)) continue;
        *pose = moved;
        *damping = fmax(*damping * 0.1, 1e-12);
        return next;
    }
    return -1;
}

double stk_pose_refine(const stk_pose_model *model, const float (*landmarks)[3], stk_se3 *pose,
                       double *information) {
    enum { ITERATIONS = 50 };
    double H[36], g[6], damping = 1e-6;
    double cost = robust_cost(model, landmarks, pose, H, g);
    for (int iteration = 0; iteration < ITERATIONS && cost < HUGE_COST; iteration++) {
        double next = damped_step(model, landmarks, pose, H, g, cost, &damping);
        if (next < 0) break;
        double gain = cost - next;
        cost = robust_cost(model, landmarks, pose, H, g);
        if (gain < 1e-8 * cost) break;
    }
    stk_mat3_polar(pose->R); /* products of rotations drift by an ulp each */
    if (information != NULL) {
        if (cost >= HUGE_COST) memset(H, 0, sizeof H);
        memcpy(information, H, sizeof H);
    }
    return cost;
}

double stk_pose_squared_error(const stk_pose_model *model, const float (*landmarks)[3],
                              const stk_se3 *pose) {
    double sum = 0, total = 0, r[2];
    for (int k = 0; k < model->count; k++) {
        if (!stk_pose_residual(model, landmarks, pose, k, r, NULL)) return HUGE_COST;
        sum += model->weights[k] * (r[0] * r[0] + r[1] * r[1]);
        total += model->weights[k];
    }
    return total > 0 ? sum / total : HUGE_COST;
}
