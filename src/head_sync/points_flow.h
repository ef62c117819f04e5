/* points_flow.h - where dense optical flow (raft.h) says that places of a key frame are now: an
 * aid to the head points tracker.
 *
 *   key frame  -> window around the face, halved until its sides are <= 384 -> features, once
 *   each frame -> window around its face -> features
 *     flow key -> frame and frame -> key, each begun from the flow of the frame before
 *   place in the key frame -> place now, and by how much the way back misses the place
 *
 * The window goes with the face, so that the flow holds what the head turns, not where it goes.
 * At most STK_POINTS_FLOW_KEYS key frames are held; the caller says which goes.
 *
 * Threading: the flows of a frame are tasks of the pool, with a stk_raft for each thread that can
 * have one. Results do not depend on the number of threads. After creation nothing is allocated.
 * Memory at a window of 256x256: 9 MB for each key frame, and 37 MB for each thread.
 */
#ifndef STK_HEAD_SYNC_POINTS_FLOW_H
#define STK_HEAD_SYNC_POINTS_FLOW_H

#include "base/pool.h"
#include "base/status.h"
#include "base/types.h"

enum { STK_POINTS_FLOW_KEYS = 4 };

typedef struct stk_points_flow_settings {
    const char *weights; /* raft-small.pth; NULL: where weights are looked for (nn/weights.h) */
    int window[2];       /* width, height, px: of the largest face with some rim */
    int keys;            /* key frames held, 1 .. STK_POINTS_FLOW_KEYS; 0 = 1 */
    int iterations;      /* of the network, 0 = STK_RAFT_ITERATIONS */
    stk_pool *pool;      /* borrowed; may be NULL */
} stk_points_flow_settings;

typedef struct stk_points_flow stk_points_flow;

/* For pictures of this size, both sides 64 or more. STK_ERR_WEIGHTS as stk_raft_create. */
stk_status stk_points_flow_create(stk_points_flow **flow, int width, int height,
                                  const stk_points_flow_settings *settings);
void stk_points_flow_free(stk_points_flow **flow);
int stk_points_flow_keys(const stk_points_flow *flow);

/* Looks at a frame; centre_px: of the face in it. rgb is read during the call only. */
stk_status stk_points_flow_look(stk_points_flow *flow, const stk_image *rgb,
                                const float centre_px[2]);
/* The frame looked at last becomes key frame `slot`, 0 .. keys - 1, in place of what was there. */
void stk_points_flow_hold(stk_points_flow *flow, int slot);
/* Forgets all key frames (a cut). */
void stk_points_flow_forget(stk_points_flow *flow);
/* The place anchor_px of key frame `slot` in the frame looked at last, and in *error_px how far
 * from it the flow back ends. Returns 0 outside the windows or when the slot is empty. */
int stk_points_flow_at(const stk_points_flow *flow, int slot, const float anchor_px[2],
                       float now_px[2], float *error_px);

#endif
