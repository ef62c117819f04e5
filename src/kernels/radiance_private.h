/* radiance_private.h - the blocks of the rendering field's variants. */
#ifndef STK_KERNELS_RADIANCE_PRIVATE_H
#define STK_KERNELS_RADIANCE_PRIVATE_H

#include "kernels/field_private.h"
#include "kernels/radiance.h"

enum {
    RADIANCE_ATT_ROWS = 2 * STK_HIDDEN, /* hidden units of both attention nets */
    /* Inputs of color_net's hidden layer after folding: h2, harmonics, and the constant 1 whose
     * weight is the individual code's part. */
    RADIANCE_COLOR_IN = STK_HIDDEN + STK_SH + 1,
};

/* float32: matrices [out][in], as in stk_field_product. */
typedef struct radiance_block {
    stk_field_shape shape;
    const float *plane[STK_PLANES];
    const uint32_t *dense[STK_PLANES];          /* rendering tables, NULL = none */
    float att[RADIANCE_ATT_ROWS * STK_ENC_MAX]; /* audio's hidden units, then expression's */
    float aud[STK_AUD * STK_HIDDEN];            /* diag(a) W; set by condition, like exp */
    float exp[STK_EXP_MAX * STK_HIDDEN];        /* diag(e) W */
    float sigma1[STK_HIDDEN * FIELD_X_MAX];
    float sigma2[STK_HIDDEN * STK_HIDDEN];
    float density[STK_HIDDEN];                   /* row 0 of sigma_net's last layer */
    float color[STK_HIDDEN * RADIANCE_COLOR_IN]; /* [M | SH | code . c] */
    float rgb[3 * STK_HIDDEN];
} radiance_block;

/* Writes all of the float block that does not depend on a frame, or what does. */
void stk_radiance_fold(const stk_field_shape *shape, const stk_field_weights *weights,
                       const void *tables, radiance_block *block);
void stk_radiance_condition(const stk_field_shape *shape, const stk_field_weights *weights,
                            const stk_field_cond *cond, radiance_block *block);

/* bfloat16: matrices of pairs [out][in / 2], the even input in the low half; rows and pairs are
 * padded with zeros to what the variant asks for. */
enum {
    RADIANCE_BF16_COLUMNS = 48, /* pairs, at most: 96 inputs */
    RADIANCE_BF16_ROWS = 16,    /* rows are padded to multiples of this */
};
typedef struct radiance_matrix {
    int rows, pairs; /* padded */
    uint32_t *w;     /* [rows][pairs], in the block */
} radiance_matrix;

/* y = W x: to floats, or (y NULL) to pairs, with or without ReLU. x: [pairs][64]. Rows that become
 * pairs are even in number. */
typedef struct bf16_product {
    const radiance_matrix *m;
    const uint32_t *x;
    float *y;
    uint32_t *pairs;
    int relu;
} bf16_product;

/* Of the layers in the order of evaluation. */
enum {
    RADIANCE_ATT,
    RADIANCE_AUD,
    RADIANCE_EXP,
    RADIANCE_SIGMA1,
    RADIANCE_SIGMA2,
    RADIANCE_DENSITY,
    RADIANCE_COLOR,
    RADIANCE_RGB,
    RADIANCE_LAYERS
};
typedef struct radiance_bf16_block {
    stk_field_shape shape;
    radiance_matrix layer[RADIANCE_LAYERS];
    radiance_block full; /* what the pairs were rounded from */
    STK_ALIGNED(64)
    uint32_t pairs[(128 + 32 + 16 + 64 + 64 + 16 + 64 + 16) * RADIANCE_BF16_COLUMNS];
} radiance_bf16_block;

void stk_radiance_fill_c(stk_radiance_kernels *kernels);
void stk_radiance_fill_avx2(stk_radiance_kernels *kernels);
void stk_radiance_fill_avx512(stk_radiance_kernels *kernels);
void stk_radiance_fill_avx512bf16(stk_radiance_kernels *kernels);
void stk_radiance_fill_amx(stk_radiance_kernels *kernels);
/* The same on emulated tiles; only in tests. */
void stk_radiance_fill_amx_emulated(stk_radiance_kernels *kernels);

#endif
