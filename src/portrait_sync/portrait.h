/* portrait.h - Portrait-Sync Generator ([SyncTalk] 3.4): the rendered face in the original frame,
 * which keeps its own hair, ears, neck and background.
 *
 *   landmarks + labels -> mask m, soft at the rim                          reference.md 6.2
 *   m render + (1 - m) frame                                               reference.md 6.3
 */
#ifndef STK_PORTRAIT_SYNC_PORTRAIT_H
#define STK_PORTRAIT_SYNC_PORTRAIT_H

#include "base/types.h"

/* Floats of scratch for stk_face_mask. */
size_t stk_face_mask_scratch(void);
/* The published pasting mask: the oval of the mesh where the class is head, the chin lengthened by
 * 10 rows of 512, blurred. landmarks [478][3]: px of labels' picture. mask: 1 channel, any size,
 * written: 255 in the face, 0 outside. scratch: 64-byte aligned. */
void stk_face_mask(const float (*landmarks)[3], const stk_image *labels, float *scratch,
                   stk_image *mask);
/* The same in steps, so that the shape can follow what was rendered. shape: stk_face_mask_scratch
 * floats, 64-byte aligned. contour [36]: how far out the seam runs at each point of the oval, of
 * the way from its middle (contour.h); NULL: 1. */
void stk_face_shape(const float (*landmarks)[3], const stk_image *labels, const float *contour,
                    float *shape);
/* mask: 255 wherever stk_face_shape_follow may bring the shape; keeps the shape. */
void stk_face_shape_reach(float *shape, stk_image *mask);
/* Down to the chin that was rendered, where that comes lower than the frame's own head: an open
 * mouth over a closed one would lose it. rgba [height][width][4]: the rendered head before
 * compositing; its weight counts. */
void stk_face_shape_follow(float *shape, const stk_image *labels, const float *rgba, int width,
                           int height);
/* Blurs the shape (it is used up) and writes the mask. */
void stk_face_shape_mask(float *shape, stk_image *mask);
/* spans [mask height][2]: per row the columns [first, end) that hold every pixel of the mask that
 * is not 0, empty as {0, 0}; grown by `margin` pixels on all sides. Returns the rectangle of them
 * all, empty when no pixel is. */
stk_rect stk_face_mask_spans(const stk_image *mask, int margin, int (*spans)[2]);
/* picture = m picture + (1 - m) frame, rounded; all of one size, the mask of 1 channel.
 * DIFFERS: published 8-bit values are truncated, which darkens by half a level. */
void stk_portrait_paste(stk_image *picture, const stk_image *mask, const stk_image *frame);

#endif
