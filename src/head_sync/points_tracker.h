/* points_tracker.h - Head points tracker ([SyncTalk] 3.2; published: reference.md 7.3).
 *
 *   frames, one by one: RGB + landmarks [478] -> grey pyramid of 3 levels
 *     points alive -> where the landmarks say they are now -> patch of the anchor frame found again
 *       (levels 2 and 1: shift; level 0: affine, gain, offset) -> looked for backwards
 *     few left, or the head seen from another side -> new points, evenly over what moves with the
 *       skull (points_pick.h)
 *   after the last frame: Laplacian filter (points_filter.h) -> stk_tracks (tracks.h)
 *
 * Every observation is fitted to the patch of the point's anchor frame, never to the frame before:
 * errors do not add up. The landmarks only say where to look, and by how much the patch is turned.
 *
 * DIFFERS: the published tracker takes dense flow from frame 2 to every frame, by a network trained
 * on faces (weights under a licence of their own). Here points have several anchors, and no weights
 * are needed.
 *
 * Threading: one caller; points and bands of rows are tasks of the pool. The tracks depend neither
 * on the number of threads nor on who takes which task. Memory: 16 bytes an observation (40 while
 * the filter runs), at most frames * alive of them; pushing allocates nothing.
 */
#ifndef STK_HEAD_SYNC_POINTS_TRACKER_H
#define STK_HEAD_SYNC_POINTS_TRACKER_H

#include "base/pool.h"
#include "base/status.h"
#include "base/types.h"
#include "head_sync/points_flow.h"
#include "head_sync/tracks.h"

enum { STK_POINTS_ALIVE = 300, STK_POINTS_ALIVE_MAX = 1000 };

typedef struct stk_points_settings {
    int alive;      /* points followed at once, at most; 0 = STK_POINTS_ALIVE */
    stk_pool *pool; /* borrowed; may be NULL */
    /* [frames] rising at each cut, where all points end; borrowed. NULL: the tracker looks for cuts
     * itself, by jumps of the face and points that are lost together. */
    const int32_t *take;
    stk_points_flow *flow; /* borrowed; says where to look, if given */
} stk_points_settings;

typedef struct stk_points_figures {
    int keys;           /* frames in which points were picked */
    int cuts;           /* frames at which all points ended at once */
    int picked;         /* points */
    int kept;           /* of them in the tracks */
    float length;       /* mean number of frames in which a kept point is seen */
    float laplacian_px; /* median over the kept points: mean |(-0.5, 1, -0.5) * residual| */
    float spread_px;    /* the same of the residual's rms against a rigid head */
} stk_points_figures;

typedef struct stk_points_tracker stk_points_tracker;

/* Of frames [0, frames) of pictures of this size, both sides 64 .. 4096. Free with
 * stk_points_tracker_free. */
stk_status stk_points_tracker_create(stk_points_tracker **tracker, int width, int height,
                                     int frames, const stk_points_settings *settings);
void stk_points_tracker_free(stk_points_tracker **tracker);
/* Frames in rising order; one left out counts as one without a face. `rgb` and everything else is
 * read during the call only. landmarks [478][3] px (the irises are not asked for); NULL: no face in
 * this frame. Projections of the fitted head (motion_tracker.h) serve as well, and are steadier.
 * mask (1 channel, the picture's size, 0 = not head) may be NULL: points are then picked by the
 * landmarks alone. */
stk_status stk_points_tracker_push(stk_points_tracker *tracker, int frame, const stk_image *rgb,
                                   const float (*landmarks)[3], const stk_image *mask);
/* The tracks of all that was pushed, owned by the caller: stk_tracks_clear. figures may be NULL.
 * The tracker takes no more frames. A clip without any face gives tracks without points. */
stk_status stk_points_tracker_finish(stk_points_tracker *tracker, stk_tracks *tracks,
                                     stk_points_figures *figures);

#endif
