/* field_avx512bf16.c - the field for training on bfloat16 dot products: 32 multiply-adds an
 * instruction where float32 has 16. */
#include "kernels/field_private.h"
#include "kernels/x86/vector_avx512.h"

#define FIELD_NAME(name) name##_avx512bf16

enum {
    FIELD_PAIRS_STEP = 1,
    FIELD_ROWS_STEP = 1,
};

#include "kernels/x86/bf16_dots.h"
#include "kernels/x86/field_bf16.h"

/* clang-format off */
OP void finish_block(const product_job *p, int row, const int n, vf sum[BLOCK][COLUMNS]) {
    if (p->relu)
        UNROLL for (int j = 0; j < n; j++)
            UNROLL for (int v = 0; v < COLUMNS; v++) sum[j][v] = vf_max(sum[j][v], vf_zero());
    if (p->mask != NULL)
        UNROLL for (int j = 0; j < n; j++) mask_row(p->mask + (row + j) * STK_TILE, sum[j]);
    if (p->y != NULL)
        UNROLL for (int j = 0; j < n; j++)
            UNROLL for (int v = 0; v < COLUMNS; v++)
                vf_store(p->y + (row + j) * STK_TILE + v * LANES, sum[j][v]);
    if (p->rows != NULL)
        UNROLL for (int j = 0; j < n; j++) store_row(p->rows + (row + j) * STK_TILE, sum[j]);
    if (p->pairs != NULL)
        UNROLL for (int j = 0; j + 1 < n; j += 2)
            UNROLL for (int v = 0; v < COLUMNS; v++)
                vi_store(p->pairs + (row + j) / 2 * STK_TILE + v * LANES,
                         pair_up(sum[j][v], sum[j + 1][v]));
}

/* Rows row..row+n-1, n constant after inlining. */
OP void product_block(const product_job *p, int row, const int n) {
    const int stride = p->m->stride;
    vf sum[BLOCK][COLUMNS];
    dot_rows(p->m->w + row * stride, stride, p->m->pairs, p->x, n, sum);
    finish_block(p, row, n, sum);
}

static void product(const product_job *p) {
    int row = 0;
    for (; row + BLOCK <= p->m->rows; row += BLOCK) product_block(p, row, BLOCK);
    switch (p->m->rows - row) {
    case 5: product_block(p, row, 5); break;
    case 4: product_block(p, row, 4); break;
    case 3: product_block(p, row, 3); break;
    case 2: product_block(p, row, 2); break;
    case 1: product_block(p, row, 1); break;
    }
}

/* n outputs by `columns` vectors of inputs, `in` left in the row: dw[j][.] += dy[j] . xt. */
OP void grad_block(const uint32_t *dy, const uint32_t *xt, int in, size_t stride, float *dw,
                   const int n, const int columns) {
    vf sum[BLOCK][COLUMNS] = {0};
    for (int s = 0; s < ROW_WORDS; s++, dy++, xt += FIELD_XT_STRIDE) {
        __m512bh x[COLUMNS];
        UNROLL for (int v = 0; v < COLUMNS; v++)
            x[v] = (__m512bh)(v < columns ? _mm512_loadu_si512(xt + v * LANES)
                                          : _mm512_setzero_si512());
        UNROLL for (int j = 0; j < n; j++) {
            __m512bh d = (__m512bh)_mm512_set1_epi32((int)dy[j * ROW_WORDS]);
            UNROLL for (int v = 0; v < COLUMNS; v++)
                if (v < columns) sum[j][v] = _mm512_dpbf16_ps(sum[j][v], d, x[v]);
        }
    }
    UNROLL for (int j = 0; j < n; j++, dw += stride)
        UNROLL for (int v = 0; v < COLUMNS; v++) {
            if (v >= columns) continue;
            int left = in - v * LANES;
            vmask there = left >= LANES ? (vmask)0xffff : (vmask)((1u << left) - 1);
            float *to = dw + v * LANES;
            vf old = _mm512_maskz_loadu_ps(there, to);
            _mm512_mask_storeu_ps(to, there, vf_add(old, sum[j][v]));
        }
}

/* All outputs of one block of columns. */
OP void grad_columns(int out, int in, const uint32_t *dy, const uint32_t *xt, size_t stride,
                     float *dw, const int columns) {
    int o = 0;
    for (; o + BLOCK <= out; o += BLOCK)
        grad_block(dy + o * ROW_WORDS, xt, in, stride, dw + o * stride, BLOCK, columns);
    dy += o * ROW_WORDS;
    dw += o * stride;
    switch (out - o) {
    case 5: grad_block(dy, xt, in, stride, dw, 5, columns); break;
    case 4: grad_block(dy, xt, in, stride, dw, 4, columns); break;
    case 3: grad_block(dy, xt, in, stride, dw, 3, columns); break;
    case 2: grad_block(dy, xt, in, stride, dw, 2, columns); break;
    case 1: grad_block(dy, xt, in, stride, dw, 1, columns); break;
    }
}

static void weight_grad(int out, int in, const uint16_t *dy, const uint32_t *xt, float *dw) {
    const uint32_t *words = (const uint32_t *)(const void *)dy;
    for (int i = 0; i < in; i += COLUMNS * LANES) {
        int left = in - i, columns = (left + LANES - 1) / LANES;
        switch (columns < COLUMNS ? columns : COLUMNS) {
        case 4: grad_columns(out, left, words, xt + i, in, dw + i, 4); break;
        case 3: grad_columns(out, left, words, xt + i, in, dw + i, 3); break;
        case 2: grad_columns(out, left, words, xt + i, in, dw + i, 2); break;
        case 1: grad_columns(out, left, words, xt + i, in, dw + i, 1); break;
        }
    }
}
/* clang-format on */

void stk_field_fill_training_avx512bf16(stk_field_kernels *kernels) {
    kernels->isa = "avx512bf16";
    kernels->forward = forward_avx512bf16;
    kernels->backward = backward_avx512bf16;
    kernels->pack = pack_pairs;
}
