/* image.h - owned pictures. */
#ifndef STK_BASE_IMAGE_H
#define STK_BASE_IMAGE_H

#include "base/status.h"
#include "base/types.h"

/* Zeroed picture with rows padded to 64 bytes; release with stk_image_clear. */
stk_status stk_image_init(stk_image *image, int width, int height, int channels);
void stk_image_clear(stk_image *image);
/* A view of a rectangle (clipped by the caller); shares the pixels, must not be cleared. */
stk_image stk_image_view(const stk_image *image, stk_rect rect);
/* Copies pixels; both must have the same size and channels. */
void stk_image_copy(stk_image *target, const stk_image *source);

#endif
