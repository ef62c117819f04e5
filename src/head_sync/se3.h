/* se3.h - rotations and rigid motions, in double.
 *
 * 3x3 matrices are row-major double[9]. A rotation vector is axis * angle (rad). Everything is a
 * pure function without allocation; safe from any thread.
 */
#ifndef STK_HEAD_SYNC_SE3_H
#define STK_HEAD_SYNC_SE3_H

/* x_cam = R x_head + t, the double twin of stk_pose. */
typedef struct stk_se3 {
    double R[9], t[3];
} stk_se3;

/* out = a b; out must not alias. */
void stk_mat3_mul(const double a[9], const double b[9], double out[9]);
/* out = a b^T; out must not alias. */
void stk_mat3_mul_bt(const double a[9], const double b[9], double out[9]);
/* out = m v; out must not alias v. */
void stk_mat3_apply(const double m[9], const double v[3], double out[3]);
/* Replaces m by the nearest rotation (polar factor, Higham's Newton iteration). Returns 0 and
 * leaves m undefined when det m is not positive. */
int stk_mat3_polar(double m[9]);
/* Rodrigues: R = exp([w]x). */
void stk_so3_exp(const double w[3], double R[9]);
/* Rotation vector of R, |w| <= pi; through the quaternion, so exact near pi too. */
void stk_so3_log(const double R[9], double w[3]);
/* J with exp([w + d]x) = exp([J d]x) exp([w]x) to first order. */
void stk_so3_left_jacobian(const double w[3], double J[9]);
/* Moves a pose by a left increment: R <- exp([d0..2]x) R, t <- t + d3..5. */
void stk_se3_move(const stk_se3 *pose, const double d[6], stk_se3 *moved);
/* Between two poses at u in [0,1]: slerp of the rotation, straight line of the translation. */
void stk_se3_between(const stk_se3 *a, const stk_se3 *b, double u, stk_se3 *out);

#endif
