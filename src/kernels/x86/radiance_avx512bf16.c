/* radiance_avx512bf16.c - the rendering field on bfloat16 dot products: 32 multiply-adds an
 * instruction where float32 has 16. */
#include "kernels/x86/vector_avx512.h"
#include "kernels/radiance_private.h"

#define RADIANCE_NAME(name) stk_radiance_##name##_avx512bf16

enum {
    RADIANCE_PAIRS_STEP = 1,
    RADIANCE_ROWS_STEP = 1,
};

static void product(const bf16_product *p);
#include "kernels/x86/bf16_dots.h"
#include "kernels/x86/radiance_bf16.h"

/* clang-format off */
/* Rows row..row+n-1, n constant after inlining. */
STK_INLINE void product_block(const bf16_product *p, int row, const int n) {
    const int pairs = p->m->pairs;
    vf sum[BLOCK][COLUMNS];
    dot_rows(p->m->w + row * pairs, pairs, pairs, p->x, n, sum);
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
