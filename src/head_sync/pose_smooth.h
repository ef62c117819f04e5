/* pose_smooth.h - mild smoothing of a clip's poses that keeps the head where the landmarks say.
 *
 *   poses [n], information [n][36] ->
 *       argmin sum_i (x_i - p_i)' H_i (x_i - p_i) + s sum_i |D2 x_i|_S^2
 *
 * x_i = (rotation vector relative to the run's reference, translation); H_i is what the landmarks
 * of frame i know about its pose, so depth (barely seen) is smoothed more than the place in the
 * picture (sharply seen). D2 is the second difference, S weighs 1 rad as 0.1 m. Symmetric, so
 * without delay. A run ends at frames without a face, where a take ends, and where a pose
 * jumps farther than a head moves. Runs are cut into overlapping
 * blocks of fixed size, solved by banded Cholesky, one task each: memory does not grow with the
 * clip.
 */
#ifndef STK_HEAD_SYNC_POSE_SMOOTH_H
#define STK_HEAD_SYNC_POSE_SMOOTH_H

#include "base/pool.h"
#include "base/status.h"
#include "head_sync/se3.h"

#include <stdint.h>

typedef struct stk_pose_smoother stk_pose_smoother;

/* Finds the runs and allocates the blocks' workspaces. take (NULL: one) rises at each cut. Borrows
 * the arrays but take until it is freed. */
stk_status stk_pose_smoother_create(stk_pose_smoother **smoother, const stk_se3 *poses,
                                    const double (*information)[36], const uint8_t *valid,
                                    const int32_t *take, int frames, stk_pool *pool);
void stk_pose_smoother_free(stk_pose_smoother **smoother);
/* stiffness: s in units of the information's mean diagonal of x and y; 1 passes periods longer than
 * about 6 frames, 16 longer than 13. fold in [0, STK_SMOOTH_FOLDS) holds out every frame of that
 * remainder (cross-validation: they are predicted from their neighbours), -1 uses all. smooth[i] of
 * frames without a face is left alone. */
enum { STK_SMOOTH_FOLDS = 5 };
void stk_pose_smoother_run(stk_pose_smoother *smoother, double stiffness, int fold,
                           stk_se3 *smooth);

/* How much poses shake: rms second differences of rotation (degrees / frame^2) and of the head
 * origin's picture (px / frame^2), over triples of neighbouring frames that all count and belong to
 * one take (take NULL: the clip is one); 0 without such a triple. */
void stk_pose_jitter(const stk_se3 *poses, const uint8_t *counts, const int32_t *take, int frames,
                     double focal_px, double *turn_deg, double *shift_px);

#endif
