/* image.h - pixel kernels: resize, blur, mix, draw. Pure functions, no allocation.
 *
 * Pictures are 8-bit interleaved with a row stride (base/types.h, stk_image). Filter positions
 * follow the half-pixel-centre convention: target pixel x covers source (x+0.5)*scale-0.5.
 */
#ifndef STK_KERNELS_IMAGE_H
#define STK_KERNELS_IMAGE_H

#include "base/types.h"

/* Bilinear; averages (box) first when shrinking by more than 2. Same channel count. */
void stk_image_resize(stk_image *target, const stk_image *source);
/* Samples source through the affine map (target px -> source px) m[6]: sx = m0 x + m1 y + m2,
 * sy = m3 x + m4 y + m5; bilinear, border replicated. Coordinates on both sides are px (pixel
 * centres at +0.5), so {sw/tw,0,0, 0,sh/th,0} is a plain resize. Result as float [h][w][c], scaled
 * by a and shifted by b (v*a + b). For network inputs. */
void stk_image_warp_affine_f32(float *target, int width, int height, const stk_image *source,
                               const float m[6], float a, float b);
/* Area-average downscale or bilinear upscale of a single float plane. */
void stk_plane_resize(float *target, int tw, int th, const float *source, int sw, int sh);
/* Separable Gaussian on a float plane, reflect-101 border; taps = 2*radius+1 <= 63; scratch w*h. */
void stk_plane_blur(float *plane, float *scratch, int width, int height, float sigma, int radius);
/* Lines, discs and 5x7 text for sheets and overlays; clipped. colour = RGB. */
void stk_draw_line(stk_image *image, float x0, float y0, float x1, float y1,
                   const uint8_t colour[3]);
void stk_draw_disc(stk_image *image, float x, float y, float radius, const uint8_t colour[3]);
void stk_draw_text(stk_image *image, int x, int y, int scale, const char *text,
                   const uint8_t colour[3]);

#endif
