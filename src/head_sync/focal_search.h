/* focal_search.h - f_opt = argmin_f E(f) ([SyncTalk] 3.2): every candidate fits the poses of some
 * views and the own shape from nothing; log-spaced candidates first, then a golden section. */
#ifndef STK_HEAD_SYNC_FOCAL_SEARCH_H
#define STK_HEAD_SYNC_FOCAL_SEARCH_H

#include "base/job.h"
#include "base/status.h"
#include "head_sync/head_fit.h"
#include "head_sync/head_shape.h"
#include "head_sync/motion_tracker.h"

/* Fills track->camera.focal_px and the candidate curve (sorted by focal length). views: frames
 * chosen, poses and costs are scratch. model carries the principal point and the Huber width. head:
 * the morphable head that takes the face mesh's place, or NULL. */
stk_status stk_focal_search(stk_head_views *views, const stk_pose_model *model, stk_head_fit *head,
                            stk_pool *pool, const stk_job *job, stk_head_track *track);

#endif
