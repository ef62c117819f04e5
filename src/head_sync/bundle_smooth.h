/* bundle_smooth.h - how stiff the poses' motion is, found by what it predicts, and the poses
 * smoothed by as much (pose_smooth.h).
 *
 * Two questions, for two kinds of noise. Parts of the face, held out of the poses by turns, tell of
 * the noise of single points; but what all points of a frame share (a codec's lag, a small face
 * enlarged) they share as well. Frames held out by turns and predicted by their neighbours tell of
 * that, but not of noise that is small beside the motion. The stiffer of the two answers is taken.
 */
#ifndef STK_HEAD_SYNC_BUNDLE_SMOOTH_H
#define STK_HEAD_SYNC_BUNDLE_SMOOTH_H

#include "head_sync/bundle_internal.h"

/* Poses are replaced; result's smoothing, held_out_px and held_out_smooth_px are filled. Between
 * stk_bundle_steady (which divides the face into parts) and its end. Allocates for the call. */
stk_status stk_bundle_smooth(stk_bundle_problem *b, stk_bundle *result);
/* The frame behind the last of the take that frame `from` is in. */
int stk_bundle_take_end(const stk_bundle_problem *b, int from);

#endif
