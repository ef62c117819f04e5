/* paste.h - the face of a finished square back into the picture that the square was cut from.
 *
 *   square [h][w] RGB, mask -> scaled to the crop's size -> over the frame   kernels/blend.h
 *
 * Where the mask is 0 the frame stays as it is, to the bit: no box.
 */
#ifndef STK_PORTRAIT_SYNC_PASTE_H
#define STK_PORTRAIT_SYNC_PASTE_H

#include "base/status.h"
#include "base/types.h"
#include "kernels/blend.h"

typedef struct stk_paste {
    stk_blend_kernels kernels;
    int width, height;      /* of the square */
    stk_rect crop;          /* in the frame; may be of any size and reach beyond the frame */
    int32_t *first, *share; /* [crop's width], owned: stk_blend_columns */
} stk_paste;

stk_status stk_paste_init(stk_paste *paste, int width, int height, stk_rect crop);
void stk_paste_clear(stk_paste *paste);
/* uint16 of scratch for stk_paste_frame. */
size_t stk_paste_scratch(const stk_paste *paste);
/* Allocates nothing. Any number of threads at once, each with its scratch. */
void stk_paste_frame(const stk_paste *paste, const stk_image *square, const stk_image *mask,
                     uint16_t *scratch, stk_image *frame);

#endif
