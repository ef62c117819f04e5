/* field_amx.c - the field for training on AMX tiles: 16 x 16 sums of 32 products an instruction.
 *
 *   product      y [rows][64] = W x: 16 rows of weights are the first operand, 16 pairs of
 *                activations x 16 lanes the second, as they lie in memory
 *   weight_grad  dw [out][in] += dy x^T, summed over two samples at a time: 16 rows of dy are the
 *                first operand, 16 transposed pairs of samples x 16 inputs the second
 *
 * A block is up to four tiles of sums side by side, 16 x 64. They go to one of two scratch buffers;
 * AVX-512 takes them from there while the next block is multiplied. Operands that are shorter than
 * a tile (their buffers end there) are completed by zeros in a third.
 */
#include "kernels/field_private.h"
#include "kernels/x86/tiles.h"
#include "kernels/x86/vector_avx512.h"

#ifdef STK_EMULATE_TILES
#define FIELD_NAME(name) stk_field_##name##_amx_emulated
#else
#define FIELD_NAME(name) stk_field_##name##_amx
#endif

enum {
    FIELD_PAIRS_STEP = TILE_ROWS,
    FIELD_ROWS_STEP = TILE_ROWS,
    SUMS = TILE_ROWS * STK_TILE, /* of a block */
    X_STRIDE = STK_TILE * (int)sizeof(uint32_t),
};

#include "kernels/x86/field_bf16.h"

enum { XT_STRIDE = FIELD_XT_STRIDE * (int)sizeof(uint32_t), DY_STRIDE = TILE_ROW_BYTES * 2 };

/* `rows` rows of n vectors, completed by zeros to 16. */
static void complete(int rows, int n, const uint32_t *x, uint32_t *to) {
    const size_t used = (size_t)(rows * n * LANES);
    memcpy(to, x, used * sizeof *x);
    memset(to + used, 0, ((size_t)(TILE_ROWS * n * LANES) - used) * sizeof *x);
}

static void zero_sums(void) {
    tile_zero(TILE_SUM0);
    tile_zero(TILE_SUM1);
    tile_zero(TILE_SUM2);
    tile_zero(TILE_SUM3);
}

/* Adds a tile of the first operand times `columns` tiles of the second. */
static void add_products(const uint32_t *w, int w_stride, const uint32_t *x, int x_stride,
                         int columns) {
    tile_load(TILE_W0, w, w_stride);
    tile_load(TILE_X0, x, x_stride);
    tile_dot(TILE_SUM0, TILE_W0, TILE_X0);
    if (columns == 1) return;
    tile_load(TILE_X1, x + LANES, x_stride);
    tile_dot(TILE_SUM1, TILE_W0, TILE_X1);
    if (columns == 2) return;
    tile_load(TILE_X0, x + 2 * LANES, x_stride);
    tile_dot(TILE_SUM2, TILE_W0, TILE_X0);
    if (columns == 3) return;
    tile_load(TILE_X1, x + 3 * LANES, x_stride);
    tile_dot(TILE_SUM3, TILE_W0, TILE_X1);
}

/* To y [16][64]. */
static void store_sums(float *y, int columns) {
    tile_store(TILE_SUM0, y, X_STRIDE);
    if (columns > 1) tile_store(TILE_SUM1, y + LANES, X_STRIDE);
    if (columns > 2) tile_store(TILE_SUM2, y + 2 * LANES, X_STRIDE);
    if (columns > 3) tile_store(TILE_SUM3, y + 3 * LANES, X_STRIDE);
}

/* --- y = W x ---------------------------------------------------------------------------------- */

/* Row r of a block's n rows and the next, which may be missing, to what the job wants. */
static void finish_rows(const product_job *p, int row, int two, const float *sums) {
    vf sum[2][COLUMNS];
    for (int j = 0; j < 2; j++) {
        for (int v = 0; v < COLUMNS; v++)
            sum[j][v] = j <= two ? vf_load(sums + j * STK_TILE + v * LANES) : vf_zero();
        if (p->relu)
            for (int v = 0; v < COLUMNS; v++) sum[j][v] = vf_max(sum[j][v], vf_zero());
        if (j > two) continue;
        if (p->mask != NULL) mask_row(p->mask + (row + j) * STK_TILE, sum[j]);
        if (p->rows != NULL) store_row(p->rows + (row + j) * STK_TILE, sum[j]);
        if (p->y == NULL) continue;
        for (int v = 0; v < COLUMNS; v++)
            vf_store(p->y + (row + j) * STK_TILE + v * LANES, sum[j][v]);
    }
    if (p->pairs == NULL) return;
    for (int v = 0; v < COLUMNS; v++)
        vi_store(p->pairs + row / 2 * STK_TILE + v * LANES, pair_up(sum[0][v], sum[1][v]));
}

static void finish_block(const product_job *p, int row, const float *sums) {
    const int rows = p->m->rows - row < TILE_ROWS ? p->m->rows - row : TILE_ROWS;
    for (int r = 0; r < rows; r += 2) finish_rows(p, row + r, r + 1 < rows, sums + r * STK_TILE);
}

static void product(const product_job *p) {
    STK_ALIGNED(64) float sums[2][SUMS];
    STK_ALIGNED(64) uint32_t last[TILE_ROWS * STK_TILE];
    const pair_matrix *m = p->m;
    const int whole = m->pairs / TILE_ROWS * TILE_ROWS;
    if (m->pairs > whole) complete(m->pairs - whole, COLUMNS, p->x + whole * STK_TILE, last);
    for (int row = 0, side = 0; row < m->rows + TILE_ROWS; row += TILE_ROWS, side ^= 1) {
        if (row < m->rows) {
            const uint32_t *w = m->w + row * m->stride;
            const int w_stride = m->stride * (int)sizeof *w;
            zero_sums();
            for (int k = 0; k < whole; k += TILE_ROWS)
                add_products(w + k, w_stride, p->x + k * STK_TILE, X_STRIDE, COLUMNS);
            if (m->pairs > whole) add_products(w + whole, w_stride, last, X_STRIDE, COLUMNS);
            store_sums(sums[side], COLUMNS);
        }
        if (row > 0) finish_block(p, row - TILE_ROWS, sums[side ^ 1]);
    }
}

/* --- dw += dy x^T ----------------------------------------------------------------------------- */

/* dw [out][stride], its first `in` columns and `out` rows, at most 16 x 64. */
static void add_block(int out, int in, const float *sums, float *dw, int stride) {
    for (int o = 0; o < out; o++, sums += STK_TILE, dw += stride)
        for (int i = 0; i < in; i += LANES) {
            const int left = in - i;
            const vmask there = left >= LANES ? (vmask)0xffff : (vmask)((1u << left) - 1);
            const vf old = _mm512_maskz_loadu_ps(there, dw + i);
            _mm512_mask_storeu_ps(dw + i, there, vf_add(old, vf_load(sums + i)));
        }
}

/* 16 outputs, from 32 pairs of samples; dy [16][32]. */
static void grad_rows(int out, int in, const uint32_t *dy, const uint32_t *xt, float *dw) {
    STK_ALIGNED(64) float sums[2][SUMS];
    for (int i = 0, side = 0; i < in + STK_TILE; i += STK_TILE, side ^= 1) {
        if (i < in) {
            const int tiles = (in - i + LANES - 1) / LANES;
            const int columns = tiles < COLUMNS ? tiles : COLUMNS;
            zero_sums();
            add_products(dy, DY_STRIDE, xt + i, XT_STRIDE, columns);
            add_products(dy + TILE_ROWS, DY_STRIDE, xt + TILE_ROWS * FIELD_XT_STRIDE + i, XT_STRIDE,
                         columns);
            store_sums(sums[side], columns);
        }
        if (i == 0) continue;
        const int before = i - STK_TILE, left = in - before;
        add_block(out, left < STK_TILE ? left : STK_TILE, sums[side ^ 1], dw + before, in);
    }
}

static void weight_grad(int out, int in, const uint16_t *dy, const uint32_t *xt, float *dw) {
    STK_ALIGNED(64) uint32_t last[TILE_ROWS * ROW_WORDS];
    const uint32_t *words = (const uint32_t *)(const void *)dy;
    for (int o = 0; o < out; o += TILE_ROWS, words += TILE_ROWS * ROW_WORDS, dw += TILE_ROWS * in) {
        const int rows = out - o < TILE_ROWS ? out - o : TILE_ROWS;
        if (rows < TILE_ROWS) complete(rows, ROW_WORDS / LANES, words, last);
        grad_rows(rows, in, rows < TILE_ROWS ? last : words, xt, dw);
    }
}

/* --- the table -------------------------------------------------------------------------------- */

static void forward_on_tiles(const stk_field_shape *shape, const stk_field_weights *weights,
                             const stk_field_cond *cond, const stk_field_in *in, float *kept,
                             stk_field_out *out) {
    tile_configure(&tiles_whole);
    FIELD_NAME(forward)(shape, weights, cond, in, kept, out);
    tile_release();
}

static void backward_on_tiles(const stk_field_shape *shape, const stk_field_weights *weights,
                              const stk_field_cond *cond, const stk_field_in *in, const float *kept,
                              const stk_field_dout *dout, const stk_field_din *din) {
    tile_configure(&tiles_whole);
    FIELD_NAME(backward)(shape, weights, cond, in, kept, dout, din);
    tile_release();
}

void FIELD_NAME(fill_training)(stk_field_kernels *kernels) {
    kernels->isa = "amx";
    kernels->forward = forward_on_tiles;
    kernels->backward = backward_on_tiles;
    kernels->pack = pack_pairs;
}
