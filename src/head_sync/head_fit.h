/* head_fit.h - a morphable head fitted to the landmarks of a clip ([SyncTalk] 3.2, reference.md
 * 7.2): identity shared over the clip, expression and pose per frame.
 *
 *   argmin over a, o, (R, T, e)_i of
 *     sum_i sum_p w_p rho(|P(R_i X_ip + T_i) - l_ip|) + lambda |a|^2 + mu |o|^2 + nu sum_i |e_i|^2
 *   X_ip = mean_p + sum_k a_k identity_kp + o_p + sum_k e_ik expression_kp
 *
 * by turns: every view's pose and expression together (Levenberg-Marquardt), then identity a and
 * offsets o together (Gauss-Newton, with the views following). o_p is what the landmark network
 * means by point p against where the model has it: the same in all frames.
 * DIFFERS: the published fit runs Adam for 1000 + 1000 steps with fixed weights 8 and 0.5 for the
 * means of a^2 and e^2 and no offsets; here the weights follow from what the landmarks get wrong
 * (head_fit.c), a turn solves its part, and expression and identity start together.
 *
 * Sums run in a fixed order: results do not depend on the number of threads.
 */
#ifndef STK_HEAD_SYNC_HEAD_FIT_H
#define STK_HEAD_SYNC_HEAD_FIT_H

#include "base/pool.h"
#include "head_sync/head_model.h"
#include "head_sync/head_shape.h"

typedef struct stk_head_fit stk_head_fit;

/* views_max: how many views a fit may have. model is borrowed. */
stk_status stk_head_fit_create(stk_head_fit **fit, const stk_head_model *model, int views_max);
void stk_head_fit_free(stk_head_fit **fit);

typedef struct stk_head_fit_loss {
    double squared; /* mean over the views of the weighted mean squared distance, px^2 */
    double prior;   /* the priors' share in units of stk_head_views_loss */
} stk_head_fit_loss;

/* From nothing: the model's mean, closed starts of the poses, no expression. camera: focal length,
 * principal point and Huber width; its shape is not read. Fills the views' poses and costs. */
stk_head_fit_loss stk_head_fit_views(stk_head_fit *fit, stk_head_views *views,
                                     const stk_pose_model *camera, int turns, stk_pool *pool);
/* Lowers the weight of points that do not follow the model, as stk_head_shape_reweight does. */
void stk_head_fit_reweight(stk_head_fit *fit, const stk_head_views *views,
                           const stk_pose_model *camera);
/* One more turn with what is known. */
void stk_head_fit_turn(stk_head_fit *fit, stk_head_views *views, const stk_pose_model *camera,
                       stk_pool *pool);
/* Moves the person's own head onto the canonical face: poses of frames fitted after this are those
 * of the canonical head frame. The identity is fixed from here on. */
void stk_head_fit_settle(stk_head_fit *fit);
/* Pose and expression of one frame from nothing. Returns the mean Huber loss (px^2), a huge one
 * when no pose fits; information as stk_pose_refine gives it, less what the expression takes.
 * expression [expressions] may be NULL. Any thread. */
double stk_head_fit_frame(const stk_head_fit *fit, const stk_pose_model *camera,
                          const float (*landmarks)[3], stk_se3 *pose, double *information,
                          double *expression);
/* The clip's own identity, [identities] standard deviations. */
const double *stk_head_fit_identity(const stk_head_fit *fit);

#endif
