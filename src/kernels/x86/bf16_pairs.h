/* bf16_pairs.h - float rows as pairs of bfloat16: what the variants on bfloat16 products share.
 *
 *   rows [n][64] float32 -> pairs [(n + 1) / 2][64], the even row in the low half: what a
 *   dot-product instruction takes as its second operand, and what a tile of AMX holds of it
 *
 * Included by a variant that has included vector_avx512.h; with STK_EMULATE_TILES (tests) tiles.h
 * before it brings a to_bf16_twice for processors without the instruction.
 */
#ifndef STK_KERNELS_X86_BF16_PAIRS_H
#define STK_KERNELS_X86_BF16_PAIRS_H

#include "kernels/bf16.h"
#include "kernels/field.h"
#include "kernels/x86/vector_avx512.h"
#include "kernels/x86/unroll.h"

#ifndef STK_EMULATE_TILES
/* bfloat16 of `low` in the lower half, of `high` in the upper. */
OP vi to_bf16_twice(vf high, vf low) {
    return (vi)_mm512_cvtne2ps_pbh(high, low);
}
#endif

/* 16 lanes of two rows as pairs, rounded to nearest even. */
OP vi pair_up(vf even, vf odd) {
    static const STK_ALIGNED(64)
        uint16_t order[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                              8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_load_si512(order), to_bf16_twice(odd, even));
}

/* `rows` float rows, an odd one completed by zeros, to pairs. */
static void pair_rows(int rows, const float *x, uint32_t *pairs) {
    for (int r = 0; r < rows; r += 2, x += 2 * STK_TILE, pairs += STK_TILE)
        for (int s = 0; s < STK_TILE; s += LANES)
            vi_store(pairs + s,
                     pair_up(vf_load(x + s), r + 1 < rows ? vf_load(x + STK_TILE + s) : vf_zero()));
}

/* n rounded up to a multiple of step. */
STK_INLINE int padded(int n, int step) {
    return (n + step - 1) / step * step;
}

#endif
