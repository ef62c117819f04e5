/* matte.h - the person cut out of the room: how much of each pixel is person, and its own colour.
 *
 *   frame, labels, plate (the room without the person, seen by a camera that stands still)
 *     -> inside: 1, far outside: 0
 *     -> in the band between: how far from the plate's colour to that of the person near by
 *     -> picture over black, white, anything: (picture - (1 - a) plate) / a, a
 *
 * Pure function on the caller's memory.
 */
#ifndef STK_PORTRAIT_SYNC_MATTE_H
#define STK_PORTRAIT_SYNC_MATTE_H

#include "base/types.h"

/* Bytes of scratch, 64-byte aligned. */
size_t stk_matte_scratch_bytes(int width, int height);
/* picture: RGB, the frame or what was pasted into it; becomes the person's colour where a is over
 * 0. alpha: 1 channel, written. All of one size, labels and plate brought to it. */
void stk_matte_cut(stk_image *picture, const stk_image *labels, const stk_image *plate,
                   void *scratch, stk_image *alpha);

#endif
