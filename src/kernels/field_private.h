/* field_private.h - what the variants of the fused field share: the activation block, the products
 * on tiles, the corners of a grid cell.
 *
 * Each variant (field_c.c, x86/field_avx2.c, x86/field_avx512.c) defines a handful of primitives
 * and then includes field_body.h, which puts the network together from them. Nothing here
 * allocates.
 */
#ifndef STK_KERNELS_FIELD_PRIVATE_H
#define STK_KERNELS_FIELD_PRIVATE_H

#include "kernels/field.h"

enum {
    FIELD_X_MAX = STK_ENC_MAX + STK_AUD + STK_EXP_MAX, /* inputs of sigma_net */
    FIELD_COLOR_IN = STK_SH + STK_GEO + STK_CODE,
    FIELD_XT_STRIDE = 96, /* the widest layer input, 84, rounded up to 16 */
};

/* What happens to a row of a product before it is stored. */
enum {
    FIELD_STORE,
    FIELD_RELU, /* max(0, .) */
    FIELD_MASK, /* kept where mask > 0: the derivative of a ReLU whose output is mask */
    FIELD_ADD,  /* added to y */
};

/* y[r][s] = sum_k w[r*w_row + k*w_k] x[k][s], r < rows, k < inner, s < 64: a layer with w_row = in,
 * w_k = 1, its transpose with w_row = 1, w_k = in. */
typedef struct field_product {
    int rows, inner;
    const float *w;
    int w_row, w_k;
    const float *x;    /* [inner][64] */
    float *y;          /* [rows][64], not overlapping x */
    const float *mask; /* [rows][64], FIELD_MASK only */
    int finish;
} field_product;

/* The four entries a sample touches on one plane and level, and their bilinear weights; corner bit
 * 0 is the first coordinate, bit 1 the second. Outside the box: entry 0 with weight 0. */
typedef struct field_corners {
    STK_ALIGNED(64) uint32_t index[4][STK_TILE];
    STK_ALIGNED(64) float weight[4][STK_TILE];
} field_corners;

#define FIELD_PRIME 2654435761u /* of the second coordinate; the first has 1 */

/* Rows of the activation block, each [..][64]. */
typedef struct field_acts {
    float *enc;          /* enc */
    float *aud_hidden;   /* 64 */
    float *aud;          /* 32: A */
    float *exp_hidden;   /* exp_hidden */
    float *exp;          /* E: G */
    float *h1, *h2;      /* 64, 64 */
    float *density;      /* 65: sigma, then geo */
    float *color_hidden; /* 64 */
    float *rgb;          /* 3: the sigmoids */
    float *unc_hidden;   /* 32 */
    float *unc;          /* 1: before the softplus */
} field_acts;

/* Lays the rows out from base on (NULL: only counts) and returns the floats they take. */
STK_INLINE size_t field_acts_bind(const stk_field_shape *shape, float *base, field_acts *acts) {
    const struct {
        float **slot;
        int rows;
    } list[] = {
        {&acts->enc, shape->enc},
        {&acts->aud_hidden, STK_HIDDEN},
        {&acts->aud, STK_AUD},
        {&acts->exp_hidden, shape->exp_hidden},
        {&acts->exp, shape->exp},
        {&acts->h1, STK_HIDDEN},
        {&acts->h2, STK_HIDDEN},
        {&acts->density, 1 + STK_GEO},
        {&acts->color_hidden, STK_HIDDEN},
        {&acts->rgb, 3},
        {&acts->unc_hidden, STK_UNC_HIDDEN},
        {&acts->unc, 1},
    };
    size_t used = 0;
    for (size_t i = 0; i < STK_ARRAY_SIZE(list); i++) {
        *list[i].slot = base == NULL ? NULL : base + used;
        used += (size_t)list[i].rows * STK_TILE;
    }
    return used;
}

/* Each overwrites the slots it has. */
void stk_field_fill_c(stk_field_kernels *kernels);
void stk_field_fill_avx2(stk_field_kernels *kernels);
void stk_field_fill_avx512(stk_field_kernels *kernels);
void stk_field_fill_training_avx512bf16(stk_field_kernels *kernels);
void stk_field_fill_training_amx(stk_field_kernels *kernels);
/* The same on emulated tiles; only in tests. */
void stk_field_fill_training_amx_emulated(stk_field_kernels *kernels);

#endif
