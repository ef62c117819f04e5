/* field_bf16.h - forward and backward of the field for training on bfloat16 pairs with float32
 * sums, put together from a variant's products; AVX-512 does the rest. Sums, weights, gradients of
 * weights, sigma, attention values and everything outside the products are float32.
 *
 * Included by a variant (field_avx512bf16.c, field_amx.c) that has defined
 *   FIELD_NAME(name)
 *   FIELD_PAIRS_STEP, FIELD_ROWS_STEP   what weights are padded to
 * and that defines product and weight_grad, declared here.
 *
 * Activations and gradients have two bfloat16 forms, both made from the sums:
 *   pairs  uint32_t [channels / 2][64]  channels 2k (low half) and 2k + 1 of a sample: what the
 *                                       next product reads; not kept
 *   rows   uint16_t [channels][64]      read two samples at a time: what weight gradients
 *                                       multiply, one side of them transposed as 32-bit elements;
 *                                       also the masks of the ReLUs. Kept for backward: 76 KiB a
 *                                       tile where float32 keeps 124.
 *
 * Shapes and order as in field_body.h; weights come packed (field_pairs.h). Scratch is on the
 * stack, 110 KiB at most.
 */
#include "kernels/field_common.h"
#include "kernels/x86/bf16_pairs.h"
#include "kernels/x86/field_pairs.h"
#include "kernels/x86/transpose_avx512.h"
#include "kernels/x86/grid_simd.h"
#include "kernels/x86/vector_math.h"

enum {
    ROW_WORDS = STK_TILE / 2,        /* 32-bit elements of a row */
    X_PAIRS = (FIELD_X_MAX + 2) / 2, /* inputs of sigma_net, each part from an even place */
    HIDDEN_FLOATS = STK_HIDDEN / 2 * STK_TILE /* hidden units as pairs */
};

/* --- the variant's ---------------------------------------------------------------------------- */

/* y = W x, then ReLU, or kept where mask > 0; to any of floats, pairs (rows even) and rows. */
typedef struct product_job {
    const pair_matrix *m;
    const uint32_t *x; /* [pairs][64] */
    float *y;
    uint32_t *pairs;
    uint16_t *rows;
    const uint16_t *mask;
    int relu;
} product_job;

static void product(const product_job *p);
/* dw[o][i] += sum_s dy[o][s] x[i][s]; dy: rows; xt: the input's rows, transposed, [32 pairs of
 * samples][FIELD_XT_STRIDE], zeros from `in` to the next multiple of 16. */
static void weight_grad(int out, int in, const uint16_t *dy, const uint32_t *xt, float *dw);

/* --- the two forms ---------------------------------------------------------------------------- */

OP void store_row(uint16_t *row, const vf sum[COLUMNS]) {
    UNROLL for (int v = 0; v < COLUMNS; v += 2)
        _mm512_storeu_si512(row + v * LANES, to_bf16_twice(sum[v + 1], sum[v]));
}

/* clang-format off */
OP void mask_row(const uint16_t *mask, vf sum[COLUMNS]) {
    UNROLL for (int v = 0; v < COLUMNS; v += 2) {
        vi words = _mm512_loadu_si512(mask + v * LANES);
        __mmask32 positive = _mm512_cmpgt_epi16_mask(words, _mm512_setzero_si512());
        sum[v] = vf_keep((vmask)positive, sum[v]);
        sum[v + 1] = vf_keep((vmask)(positive >> 16), sum[v + 1]);
    }
}
/* clang-format on */

/* Float rows as bfloat16 rows. */
static void to_rows(int rows, const float *x, uint16_t *y) {
    for (int r = 0; r < rows; r++, x += STK_TILE, y += STK_TILE) {
        const vf sum[COLUMNS] = {vf_load(x), vf_load(x + LANES), vf_load(x + 2 * LANES),
                                 vf_load(x + 3 * LANES)};
        store_row(y, sum);
    }
}

/* [rows][32] of two samples -> [32][FIELD_XT_STRIDE]. */
static void transpose_rows(int rows, const uint16_t *x, uint32_t *xt) {
    const float *words = (const float *)(const void *)x; /* only moved */
    float *to = (float *)(void *)xt;
    for (int row = 0; row < rows; row += 16)
        for (int j = 0; j < ROW_WORDS; j += 16)
            transpose_16(words + row * ROW_WORDS + j, ROW_WORDS, rows - row,
                         to + j * FIELD_XT_STRIDE + row);
}

/* --- what is kept ----------------------------------------------------------------------------- */

typedef struct kept_acts {
    /* rows */
    uint16_t *x;                         /* enc + 32 + E: [enc | a' | e'] */
    uint16_t *att_hidden;                /* 64 + exp_hidden */
    uint16_t *h1, *h2;                   /* 64, 64 */
    uint16_t *color;                     /* 84: [SH | geo | code] */
    uint16_t *color_hidden, *unc_hidden; /* 64, 32 */
    /* floats, [..][64] */
    float *aud, *exp;         /* 32, E: A and G */
    float *sigma, *rgb, *unc; /* 1; 3, the sigmoids; 1, before the softplus */
} kept_acts;

/* Lays out at most 512 rows and 45 rows of floats: within the float32 variants' block. */
static kept_acts bind_kept(const stk_field_shape *shape, const float *base) {
    float *at = (float *)base; /* forward writes, backward reads */
    kept_acts k;
    const struct {
        uint16_t **slot;
        int rows;
    } rows[] = {{&k.x, shape->enc + STK_AUD + shape->exp},
                {&k.att_hidden, STK_HIDDEN + shape->exp_hidden},
                {&k.h1, STK_HIDDEN},
                {&k.h2, STK_HIDDEN},
                {&k.color, FIELD_COLOR_IN},
                {&k.color_hidden, STK_HIDDEN},
                {&k.unc_hidden, STK_UNC_HIDDEN}};
    const struct {
        float **slot;
        int rows;
    } floats[] = {{&k.aud, STK_AUD}, {&k.exp, shape->exp}, {&k.sigma, 1}, {&k.rgb, 3}, {&k.unc, 1}};
    for (size_t i = 0; i < STK_ARRAY_SIZE(rows); i++, at += rows[i - 1].rows * ROW_WORDS)
        *rows[i].slot = (uint16_t *)(void *)at;
    for (size_t i = 0; i < STK_ARRAY_SIZE(floats); i++, at += floats[i - 1].rows * STK_TILE)
        *floats[i].slot = at;
    return k;
}

/* --- forward ---------------------------------------------------------------------------------- */

typedef struct pass {
    const stk_field_shape *shape;
    const stk_field_weights *weights;
    const stk_field_cond *cond;
    const stk_field_in *in;
    pair_matrix m[MATRICES];
    kept_acts kept;
} pass;

static void pass_init(pass *p, const float *kept) {
    pair_matrices(p->shape, p->weights->pairs, p->m);
    p->kept = bind_kept(p->shape, kept);
}

static void encode_x(const pass *p, uint32_t *x) {
    STK_ALIGNED(64) float enc[STK_ENC_MAX * STK_TILE];
    const int levels = p->shape->grid.levels;
    for (int k = 0; k < STK_PLANES; k++)
        encode_plane(&p->shape->grid, p->weights->plane[k],
                     p->in->xyz + plane_axes[k][0] * STK_TILE,
                     p->in->xyz + plane_axes[k][1] * STK_TILE, enc + k * levels * STK_TILE);
    pair_rows(p->shape->enc, enc, x);
    to_rows(p->shape->enc, enc, p->kept.x);
}

/* Both attention nets, and a * A, e * G behind enc in x. hidden: 128 rows as pairs. */
static void attend(const pass *p, uint32_t *x, uint32_t *hidden, stk_field_out *out) {
    STK_ALIGNED(64) float masked[(STK_AUD + STK_EXP_MAX) * STK_TILE];
    float *exp = masked + STK_AUD * STK_TILE;
    const pair_input at = pair_input_of(p->shape);
    const kept_acts *k = &p->kept;
    product(&(product_job){&p->m[M_ATT], x, .pairs = hidden, .rows = k->att_hidden, .relu = 1});
    product(&(product_job){&p->m[M_AUD], hidden, .y = k->aud});
    product(&(product_job){&p->m[M_EXP], hidden + HIDDEN_FLOATS, .y = k->exp});
    norm_rows(STK_AUD, k->aud, out->amb_aud);
    norm_rows(p->shape->exp, k->exp, out->amb_exp);
    cond_gather(p->cond->audio, STK_AUD, STK_AUD, p->in->cond_row, masked);
    multiply_rows(STK_AUD, k->aud, masked);
    cond_gather(p->cond->exp, STK_EXP_MAX, p->shape->exp, p->in->cond_row, exp);
    multiply_rows(p->shape->exp, k->exp, exp);
    mask_regions(p->shape, p->in->xyz, masked);
    pair_rows(STK_AUD, masked, x + at.aud * STK_TILE);
    pair_rows(p->shape->exp, exp, x + at.exp * STK_TILE);
    to_rows(STK_AUD + p->shape->exp, masked, k->x + p->shape->enc * STK_TILE);
}

/* sigma, and geo between harmonics and code in the colour input c. */
static void density_net(const pass *p, const uint32_t *x, uint32_t *hidden, uint32_t *c) {
    STK_ALIGNED(64) float h0[STK_TILE];
    const kept_acts *k = &p->kept;
    uint32_t *h2 = hidden + HIDDEN_FLOATS;
    product(&(product_job){&p->m[M_SIGMA1], x, .pairs = hidden, .rows = k->h1, .relu = 1});
    product(&(product_job){&p->m[M_SIGMA2], hidden, .pairs = h2, .rows = k->h2, .relu = 1});
    product(&(product_job){&p->m[M_H0], h2, .y = h0});
    tile_exp(h0, k->sigma);
    product(&(product_job){&p->m[M_GEO], h2, .pairs = c + STK_SH / 2 * STK_TILE,
                           .rows = k->color + STK_SH * STK_TILE});
}

static void color_net(const pass *p, uint32_t *hidden, uint32_t *c) {
    STK_ALIGNED(64) float sh[STK_SH * STK_TILE], code[STK_CODE * STK_TILE];
    enum { CODE_AT = STK_SH + STK_GEO };
    const kept_acts *k = &p->kept;
    sh_rows(p->in->dir, sh);
    pair_rows(STK_SH, sh, c);
    to_rows(STK_SH, sh, k->color);
    cond_gather(p->cond->code, STK_CODE, STK_CODE, p->in->cond_row, code);
    pair_rows(STK_CODE, code, c + CODE_AT / 2 * STK_TILE);
    to_rows(STK_CODE, code, k->color + CODE_AT * STK_TILE);
    product(&(product_job){&p->m[M_COLOR], c, .pairs = hidden, .rows = k->color_hidden, .relu = 1});
    product(&(product_job){&p->m[M_RGB], hidden, .y = k->rgb});
    for (int i = 0; i < 3; i++) tile_sigmoid(k->rgb + i * STK_TILE, k->rgb + i * STK_TILE);
}

static void FIELD_NAME(forward)(const stk_field_shape *shape, const stk_field_weights *weights,
                                const stk_field_cond *cond, const stk_field_in *in, float *kept,
                                stk_field_out *out) {
    STK_ALIGNED(64) uint32_t x[X_PAIRS * STK_TILE], c[FIELD_COLOR_IN / 2 * STK_TILE];
    STK_ALIGNED(64) uint32_t hidden[2 * HIDDEN_FLOATS];
    pass p = {.shape = shape, .weights = weights, .cond = cond, .in = in};
    pass_init(&p, kept);
    encode_x(&p, x);
    attend(&p, x, hidden, out);
    density_net(&p, x, hidden, c);
    memcpy(out->sigma, p.kept.sigma, STK_TILE * sizeof *out->sigma);
    color_net(&p, hidden, c);
    for (int i = 0; i < 3 * STK_TILE; i++) out->rgb[i] = 1.002f * p.kept.rgb[i] - 0.001f;
    if (out->unc == NULL) return;
    product(&(product_job){&p.m[M_UNC1], x, .pairs = hidden, .rows = p.kept.unc_hidden, .relu = 1});
    product(&(product_job){&p.m[M_UNC2], hidden, .y = p.kept.unc});
    tile_softplus(p.kept.unc, out->unc);
}

/* --- backward --------------------------------------------------------------------------------- */

/* Weight gradients of a layer whose input is kept as rows. */
static void layer_grad(int out, int in, const uint16_t *dy, const uint16_t *x, float *dw) {
    STK_ALIGNED(64) uint32_t xt[ROW_WORDS * FIELD_XT_STRIDE];
    transpose_rows(in, x, xt);
    weight_grad(out, in, dy, xt, dw);
}

/* The colour net: from drgb to d[geo | h0] as pairs and d[h0 | geo] as rows. */
static void color_back(const pass *p, const stk_field_dout *dout, stk_field_grads *grads,
                       stk_field_dcond *dcond, uint32_t *pairs, uint16_t *rows) {
    STK_ALIGNED(64) float dy[3 * STK_TILE], dcode[STK_CODE * STK_TILE], dh0[STK_TILE];
    STK_ALIGNED(64) uint32_t dy_pairs[2 * STK_TILE], dh_pairs[HIDDEN_FLOATS];
    STK_ALIGNED(64) uint16_t dy_rows[3 * STK_TILE], dh_rows[STK_HIDDEN * STK_TILE];
    const kept_acts *k = &p->kept;
    for (int i = 0; i < 3 * STK_TILE; i++)
        dy[i] = dout->rgb[i] * 1.002f * (k->rgb[i] * (1.0f - k->rgb[i]));
    pair_rows(3, dy, dy_pairs);
    to_rows(3, dy, dy_rows);
    layer_grad(3, STK_HIDDEN, dy_rows, k->color_hidden, grads->color[1]);
    product(&(product_job){&p->m[T_RGB], dy_pairs, .pairs = dh_pairs, .rows = dh_rows,
                           .mask = k->color_hidden});
    layer_grad(STK_HIDDEN, FIELD_COLOR_IN, dh_rows, k->color, grads->color[0]);

    /* Nothing flows into the direction. */
    const pair_matrix *t = &p->m[T_COLOR];
    const pair_matrix geo = {STK_GEO, t->pairs, t->stride, t->w};
    const pair_matrix code = {STK_CODE, t->pairs, t->stride, t->w + STK_GEO * t->stride};
    product(&(product_job){&geo, dh_pairs, .pairs = pairs, .rows = rows + STK_TILE});
    product(&(product_job){&code, dh_pairs, .y = dcode});
    cond_scatter(dcond->code, STK_CODE, STK_CODE, p->in->cond_row, dcode);
    /* A sample without gradient stays without, even if its sigma overflowed. */
    for (int s = 0; s < STK_TILE; s++)
        dh0[s] = dout->sigma[s] == 0 ? 0 : dout->sigma[s] * k->sigma[s];
    pair_rows(1, dh0, pairs + STK_GEO / 2 * STK_TILE);
    to_rows(1, dh0, rows);
}

/* sigma_net: to dh1 as pairs, and d[a' | e'] as floats. xt: [enc | a' | e'], transposed. */
static void sigma_back(const pass *p, const uint32_t *pairs, const uint16_t *rows,
                       const uint32_t *xt, stk_field_grads *grads, uint32_t *dh1, float *dmasked) {
    STK_ALIGNED(64) uint32_t dh2[HIDDEN_FLOATS];
    STK_ALIGNED(64) uint16_t dh_rows[STK_HIDDEN * STK_TILE];
    const kept_acts *k = &p->kept;
    int x_rows = p->shape->enc + STK_AUD + p->shape->exp;
    layer_grad(1 + STK_GEO, STK_HIDDEN, rows, k->h2, grads->sigma[2]);
    product(&(product_job){&p->m[T_DENSITY], pairs, .pairs = dh2, .rows = dh_rows, .mask = k->h2});
    layer_grad(STK_HIDDEN, STK_HIDDEN, dh_rows, k->h1, grads->sigma[1]);
    product(&(product_job){&p->m[T_SIGMA2], dh2, .pairs = dh1, .rows = dh_rows, .mask = k->h1});
    weight_grad(STK_HIDDEN, x_rows, dh_rows, xt, grads->sigma[0]);
    product(&(product_job){&p->m[T_SIGMA1], dh1, .y = dmasked});
}

/* One attention net. datt [channels][64]: the gradient by its output; to the gradient of its hidden
 * units as pairs. first: its first hidden unit among those of both. */
static void attention_back(const pass *p, int transposed, int first, const float *datt,
                           const uint32_t *xt, float *const dw[2], uint32_t *dh) {
    STK_ALIGNED(64) uint32_t pairs[STK_AUD / 2 * STK_TILE];
    STK_ALIGNED(64) uint16_t rows[STK_AUD * STK_TILE], dh_rows[STK_HIDDEN * STK_TILE];
    const pair_matrix *t = &p->m[transposed];
    const uint16_t *hidden = p->kept.att_hidden + first * STK_TILE;
    int channels = transposed == T_AUD ? STK_AUD : p->shape->exp;
    pair_rows(channels, datt, pairs);
    to_rows(channels, datt, rows);
    layer_grad(channels, t->rows, rows, hidden, dw[1]);
    product(&(product_job){t, pairs, .pairs = dh, .rows = dh_rows, .mask = hidden});
    weight_grad(t->rows, p->shape->enc, dh_rows, xt, dw[0]);
}

/* Both attention nets: dmasked = d[a' | e'] becomes the gradient by [A | G] on the way. */
static void attentions_back(const pass *p, float *dmasked, const stk_field_dout *dout,
                            const uint32_t *xt, stk_field_grads *grads, stk_field_dcond *dcond,
                            uint32_t *dh) {
    STK_ALIGNED(64) float cond[STK_AUD * STK_TILE];
    const kept_acts *k = &p->kept;
    float *dexp = dmasked + STK_AUD * STK_TILE;
    mask_regions(p->shape, p->in->xyz, dmasked);
    memcpy(cond, dmasked, sizeof cond);
    multiply_rows(STK_AUD, k->aud, cond);
    cond_scatter(dcond->audio, STK_AUD, STK_AUD, p->in->cond_row, cond);
    cond_gather(p->cond->audio, STK_AUD, STK_AUD, p->in->cond_row, cond);
    multiply_rows(STK_AUD, cond, dmasked);
    norm_rows_back(STK_AUD, k->aud, dout->amb_aud, dmasked);
    attention_back(p, T_AUD, 0, dmasked, xt, grads->aud_att, dh);
    cond_gather(p->cond->exp, STK_EXP_MAX, p->shape->exp, p->in->cond_row, cond);
    multiply_rows(p->shape->exp, cond, dexp);
    norm_rows_back(p->shape->exp, k->exp, dout->amb_exp, dexp);
    attention_back(p, T_EXP, STK_HIDDEN, dexp, xt, grads->exp_att, dh + HIDDEN_FLOATS);
}

/* unc_net sees detached features: weight gradients only. d softplus = sigmoid. */
static void uncertainty_back(const pass *p, const float *dunc, const uint32_t *xt,
                             stk_field_grads *grads) {
    STK_ALIGNED(64) float dy[STK_TILE];
    STK_ALIGNED(64) uint32_t pairs[STK_TILE];
    STK_ALIGNED(64) uint16_t row[STK_TILE], dh_rows[STK_UNC_HIDDEN * STK_TILE];
    tile_sigmoid(p->kept.unc, dy);
    multiply_rows(1, dunc, dy);
    pair_rows(1, dy, pairs);
    to_rows(1, dy, row);
    layer_grad(1, STK_UNC_HIDDEN, row, p->kept.unc_hidden, grads->unc[1]);
    product(&(product_job){&p->m[T_UNC], pairs, .rows = dh_rows, .mask = p->kept.unc_hidden});
    weight_grad(STK_UNC_HIDDEN, p->shape->enc, dh_rows, xt, grads->unc[0]);
}

static void FIELD_NAME(backward)(const stk_field_shape *shape, const stk_field_weights *weights,
                                 const stk_field_cond *cond, const stk_field_in *in,
                                 const float *kept, const stk_field_dout *dout,
                                 const stk_field_din *din) {
    STK_ALIGNED(64) uint32_t xt[ROW_WORDS * FIELD_XT_STRIDE], pairs[HIDDEN_FLOATS + STK_TILE];
    STK_ALIGNED(64) uint32_t dh[3 * HIDDEN_FLOATS]; /* of sigma_net's first layer, aud, exp */
    STK_ALIGNED(64) uint16_t rows[(1 + STK_GEO) * STK_TILE];
    STK_ALIGNED(64) float dmasked[(STK_AUD + STK_EXP_MAX) * STK_TILE];
    stk_field_grads *grads = din->grads;
    pass p = {.shape = shape, .weights = weights, .cond = cond, .in = in};
    pass_init(&p, kept);
    transpose_rows(shape->enc + STK_AUD + shape->exp, p.kept.x, xt);
    color_back(&p, dout, grads, din->dcond, pairs, rows);
    sigma_back(&p, pairs, rows, xt, grads, dh, dmasked);
    attentions_back(&p, dmasked, dout, xt, grads, din->dcond, dh + HIDDEN_FLOATS);
    product(&(product_job){&p.m[T_ENC], dh, .y = din->denc});
    if (dout->unc != NULL) uncertainty_back(&p, dout->unc, xt, grads);
}
