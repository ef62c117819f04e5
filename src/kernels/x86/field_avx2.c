/* field_avx2.c - the field on AVX2 and FMA: a tile row is eight vectors of 8. */
#include "kernels/field_private.h"
#include "kernels/x86/vector_avx2.h"

#include <string.h>

/* 8 rows of 8, STK_TILE apart, `rows` of them present, to 8 rows FIELD_XT_STRIDE apart. After two
 * rounds of interleaving, vector 4i+j holds in its half h the rows 4i..4i+3 of column 4h+j. */
OP void transpose_8(const float *x, int rows, float *xt) {
    vf r[8], t[8], q[8];
    for (int i = 0; i < 8; i++) r[i] = i < rows ? vf_load(x + i * STK_TILE) : vf_zero();
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        q[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        q[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        q[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        q[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int j = 0; j < 4; j++) {
        vf_store(xt + j * FIELD_XT_STRIDE, _mm256_permute2f128_ps(q[j], q[4 + j], 0x20));
        vf_store(xt + (4 + j) * FIELD_XT_STRIDE, _mm256_permute2f128_ps(q[j], q[4 + j], 0x31));
    }
}

static void transpose(int rows, const float *x, float *xt) {
    for (int row = 0; row < rows; row += 8)
        for (int s = 0; s < STK_TILE; s += 8)
            transpose_8(x + row * STK_TILE + s, rows - row, xt + s * FIELD_XT_STRIDE + row);
}

#include "kernels/x86/field_simd.h"
#define FIELD_ISA avx2
#include "kernels/field_body.h"
#include "kernels/x86/grid_dense.h"
#define RADIANCE_ENCODE encode_for_rendering
#include "kernels/radiance_body.h"

void stk_field_fill_avx2(stk_field_kernels *kernels) {
    fill_slots(kernels, "avx2");
}
