/* bundle_internal.h - what the files of bundle adjustment share (bundle.h).
 *
 * Observations lie by point, and within a point by frame; `by_frame` lists them by frame. An
 * observation takes part while its weight is positive and it is not dropped.
 */
#ifndef STK_HEAD_SYNC_BUNDLE_INTERNAL_H
#define STK_HEAD_SYNC_BUNDLE_INTERNAL_H

#include "head_sync/bundle.h"
#include "head_sync/se3.h"

enum {
    STK_BUNDLE_ANCHORS = 32,    /* landmarks that carry the head's frame */
    STK_BUNDLE_FRAME_LEAST = 6, /* observations without which a frame's pose is not asked */
    STK_BUNDLE_POINT_LEAST = 4, /* and a point's place */
};

typedef struct stk_bundle_camera {
    double focal_px, cx_px, cy_px, lens;
} stk_bundle_camera;

/* Derivatives of a residual (two rows, u and v), per m and rad:
 *   pose    [2][6] left increment of stk_se3_move
 *   point   [2][3]
 *   shared  [2][2] ln f, with t_z scaled along (so that the size in the picture stays), and k */
typedef struct stk_bundle_jacobian {
    double pose[12], point[6], shared[4];
} stk_bundle_jacobian;

typedef struct stk_bundle_observation {
    int32_t frame, point;
    float px[2], weight;
    uint8_t dropped;
} stk_bundle_observation;

typedef struct stk_bundle_anchors {
    const stk_landmarks *landmarks; /* NULL: none */
    const uint8_t *valid;           /* [frames] problem.anchored */
    int count;
    int vertex[STK_BUNDLE_ANCHORS];
    double place[STK_BUNDLE_ANCHORS][3], prior[STK_BUNDLE_ANCHORS][3];
    double weight;   /* of a landmark observation, an observation of a point being 1 */
    double width_px; /* of its Cauchy loss */
} stk_bundle_anchors;

typedef struct stk_bundle_problem {
    int frames, points, takes;
    int64_t count;
    stk_bundle_observation *list; /* [count] */
    int64_t *point_first;         /* [points + 1] */
    int64_t *frame_first;         /* [frames + 1] */
    int32_t *by_frame;            /* [count] */
    float *error_px;              /* [count] */
    /* bundle_drive.h; all NULL: none. Of the brows now and as given; of a point for lift 1, m; of
     * an observation's point. */
    float *lift, *lift_given; /* [frames] */
    double (*drive)[3];       /* [points] */
    float (*shift)[3];        /* [count] */
    float (*slow)[2];         /* [count] bundle_steady.h: taken off the residual; NULL: nothing */
    uint8_t *part;            /* [points] of the face, held out together */
    int trust_held;           /* trust stays as it is */
    float *trust, *sorted;    /* [points] weight of its observations (bundle_trust.c); scratch */
    int32_t *take;            /* [frames] rising number */
    uint8_t *usable;          /* [frames] enough observations */
    uint8_t *kept;            /* [points] */
    uint8_t *anchored;        /* [frames] its landmarks are there and are numbers */
    stk_se3 *poses, *start;   /* [frames] now, as given */
    double (*place)[3], (*prior)[3], (*first_place)[3]; /* [points] now, prior, after stage 1 */
    double (*information)[36];                          /* [frames] of the last pose sweep */
    stk_bundle_camera camera;
    double start_focal_px;
    double noise_px, width_px; /* spread of a coordinate; width of the Cauchy loss */
    int fold;                  /* points of this part are held out; -1: none */
    int fit_focal, fit_lens;
    double point_prior; /* of a point about the mesh, m^-2; px^2 when multiplied by noise squared */
    double focal_sd;    /* relative */
    int stride, iterations;
    stk_bundle_anchors anchors;
    stk_pool *pool;
    const stk_job *job;
} stk_bundle_problem;

/* Residual P - K in px, and its derivatives unless NULL. 0 when not in front of the camera. */
int stk_bundle_residual(const stk_bundle_camera *camera, const stk_se3 *pose, const double place[3],
                        const float px[2], double residual[2], stk_bundle_jacobian *jacobian);
/* The same of observation k, its point standing at `place` when the brows rest. */
int stk_bundle_observe(const stk_bundle_problem *b, int64_t k, const stk_bundle_camera *camera,
                       const stk_se3 *pose, const double place[3], double residual[2],
                       stk_bundle_jacobian *jacobian);
/* Cauchy: c^2 ln(1 + e^2/c^2); *factor is its derivative by e^2. */
double stk_bundle_loss(double squared, double width, double *factor);
/* The same of an observation with this residual, weighted. */
double stk_bundle_observation_loss(const stk_bundle_problem *b, const stk_bundle_observation *o,
                                   const double residual[2], double *factor);
/* 1 when the observation takes part. */
int stk_bundle_takes_part(const stk_bundle_problem *b, int64_t k);
/* Priors, in px^2 when multiplied by the squared noise. */
extern const double stk_bundle_anchor_prior, stk_bundle_focal_prior, stk_bundle_lens_prior;
/* Pose prior's loss; gradient [6] and the diagonal of [6][6] are added to unless NULL. */
double stk_bundle_pose_prior(const stk_bundle_problem *b, const stk_bundle_camera *camera,
                             int frame, const stk_se3 *pose, double *gradient, double *diagonal);

/* Every kept point from the poses / every usable frame's pose from the points, robustly. */
void stk_bundle_sweep_points(stk_bundle_problem *b);
void stk_bundle_sweep_poses(stk_bundle_problem *b);
/* error_px of all observations of kept points (infinite behind the camera); sets noise and width
 * from their median, and how far each point is trusted. */
void stk_bundle_measure(stk_bundle_problem *b);
/* Sets every point's trust from its errors; part of stk_bundle_measure. */
void stk_bundle_weigh(stk_bundle_problem *b);
/* Drops observations beyond `limit` noise widths, takes back those within, and drops points that
 * keep too few or do not move with the head. Needs stk_bundle_measure. */
void stk_bundle_reject(stk_bundle_problem *b, double limit);
/* Quantile of the errors of observations that take part. */
double stk_bundle_quantile(const stk_bundle_problem *b, double q);

/* Stage 2: at most `iterations` accepted steps, until one gains less than `gain` squared noises. */
stk_status stk_bundle_solve(stk_bundle_problem *b, int iterations, double gain);
/* Lays the head's frame onto the mesh, or the depth onto the given one; no picture changes. */
stk_status stk_bundle_fix_gauge(stk_bundle_problem *b);
/* The published recipe, in place; figures to iterations. */
stk_status stk_bundle_published(stk_bundle_problem *b, int points_steps, int joint_steps);
/* Loads tracks, poses and camera; allocates. stk_bundle_problem_clear also after failure. */
stk_status stk_bundle_problem_init(stk_bundle_problem *b, const stk_bundle_input *input,
                                   stk_pool *pool, const stk_job *job);
void stk_bundle_problem_clear(stk_bundle_problem *b);

#endif
