/* bundle.h - bundle adjustment of the Head-Sync Stabilizer ([SyncTalk] 3.2, reference.md 7.4).
 *
 *   tracks + poses [frames] + camera (+ landmarks) ->
 *     stage 1   X_j = argmin sum_i w_ij rho(|P(R_i X_j + t_i) - K_ij|)           points alone
 *     stage 2   the same sum over points, rotations and translations (focal, lens) together
 *
 * P(x) = (cx - f d X/Z, cy + f d Y/Z), d = 1 + k (X^2 + Y^2)/Z^2; rho the Cauchy loss, its width
 * taken from the residuals. Stage 2 is Levenberg-Marquardt with the points eliminated; what remains
 * is banded over the frames and bordered by focal length, lens and landmark anchors
 * (bundle_solve.c). One camera sees no scale: the clip's face mesh, as 32 anchors observed by
 * landmarks and held by a weak prior, fixes the head's frame and ties takes together; without
 * landmarks a weak prior at the given poses does. Long clips solve every n-th frame together and
 * then all frames by turns of points and poses, so that work and memory stay bounded.
 * Deterministic whatever the number of threads.
 */
#ifndef STK_HEAD_SYNC_BUNDLE_H
#define STK_HEAD_SYNC_BUNDLE_H

#include "base/job.h"
#include "base/pool.h"
#include "base/status.h"
#include "base/types.h"
#include "head_sync/tracks.h"

/* Standard deviation of a focal length that counts as determined, of itself. */
#define STK_FOCAL_DETERMINED 0.02

typedef enum stk_bundle_mode {
    STK_BUNDLE_ROBUST = 0,
    STK_BUNDLE_PUBLISHED = 1, /* reference.md 7.4 to the letter, for comparison (slow) */
} stk_bundle_mode;

/* Borrowed for the call. */
typedef struct stk_bundle_input {
    const stk_tracks *tracks;
    const stk_pose *poses; /* [tracks->frames] */
    stk_camera camera;
    /* All three or none: the landmark anchors. */
    const stk_landmarks *landmarks; /* [frames] */
    const uint8_t *valid;           /* [frames] 0: no landmarks in that frame */
    const float (*shape_head)[3];   /* [468] the clip's neutral mesh (stk_head_track) */
    /* [frames] how far the brows are raised, in any unit; NULL: the forehead is rigid, too. */
    const float *lift;
    const int32_t *take; /* [frames] rising at each cut; NULL: where no point goes on */
} stk_bundle_input;

typedef struct stk_bundle_options {
    stk_bundle_mode mode;
    int fit_focal;    /* 1: estimate the focal length where the motion determines it */
    int fit_lens;     /* 1: also one radial term */
    int no_smoothing; /* 1: never; 0: when held-out observations are predicted better */
    /* Adam steps of the published recipe; 0: 500 and 8000. */
    int published_points, published_joint;
} stk_bundle_options;

typedef struct stk_bundle {
    stk_camera camera; /* with the focal length that the poses go with */
    double lens;       /* k above */
    /* Standard deviation of the focal length, from the curvature of the loss and the residuals'
     * spread; infinite when nothing is known. Determined: below 2 % of the focal length; else the
     * given one is kept. 150 points with 0.3 px of noise tell 0.3 % at turns of +-14 degrees, 1.4 %
     * at +-4; points that move on a living face tell ten times less, and a wrong focal length
     * hardly moves them: ten seconds of a speaker leave 11 to 20 % (doc/EQUATIONS.md). */
    double focal_sd_px;
    int focal_determined;
    int frames, points;
    stk_pose *poses;         /* [frames] */
    uint8_t *solved;         /* [frames] 0: too few observations, pose from the neighbours */
    float (*points_head)[3]; /* [points] metres; 0 where not kept */
    uint8_t *kept;           /* [points] */
    int points_kept, frames_solved, takes, stride; /* stride: every n-th frame solved together */
    int64_t observations, observations_kept;
    double reprojection_before_median_px, reprojection_before_p95_px; /* of the kept ones, after */
    double reprojection_median_px, reprojection_p95_px;               /* stage 1 and at the end */
    double held_out_px, held_out_smooth_px; /* rms of held-out observations: as fitted, smoothed */
    double smoothing;                       /* stiffness chosen (pose_smooth.h); 0: none */
    double jitter_before_deg, jitter_before_px; /* rms second differences of rotation (degrees / */
    double jitter_deg, jitter_px; /* frame^2) and of the head origin's picture (px / frame^2) */
    double noise_px;              /* spread of a kept observation's coordinate */
    int iterations;               /* of stage 2 */
    double seconds;
} stk_bundle;

/* pool and job may be NULL. Observations that are not finite, of weight 0 or of an unknown point
 * are ignored. STK_ERR_CONTENT when too few points or frames remain; STK_ERR_ARGUMENT for poses or
 * a camera that cannot be. Result owned by the caller: stk_bundle_clear. */
stk_status stk_bundle_adjust(const stk_bundle_input *input, const stk_bundle_options *options,
                             stk_pool *pool, const stk_job *job, stk_bundle *result);
/* Takes NULL members. */
void stk_bundle_clear(stk_bundle *bundle);

#endif
