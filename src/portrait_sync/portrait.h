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
/* spans [mask height][2]: per row the columns [first, end) that hold every pixel of the mask that
 * is not 0, empty as {0, 0}; grown by `margin` pixels on all sides. Returns the rectangle of them
 * all, empty when no pixel is. */
stk_rect stk_face_mask_spans(const stk_image *mask, int margin, int (*spans)[2]);
/* picture = m picture + (1 - m) frame, rounded; all of one size, the mask of 1 channel.
 * DIFFERS: published 8-bit values are truncated, which darkens by half a level. */
void stk_portrait_paste(stk_image *picture, const stk_image *mask, const stk_image *frame);

#endif
