/* bf16_dots.h - rows of a matrix of bfloat16 pairs times pairs of activations, by dot products. */
#ifndef STK_KERNELS_X86_BF16_DOTS_H
#define STK_KERNELS_X86_BF16_DOTS_H

#include "kernels/x86/bf16_pairs.h"

/* 6 rows by 4 vectors of sums, one weight and 4 inputs: 29 registers. */
enum { BLOCK = 6 };

/* clang-format off */
/* sum[j][.] = w[j] . x, j < n, n constant after inlining; w: rows `stride` pairs apart, x:
 * [pairs][64]. */
OP void dot_rows(const uint32_t *w, int stride, int pairs, const uint32_t *x, const int n,
                 vf sum[BLOCK][COLUMNS]) {
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int v = 0; v < COLUMNS; v++) sum[j][v] = vf_zero();
    for (int k = 0; k < pairs; k++, w++, x += STK_TILE) {
        __m512bh in[COLUMNS];
        UNROLL for (int v = 0; v < COLUMNS; v++)
            in[v] = (__m512bh)_mm512_loadu_si512(x + v * LANES);
        UNROLL for (int j = 0; j < n; j++) {
            __m512bh weight = (__m512bh)_mm512_set1_epi32((int)w[j * stride]);
            UNROLL for (int v = 0; v < COLUMNS; v++)
                sum[j][v] = _mm512_dpbf16_ps(sum[j][v], weight, in[v]);
        }
    }
}
/* clang-format on */

#endif
