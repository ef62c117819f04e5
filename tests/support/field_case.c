/* field_case.c */
#include "field_case.h"
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

const char *field_tensor_name(int tensor) {
    static const char *const names[FIELD_TENSORS] = {
        "plane xy",  "plane yz", "plane xz",   "aud_att 0",       "aud_att 1", "exp_att 0",
        "exp_att 1", "sigma 0",  "sigma 1",    "sigma 2",         "color 0",   "color 1",
        "unc 0",     "unc 1",    "audio code", "individual code", "expression"};
    return names[tensor];
}

static void size_tensors(field_case *fc) {
    const stk_field_shape *s = &fc->shape;
    int entries = (int)s->grid.offset[s->grid.levels], enc = s->enc;
    const int dims[FIELD_TENSORS][2] = {{entries, 1},
                                        {entries, 1},
                                        {entries, 1},
                                        {STK_HIDDEN, enc},
                                        {STK_AUD, STK_HIDDEN},
                                        {s->exp_hidden, enc},
                                        {s->exp, s->exp_hidden},
                                        {STK_HIDDEN, enc + STK_AUD + s->exp},
                                        {STK_HIDDEN, STK_HIDDEN},
                                        {1 + STK_GEO, STK_HIDDEN},
                                        {STK_HIDDEN, STK_SH + STK_GEO + STK_CODE},
                                        {3, STK_HIDDEN},
                                        {STK_UNC_HIDDEN, enc},
                                        {1, STK_UNC_HIDDEN},
                                        {FIELD_ROWS, STK_AUD},
                                        {FIELD_ROWS, STK_CODE},
                                        {FIELD_ROWS, STK_EXP_MAX}};
    fc->total = 0;
    for (int t = 0; t < FIELD_TENSORS; t++) {
        fc->offset[t] = fc->total;
        fc->count[t] = (size_t)dims[t][0] * dims[t][1];
        fc->fan_in[t] = dims[t][1];
        fc->total += (fc->count[t] + 15) / 16 * 16;
    }
}

static void bind(field_case *fc) {
    float *v[FIELD_TENSORS], *g[FIELD_TENSORS];
    for (int t = 0; t < FIELD_TENSORS; t++) {
        v[t] = fc->value + fc->offset[t];
        g[t] = fc->grad + fc->offset[t];
    }
    fc->weights = (stk_field_weights){{v[0], v[1], v[2]},
                                      {v[T_AUD0], v[T_AUD1]},
                                      {v[T_EXP0], v[T_EXP1]},
                                      {v[T_SIGMA0], v[T_SIGMA1], v[T_SIGMA2]},
                                      {v[T_COLOR0], v[T_COLOR1]},
                                      {v[T_UNC0], v[T_UNC1]},
                                      NULL};
    fc->grads = (stk_field_grads){{g[T_AUD0], g[T_AUD1]},
                                  {g[T_EXP0], g[T_EXP1]},
                                  {g[T_SIGMA0], g[T_SIGMA1], g[T_SIGMA2]},
                                  {g[T_COLOR0], g[T_COLOR1]},
                                  {g[T_UNC0], g[T_UNC1]}};
    fc->cond = (stk_field_cond){v[T_AUDIO], v[T_EXPRESSION], v[T_CODE]};
    fc->dcond = (stk_field_dcond){g[T_AUDIO], g[T_CODE]};
}

void field_case_init(field_case *fc, int levels, int exp, uint64_t seed, float gain) {
    stk_grid_layout_init(&fc->shape.grid, levels);
    fc->shape.enc = 3 * levels;
    fc->shape.exp = exp;
    fc->shape.exp_hidden = exp == 1 ? 16 : STK_HIDDEN;
    fc->shape.mask = (stk_region_mask){0};
    size_tensors(fc);
    fc->value = stk_calloc_aligned(fc->total, sizeof(float));
    fc->grad = stk_calloc_aligned(fc->total, sizeof(float));
    assert_non_null(fc->value);
    assert_non_null(fc->grad);
    bind(fc);
    stk_rng rng;
    stk_rng_seed(&rng, seed, 1);
    for (int t = 0; t < FIELD_TENSORS; t++) {
        float bound = t <= T_PLANE_XZ ? 0.5f
                      : t >= T_AUDIO  ? 1
                                      : gain / sqrtf((float)fc->fan_in[t]);
        for (size_t i = 0; i < fc->count[t]; i++)
            fc->value[fc->offset[t] + i] = (2 * stk_rng_float(&rng) - 1) * bound;
    }
}

void field_case_mask(field_case *fc) {
    fc->shape.mask = (stk_region_mask){1, {-1.5f, 0.25f, 0.5f, 0.4f}, {1.25f, -0.5f, 0.25f, 0.6f}};
}

void field_case_clear(field_case *fc) {
    stk_free(fc->value);
    stk_free(fc->grad);
    memset(fc, 0, sizeof *fc);
}

static float position(stk_rng *rng, int lane) {
    static const float edges[] = {-1,          1, 0,    -0.99999994f, 0.99999994f,    1.0000001f,
                                  -1.0000001f, 3, -250, 1.0f / 63,    2.0f / 511 - 1, 1e-30f};
    uint32_t kind = stk_rng_below(rng, 4);
    if (kind == 0 && lane % 2 == 0)
        return edges[stk_rng_below(rng, sizeof edges / sizeof edges[0])];
    return 2 * stk_rng_float(rng) - 1;
}

void field_tile_init(field_tile *tile, int n, int rows, uint64_t seed) {
    memset(tile, 0, sizeof *tile);
    tile->n = n;
    stk_rng rng;
    stk_rng_seed(&rng, seed, 2);
    for (int s = 0; s < STK_TILE; s++) {
        float d[3], length = 0;
        for (int k = 0; k < 3; k++) {
            tile->xyz[k * STK_TILE + s] = position(&rng, s);
            d[k] = stk_rng_normal(&rng);
            length += d[k] * d[k];
        }
        for (int k = 0; k < 3; k++) tile->dir[k * STK_TILE + s] = d[k] / sqrtf(length);
        tile->row[s] = (uint16_t)(rows ? stk_rng_below(&rng, FIELD_ROWS) : 1);
        if (s >= n) continue;
        tile->dsigma[s] = stk_rng_normal(&rng);
        for (int k = 0; k < 3; k++) tile->drgb[k * STK_TILE + s] = stk_rng_normal(&rng);
        tile->damb_aud[s] = stk_rng_normal(&rng);
        tile->damb_exp[s] = stk_rng_normal(&rng);
        tile->dunc[s] = stk_rng_normal(&rng);
    }
}

stk_field_in field_tile_in(const field_tile *tile) {
    return (stk_field_in){tile->xyz, tile->dir, tile->row, tile->n};
}

stk_field_out field_tile_out(field_tile *tile) {
    return (stk_field_out){tile->sigma, tile->rgb, tile->amb_aud, tile->amb_exp, tile->unc};
}

stk_field_dout field_tile_dout(const field_tile *tile) {
    return (stk_field_dout){tile->dsigma, tile->drgb, tile->damb_aud, tile->damb_exp, tile->dunc};
}
