/* radiance_bf16.h - the rendering field on bfloat16 pairs with float32 sums, put together from a
 * variant's product; AVX-512 does the rest.
 *
 * Included by a variant (radiance_avx512bf16.c, radiance_amx.c) that has included vector_avx512.h
 * and defined
 *   RADIANCE_NAME(name)
 *   RADIANCE_PAIRS_STEP, RADIANCE_ROWS_STEP   what pairs and rows are padded to
 *   product(const bf16_product *)             pairs of padding rows are written, too
 *
 * Activations are pairs (bf16_pairs.h). Padding pairs meet zero weights, and hold zeros.
 */
#include "kernels/field_common.h"
#include "kernels/radiance_private.h"
#include "kernels/x86/bf16_pairs.h"
#include "kernels/x86/grid_dense.h"
#include "kernels/x86/vector_math.h"

#include <string.h>

/* --- packing ---------------------------------------------------------------------------------- */

/* Columns first..first+n-1 of the matrix, as wide as n is rounded up to even, from a float matrix
 * with `stride` columns. */
static void pack_columns(const radiance_matrix *m, int rows, int at, int n, const float *w,
                         int stride) {
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < n; i += 2) {
            const float *from = w + (size_t)r * (size_t)stride + i;
            m->w[r * m->pairs + (at + i) / 2] =
                stk_bf16(from[0]) | (i + 1 < n ? stk_bf16(from[1]) << 16 : 0);
        }
}

static void shape_matrix(radiance_bf16_block *b, size_t *used, int layer, int rows, int inputs) {
    radiance_matrix *m = &b->layer[layer];
    m->rows = padded(rows, RADIANCE_ROWS_STEP);
    m->pairs = padded((inputs + 1) / 2, RADIANCE_PAIRS_STEP);
    m->w = b->pairs + *used;
    *used += (size_t)padded(m->rows, RADIANCE_BF16_ROWS) * (size_t)m->pairs;
}

/* Inputs of sigma_net as pairs: enc, then the audio part, then the expression's, each begun on an
 * even row. */
typedef struct input_rows {
    int enc, aud, exp, all;
} input_rows;

static input_rows inputs_of(const stk_field_shape *shape) {
    input_rows rows = {0, padded(shape->enc, 2), 0, 0};
    rows.exp = rows.aud + STK_AUD;
    rows.all = rows.exp + padded(shape->exp, 2);
    return rows;
}

static void RADIANCE_NAME(fold)(const stk_field_shape *shape, const stk_field_weights *weights,
                                const void *tables, void *block) {
    radiance_bf16_block *b = block;
    const input_rows at = inputs_of(shape);
    const int enc = shape->enc, x = enc + STK_AUD + shape->exp;
    size_t used = 0;
    memset(b, 0, sizeof *b);
    stk_radiance_fold(shape, weights, tables, &b->full);
    b->shape = *shape;
    shape_matrix(b, &used, RADIANCE_ATT, STK_HIDDEN + shape->exp_hidden, enc);
    shape_matrix(b, &used, RADIANCE_AUD, STK_AUD, STK_HIDDEN);
    shape_matrix(b, &used, RADIANCE_EXP, padded(shape->exp, 2), shape->exp_hidden);
    shape_matrix(b, &used, RADIANCE_SIGMA1, STK_HIDDEN, at.all);
    shape_matrix(b, &used, RADIANCE_SIGMA2, STK_HIDDEN, STK_HIDDEN);
    shape_matrix(b, &used, RADIANCE_DENSITY, 1, STK_HIDDEN);
    shape_matrix(b, &used, RADIANCE_COLOR, STK_HIDDEN, RADIANCE_COLOR_IN);
    shape_matrix(b, &used, RADIANCE_RGB, 3, STK_HIDDEN);
    const radiance_matrix *layer = b->layer;
    pack_columns(&layer[RADIANCE_ATT], STK_HIDDEN + shape->exp_hidden, 0, enc, b->full.att, enc);
    pack_columns(&layer[RADIANCE_SIGMA1], STK_HIDDEN, at.enc, enc, b->full.sigma1, x);
    pack_columns(&layer[RADIANCE_SIGMA1], STK_HIDDEN, at.aud, STK_AUD, b->full.sigma1 + enc, x);
    pack_columns(&layer[RADIANCE_SIGMA1], STK_HIDDEN, at.exp, shape->exp,
                 b->full.sigma1 + enc + STK_AUD, x);
    pack_columns(&layer[RADIANCE_SIGMA2], STK_HIDDEN, 0, STK_HIDDEN, b->full.sigma2, STK_HIDDEN);
    pack_columns(&layer[RADIANCE_DENSITY], 1, 0, STK_HIDDEN, b->full.density, STK_HIDDEN);
    pack_columns(&layer[RADIANCE_RGB], 3, 0, STK_HIDDEN, b->full.rgb, STK_HIDDEN);
}

static void RADIANCE_NAME(condition)(const stk_field_shape *shape, const stk_field_weights *weights,
                                     const stk_field_cond *cond, void *block) {
    radiance_bf16_block *b = block;
    stk_radiance_condition(shape, weights, cond, &b->full);
    pack_columns(&b->layer[RADIANCE_AUD], STK_AUD, 0, STK_HIDDEN, b->full.aud, STK_HIDDEN);
    pack_columns(&b->layer[RADIANCE_EXP], shape->exp, 0, shape->exp_hidden, b->full.exp,
                 shape->exp_hidden);
    pack_columns(&b->layer[RADIANCE_COLOR], STK_HIDDEN, 0, RADIANCE_COLOR_IN, b->full.color,
                 RADIANCE_COLOR_IN);
}

/* --- evaluation ------------------------------------------------------------------------------- */

static void to_floats(const radiance_matrix *m, const uint32_t *x, float *y) {
    product(&(bf16_product){m, x, y, NULL, 0});
}

static void to_pairs(const radiance_matrix *m, const uint32_t *x, uint32_t *y) {
    product(&(bf16_product){m, x, NULL, y, 0});
}

static void to_pairs_relu(const radiance_matrix *m, const uint32_t *x, uint32_t *y) {
    product(&(bf16_product){m, x, NULL, y, 1});
}

static void encode_pairs(const radiance_bf16_block *b, const float *xyz, uint32_t *pairs) {
    STK_ALIGNED(64) float enc[STK_ENC_MAX * STK_TILE];
    const int levels = b->shape.grid.levels;
    for (int p = 0; p < STK_PLANES; p++)
        encode_for_rendering(&b->full, p, xyz + plane_axes[p][0] * STK_TILE,
                             xyz + plane_axes[p][1] * STK_TILE, enc + p * levels * STK_TILE);
    pair_rows(b->shape.enc, enc, pairs);
}

/* Pairs [from, to) of a layer's input. */
static void clear_pairs(uint32_t *x, int from, int to) {
    if (to > from) memset(x + from * STK_TILE, 0, (size_t)(to - from) * STK_TILE * sizeof *x);
}

/* Rows 64.. of color_net's input: harmonics, and 1. */
static void color_pairs(const float *dir, int pairs, uint32_t *c) {
    STK_ALIGNED(64) float sh[(STK_SH + 1) * STK_TILE];
    sh_rows(dir, sh);
    for (int s = 0; s < STK_TILE; s++) sh[STK_SH * STK_TILE + s] = 1;
    pair_rows(STK_SH + 1, sh, c + STK_HIDDEN / 2 * STK_TILE);
    clear_pairs(c, (RADIANCE_COLOR_IN + 1) / 2, pairs);
}

/* a' and e' behind enc in x. */
static void attend(const radiance_bf16_block *b, const float *xyz, const uint32_t *hidden,
                   uint32_t *x) {
    const radiance_matrix *aud = &b->layer[RADIANCE_AUD], *exp = &b->layer[RADIANCE_EXP];
    const input_rows at = inputs_of(&b->shape);
    const uint32_t *exp_hidden = hidden + STK_HIDDEN / 2 * STK_TILE;
    if (!b->shape.mask.on) {
        to_pairs(aud, hidden, x + at.aud / 2 * STK_TILE);
        to_pairs(exp, exp_hidden, x + at.exp / 2 * STK_TILE);
        return;
    }
    STK_ALIGNED(64) float masked[(STK_AUD + RADIANCE_BF16_ROWS) * STK_TILE];
    to_floats(aud, hidden, masked);
    to_floats(exp, exp_hidden, masked + STK_AUD * STK_TILE);
    mask_regions(&b->shape, xyz, masked);
    pair_rows(STK_AUD, masked, x + at.aud / 2 * STK_TILE);
    pair_rows(b->shape.exp, masked + STK_AUD * STK_TILE, x + at.exp / 2 * STK_TILE);
}

static void RADIANCE_NAME(evaluate)(const void *block, const float *xyz, const float *dir,
                                    float *sigma, float *rgb) {
    enum { ROWS = 16 }; /* of a narrow product, padded */
    const radiance_bf16_block *b = block;
    const radiance_matrix *layer = b->layer;
    const input_rows at = inputs_of(&b->shape);
    STK_ALIGNED(64) uint32_t x[RADIANCE_BF16_COLUMNS * STK_TILE];
    STK_ALIGNED(64) uint32_t c[RADIANCE_BF16_COLUMNS * STK_TILE];
    STK_ALIGNED(64) uint32_t hidden[RADIANCE_ATT_ROWS / 2 * STK_TILE];
    STK_ALIGNED(64) float narrow[ROWS * STK_TILE];
    encode_pairs(b, xyz, x);
    if (layer[RADIANCE_ATT].pairs > at.aud / 2)
        clear_pairs(x, at.aud / 2, layer[RADIANCE_ATT].pairs);
    to_pairs_relu(&layer[RADIANCE_ATT], x, hidden);
    clear_pairs(hidden, layer[RADIANCE_ATT].rows / 2, STK_HIDDEN / 2 + layer[RADIANCE_EXP].pairs);
    attend(b, xyz, hidden, x);
    clear_pairs(x, at.all / 2, layer[RADIANCE_SIGMA1].pairs);
    to_pairs_relu(&layer[RADIANCE_SIGMA1], x, hidden);
    to_pairs_relu(&layer[RADIANCE_SIGMA2], hidden, c);
    to_floats(&layer[RADIANCE_DENSITY], c, narrow);
    tile_exp(narrow, sigma);

    color_pairs(dir, layer[RADIANCE_COLOR].pairs, c);
    to_pairs_relu(&layer[RADIANCE_COLOR], c, hidden);
    to_floats(&layer[RADIANCE_RGB], hidden, narrow);
    for (int k = 0; k < 3; k++) tile_sigmoid(narrow + k * STK_TILE, rgb + k * STK_TILE);
    for (int i = 0; i < 3 * STK_TILE; i++) rgb[i] = 1.002f * rgb[i] - 0.001f;
}
