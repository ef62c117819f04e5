/* spread.h - a film's frames shared out over processes (base/ranks.h): rank r renders every frame
 * whose number leaves the remainder r, rank 0 asks for them in order and does the rest.
 *
 *   rank 0: "go on" -> owner of the frame; owner: picture (and head) -> rank 0
 *
 * What is made does not depend on the number of processes.
 */
#ifndef STK_RENDER_SPREAD_H
#define STK_RENDER_SPREAD_H

#include "base/types.h"

/* 1 when this process renders the frame. */
int stk_spread_owns(int item);
/* Brings the frame from its owner to rank 0; to be called for every frame in order, by both; does
 * nothing for others and for rank 0's own. head [floats], or NULL: what stk_frame_rgba gives. The
 * picture has the same size everywhere. *stop is set where rank 0 wants no more. */
void stk_spread_bring(int item, stk_image *picture, float *head, size_t floats, int *stop);
/* Rank 0, at the end: sends home those that would bring a frame from `next` on. */
void stk_spread_end(int next, int items);

#endif
