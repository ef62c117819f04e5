/* points_patch.h - one 16 x 16 patch found again in another picture: inverse-compositional
 * Lucas-Kanade (Baker & Matthews 2004) with gain and offset.
 *
 *   picture, warp -> template: the patch T, its gradients times the warp's Jacobian, the inverse of
 *                    their Gram matrix
 *   template, other picture, warp near the place -> warp on the place, correlation
 *
 * The patch is seen as I(W(x)) = g (T(x) + sum_k d_k J_k(x)) + o + sum_m l_m Q_m(x), x in
 * [-8, 8]^2, Gaussian weights w; d, g, o, l by least squares, then W <- W o (1 + d)^-1. Q are
 * the polynomials of degrees 1 and 2: shading and highlights, which stay where the light is while
 * the skin moves on. T and J are freed of them beforehand, so that l need not be solved for.
 * The Gram matrix belongs to the template, so an iteration costs one sampling and one row of sums
 * (kernels/lk.h). With 6
 * parameters the linear part is held near a prediction by a prior: skin has too little texture to
 * tell all of it from noise.
 *
 * Warps: float[6], row-major [A | p] px of the plane's level; p is the patch's centre. No
 * allocation; any thread.
 */
#ifndef STK_HEAD_SYNC_POINTS_PATCH_H
#define STK_HEAD_SYNC_POINTS_PATCH_H

#include "base/attr.h"
#include "kernels/lk.h"

typedef struct stk_patch {
    STK_ALIGNED(64)
    float basis[STK_LK_ROWS_MAX][STK_LK_SAMPLES]; /* weighted; the first
                      `parameters` + 2 rows: w J_k ..., w (T - mean), w */
    float inverse[STK_LK_ROWS_MAX * STK_LK_ROWS_MAX];
    int parameters;            /* 2: shift, 6: affine */
    float centroid[2];         /* px from the centre: of the squared gradients, where the patch
                                  holds, whatever the linear part */
    float mean, energy, total; /* sum w T / sum w; sum w (T - mean)^2; sum w */
} stk_patch;

/* Takes the patch at `warp`. parameters 2 or 6. Returns 0 when it has no texture to hold on to. */
int stk_patch_take(const stk_lk_kernels *kernels, const stk_lk_plane *plane, const float warp[6],
                   int parameters, stk_patch *patch);
/* Moves `warp` onto the patch. `linear` (row-major 2x2) is the linear part expected; NULL with 2
 * parameters. Returns 0, warp undefined, when it does not settle within `turns` or leaves the
 * plane; *correlation: zero-mean normalised, at the last look. */
int stk_patch_find(const stk_lk_kernels *kernels, const stk_lk_plane *plane, const stk_patch *patch,
                   const float *linear, int turns, float warp[6], float *correlation);

#endif
