/* bundle_residual.c - one observation of bundle adjustment: residual, derivatives, loss, priors.
 *
 * With c = R X + t, a = c_x/c_z, b = c_y/c_z, d = 1 + k (a^2 + b^2):
 *   u = cx - f d a, v = cy + f d b
 *   d(u,v)/dc = d(u,v)/d(a,b) . [1/z 0 -a/z; 0 1/z -b/z]
 *   turn: row . (w x arm) = w . (arm x row), arm = R X; shift: the row; point: the row times R
 * Changing f alone would change the size of the head in the picture, which is sharply known; ln f
 * therefore takes t_z along (t_z <- t_z f'/f), which all but uncouples it from the poses.
 */
#include "head_sync/bundle_internal.h"

#include <math.h>

/* Spreads of the priors, deliberately wide: they decide only what nothing else does. */
static const double POSE_TURN_RAD = 0.5, POSE_SHIFT_M = 0.3;
const double stk_bundle_anchor_prior = 1 / (0.01 * 0.01); /* another person's mesh, m^-2 */
const double stk_bundle_focal_prior = 1 / (0.5 * 0.5);    /* of ln f */
const double stk_bundle_lens_prior = 1 / (0.5 * 0.5);     /* k of a strong wide-angle lens */

static const double NEAREST_M = 1e-3;

int stk_bundle_residual(const stk_bundle_camera *camera, const stk_se3 *pose, const double place[3],
                        const float px[2], double residual[2], stk_bundle_jacobian *jacobian) {
    double arm[3];
    stk_mat3_apply(pose->R, place, arm);
    double z = arm[2] + pose->t[2];
    if (!(z < -NEAREST_M)) return 0;
    double a = (arm[0] + pose->t[0]) / z, b = (arm[1] + pose->t[1]) / z, f = camera->focal_px;
    double square = a * a + b * b, d = 1 + camera->lens * square;
    residual[0] = camera->cx_px - f * d * a - px[0];
    residual[1] = camera->cy_px + f * d * b - px[1];
    if (jacobian == NULL) return 1;
    double k2 = 2 * camera->lens, cross = f * k2 * a * b;
    const double slope[2][2] = {{-f * (d + k2 * a * a), -cross}, {cross, f * (d + k2 * b * b)}};
    const double sign[2] = {-a, b};
    for (int i = 0; i < 2; i++) {
        double *w = jacobian->pose + 6 * i, *row = w + 3, *p = jacobian->point + 3 * i;
        row[0] = slope[i][0] / z;
        row[1] = slope[i][1] / z;
        row[2] = -(slope[i][0] * a + slope[i][1] * b) / z;
        w[0] = arm[1] * row[2] - arm[2] * row[1];
        w[1] = arm[2] * row[0] - arm[0] * row[2];
        w[2] = arm[0] * row[1] - arm[1] * row[0];
        for (int j = 0; j < 3; j++)
            p[j] = row[0] * pose->R[j] + row[1] * pose->R[3 + j] + row[2] * pose->R[6 + j];
        jacobian->shared[2 * i] = f * d * sign[i] + row[2] * pose->t[2];
        jacobian->shared[2 * i + 1] = f * square * sign[i];
    }
    return 1;
}

int stk_bundle_observe(const stk_bundle_problem *b, int64_t k, const stk_bundle_camera *camera,
                       const stk_se3 *pose, const double place[3], double residual[2],
                       stk_bundle_jacobian *jacobian) {
    double moved[3] = {place[0], place[1], place[2]};
    for (int i = 0; b->shift != NULL && i < 3; i++) moved[i] += (double)b->shift[k][i];
    if (!stk_bundle_residual(camera, pose, moved, b->list[k].px, residual, jacobian)) return 0;
    for (int i = 0; b->slow != NULL && i < 2; i++) residual[i] -= (double)b->slow[k][i];
    return 1;
}

double stk_bundle_loss(double squared, double width, double *factor) {
    double c2 = width * width, x = squared / c2;
    *factor = 1 / (1 + x);
    return c2 * log1p(x);
}

double stk_bundle_observation_loss(const stk_bundle_problem *b, const stk_bundle_observation *o,
                                   const double residual[2], double *factor) {
    double weight = o->weight * b->trust[o->point];
    double squared = residual[0] * residual[0] + residual[1] * residual[1];
    double loss = stk_bundle_loss(squared, b->width_px, factor);
    *factor *= weight;
    return weight * loss;
}

int stk_bundle_takes_part(const stk_bundle_problem *b, int64_t k) {
    const stk_bundle_observation *o = &b->list[k];
    if (o->dropped || !(o->weight > 0) || !b->kept[o->point]) return 0;
    return b->fold < 0 || b->part[o->point] != b->fold;
}

double stk_bundle_pose_prior(const stk_bundle_problem *b, const stk_bundle_camera *camera,
                             int frame, const stk_se3 *pose, double *gradient, double *diagonal) {
    const stk_se3 *start = &b->start[frame];
    double relative[9], e[6], sum = 0;
    double turn = b->noise_px * b->noise_px / (POSE_TURN_RAD * POSE_TURN_RAD);
    double shift = b->noise_px * b->noise_px / (POSE_SHIFT_M * POSE_SHIFT_M);
    stk_mat3_mul_bt(pose->R, start->R, relative);
    stk_so3_log(relative, e);
    for (int i = 0; i < 3; i++) e[3 + i] = pose->t[i] - start->t[i];
    e[5] = pose->t[2] - start->t[2] * camera->focal_px / b->start_focal_px;
    for (int i = 0; i < 6; i++) {
        double w = i < 3 ? turn : shift;
        sum += w * e[i] * e[i];
        if (gradient != NULL) gradient[i] += w * e[i];
        if (diagonal != NULL) diagonal[7 * i] += w;
    }
    return sum;
}
