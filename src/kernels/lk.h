/* lk.h - what following a point of a picture costs: planes, samples, sums.
 *
 *   RGB row -> grey row -> smoothed row (1 2 1)^2/16      the plane of level 0
 *   four rows -> half as many samples, (1 3 3 1)^2/64     the next level
 *   plane, affine warp -> 16 x 16 samples                 bilinear
 *   16 x 16 samples -> their inner products with the rows of a template (head_sync/points_patch.h)
 *
 * Planes hold grey * 128 (0 .. 32640) in 16 bits, so that one 32-bit load takes two neighbours and
 * nothing is lost to rounding. Level l at position p / 2^l: pixel centres at +0.5 on every level.
 * The planes' kernels are exact: the same bits on every ISA. Pure functions, no allocation.
 */
#ifndef STK_KERNELS_LK_H
#define STK_KERNELS_LK_H

#include "base/types.h"

enum {
    STK_LK_SIDE = 16,
    STK_LK_SAMPLES = STK_LK_SIDE * STK_LK_SIDE,
    STK_LK_ROWS_MAX = 8, /* of a template */
    STK_LK_ONE = 128,    /* a grey level in a plane */
};

/* Borrowed samples; both sides at least 2, at most 8192. */
typedef struct stk_lk_plane {
    const uint16_t *data;
    int width, height;
    ptrdiff_t stride; /* samples */
} stk_lk_plane;

typedef struct stk_lk_kernels {
    const char *isa;
    /* (77 R + 150 G + 29 B) / 2 of n pixels */
    void (*grey)(int n, const uint8_t *rgb, uint16_t *out);
    /* One row from itself and its neighbours; ends replicated. n >= 2. */
    void (*smooth)(int n, const uint16_t *above, const uint16_t *here, const uint16_t *below,
                   uint16_t *out);
    /* One row of n samples of the next level from rows 2y-1 .. 2y+2 of `width` samples (2n or
     * 2n + 1), ends replicated. */
    void (*halve)(int n, int width, const uint16_t *const rows[4], uint16_t *out);
    /* out[16 j + i] = grey level at (m0 x + m1 y + m2, m3 x + m4 y + m5) px, x = i - 7.5,
     * y = j - 7.5, less `bias`; border replicated, anything that is no number reads the corner.
     * out 64-byte aligned. */
    void (*sample)(const stk_lk_plane *plane, const float m[6], float bias, float *out);
    /* sums[k] = <basis[k], s> for k < rows, sums[rows] = <basis[rows - 1], s^2>; rows 4 or 8,
     * basis [rows][256] and s [256] 64-byte aligned. */
    void (*dots)(int rows, const float *basis, const float *s, float *sums);
} stk_lk_kernels;

/* The best table that stk_cpu_flags() allows; the C twin in every slot no variant fills. */
void stk_lk_kernels_init(stk_lk_kernels *kernels);

#endif
