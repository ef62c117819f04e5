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
    double expression_prior;      /* nu, px^2 */
    double (*moments)[12];        /* [points] A [3][3] and b [3] of the identity update */
    double *system, *right;       /* [identities^2], [identities] */
    double *view_expressions;     /* [views_max][expressions] */
    double *view_prior, *squared; /* [views_max] */
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

#endif
