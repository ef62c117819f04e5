/* radiance.c - folding the weights of a model and the conditions of a frame (float32, once a model
 * and once a frame, so in plain C for all variants), and the choice of a variant.
 */
#include "kernels/radiance_private.h"

#include <string.h>

#include "base/cpu.h"
#include "kernels/bf16.h"

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

/* --- rendering tables ------------------------------------------------------------------------ */

static size_t level_entries(const stk_grid_layout *grid, int level) {
    const size_t side = grid->resolution[level] + 1;
    return side * side;
}

static size_t plane_entries(const stk_grid_layout *grid) {
    size_t entries = 0;
    for (int level = 0; level < grid->levels; level++) entries += level_entries(grid, level);
    return entries;
}

size_t stk_radiance_tables_bytes(const stk_field_shape *shape) {
    return STK_PLANES * plane_entries(&shape->grid) * sizeof(uint32_t);
}

/* The entry of vertex (x, y), reference.md 3.1; beyond the last row or column there is none. */
static float vertex_value(const stk_grid_layout *grid, int level, const float *table, uint32_t x,
                          uint32_t y) {
    const uint32_t side = grid->resolution[level] + 1;
    const uint32_t wrap = grid->offset[level + 1] - grid->offset[level] - 1;
    if (x >= side) return 0;
    return table[grid->hashed[level] ? (x ^ y * FIELD_PRIME) & wrap : x + y * side];
}

static uint32_t *fill_level(const stk_grid_layout *grid, int level, const float *table,
                            uint32_t *out) {
    const uint32_t side = grid->resolution[level] + 1;
    for (uint32_t y = 0; y < side; y++) {
        uint32_t left = stk_bf16(vertex_value(grid, level, table, 0, y));
        for (uint32_t x = 0; x < side; x++) {
            const uint32_t right = stk_bf16(vertex_value(grid, level, table, x + 1, y));
            *out++ = left | right << 16;
            left = right;
        }
    }
    return out;
}

void stk_radiance_tables_fill(const stk_field_shape *shape, const stk_field_weights *weights,
                              void *tables) {
    const stk_grid_layout *grid = &shape->grid;
    uint32_t *out = tables;
    for (int plane = 0; plane < STK_PLANES; plane++)
        for (int level = 0; level < grid->levels; level++)
            out = fill_level(grid, level, weights->plane[plane] + grid->offset[level], out);
}

/* --- folding --------------------------------------------------------------------------------- */

void stk_radiance_fold(const stk_field_shape *shape, const stk_field_weights *weights,
                       const void *tables, radiance_block *block) {
    const size_t enc = (size_t)shape->enc, x = enc + STK_AUD + (size_t)shape->exp;
    memset(block, 0, sizeof *block);
    block->shape = *shape;
    const uint32_t *dense = tables;
    for (int k = 0; k < STK_PLANES; k++) {
        block->plane[k] = weights->plane[k];
        block->dense[k] = dense == NULL ? NULL : dense + (size_t)k * plane_entries(&shape->grid);
    }
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
