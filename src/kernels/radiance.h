/* radiance.h - the field of field.h for rendering: one person, one frame, no gradients.
 *
 *   fold       once a model: weights -> block; products of matrices with no activation between them
 *              become one matrix
 *   condition  once a frame: audio code, expression and individual code -> block
 *   evaluate   xyz, dir [3][64] -> sigma [64], rgb [3][64]
 *
 * What is folded, exactly, in real numbers (reference.md 3.4, steps 1-4):
 *   a * A = (diag(a) W_aud2) relu(..)            the conditions scale rows of a weight matrix
 *   color_net's first layer on geo = (W_color1[:, geo] W_sigma3[1:, :]) h2 =: M h2
 *                                                geo itself, 64 outputs a sample, is never made
 *   W_color1[:, code] c                          a constant of the frame
 * That leaves 21,400 multiply-adds a sample of 24,500 (released shape).
 *
 * The float32 variants differ from field.h's forward by rounding only. DIFFERS: avx512bf16 and amx
 * round weights and activations to bfloat16 (8 bits) and sum in float32; what that does to a
 * picture is in doc/SPEED.md, and tests/kernels/test_radiance.c bounds it.
 */
#ifndef STK_KERNELS_RADIANCE_H
#define STK_KERNELS_RADIANCE_H

#include "kernels/field.h"

/* Bytes of a block, 64-byte aligned, for every shape and variant. A block may be read by several
 * threads; fold and condition write it. It keeps pointers to the tables given to fold. */
size_t stk_radiance_bytes(void);

/* The hash planes laid out for rendering: every level as a picture of its vertices, an entry
 * holding its own value and its right neighbour's as two bfloat16 (DIFFERS: the published tables
 * are float32, and hashed from level 4 on). 9.6 MB at the released shape, of which rendering
 * touches what lies on the head, in neighbouring cache lines. May be shared by any number of
 * blocks. */
size_t stk_radiance_tables_bytes(const stk_field_shape *shape);
void stk_radiance_tables_fill(const stk_field_shape *shape, const stk_field_weights *weights,
                              void *tables);

typedef struct stk_radiance_kernels {
    const char *isa;
    /* weights: uncertainty is not used. tables: of the same weights, or NULL: then, and in plain C,
     * features come from the hash planes. Both tables and planes must outlive the block. */
    void (*fold)(const stk_field_shape *shape, const stk_field_weights *weights, const void *tables,
                 void *block);
    /* One frame's conditions (row 0 of the tables): audio [32], exp [STK_EXP_MAX], code [4]. */
    void (*condition)(const stk_field_shape *shape, const stk_field_weights *weights,
                      const stk_field_cond *cond, void *block);
    /* xyz, dir, sigma, rgb as in field.h; 64-byte aligned; all 64 lanes are computed, lanes whose
     * inputs are finite get finite rgb. */
    void (*evaluate)(const void *block, const float *xyz, const float *dir, float *sigma,
                     float *rgb);
} stk_radiance_kernels;

/* The best table that stk_cpu_flags() allows. */
void stk_radiance_kernels_init(stk_radiance_kernels *kernels);

#endif
