/* radiance_avx512bf16.c - the rendering field on bfloat16 dot products: 32 multiply-adds an
 * instruction where float32 has 16. */
#include "kernels/x86/vector_avx512.h"
#include "kernels/radiance_private.h"

#define RADIANCE_NAME(name) stk_radiance_##name##_avx512bf16

enum {
    RADIANCE_PAIRS_STEP = 1,
    RADIANCE_ROWS_STEP = 1,
    BLOCK = 6, /* 6 rows by 4 vectors of sums, one weight and 4 inputs: 29 registers */
};

static void product(const bf16_product *p);
#include "kernels/x86/radiance_bf16.h"

/* clang-format off */
/* Rows row..row+n-1, n constant after inlining. */
STK_INLINE void product_block(const bf16_product *p, int row, const int n) {
    const int pairs = p->m->pairs;
    const uint32_t *w = p->m->w + row * pairs, *x = p->x;
    vf sum[BLOCK][COLUMNS];
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int v = 0; v < COLUMNS; v++) sum[j][v] = vf_zero();
    for (int k = 0; k < pairs; k++, w++, x += STK_TILE) {
        __m512bh in[COLUMNS];
        UNROLL for (int v = 0; v < COLUMNS; v++)
            in[v] = (__m512bh)_mm512_load_si512(x + v * LANES);
        UNROLL for (int j = 0; j < n; j++) {
            __m512bh weight = (__m512bh)_mm512_set1_epi32((int)w[j * pairs]);
            UNROLL for (int v = 0; v < COLUMNS; v++)
                sum[j][v] = _mm512_dpbf16_ps(sum[j][v], weight, in[v]);
        }
    }
    if (p->relu)
        UNROLL for (int j = 0; j < n; j++)
            UNROLL for (int v = 0; v < COLUMNS; v++) sum[j][v] = vf_max(sum[j][v], vf_zero());
    if (p->pairs == NULL) {
        UNROLL for (int j = 0; j < n; j++)
            UNROLL for (int v = 0; v < COLUMNS; v++)
                vf_store(p->y + (row + j) * STK_TILE + v * LANES, sum[j][v]);
        return;
    }
    uint32_t *out = p->pairs + row / 2 * STK_TILE;
    UNROLL for (int j = 0; j + 1 < n; j += 2)
        UNROLL for (int v = 0; v < COLUMNS; v++)
            vi_store(out + j / 2 * STK_TILE + v * LANES, pair_up(sum[j][v], sum[j + 1][v]));
}
/* clang-format on */

static void product(const bf16_product *p) {
    int row = 0;
    for (; row + BLOCK <= p->m->rows; row += BLOCK) product_block(p, row, BLOCK);
    switch (p->m->rows - row) {
    case 4:
        product_block(p, row, 4);
        break;
    case 3:
        product_block(p, row, 3);
        break;
    case 2:
        product_block(p, row, 2);
        break;
    case 1:
        product_block(p, row, 1);
        break;
    }
}

void RADIANCE_NAME(fill)(stk_radiance_kernels *kernels) {
    *kernels = (stk_radiance_kernels){"avx512bf16", RADIANCE_NAME(fold), RADIANCE_NAME(condition),
                                      RADIANCE_NAME(evaluate)};
}
