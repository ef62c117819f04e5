/* head_fit_internal.h - what head_fit.c and head_fit_frame.c share. */
#ifndef STK_HEAD_SYNC_HEAD_FIT_INTERNAL_H
#define STK_HEAD_SYNC_HEAD_FIT_INTERNAL_H

#include "head_sync/head_fit.h"
#include "head_sync/head_model_file.h"

struct stk_head_fit {
    const stk_head_model *model;
    double (*expression)[3];                /* [expressions][points], settled with the points */
    double neutral[STK_HEAD_POINTS_MAX][3]; /* mean + identity + offset */
    double offset[STK_HEAD_POINTS_MAX][3];
    double identity[STK_HEAD_MODES_MAX];
    double weights[STK_HEAD_POINTS_MAX];
    double expression_prior; /* nu, px^2 */
    struct stk_head_identity *solver;
    double *view_expressions;     /* [views_max][expressions] */
    double *view_prior, *squared; /* [views_max] */
    stk_se3 *kept_poses;          /* [views_max], and */
    double *kept_expressions;     /* [views_max][expressions]: before a step */
    int views_max;
};

typedef struct stk_head_frame {
    stk_se3 pose;
    double *expression; /* [expressions] borrowed: start and result */
    int from_nothing;   /* the pose's closed start first */
    double prior;       /* share of the expression's prior, px^2 per residual */
    double squared;     /* weighted mean squared distance, px^2 */
} stk_head_frame;

/* From frame's expression (and pose) on. Returns the mean Huber loss. */
double stk_head_fit_refine(const stk_head_fit *fit, const stk_pose_model *camera,
                           const float (*landmarks)[3], stk_head_frame *frame, double *information);
/* Adds every point's squared distance, at most cap, to sums [points]. */
void stk_head_fit_errors(const stk_head_fit *fit, const stk_pose_model *camera,
                         const float (*landmarks)[3], const stk_se3 *pose, const double *expression,
                         double cap, double *sums);
/* At a view's pose and expression: per point A [3][3] = w G^T G and b [3] = -w G^T r (G = dr/dX),
 * and how the view's own unknowns answer to the points: coupling [6 + expressions][3 points] =
 * L^-1 W with L L^T the view's normal matrix and W its mixed part; rows of unknowns at a bound are
 * 0. */
void stk_head_fit_couple(const stk_head_fit *fit, const stk_pose_model *camera,
                         const float (*landmarks)[3], const stk_head_frame *frame,
                         double (*moments)[12], float *coupling);

/* --- head_fit_identity.c ---------------------------------------------------------------------- */
stk_status stk_head_identity_create(stk_head_fit *fit);
void stk_head_identity_free(stk_head_fit *fit);
/* Finds the Gauss-Newton step of identity and offsets, in which the views' poses and expressions
 * follow. noise2: variance of a coordinate, px^2. */
void stk_head_identity_step(stk_head_fit *fit, const stk_head_views *views,
                            const stk_pose_model *camera, double noise2, stk_pool *pool);
/* Goes a share of it. Returns the priors there, px^2; share 0 asks for those here. */
double stk_head_identity_move(stk_head_fit *fit, double share);

#endif
