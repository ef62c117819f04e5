/* field_common.h - what the fields of training and rendering compute alike, in plain loops over
 * lanes that the compiler vectorises for each instruction set. */
#ifndef STK_KERNELS_FIELD_COMMON_H
#define STK_KERNELS_FIELD_COMMON_H

#include "kernels/field.h"

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

#endif
