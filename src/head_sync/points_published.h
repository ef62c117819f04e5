/* points_published.h - head points as the published system follows them (reference.md 7.3), for
 * comparison with points_tracker.h.
 *
 *   frame 2 and each frame: head mask, its box and 10 px more -> masked picture, 240 x 320
 *     -> RAFT-small, 12 iterations -> flow [30 x 40 coarse pixels], kept
 *   frame 2's head pixels: flow to every frame -> second difference over time, frames that shake 3
 *     times more than the mean left out -> mean, scaled to 0 .. 255
 *   steadiest pixel of each 5 x 5 cell below 40, 5 px from those before -> points, seen in every
 *     frame
 *
 * What is kept of a flow is what the network computed; the flow of a picture is bilinear between
 * (raft.h), so that it is had again wherever it is asked for: 9.4 KiB a frame.
 *
 * DIFFERS: the published flow network is RAFT-small trained further on faces, under weights of
 * their own; here raft-small.pth does it. Pictures go to the network in whole grey levels. A frame
 * without a head has no observations.
 *
 * Threading: frames in any order, each by one lane; a lane is used by one thread at a time.
 */
#ifndef STK_HEAD_SYNC_POINTS_PUBLISHED_H
#define STK_HEAD_SYNC_POINTS_PUBLISHED_H

#include "base/status.h"
#include "base/types.h"
#include "head_sync/tracks.h"

enum { STK_PUBLISHED_SOURCE = 2 };

typedef struct stk_published_points stk_published_points;
typedef struct stk_published_lane stk_published_lane;

typedef struct stk_published_figures {
    int points;       /* key points */
    int frames_asked; /* of the selection */
    int frames_wild;  /* of them left out */
} stk_published_figures;

/* Frames [0, frames) of pictures of this size. weights: raft-small.pth. */
stk_status stk_published_points_create(stk_published_points **points, int width, int height,
                                       int frames, const char *weights);
void stk_published_points_free(stk_published_points **points);
/* The frame that all flows start from: STK_PUBLISHED_SOURCE. labels: STK_LABEL_HEAD is the mask.
 * Before any other. STK_ERR_CONTENT when there is no head. */
stk_status stk_published_points_source(stk_published_points *points, const stk_image *rgb,
                                       const stk_image *labels);

stk_status stk_published_lane_create(stk_published_lane **lane, stk_published_points *points);
void stk_published_lane_free(stk_published_lane **lane);
/* Flow from the source to this frame. */
stk_status stk_published_lane_frame(stk_published_lane *lane, int frame, const stk_image *rgb,
                                    const stk_image *labels);

/* The tracks, owned by the caller: stk_tracks_clear. */
stk_status stk_published_points_finish(stk_published_points *points, stk_tracks *tracks,
                                       stk_published_figures *figures);

#endif
