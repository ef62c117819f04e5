/* pose_solver.h - the pose of one head in one picture, from landmarks and a known shape.
 *
 *   landmarks [count] px + shape [count] m + focal -> (R, T) =
 *       argmin sum_k w_k rho(|P(R X_k + T) - l_k|)
 *
 * P(x) = (cx - f X/Z, cy + f Y/Z) (reference.md 7.2), rho the Huber loss. The start is closed:
 * scaled orthography by linear least squares, so no guess is asked for. Pure functions; any thread.
 */
#ifndef STK_HEAD_SYNC_POSE_SOLVER_H
#define STK_HEAD_SYNC_POSE_SOLVER_H

#include "head_sync/se3.h"

/* What the poses of a whole clip share. Borrowed pointers; `vertices` name rows of shape and of the
 * landmark arrays. */
typedef struct stk_pose_model {
    const double (*shape_head)[3]; /* [468] metres */
    const int *vertices;           /* [count] those that carry the pose */
    const double *weights;         /* [count] >= 0 */
    int count;
    double focal_px, cx_px, cy_px;
    double huber_px; /* beyond this distance the loss grows linearly */
} stk_pose_model;

/* Residual P - l of vertex k (an index into model->vertices) in px; the Jacobian [2][6] against the
 * left increment of stk_se3_move unless NULL. Returns 0 when the point is not in front of the
 * camera. */
int stk_pose_residual(const stk_pose_model *model, const float (*landmarks)[3], const stk_se3 *pose,
                      int k, double residual[2], double *jacobian);
/* Scaled orthography: exact for a far camera, a start for any. *error_px (may be NULL) is its rms
 * error. Returns 0 when the landmarks span no plane or are not finite. */
int stk_pose_initial(const stk_pose_model *model, const float (*landmarks)[3], stk_se3 *pose,
                     double *error_px);
/* Levenberg-Marquardt from *pose, in place. Returns the weighted mean Huber loss (px^2);
 * information (may be NULL) receives the Gauss-Newton matrix [6][6] of the sum, px^2 per unit of
 * the increment^2. */
double stk_pose_refine(const stk_pose_model *model, const float (*landmarks)[3], stk_se3 *pose,
                       double *information);
/* Weighted mean of |P - l|^2 (px^2); huge when a point is behind the camera. */
double stk_pose_squared_error(const stk_pose_model *model, const float (*landmarks)[3],
                              const stk_se3 *pose);

#endif
