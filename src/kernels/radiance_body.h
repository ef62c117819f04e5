/* radiance_body.h - the rendering field in float32, put together from a variant's primitives;
 * included after field_body.h (see there) and the definition of
 *   RADIANCE_ENCODE(block, plane, u, v, enc)    one plane's levels, [levels][64] */
#ifndef FIELD_ISA
#error "include this file from a variant of the field kernels"
#endif

#include "kernels/radiance_private.h"

#define RADIANCE_PASTE2(name, isa) stk_radiance_##name##_##isa
#define RADIANCE_PASTE(name, isa) RADIANCE_PASTE2(name, isa)
#define RADIANCE_NAME(name) RADIANCE_PASTE(name, FIELD_ISA)

static void RADIANCE_NAME(fold)(const stk_field_shape *shape, const stk_field_weights *weights,
                                const void *tables, void *block) {
    stk_radiance_fold(shape, weights, tables, block);
}

static void RADIANCE_NAME(condition)(const stk_field_shape *shape, const stk_field_weights *weights,
                                     const stk_field_cond *cond, void *block) {
    stk_radiance_condition(shape, weights, cond, block);
}

static void RADIANCE_NAME(evaluate)(const void *block, const float *xyz, const float *dir,
                                    float *sigma, float *rgb) {
    const radiance_block *b = block;
    const stk_field_shape *shape = &b->shape;
    const int enc = shape->enc, levels = shape->grid.levels, x_rows = enc + STK_AUD + shape->exp;
    STK_ALIGNED(64) float x[FIELD_X_MAX * STK_TILE], hidden[RADIANCE_ATT_ROWS * STK_TILE];
    STK_ALIGNED(64) float c[RADIANCE_COLOR_IN * STK_TILE], h0[STK_TILE];
    for (int p = 0; p < STK_PLANES; p++)
        RADIANCE_ENCODE(b, p, xyz + plane_axes[p][0] * STK_TILE, xyz + plane_axes[p][1] * STK_TILE,
                        x + p * levels * STK_TILE);
    linear_relu(STK_HIDDEN + shape->exp_hidden, enc, b->att, x, hidden);
    linear(STK_AUD, STK_HIDDEN, b->aud, hidden, x + enc * STK_TILE);
    linear(shape->exp, shape->exp_hidden, b->exp, hidden + STK_HIDDEN * STK_TILE,
           x + (enc + STK_AUD) * STK_TILE);
    mask_regions(shape, xyz, x + enc * STK_TILE);
    linear_relu(STK_HIDDEN, x_rows, b->sigma1, x, hidden);
    linear_relu(STK_HIDDEN, STK_HIDDEN, b->sigma2, hidden, c);
    linear(1, STK_HIDDEN, b->density, c, h0);
    tile_exp(h0, sigma);

    sh_rows(dir, c + STK_HIDDEN * STK_TILE);
    for (int s = 0; s < STK_TILE; s++) c[(RADIANCE_COLOR_IN - 1) * STK_TILE + s] = 1;
    linear_relu(STK_HIDDEN, RADIANCE_COLOR_IN, b->color, c, hidden);
    linear(3, STK_HIDDEN, b->rgb, hidden, rgb);
    for (int k = 0; k < 3; k++) tile_sigmoid(rgb + k * STK_TILE, rgb + k * STK_TILE);
    for (int i = 0; i < 3 * STK_TILE; i++) rgb[i] = 1.002f * rgb[i] - 0.001f;
}

#define RADIANCE_TEXT2(isa) #isa
#define RADIANCE_TEXT(isa) RADIANCE_TEXT2(isa)
void RADIANCE_NAME(fill)(stk_radiance_kernels *kernels) {
    *kernels = (stk_radiance_kernels){RADIANCE_TEXT(FIELD_ISA), RADIANCE_NAME(fold),
                                      RADIANCE_NAME(condition), RADIANCE_NAME(evaluate)};
}
