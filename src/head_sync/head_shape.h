/* head_shape.h - the clip's own head: rigid vertices, their 3-D positions, and the poses of views.
 *
 *   views [n] landmarks, focal -> poses [n] and shape [468][3], by turns:
 *     poses   from the shape  (pose_solver.h, one task a view)
 *     shape   from the poses  (per vertex 3x3 least squares with a prior at the canonical face)
 *     gauge   similarity of the rigid set onto the canonical face, undone in the poses, so that no
 *             projection changes
 * No allocation; sums run in a fixed order, so results do not depend on the number of threads.
 */
#ifndef STK_HEAD_SYNC_HEAD_SHAPE_H
#define STK_HEAD_SYNC_HEAD_SHAPE_H

#include "base/pool.h"
#include "base/types.h"
#include "head_sync/pose_solver.h"

enum { STK_RIGID_MAX = 192 };

typedef struct stk_head_shape {
    double shape_head[STK_MESH_LANDMARKS][3];
    int rigid[STK_RIGID_MAX]; /* vertices that carry the pose */
    double weights[STK_RIGID_MAX];
    int rigid_count;
} stk_head_shape;

/* Some frames of the clip, with their poses. Borrowed arrays. */
typedef struct stk_head_views {
    const stk_landmarks *landmarks; /* the clip's */
    const int *frames;              /* [count] which of them */
    stk_se3 *poses;                 /* [count] */
    double *costs;                  /* [count] mean Huber loss, px^2 */
    int count;
} stk_head_views;

/* Canonical face and the built-in rigid set. */
void stk_head_shape_init(stk_head_shape *shape);
/* Sets the model's pointers to this shape; camera and Huber width are the caller's. */
void stk_head_shape_attach(const stk_head_shape *shape, stk_pose_model *model);
/* Starts every view's pose from nothing (stk_pose_initial) and refines it. */
void stk_head_views_start(stk_head_views *views, const stk_pose_model *model, stk_pool *pool);
/* One turn: shape update, gauge, pose refinement. all = 0 moves the rigid vertices only. Returns
 * the prior's share of the loss: px^2 per residual, comparable to stk_head_views_loss. */
double stk_head_shape_turn(stk_head_shape *shape, stk_head_views *views,
                           const stk_pose_model *model, int all, stk_pool *pool);
/* Every vertex to where the views see it under the poses they have; no pose is changed. */
void stk_head_shape_follow(stk_head_shape *shape, stk_head_views *views,
                           const stk_pose_model *model, stk_pool *pool);
/* Lowers the weight of rigid vertices that do not move rigidly in this clip (fringe over the
 * forehead, lively cheeks): w = base * 2 m / (m + e2), e2 its squared error, m the median. */
void stk_head_shape_reweight(stk_head_shape *shape, const stk_head_views *views,
                             const stk_pose_model *model);
/* Mean of the views' Huber losses, px^2. */
double stk_head_views_loss(const stk_head_views *views);

#endif
