/* radiance.c - folding the weights of a model and the conditions of a frame (float32, once a model
 * and once a frame, so in plain C for all variants), and the choice of a variant.
 */
#include "kernels/radiance_private.h"

#include <string.h>

#include "base/cpu.h"

size_t stk_radiance_bytes(void) {
    return sizeof(radiance_bf16_block); /* the larger one */
}

/* [M | SH | .]: M[o][i] = sum over g of color1[o][SH + g] sigma3[1 + g][i]. */
static void fold_color(const stk_field_weights *weights, float *color) {
    const int inputs = STK_SH + STK_GEO + STK_CODE;
    for (int o = 0; o < STK_HIDDEN; o++) {
        const float *row = weights->color[0] + o * inputs, *geo = row + STK_SH;
        float *out = color + o * RADIANCE_COLOR_IN;
        for (int i = 0; i < STK_HIDDEN; i++) {
            double sum = 0;
            for (int g = 0; g < STK_GEO; g++)
                sum += (double)geo[g] * weights->sigma[2][(1 + g) * STK_HIDDEN + i];
            out[i] = (float)sum;
        }
        memcpy(out + STK_HIDDEN, row, STK_SH * sizeof *out);
    }
}

void stk_radiance_fold(const stk_field_shape *shape, const stk_field_weights *weights,
                       radiance_block *block) {
    const size_t enc = (size_t)shape->enc, x = enc + STK_AUD + (size_t)shape->exp;
    memset(block, 0, sizeof *block);
    block->shape = *shape;
    for (int k = 0; k < STK_PLANES; k++) block->plane[k] = weights->plane[k];
    memcpy(block->att, weights->aud_att[0], STK_HIDDEN * enc * sizeof(float));
    memcpy(block->att + STK_HIDDEN * enc, weights->exp_att[0],
           (size_t)shape->exp_hidden * enc * sizeof(float));
    memcpy(block->sigma1, weights->sigma[0], STK_HIDDEN * x * sizeof(float));
    memcpy(block->sigma2, weights->sigma[1], sizeof block->sigma2);
    memcpy(block->density, weights->sigma[2], sizeof block->density);
    memcpy(block->rgb, weights->color[1], sizeof block->rgb);
    fold_color(weights, block->color);
}

/* out[r][i] = scale[r] w[r][i]. */
static void scale_rows(int rows, int inputs, const float *scale, const float *w, float *out) {
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < inputs; i++) out[r * inputs + i] = scale[r] * w[r * inputs + i];
}

void stk_radiance_condition(const stk_field_shape *shape, const stk_field_weights *weights,
                            const stk_field_cond *cond, radiance_block *block) {
    const int inputs = STK_SH + STK_GEO + STK_CODE;
    scale_rows(STK_AUD, STK_HIDDEN, cond->audio, weights->aud_att[1], block->aud);
    scale_rows(shape->exp, shape->exp_hidden, cond->exp, weights->exp_att[1], block->exp);
    for (int o = 0; o < STK_HIDDEN; o++) {
        const float *code = weights->color[0] + o * inputs + STK_SH + STK_GEO;
        float sum = 0;
        for (int k = 0; k < STK_CODE; k++) sum += code[k] * cond->code[k];
        block->color[o * RADIANCE_COLOR_IN + RADIANCE_COLOR_IN - 1] = sum;
    }
}

void stk_radiance_kernels_init(stk_radiance_kernels *kernels) {
    uint32_t flags = stk_cpu_flags();
    stk_radiance_fill_c(kernels);
    if (flags & STK_CPU_AVX2) stk_radiance_fill_avx2(kernels);
    if (flags & STK_CPU_AVX512) stk_radiance_fill_avx512(kernels);
    if (flags & STK_CPU_AVX512BF16) stk_radiance_fill_avx512bf16(kernels);
    if (flags & STK_CPU_AMX) stk_radiance_fill_amx(kernels);
}
