/* structure.h - distance of two small pictures by structure: structural similarity at several
 * scales, and the difference of their gradients. No learnt weights.
 *
 *   S = (1 - mean over scales and channels of SSIM) / 2
 *     + mean |gradient of made - gradient of real| / 2
 *
 * SSIM as in metrics/picture.h (Gaussian 11x11, sigma 1.5, K 0.01 / 0.03, range 1, where a full
 * window fits); each scale is the mean of 2x2 pixels of the one before, as long as a window fits;
 * a picture smaller than one window has the second term alone. Gradients are differences of
 * neighbours, right and below. 0: alike.
 *
 * DIFFERS from multi-scale SSIM (Wang, Simoncelli, Bovik 2003): the scales are averaged, not
 * multiplied, so that one scale at zero does not silence the others' gradients.
 */
#ifndef STK_TRAIN_STRUCTURE_H
#define STK_TRAIN_STRUCTURE_H

#include <stddef.h>

size_t stk_structure_scratch_floats(int width, int height);
/* made, real [height][width][3]; dmade, written: scale times the gradient by made. scratch:
 * stk_structure_scratch_floats, 64-byte aligned. */
double stk_structure(int width, int height, const float *made, const float *real, float scale,
                     float *dmade, float *scratch);

#endif
