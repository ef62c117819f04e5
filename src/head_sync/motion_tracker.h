/* motion_tracker.h - Head motion tracker ([SyncTalk] 3.2, reference.md 7.2): focal length by
 * search, then rotation and translation per frame, of a head model fitted to landmarks.
 *
 *   landmarks [n][478] px -> f_opt = argmin_f E(f)
 *                         -> per frame (R,T)_opt = argmin E(f_opt, R, T)
 *
 * The model is the canonical face mesh (built in, 468 vertices, metres) with the clip's own
 * identity: a per-vertex offset shared by all frames, estimated between rounds of pose fitting and
 * regularised towards the canonical shape. Rigid vertices (forehead, nose, eye corners, cheek
 * bones, temples) carry the pose; lips, lids and jaw do not. Gauss-Newton on SE(3), robust (Huber)
 * loss. A morphable head (head_model.h) may take its place for focal length and poses.
 */
#ifndef STK_HEAD_SYNC_MOTION_TRACKER_H
#define STK_HEAD_SYNC_MOTION_TRACKER_H

#include "base/job.h"
#include "base/status.h"
#include "base/types.h"
#include "base/pool.h"
#include "head_sync/head_model.h"

enum { STK_FOCAL_CANDIDATES_MAX = 64 };

typedef struct stk_head_track {
    stk_camera camera;
    int frames;
    stk_pose *poses;        /* [frames]; frames without a face are interpolated */
    float *reprojection_px; /* [frames] rms over the rigid vertices; < 0 where there was no face */
    float shape_head[STK_MESH_LANDMARKS][3]; /* the clip's own neutral mesh, metres */
    float candidate_px[STK_FOCAL_CANDIDATES_MAX], candidate_cost[STK_FOCAL_CANDIDATES_MAX];
    int candidates; /* focal lengths tried, and their mean squared error in px^2 */
    float reprojection_median_px, reprojection_p95_px;
    float jitter_rot_deg; /* rms second difference of rotation, degrees / frame^2 */
    float jitter_px;      /* rms second difference of the head origin's picture, px / frame^2 */
    float jitter_raw_rot_deg, jitter_raw_px; /* the same before smoothing */
    float smoothing;    /* stiffness chosen (pose_smooth.h), 0 = poses left as fitted */
    int rigid_vertices; /* how many carry the pose */
} stk_head_track;

/* landmarks[i] is ignored where valid[i] == 0. pool and job may be NULL. Result owned by the
 * caller: stk_head_track_clear. STK_ERR_CONTENT when fewer than 2 frames have a face. */
stk_status stk_head_track_clip(const stk_landmarks *landmarks, const uint8_t *valid, int frames,
                               int width, int height, stk_pool *pool, const stk_job *job,
                               stk_head_track *track);
/* The same of a clip that was cut: take (borrowed; NULL: one) rises at each cut. Focal length and
 * shape are the clip's, but no pose is smoothed or interpolated across a cut. With a morphable head
 * shape_head is the face mesh as seen under the poses found, in the same head frame; reprojection
 * is measured with it, too. */
typedef struct stk_head_clip {
    const stk_landmarks *landmarks; /* [frames], borrowed like all here */
    const uint8_t *valid;           /* [frames] */
    const int32_t *take;            /* [frames] or NULL */
    int frames, width, height;
    const stk_head_model *model; /* NULL: the canonical face mesh */
} stk_head_clip;
stk_status stk_head_track_takes(const stk_head_clip *clip, stk_pool *pool, const stk_job *job,
                                stk_head_track *track);
void stk_head_track_clear(stk_head_track *track);
/* Projects a head point: px. */
void stk_pose_project(const stk_camera *camera, const stk_pose *pose, const float head[3],
                      float px[2]);

#endif
