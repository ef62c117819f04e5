/* field_common.h - what the fields of training and rendering compute alike, in plain loops over
 * lanes that the compiler vectorises for each instruction set. */
#ifndef STK_KERNELS_FIELD_COMMON_H
#define STK_KERNELS_FIELD_COMMON_H

#include "kernels/field.h"

#include <math.h>

/* The two coordinates each plane looks at. */
static const uint8_t plane_axes[STK_PLANES][2] = {{0, 1}, {1, 2}, {0, 2}};

/* Real spherical harmonics up to degree 3 of the unit direction, reference.md 3.2. dir [3][64],
 * sh [16][64]. */
static inline void sh_rows(const float *restrict dir, float *restrict sh) {
    for (int s = 0; s < STK_TILE; s++) {
        float x = dir[s], y = dir[STK_TILE + s], z = dir[2 * STK_TILE + s];
        float xx = x * x, yy = y * y, zz = z * z;
        sh[0 * STK_TILE + s] = 0.28209479177387814f;
        sh[1 * STK_TILE + s] = -0.48860251190291987f * y;
        sh[2 * STK_TILE + s] = 0.48860251190291987f * z;
        sh[3 * STK_TILE + s] = -0.48860251190291987f * x;
        sh[4 * STK_TILE + s] = 1.0925484305920792f * (x * y);
        sh[5 * STK_TILE + s] = -1.0925484305920792f * (y * z);
        sh[6 * STK_TILE + s] = 0.94617469575755997f * zz - 0.31539156525251999f;
        sh[7 * STK_TILE + s] = -1.0925484305920792f * (x * z);
        sh[8 * STK_TILE + s] = 0.54627421529603959f * (xx - yy);
        sh[9 * STK_TILE + s] = 0.59004358992664352f * y * (yy - 3.0f * xx);
        sh[10 * STK_TILE + s] = 2.8906114426405538f * (x * y) * z;
        sh[11 * STK_TILE + s] = 0.45704579946446572f * y * (1.0f - 5.0f * zz);
        sh[12 * STK_TILE + s] = 0.3731763325901154f * z * (5.0f * zz - 3.0f);
        sh[13 * STK_TILE + s] = 0.45704579946446572f * x * (1.0f - 5.0f * zz);
        sh[14 * STK_TILE + s] = 1.4453057213202769f * z * (xx - yy);
        sh[15 * STK_TILE + s] = 0.59004358992664352f * x * (3.0f * yy - xx);
    }
}

/* --- conditions: rows of per-frame tables, one for each lane ---------------------------------- */

static inline int cond_uniform(const uint16_t *row) {
    unsigned different = 0;
    for (int s = 0; s < STK_TILE; s++) different |= row[s] ^ row[0];
    return different == 0;
}

/* y[c][s] = table[row[s]][c]. */
static inline void cond_gather(const float *table, int stride, int channels, const uint16_t *row,
                               float *y) {
    int uniform = cond_uniform(row);
    for (int c = 0; c < channels; c++, y += STK_TILE) {
        if (uniform) {
            float value = table[row[0] * stride + c];
            for (int s = 0; s < STK_TILE; s++) y[s] = value;
        } else {
            for (int s = 0; s < STK_TILE; s++) y[s] = table[row[s] * stride + c];
        }
    }
}

/* Sum of 64 lanes, in an order that does not depend on the variant. */
static inline float lane_sum(const float *x) {
    float part[16];
    for (int k = 0; k < 16; k++) part[k] = (x[k] + x[k + 16]) + (x[k + 32] + x[k + 48]);
    for (int half = 8; half > 0; half /= 2)
        for (int k = 0; k < half; k++) part[k] += part[k + half];
    return part[0];
}

/* dtable[row[s]][c] += dy[c][s]. */
static inline void cond_scatter(float *dtable, int stride, int channels, const uint16_t *row,
                                const float *dy) {
    int uniform = cond_uniform(row);
    for (int c = 0; c < channels; c++, dy += STK_TILE) {
        if (uniform)
            dtable[row[0] * stride + c] += lane_sum(dy);
        else
            for (int s = 0; s < STK_TILE; s++) dtable[row[s] * stride + c] += dy[s];
    }
}

static inline void multiply_rows(int rows, const float *restrict a, float *restrict y) {
    for (int i = 0; i < rows * STK_TILE; i++) y[i] *= a[i];
}

/* --- regions ---------------------------------------------------------------------------------- */

/* y[r][s] *= clamp(n . x + d, 0, 1); xyz [3][64]. */
static inline void region_rows(const float plane[4], const float *restrict xyz, int rows,
                               float *restrict y) {
    float share[STK_TILE];
    for (int s = 0; s < STK_TILE; s++) {
        const float m = plane[0] * xyz[s] + plane[1] * xyz[STK_TILE + s] +
                        plane[2] * xyz[2 * STK_TILE + s] + plane[3];
        share[s] = m < 0 ? 0 : m > 1 ? 1 : m;
    }
    for (int r = 0; r < rows; r++)
        for (int s = 0; s < STK_TILE; s++) y[r * STK_TILE + s] *= share[s];
}

/* Of rows [a' | e'], or of their gradient. */
static inline void mask_regions(const stk_field_shape *shape, const float *xyz, float *masked) {
    if (!shape->mask.on) return;
    region_rows(shape->mask.audio, xyz, STK_AUD, masked);
    region_rows(shape->mask.exp, xyz, shape->exp, masked + STK_AUD * STK_TILE);
}

/* --- norms over channels ---------------------------------------------------------------------- */

/* norm[s] = |a[.][s]|_2. */
static inline void norm_rows(int rows, const float *restrict a, float *restrict norm) {
    float sum[STK_TILE] = {0};
    for (int c = 0; c < rows; c++)
        for (int s = 0; s < STK_TILE; s++) sum[s] += a[c * STK_TILE + s] * a[c * STK_TILE + s];
    for (int s = 0; s < STK_TILE; s++) norm[s] = sqrtf(sum[s]);
}

/* da[c][s] += dnorm[s] a[c][s] / |a|; nothing where |a| = 0, as torch.norm has it. */
static inline void norm_rows_back(int rows, const float *restrict a, const float *restrict dnorm,
                                  float *restrict da) {
    float factor[STK_TILE];
    norm_rows(rows, a, factor);
    for (int s = 0; s < STK_TILE; s++) factor[s] = factor[s] > 0 ? dnorm[s] / factor[s] : 0;
    for (int c = 0; c < rows; c++)
        for (int s = 0; s < STK_TILE; s++) da[c * STK_TILE + s] += factor[s] * a[c * STK_TILE + s];
}

#endif
