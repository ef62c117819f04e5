/* expression_blink.h - the small motions of a face at rest, made up: blinks, and brows that follow
 * how loud the voice is. Shares of the way to the person's own extremes; what that way is, is said
 * elsewhere (expression_range.h).
 *
 * DIFFERS: the published system only plays blinks of the source clip, or holds the eyes still.
 */
#ifndef STK_FACE_SYNC_EXPRESSION_BLINK_H
#define STK_FACE_SYNC_EXPRESSION_BLINK_H

#include "base/rng.h"
#include "base/types.h"

/* Lids at t seconds after they begin to close: 0 open .. 1 shut. Down within 0.08 s, shut for
 * 0.04 s, up within 0.15 s; 0 before and after. */
float stk_blink_shape(double t_s);

/* closed [frames] at 25/s: 0 open .. 1 shut. Intervals between blinks are log-normal, mean 3.5 s;
 * the eyes stay open for at least 0.6 s; each blink goes 0.92 to 1 of the way. The same seed gives
 * the same blinks, and a longer track begins as a shorter one. */
void stk_blinks_make(uint64_t seed, float *closed, int frames);

/* level [frames]: root mean square of each frame's sound, replaced by how high the brows are:
 * -1 .. 1, 0 at the sound's mean level in dB, +-1 at two standard deviations of the slow level.
 * Low-passed forth and back with 0.35 s each; all 0 where the level hardly changes. */
void stk_brows_from_level(float *level, int frames);

#endif
