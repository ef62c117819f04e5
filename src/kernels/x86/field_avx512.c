/* field_avx512.c - the field on AVX-512 (F, BW, DQ, VL): a tile row is four vectors of 16. */
#include "kernels/field_private.h"
#include "kernels/x86/transpose_avx512.h"

#include <string.h>

static void transpose(int rows, const float *x, float *xt) {
    for (int row = 0; row < rows; row += 16)
        for (int s = 0; s < STK_TILE; s += 16)
            transpose_16(x + row * STK_TILE + s, STK_TILE, rows - row,
                         xt + s * FIELD_XT_STRIDE + row);
}

#include "kernels/x86/field_simd.h"
#define FIELD_ISA avx512
#include "kernels/field_body.h"
#include "kernels/x86/grid_dense.h"
#define RADIANCE_ENCODE encode_for_rendering
#include "kernels/radiance_body.h"

void stk_field_fill_avx512(stk_field_kernels *kernels) {
    fill_slots(kernels, "avx512");
}
