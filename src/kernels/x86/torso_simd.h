/* torso_simd.h - the torso kernels' primitives in the operations of vector_<isa>.h, which the
 * variant has included, and in the compilers' own arithmetic on vectors where that is easier to
 * read. The variant is compiled with -ffp-contract=fast: a * b + c is one rounding.
 *
 * Products: blocks of BLOCK outputs by COLUMNS vectors of sums stay in registers. All nets here
 * have 32, 4 or 2 outputs, so that blocks of 4 leave nothing over but one of 2.
 */
#include <string.h>

#include "kernels/x86/vector_math.h"
#include "kernels/x86/unroll.h"

enum { BLOCK = 4 };

/* clang-format off */
/* --- products --------------------------------------------------------------------------------- */

STK_INLINE void finish_row(const torso_product *p, size_t at, vf sum) {
    switch (p->finish) {
    case TORSO_STORE: break;
    case TORSO_RELU: sum = vf_where_positive(sum, sum); break;
    case TORSO_MASK: sum = vf_where_positive(vf_load(p->with + at), sum); break;
    case TORSO_ADD_RELU:
        sum = sum + vf_load(p->with + at);
        sum = vf_where_positive(sum, sum);
        break;
    }
    vf_store(p->y + at, sum);
}

/* Rows row..row+n-1, n constant after inlining, of COLUMNS vectors from lane on. */
STK_INLINE void product_block(const torso_product *p, int row, int lane, const int n) {
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
            UNROLL for (int v = 0; v < COLUMNS; v++) sum[j][v] = weight * in[v] + sum[j][v];
        }
    }
    UNROLL for (int j = 0; j < n; j++)
        UNROLL for (int v = 0; v < COLUMNS; v++)
            finish_row(p, (size_t)(row + j) * STK_TILE + lane + v * LANES, sum[j][v]);
}

static void multiply(const torso_product *p) {
    int row = 0;
    for (; row + BLOCK <= p->rows; row += BLOCK)
        for (int lane = 0; lane < STK_TILE; lane += COLUMNS * LANES)
            product_block(p, row, lane, BLOCK);
    for (int lane = 0; row < p->rows && lane < STK_TILE; lane += COLUMNS * LANES)
        product_block(p, row, lane, 2);
}

/* n outputs by `columns` vectors of inputs: dw[j][.] += dy[j] . xt. Rows of dw are `stride` long,
 * of which `in` are left from here on. */
STK_INLINE void grad_block(const float *dy, const float *xt, int in, size_t stride, float *dw,
                           const int n, const int columns) {
    vf sum[BLOCK][COLUMNS] = {0};
    for (int s = 0; s < STK_TILE; s++, xt += TORSO_XT_STRIDE) {
        vf x[COLUMNS];
        UNROLL for (int v = 0; v < COLUMNS; v++)
            x[v] = v < columns ? vf_load(xt + v * LANES) : vf_zero();
        UNROLL for (int j = 0; j < n; j++) {
            vf d = vf_set1(dy[j * STK_TILE + s]);
            UNROLL for (int v = 0; v < COLUMNS; v++)
                if (v < columns) sum[j][v] = d * x[v] + sum[j][v];
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
            vf_store(dw + i, vf_load(dw + i) + vf_load(&block[j][i]));
        for (int i = whole; i < count; i++) dw[i] += block[j][i];
    }
}

/* All outputs of one block of columns. */
STK_INLINE void grad_columns(int out, int in, const float *dy, const float *xt, size_t stride,
                             float *dw, const int columns) {
    int o = 0;
    for (; o + BLOCK <= out; o += BLOCK)
        grad_block(dy + o * STK_TILE, xt, in, stride, dw + o * stride, BLOCK, columns);
    if (o < out) grad_block(dy + o * STK_TILE, xt, in, stride, dw + o * stride, 2, columns);
}

/* No further than the vector that holds the last input: xt has no more. */
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

/* --- transposition ---------------------------------------------------------------------------- */

typedef float v8 __attribute__((vector_size(32)));
typedef float v8_any __attribute__((vector_size(32), aligned(4), may_alias));

/* 8 rows of 8, STK_TILE apart, `rows` of them present, to 8 rows TORSO_XT_STRIDE apart. After two
 * rounds of interleaving, vector 4i+j holds in its half h the rows 4i..4i+3 of column 4h+j. */
STK_INLINE void transpose_8(const float *x, int rows, float *xt) {
    v8 r[8], t[8], q[8];
    for (int i = 0; i < 8; i++)
        r[i] = i < rows ? (v8) * (const v8_any *)(x + i * STK_TILE) : (v8){0};
    for (int i = 0; i < 8; i += 2) {
        t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4) {
        q[i] = __builtin_shufflevector(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        q[i + 1] = __builtin_shufflevector(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        q[i + 2] = __builtin_shufflevector(t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        q[i + 3] = __builtin_shufflevector(t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    for (int j = 0; j < 4; j++) {
        *(v8_any *)(xt + j * TORSO_XT_STRIDE) =
            (v8_any)__builtin_shufflevector(q[j], q[4 + j], 0, 1, 2, 3, 8, 9, 10, 11);
        *(v8_any *)(xt + (4 + j) * TORSO_XT_STRIDE) =
            (v8_any)__builtin_shufflevector(q[j], q[4 + j], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/* Columns up to the next multiple of 16 are zeroed, since weight_grad reads whole vectors. */
static void transpose(int rows, const float *x, float *xt) {
    for (int row = 0; row < (rows + 15) / 16 * 16; row += 8)
        for (int s = 0; s < STK_TILE; s += 8)
            transpose_8(x + row * STK_TILE + s, rows - row, xt + s * TORSO_XT_STRIDE + row);
}

/* --- frequency encoding ----------------------------------------------------------------------- */

/* The bits of a vector of floats. */
typedef int32_t vbits __attribute__((vector_size(4 * LANES)));

/* x = n pi/2 + r, |r| <= pi/4: pi/2 in three parts (Cody and Waite; the split of Cephes), of which
 * the first two are short enough that n times them is exact up to n = 2^12. The Taylor polynomials
 * to r^9 and r^10 err by 2e-9 and 2e-10. Adding 1.5 * 2^23 rounds to a whole number and leaves it
 * in the low bits. */
static void tile_sincos(const float *x, float *sine, float *cosine) {
    const vf magic = vf_set1(12582912.0f);
    for (int s = 0; s < STK_TILE; s += LANES) {
        vf v = vf_load(x + s), t = v * 0.63661977236758134f + magic, whole = t - magic;
        vf r = v - vf_rounded(whole * 1.5703125f);
        r = r - vf_rounded(whole * 4.837512969970703125e-4f);
        r = r - whole * 7.54978995489188216e-8f;
        vf q = r * r;
        vf p = q * (1.0f / 362880) - 1.0f / 5040;
        p = (p * q + 1.0f / 120) * q - 1.0f / 6;
        vbits a = (vbits)(p * (q * r) + r);
        p = q * (-1.0f / 3628800) + 1.0f / 40320;
        p = (p * q - 1.0f / 720) * q + 1.0f / 24;
        vbits b = (vbits)((p * q - 0.5f) * q + 1.0f);
        vbits n = (vbits)t, other = (a ^ b) & -(n & 1); /* an odd quarter turn swaps the two */
        vf_store(sine + s, (vf)((a ^ other) ^ (n & 2) << 30));
        vf_store(cosine + s, (vf)((b ^ other) ^ ((n + 1) & 2) << 30));
    }
}

/* --- grid ------------------------------------------------------------------------------------- */

/* Rounded as in the twin: a point on a cell's edge must land in the same cell in every variant. */
static void cells(const stk_torso_grid *grid, int level, const float *point, torso_cells *at) {
    const float scale = grid->scale[level];
    const vi side = vi_set1((int)grid->side[level]), wrap = vi_set1((int)grid->wrap[level]);
    const vi one = vi_set1(1);
    for (int s = 0; s < STK_TILE; s += LANES) {
        vf a = vf_rounded((vf_load(point + s) + 1.0f) * 0.5f * scale) + 0.5f;
        vf b = vf_rounded((vf_load(point + STK_TILE + s) + 1.0f) * 0.5f * scale) + 0.5f;
        vi x = vi_truncate(a), y = vi_truncate(b);
        vi near = vi_add(x, vi_mul(y, side)), far = vi_add(near, side);
        vf_store(at->a + s, a - vf_from_vi(x));
        vf_store(at->b + s, b - vf_from_vi(y));
        vi_store(at->index[0] + s, vi_and(near, wrap));
        vi_store(at->index[1] + s, vi_and(vi_add(near, one), wrap));
        vi_store(at->index[2] + s, vi_and(far, wrap));
        vi_store(at->index[3] + s, vi_and(vi_add(far, one), wrap));
    }
}

/* The entries, two features each, are fetched one by one, as grid_simd.h does and for its reasons.
 */
STK_INLINE void fetch(const float *entries, const torso_cells *at, float *value) {
    const uint32_t *index = at->index[0];
    for (int i = 0; i < 4 * STK_TILE; i++) {
        size_t entry = index[i];
        __asm__("" : "+r"(entry)); /* or the compiler makes gathers of it */
        memcpy(value + 2 * i, entries + 2 * entry, 2 * sizeof *value);
    }
}

/* LANES pairs from p on: their first members, or their second. */
STK_INLINE vf pick(const float *p, int second) {
    vf low = vf_load(p), high = vf_load(p + LANES);
#if LANES == 16
    return second ? __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23,
                                            25, 27, 29, 31)
                  : __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22,
                                            24, 26, 28, 30);
#else
    return second ? __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15)
                  : __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
#endif
}

static void read_level(const float *entries, const torso_cells *at, float *features, float *slope,
                       float factor) {
    STK_ALIGNED(64) float value[4 * STK_TILE * STK_TORSO_PER_LEVEL];
    fetch(entries, at, value);
    for (int s = 0; s < STK_TILE; s += LANES) {
        vf a = vf_load(at->a + s), b = vf_load(at->b + s), a0 = 1.0f - a, b0 = 1.0f - b;
        for (int f = 0; f < STK_TORSO_PER_LEVEL; f++) {
            vf v[4];
            for (int k = 0; k < 4; k++) v[k] = pick(value + 2 * (k * STK_TILE + s), f);
            vf_store(features + f * STK_TILE + s,
                     a0 * b0 * v[0] + a * b0 * v[1] + a0 * b * v[2] + a * b * v[3]);
            if (slope == NULL) continue;
            vf_store(slope + 2 * f * STK_TILE + s,
                     factor * (b0 * (v[1] - v[0]) + b * (v[3] - v[2])));
            vf_store(slope + (2 * f + 1) * STK_TILE + s,
                     factor * (a0 * (v[2] - v[0]) + a * (v[3] - v[1])));
        }
    }
}
