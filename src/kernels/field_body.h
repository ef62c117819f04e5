/* field_body.h - the fused field, forward and backward, put together from a variant's primitives.
 *
 * Included once by each variant after it has defined
 *   FIELD_ISA                                   the suffix of the kernels: c, avx2, avx512
 *   multiply(const field_product *)             products on tiles
 *   transpose(rows, x, xt)                      [rows][64] -> [64][FIELD_XT_STRIDE]
 *   weight_grad(out, in, dy, xt, dw)            dw[o][i] += sum_s dy[o][s] xt[s][i]
 *   tile_exp, tile_sigmoid, tile_softplus       (x, y), 64 values
 *   encode_plane(grid, table, u, v, enc)        one plane's levels, [levels][64]
 *   corners(grid, level, u, v, field_corners *)
 * The loops over 64 lanes here are left to the compiler, which vectorises them for each ISA.
 *
 * Forward and backward stand in mirrored order; shapes as in field.h. All scratch is on the stack
 * (90 KiB forward, 190 KiB backward).
 */
#ifndef FIELD_ISA
#error "include this file from a variant of the field kernels"
#endif

#include "kernels/field_common.h"

#include <math.h>
#include <string.h>

#define FIELD_PASTE2(name, isa) stk_field_##name##_##isa
#define FIELD_PASTE(name, isa) FIELD_PASTE2(name, isa)
#define FIELD_NAME(name) FIELD_PASTE(name, FIELD_ISA)

/* --- layers ----------------------------------------------------------------------------------- */

/* y = W x; W [out][in]. */
static void linear(int out, int in, const float *w, const float *x, float *y) {
    multiply(&(field_product){out, in, w, in, 1, x, y, NULL, FIELD_STORE});
}

static void linear_relu(int out, int in, const float *w, const float *x, float *y) {
    multiply(&(field_product){out, in, w, in, 1, x, y, NULL, FIELD_RELU});
}

/* dx = W^T dy. */
static void linear_back(int out, int in, const float *w, const float *dy, float *dx) {
    multiply(&(field_product){in, out, w, 1, in, dy, dx, NULL, FIELD_STORE});
}

static void linear_back_add(int out, int in, const float *w, const float *dy, float *dx) {
    multiply(&(field_product){in, out, w, 1, in, dy, dx, NULL, FIELD_ADD});
}

/* dx = W^T dy where x = act is the output of a ReLU: zero where act is. */
static void linear_back_relu(int out, int in, const float *w, const float *dy, const float *act,
                             float *dx) {
    multiply(&(field_product){in, out, w, 1, in, dy, dx, act, FIELD_MASK});
}

/* A net of two layers, in -> hidden -> out without biases. */
static void two_layers(int in, int hidden, int out, const float *const w[2], const float *x,
                       float *h, float *y) {
    linear_relu(hidden, in, w[0], x, h);
    linear(out, hidden, w[1], h, y);
}

/* Its weight gradients; dh [hidden][64] receives the gradient before the ReLU. h: [hidden][64];
 * xt: the input, transposed. */
static void two_layers_back(const int dims[3], const float *const w[2], const float *xt,
                            const float *h, const float *dy, float *const dw[2], float *dh) {
    STK_ALIGNED(64) float ht[STK_TILE * FIELD_XT_STRIDE];
    transpose(dims[1], h, ht);
    weight_grad(dims[2], dims[1], dy, ht, dw[1]);
    linear_back_relu(dims[2], dims[1], w[1], dy, h, dh);
    weight_grad(dims[1], dims[0], dh, xt, dw[0]);
}

/* --- forward ---------------------------------------------------------------------------------- */

static void FIELD_NAME(encode)(const stk_field_shape *shape, const stk_field_weights *weights,
                               const stk_field_in *in, float *enc) {
    int levels = shape->grid.levels;
    for (int p = 0; p < STK_PLANES; p++)
        encode_plane(&shape->grid, weights->plane[p], in->xyz + plane_axes[p][0] * STK_TILE,
                     in->xyz + plane_axes[p][1] * STK_TILE, enc + p * levels * STK_TILE);
}

/* x = [enc | a * A | e * G] from enc and the attentions. */
static void sigma_input(const stk_field_shape *shape, const stk_field_cond *cond,
                        const stk_field_in *in, const field_acts *acts, float *x) {
    float *aud = x + shape->enc * STK_TILE, *exp = aud + STK_AUD * STK_TILE;
    cond_gather(cond->audio, STK_AUD, STK_AUD, in->cond_row, aud);
    multiply_rows(STK_AUD, acts->aud, aud);
    cond_gather(cond->exp, STK_EXP_MAX, shape->exp, in->cond_row, exp);
    multiply_rows(shape->exp, acts->exp, exp);
    mask_regions(shape, in->xyz, aud);
}

/* c = [SH | geo | code]; geo (rows 16..79) is there already. */
static void color_input(const stk_field_cond *cond, const stk_field_in *in, float *c) {
    sh_rows(in->dir, c);
    cond_gather(cond->code, STK_CODE, STK_CODE, in->cond_row, c + (STK_SH + STK_GEO) * STK_TILE);
}

/* Up to the second hidden layer of sigma_net: x, the attentions, h1, h2. */
static void trunk(const stk_field_shape *shape, const stk_field_weights *weights,
                  const stk_field_cond *cond, const stk_field_in *in, const field_acts *acts,
                  float *x) {
    int x_rows = shape->enc + STK_AUD + shape->exp;
    FIELD_NAME(encode)(shape, weights, in, x);
    two_layers(shape->enc, STK_HIDDEN, STK_AUD, weights->aud_att, x, acts->aud_hidden, acts->aud);
    two_layers(shape->enc, shape->exp_hidden, shape->exp, weights->exp_att, x, acts->exp_hidden,
               acts->exp);
    sigma_input(shape, cond, in, acts, x);
    linear_relu(STK_HIDDEN, x_rows, weights->sigma[0], x, acts->h1);
    linear_relu(STK_HIDDEN, STK_HIDDEN, weights->sigma[1], acts->h1, acts->h2);
}

/* Where activations go when nobody keeps them: hidden layers take turns in two blocks. */
typedef struct field_scratch {
    STK_ALIGNED(64) float hidden[2][STK_HIDDEN * STK_TILE];
    STK_ALIGNED(64) float narrow[(STK_AUD + STK_EXP_MAX + 3 + 1) * STK_TILE];
} field_scratch;

static void scratch_bind(field_scratch *scratch, field_acts *acts) {
    acts->aud_hidden = acts->exp_hidden = acts->h1 = scratch->hidden[0];
    acts->color_hidden = acts->unc_hidden = scratch->hidden[0];
    acts->h2 = scratch->hidden[1];
    acts->aud = scratch->narrow;
    acts->exp = acts->aud + STK_AUD * STK_TILE;
    acts->rgb = acts->exp + STK_EXP_MAX * STK_TILE;
    acts->unc = acts->rgb + 3 * STK_TILE;
    acts->enc = acts->density = NULL;
}

/* unc = softplus(unc_net(enc)). */
static void uncertainty(const stk_field_shape *shape, const stk_field_weights *weights,
                        const field_acts *acts, const float *enc, float *unc) {
    two_layers(shape->enc, STK_UNC_HIDDEN, 1, weights->unc, enc, acts->unc_hidden, acts->unc);
    tile_softplus(acts->unc, unc);
}

static void FIELD_NAME(forward)(const stk_field_shape *shape, const stk_field_weights *weights,
                                const stk_field_cond *cond, const stk_field_in *in, float *kept,
                                stk_field_out *out) {
    STK_ALIGNED(64) float x[FIELD_X_MAX * STK_TILE], c[FIELD_COLOR_IN * STK_TILE];
    field_scratch scratch;
    field_acts acts;
    if (kept != NULL)
        field_acts_bind(shape, kept, &acts);
    else
        scratch_bind(&scratch, &acts);

    trunk(shape, weights, cond, in, &acts, x);
    norm_rows(STK_AUD, acts.aud, out->amb_aud);
    norm_rows(shape->exp, acts.exp, out->amb_exp);

    /* [h0 | geo] lands on rows 15..79 of the colour input; row 15 becomes the last harmonic. */
    float *density = c + (STK_SH - 1) * STK_TILE;
    linear(1 + STK_GEO, STK_HIDDEN, weights->sigma[2], acts.h2, density);
    tile_exp(density, out->sigma);
    if (kept != NULL) {
        memcpy(acts.enc, x, (size_t)shape->enc * STK_TILE * sizeof *x);
        memcpy(acts.density, density, (1 + STK_GEO) * STK_TILE * sizeof *x);
        memcpy(acts.density, out->sigma, STK_TILE * sizeof *x);
    }

    color_input(cond, in, c);
    two_layers(FIELD_COLOR_IN, STK_HIDDEN, 3, weights->color, c, acts.color_hidden, acts.rgb);
    for (int k = 0; k < 3; k++) tile_sigmoid(acts.rgb + k * STK_TILE, acts.rgb + k * STK_TILE);
    for (int i = 0; i < 3 * STK_TILE; i++) out->rgb[i] = 1.002f * acts.rgb[i] - 0.001f;
    if (out->unc != NULL) uncertainty(shape, weights, &acts, x, out->unc);
}

static void FIELD_NAME(density)(const stk_field_shape *shape, const stk_field_weights *weights,
                                const stk_field_cond *cond, const stk_field_in *in, float *sigma) {
    STK_ALIGNED(64) float x[FIELD_X_MAX * STK_TILE], h0[STK_TILE];
    field_scratch scratch;
    field_acts acts;
    scratch_bind(&scratch, &acts);
    trunk(shape, weights, cond, in, &acts, x);
    linear(1, STK_HIDDEN, weights->sigma[2], acts.h2, h0);
    tile_exp(h0, sigma);
}

/* --- backward --------------------------------------------------------------------------------- */

/* From drgb to d[h0 | geo] (65 rows): the colour net. dh0 = dsigma * sigma. */
static void color_back(const stk_field_weights *weights, const stk_field_cond *cond,
                       const stk_field_in *in, const field_acts *acts, const stk_field_dout *dout,
                       stk_field_grads *grads, stk_field_dcond *dcond, float *ddensity) {
    static const int dims[3] = {FIELD_COLOR_IN, STK_HIDDEN, 3};
    STK_ALIGNED(64) float c[FIELD_COLOR_IN * STK_TILE], ct[STK_TILE * FIELD_XT_STRIDE];
    STK_ALIGNED(64) float dy[3 * STK_TILE], dh[STK_HIDDEN * STK_TILE];
    STK_ALIGNED(64) float dc[(STK_GEO + STK_CODE) * STK_TILE];
    memcpy(c + STK_SH * STK_TILE, acts->density + STK_TILE, STK_GEO * STK_TILE * sizeof *c);
    color_input(cond, in, c);
    transpose(FIELD_COLOR_IN, c, ct);
    for (int i = 0; i < 3 * STK_TILE; i++)
        dy[i] = dout->rgb[i] * 1.002f * (acts->rgb[i] * (1.0f - acts->rgb[i]));
    two_layers_back(dims, weights->color, ct, acts->color_hidden, dy, grads->color, dh);

    /* Nothing flows into the direction: only the columns of geo and code. */
    multiply(&(field_product){STK_GEO + STK_CODE, STK_HIDDEN, weights->color[0] + STK_SH, 1,
                              FIELD_COLOR_IN, dh, dc, NULL, FIELD_STORE});
    memcpy(ddensity + STK_TILE, dc, STK_GEO * STK_TILE * sizeof *dc);
    cond_scatter(dcond->code, STK_CODE, STK_CODE, in->cond_row, dc + STK_GEO * STK_TILE);
    /* A sample without gradient stays without, even if its sigma overflowed. */
    for (int s = 0; s < STK_TILE; s++)
        ddensity[s] = dout->sigma[s] == 0 ? 0 : dout->sigma[s] * acts->density[s];
}

/* From d[h0 | geo] to dx = d[enc | a' | e']: sigma_net. */
static void sigma_back(const stk_field_shape *shape, const stk_field_weights *weights,
                       const field_acts *acts, const float *xt, const float *ddensity,
                       stk_field_grads *grads, float *dx) {
    STK_ALIGNED(64) float dh2[STK_HIDDEN * STK_TILE], dh1[STK_HIDDEN * STK_TILE];
    STK_ALIGNED(64) float ht[STK_TILE * FIELD_XT_STRIDE];
    int x_rows = shape->enc + STK_AUD + shape->exp;
    transpose(STK_HIDDEN, acts->h2, ht);
    weight_grad(1 + STK_GEO, STK_HIDDEN, ddensity, ht, grads->sigma[2]);
    linear_back_relu(1 + STK_GEO, STK_HIDDEN, weights->sigma[2], ddensity, acts->h2, dh2);
    transpose(STK_HIDDEN, acts->h1, ht);
    weight_grad(STK_HIDDEN, STK_HIDDEN, dh2, ht, grads->sigma[1]);
    linear_back_relu(STK_HIDDEN, STK_HIDDEN, weights->sigma[1], dh2, acts->h1, dh1);
    weight_grad(STK_HIDDEN, x_rows, dh1, xt, grads->sigma[0]);
    linear_back(STK_HIDDEN, x_rows, weights->sigma[0], dh1, dx);
}

/* One attention branch: dmasked is the gradient by cond * att; table its condition. dtable NULL:
 * the condition takes no gradient. Adds to denc. */
typedef struct field_branch {
    int dims[3]; /* enc, hidden, channels */
    const float *const *w;
    float *const *dw;
    const float *hidden, *att, *dnorm, *table;
    float *dtable;
    int stride;
} field_branch;

static void attention_back(const field_branch *b, const uint16_t *row, const float *xt,
                           const float *dmasked, float *denc) {
    STK_ALIGNED(64) float datt[STK_AUD * STK_TILE], dh[STK_HIDDEN * STK_TILE];
    int channels = b->dims[2];
    size_t bytes = (size_t)channels * STK_TILE * sizeof *datt;
    if (b->dtable != NULL) {
        memcpy(datt, dmasked, bytes);
        multiply_rows(channels, b->att, datt);
        cond_scatter(b->dtable, b->stride, channels, row, datt);
    }
    cond_gather(b->table, b->stride, channels, row, datt);
    multiply_rows(channels, dmasked, datt);
    norm_rows_back(channels, b->att, b->dnorm, datt);
    two_layers_back(b->dims, b->w, xt, b->hidden, datt, b->dw, dh);
    linear_back_add(b->dims[1], b->dims[0], b->w[0], dh, denc);
}

/* unc_net sees detached features: weight gradients only. d softplus = sigmoid. */
static void uncertainty_back(const stk_field_shape *shape, const stk_field_weights *weights,
                             const field_acts *acts, const float *xt, const float *dunc,
                             stk_field_grads *grads) {
    STK_ALIGNED(64) float dy[STK_TILE], dh[STK_UNC_HIDDEN * STK_TILE];
    const int dims[3] = {shape->enc, STK_UNC_HIDDEN, 1};
    tile_sigmoid(acts->unc, dy);
    multiply_rows(1, dunc, dy);
    two_layers_back(dims, weights->unc, xt, acts->unc_hidden, dy, grads->unc, dh);
}

static void FIELD_NAME(backward)(const stk_field_shape *shape, const stk_field_weights *weights,
                                 const stk_field_cond *cond, const stk_field_in *in,
                                 const float *kept, const stk_field_dout *dout,
                                 const stk_field_din *din) {
    STK_ALIGNED(64) float x[FIELD_X_MAX * STK_TILE], xt[STK_TILE * FIELD_XT_STRIDE];
    STK_ALIGNED(64) float ddensity[(1 + STK_GEO) * STK_TILE], dx[FIELD_X_MAX * STK_TILE];
    size_t enc_bytes = (size_t)shape->enc * STK_TILE * sizeof *x;
    stk_field_grads *grads = din->grads;
    float *denc = din->denc;
    field_acts acts;
    field_acts_bind(shape, (float *)kept, &acts); /* read only from here on */
    memcpy(x, acts.enc, enc_bytes);
    sigma_input(shape, cond, in, &acts, x);
    transpose(shape->enc + STK_AUD + shape->exp, x, xt);

    color_back(weights, cond, in, &acts, dout, grads, din->dcond, ddensity);
    sigma_back(shape, weights, &acts, xt, ddensity, grads, dx);
    memcpy(denc, dx, enc_bytes);

    mask_regions(shape, in->xyz, dx + shape->enc * STK_TILE);
    const float *daud = dx + shape->enc * STK_TILE, *dexp = daud + STK_AUD * STK_TILE;
    field_branch aud = {{shape->enc, STK_HIDDEN, STK_AUD},
                        weights->aud_att,
                        grads->aud_att,
                        acts.aud_hidden,
                        acts.aud,
                        dout->amb_aud,
                        cond->audio,
                        din->dcond->audio,
                        STK_AUD};
    field_branch exp = {{shape->enc, shape->exp_hidden, shape->exp},
                        weights->exp_att,
                        grads->exp_att,
                        acts.exp_hidden,
                        acts.exp,
                        dout->amb_exp,
                        cond->exp,
                        NULL,
                        STK_EXP_MAX};
    attention_back(&aud, in->cond_row, xt, daud, denc);
    attention_back(&exp, in->cond_row, xt, dexp, denc);
    if (dout->unc != NULL) uncertainty_back(shape, weights, &acts, xt, dout->unc, grads);
}

/* The read-modify-writes stay scalar and in sample order: samples of a tile may share an entry. */
static void FIELD_NAME(grid_backward)(const stk_field_shape *shape, int plane, int level, int tiles,
                                      const int *counts, const float *xyz, const float *denc,
                                      float *dtable) {
    const uint8_t *axes = plane_axes[plane];
    float *dlevel = dtable + shape->grid.offset[level];
    field_corners at;
    for (int t = 0; t < tiles; t++) {
        const float *tile = xyz + (size_t)t * 3 * STK_TILE;
        size_t row = (size_t)t * shape->enc + plane * shape->grid.levels + level;
        const float *d = denc + row * STK_TILE;
        corners(&shape->grid, level, tile + axes[0] * STK_TILE, tile + axes[1] * STK_TILE, &at);
        for (int k = 0; k < 4; k++)
            for (int s = 0; s < STK_TILE; s++) at.weight[k][s] *= d[s];
        for (int s = 0; s < counts[t]; s++)
            for (int k = 0; k < 4; k++) dlevel[at.index[k][s]] += at.weight[k][s];
    }
}

static void fill_slots(stk_field_kernels *kernels, const char *isa) {
    kernels->isa = isa;
    kernels->forward = FIELD_NAME(forward);
    kernels->density = FIELD_NAME(density);
    kernels->backward = FIELD_NAME(backward);
    kernels->encode = FIELD_NAME(encode);
    kernels->grid_backward = FIELD_NAME(grid_backward);
    kernels->pack = NULL;
}
