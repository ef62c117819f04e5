/* field_simd.h - the field's primitives on vectors of LANES floats, for AVX2 and AVX-512.
 *
 * Included by a variant that has defined LANES, COLUMNS (vectors a register block is wide), the
 * types vf and vi and the operations on them (see vector_avx512.h), and transpose(). A
 * tile's 64 samples are 64 / LANES vectors.
 *
 * Products: blocks of BLOCK outputs by COLUMNS vectors of sums stay in registers; per input, one
 * weight an output is broadcast and COLUMNS vectors of x are read, so that multiply-adds, not
 * loads, set the pace (6 x 4 zmm: 10 loads for 24; 6 x 2 ymm: 8 for 12).
 */
#include "kernels/x86/grid_simd.h"
#include "kernels/x86/vector_math.h"
#include "kernels/x86/unroll.h"

enum { BLOCK = 6 };

/* clang-format off */
/* --- products --------------------------------------------------------------------------------- */

STK_INLINE void finish_row(const field_product *p, size_t at, vf sum) {
    switch (p->finish) {
    case FIELD_STORE: break;
    case FIELD_RELU: sum = vf_max(sum, vf_zero()); break;
    case FIELD_MASK: sum = vf_where_positive(vf_load(p->mask + at), sum); break;
    case FIELD_ADD: sum = vf_add(vf_load(p->y + at), sum); break;
    }
    vf_store(p->y + at, sum);
}

/* Rows row..row+n-1, n constant after inlining, of COLUMNS vectors from lane on. */
STK_INLINE void product_block(const field_product *p, int row, int lane, const int n) {
    const float *w = p->w + (size_t)row * p->w_row, *x = p->x + lane;
    size_t w_row = p->w_row, w_k = p->w_k;
    vf sum[BLOCK][COLUMNS];
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int v = 0; v < COLUMNS; v++) sum[j][v] = vf_zero();
    for (int k = 0; k < p->inner; k++, w += w_k, x += STK_TILE) {
        vf in[COLUMNS];
        UNROLL for (int v = 0; v < COLUMNS; v++) in[v] = vf_load(x + v * LANES);
        UNROLL for (int j = 0; j < n; j++) {
            vf weight = vf_set1(w[j * w_row]);
            UNROLL for (int v = 0; v < COLUMNS; v++) sum[j][v] = vf_fma(weight, in[v], sum[j][v]);
        }
    }
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int v = 0; v < COLUMNS; v++)
            finish_row(p, (size_t)(row + j) * STK_TILE + lane + v * LANES, sum[j][v]);
}

static void multiply(const field_product *p) {
    int row = 0;
    for (; row + BLOCK <= p->rows; row += BLOCK)
        for (int lane = 0; lane < STK_TILE; lane += COLUMNS * LANES)
            product_block(p, row, lane, BLOCK);
    for (int lane = 0; lane < STK_TILE; lane += COLUMNS * LANES) {
        switch (p->rows - row) {
        case 5: product_block(p, row, lane, 5); break;
        case 4: product_block(p, row, lane, 4); break;
        case 3: product_block(p, row, lane, 3); break;
        case 2: product_block(p, row, lane, 2); break;
        case 1: product_block(p, row, lane, 1); break;
        }
    }
}

/* n outputs by `columns` vectors of inputs, `in` left in the row: dw[j][.] += dy[j] . xt. */
STK_INLINE void grad_block(const float *dy, const float *xt, int in, size_t stride, float *dw,
                           const int n, const int columns) {
    /* Counting to COLUMNS, not to columns, or clang 14 leaves loops and the sums in memory. */
    vf sum[BLOCK][COLUMNS] = {0};
    for (int s = 0; s < STK_TILE; s++, xt += FIELD_XT_STRIDE) {
        vf x[COLUMNS];
        UNROLL for (int v = 0; v < COLUMNS; v++)
            x[v] = v < columns ? vf_load(xt + v * LANES) : vf_zero();
        UNROLL for (int j = 0; j < n; j++) {
            vf d = vf_set1(dy[j * STK_TILE + s]);
            UNROLL for (int v = 0; v < COLUMNS; v++)
                if (v < columns) sum[j][v] = vf_fma(d, x[v], sum[j][v]);
        }
    }
    /* By way of memory: a row of the layer may end within a vector. */
    STK_ALIGNED(64) float block[BLOCK][COLUMNS * LANES];
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int v = 0; v < COLUMNS; v++)
            if (v < columns) vf_store(&block[j][v * LANES], sum[j][v]);
    int count = in < columns * LANES ? in : columns * LANES, whole = count / LANES * LANES;
    for (int j = 0; j < n; j++, dw += stride) {
        for (int i = 0; i < whole; i += LANES)
            vf_store(dw + i, vf_add(vf_load(dw + i), vf_load(&block[j][i])));
        for (int i = whole; i < count; i++) dw[i] += block[j][i];
    }
}

/* All outputs of one block of columns. */
STK_INLINE void grad_columns(int out, int in, const float *dy, const float *xt, size_t stride,
                             float *dw, const int columns) {
    int o = 0;
    for (; o + BLOCK <= out; o += BLOCK)
        grad_block(dy + o * STK_TILE, xt, in, stride, dw + o * stride, BLOCK, columns);
    dy += o * STK_TILE;
    dw += o * stride;
    switch (out - o) {
    case 5: grad_block(dy, xt, in, stride, dw, 5, columns); break;
    case 4: grad_block(dy, xt, in, stride, dw, 4, columns); break;
    case 3: grad_block(dy, xt, in, stride, dw, 3, columns); break;
    case 2: grad_block(dy, xt, in, stride, dw, 2, columns); break;
    case 1: grad_block(dy, xt, in, stride, dw, 1, columns); break;
    }
}

static void weight_grad(int out, int in, const float *dy, const float *xt, float *dw) {
    for (int i = 0; i < in; i += COLUMNS * LANES) {
        int left = in - i, columns = (left + LANES - 1) / LANES;
        switch (columns < COLUMNS ? columns : COLUMNS) {
#if COLUMNS == 4
        case 4: grad_columns(out, left, dy, xt + i, in, dw + i, 4); break;
        case 3: grad_columns(out, left, dy, xt + i, in, dw + i, 3); break;
#endif
        case 2: grad_columns(out, left, dy, xt + i, in, dw + i, 2); break;
        case 1: grad_columns(out, left, dy, xt + i, in, dw + i, 1); break;
        }
    }
}
/* clang-format on */
