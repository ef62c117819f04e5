/* picture.h - PSNR, SSIM and MS-SSIM of 8-bit RGB pictures, distances of landmarks and expressions:
 * pure functions.
 */
#ifndef STK_METRICS_PICTURE_H
#define STK_METRICS_PICTURE_H

#include "base/types.h"
#include "base/status.h"

/* Mean squared difference over the rectangle (all three channels, values in [0,1]); mask NULL or
 * one byte a pixel (non-zero = counted), of the picture's size. *pixels receives the number
 * counted. */
double stk_mse(const stk_image *a, const stk_image *b, stk_rect rect, const stk_image *mask,
               int64_t *pixels);
/* -10 log10(mse); 100 at most (identical pictures). */
double stk_psnr_from_mse(double mse);
/* SSIM, Gaussian 11x11 sigma 1.5, K 0.01 / 0.03, data range 255, mean over channels and over the
 * pixels that a full window fits (scikit-image: gaussian_weights=True,
 * use_sample_covariance=False). scratch: stk_ssim_scratch_floats(w, h). */
size_t stk_ssim_scratch_floats(int width, int height);
double stk_ssim(const stk_image *a, const stk_image *b, float *scratch);
/* Multi-scale SSIM (Wang, Simoncelli, Bovik 2003): contrast-structure at scales 1-4 and SSIM at the
 * fifth, to the powers .0448 .2856 .3001 .2363 .1333, halved by means of 2x2 between; per channel,
 * then the mean over channels; a negative mean counts as 0. Needs STK_MS_SSIM_SIDE pixels both
 * ways, else NaN. scratch: stk_ms_ssim_scratch_floats(w, h). */
enum { STK_MS_SSIM_SIDE = 176 };
size_t stk_ms_ssim_scratch_floats(int width, int height);
double stk_ms_ssim(const stk_image *a, const stk_image *b, float *scratch);
/* Landmark distance, reference.md 10: each set minus its own mean, mean Euclidean distance in px,
 * over `count` mesh indices. */
double stk_landmark_distance(const stk_landmarks *a, const stk_landmarks *b, const int *indices,
                             int count);
/* The same over all 68 points, whose places on the mesh are stk_mesh_of_68 (base/face_mesh.h). */
double stk_landmark_distance_68(const stk_landmarks *a, const stk_landmarks *b);
/* Error of the upper face's action: mean |a - b| of the blendshape coefficients browDownLeft,
 * browDownRight, browInnerUp, browOuterUpLeft, browOuterUpRight, eyeBlinkLeft, eyeBlinkRight,
 * each in [0, 1]. Not on the scale of OpenFace's action units (0 to 5), of which the paper's AUE is
 * made. */
double stk_upper_face_error(const float a[STK_BLENDSHAPES], const float b[STK_BLENDSHAPES]);
/* Mesh indices of the 20 mouth landmarks (68-point 48..67). */
extern const int stk_mouth_landmarks[20];

#endif
