/* bundle_steady.h - the poses once more, from what changes quickly.
 *
 * Points err slowly (skin that moves, light, what a codec left behind) and together, so the few
 * that err least are believed most (bundle_trust.c): good for where the head is, but poses from
 * few points shake. From frame to frame all points are about equally good. So each keeps what it is
 * slowly off by (its residual smoothed over time), is asked for the rest only, and all count alike.
 * What is slow in the poses stays as it was.
 */
#ifndef STK_HEAD_SYNC_BUNDLE_STEADY_H
#define STK_HEAD_SYNC_BUNDLE_STEADY_H

#include "head_sync/bundle_internal.h"

/* Parts of the face that are held out by turns: squares of 25 mm, no neighbours in one part. Nearby
 * points share pixels and what the codec did to them, so they can't vouch for each other. */
enum { STK_BUNDLE_PARTS = 5 };

/* Poses are moved; from now on residuals are taken without what is slow in them, and landmarks
 * count only where there are few points. Allocates; the problem's clear frees. */
stk_status stk_bundle_steady(stk_bundle_problem *b);
/* Residuals are whole again. */
void stk_bundle_steady_end(stk_bundle_problem *b);

#endif
