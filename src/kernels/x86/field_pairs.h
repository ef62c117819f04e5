/* field_pairs.h - matrices of bfloat16 pairs for training the field: which there are, how large,
 * and how they are filled from the float32 weights once a step.
 *
 * A matrix is [rows][pairs] of two bfloat16 each, the even input in the low half, completed by
 * zeros, its rows and pairs padded with zeros to the variant's FIELD_ROWS_STEP and
 * FIELD_PAIRS_STEP. M_* multiply activations, T_* (transposed) gradients. The inputs of sigma_net
 * begin on even places: [enc | 0 | a' | e' | 0].
 */
#ifndef STK_KERNELS_X86_FIELD_PAIRS_H
#define STK_KERNELS_X86_FIELD_PAIRS_H

#include "kernels/field_private.h"
#include "kernels/x86/bf16_pairs.h"

#include <string.h>

enum {
    M_ATT, /* hidden units of both attention nets, audio's first */
    M_AUD,
    M_EXP,
    M_SIGMA1,
    M_SIGMA2,
    M_H0,
    M_GEO,
    M_COLOR,
    M_RGB,
    M_UNC1,
    M_UNC2,
    T_RGB,
    T_COLOR,   /* to [geo | code] */
    T_DENSITY, /* from [geo | h0] */
    T_SIGMA2,
    T_SIGMA1, /* to [a' | e'] */
    T_AUD,
    T_EXP,
    T_ENC, /* to enc, from the hidden gradients of [sigma | aud | exp] */
    T_UNC,
    MATRICES
};

typedef struct pair_matrix {
    int rows, pairs;
    int stride; /* pairs, padded; the rows are padded, too */
    uint32_t *w;
} pair_matrix;

/* Pairs before the audio part of sigma_net's input, before the expression's, and in all. */
typedef struct pair_input {
    int aud, exp, all;
} pair_input;

STK_INLINE pair_input pair_input_of(const stk_field_shape *shape) {
    int aud = (shape->enc + 1) / 2, exp = aud + STK_AUD / 2;
    return (pair_input){aud, exp, exp + (shape->exp + 1) / 2};
}

/* Lays the matrices out from base on (NULL: only counts); returns the pairs they take. */
static size_t pair_matrices(const stk_field_shape *shape, const uint32_t *base,
                            pair_matrix list[MATRICES]) {
    const pair_input in = pair_input_of(shape);
    const int hidden = STK_HIDDEN / 2, exp_hidden = shape->exp_hidden / 2;
    const int exp = (shape->exp + 1) / 2;
    const int sizes[MATRICES][2] = {
        [M_ATT] = {STK_HIDDEN + shape->exp_hidden, in.aud},
        [M_AUD] = {STK_AUD, hidden},
        [M_EXP] = {shape->exp, exp_hidden},
        [M_SIGMA1] = {STK_HIDDEN, in.all},
        [M_SIGMA2] = {STK_HIDDEN, hidden},
        [M_H0] = {1, hidden},
        [M_GEO] = {STK_GEO, hidden},
        [M_COLOR] = {STK_HIDDEN, FIELD_COLOR_IN / 2},
        [M_RGB] = {3, hidden},
        [M_UNC1] = {STK_UNC_HIDDEN, in.aud},
        [M_UNC2] = {1, STK_UNC_HIDDEN / 2},
        [T_RGB] = {STK_HIDDEN, 2},
        [T_COLOR] = {STK_GEO + STK_CODE, hidden},
        [T_DENSITY] = {STK_HIDDEN, STK_GEO / 2 + 1},
        [T_SIGMA2] = {STK_HIDDEN, hidden},
        [T_SIGMA1] = {STK_AUD + shape->exp, hidden},
        [T_AUD] = {STK_HIDDEN, STK_AUD / 2},
        [T_EXP] = {shape->exp_hidden, exp},
        [T_ENC] = {shape->enc, 2 * hidden + exp_hidden},
        [T_UNC] = {STK_UNC_HIDDEN, 1},
    };
    size_t used = 0;
    for (int i = 0; i < MATRICES; i++) {
        uint32_t *w = base == NULL ? NULL : (uint32_t *)base + used; /* written by pack only */
        const int stride = padded(sizes[i][1], FIELD_PAIRS_STEP);
        list[i] = (pair_matrix){sizes[i][0], sizes[i][1], stride, w};
        used += (size_t)padded(sizes[i][0], FIELD_ROWS_STEP) * (size_t)stride;
    }
    return (used + 15) & ~(size_t)15;
}

/* Part of a matrix, from row `row` and pair `pair` on: element (r, k) is w[r * w_row + k * w_k]. */
typedef struct pair_part {
    int matrix, row, pair, rows, inputs;
    const float *w;
    int w_row, w_k;
} pair_part;

static void pack_part(const pair_matrix *list, const pair_part *p) {
    const pair_matrix *m = &list[p->matrix];
    for (int r = 0; r < p->rows; r++) {
        const float *w = p->w + r * p->w_row;
        uint32_t *to = m->w + (size_t)(p->row + r) * (size_t)m->stride + p->pair;
        for (int k = 0; k < p->inputs; k += 2) {
            uint32_t high = k + 1 < p->inputs ? stk_bf16(w[(k + 1) * p->w_k]) : 0;
            to[k / 2] = stk_bf16(w[k * p->w_k]) | high << 16;
        }
    }
}

/* The pack slot of field.h. */
static size_t pack_pairs(const stk_field_shape *shape, const stk_field_weights *weights,
                         uint32_t *pairs) {
    enum { H = STK_HIDDEN, A = STK_AUD, U = STK_UNC_HIDDEN, C = FIELD_COLOR_IN };
    const pair_input in = pair_input_of(shape);
    const int n = shape->enc, e = shape->exp, eh = shape->exp_hidden, x = n + A + e;
    const float *const *aud = weights->aud_att, *const *exp = weights->exp_att;
    const float *const *sigma = weights->sigma, *const *color = weights->color;
    pair_matrix list[MATRICES];
    size_t count = pair_matrices(shape, pairs, list);
    if (pairs == NULL) return count;
    memset(pairs, 0, count * sizeof *pairs);
    const pair_part parts[] = {
        {M_ATT, 0, 0, H, n, aud[0], n, 1},
        {M_ATT, H, 0, eh, n, exp[0], n, 1},
        {M_AUD, 0, 0, A, H, aud[1], H, 1},
        {M_EXP, 0, 0, e, eh, exp[1], eh, 1},
        {M_SIGMA1, 0, 0, H, n, sigma[0], x, 1},
        {M_SIGMA1, 0, in.aud, H, A, sigma[0] + n, x, 1},
        {M_SIGMA1, 0, in.exp, H, e, sigma[0] + n + A, x, 1},
        {M_SIGMA2, 0, 0, H, H, sigma[1], H, 1},
        {M_H0, 0, 0, 1, H, sigma[2], H, 1},
        {M_GEO, 0, 0, STK_GEO, H, sigma[2] + H, H, 1},
        {M_COLOR, 0, 0, H, C, color[0], C, 1},
        {M_RGB, 0, 0, 3, H, color[1], H, 1},
        {M_UNC1, 0, 0, U, n, weights->unc[0], n, 1},
        {M_UNC2, 0, 0, 1, U, weights->unc[1], U, 1},
        {T_RGB, 0, 0, H, 3, color[1], 1, H},
        {T_COLOR, 0, 0, STK_GEO + STK_CODE, H, color[0] + STK_SH, 1, C},
        {T_DENSITY, 0, 0, H, STK_GEO, sigma[2] + H, 1, H},
        {T_DENSITY, 0, STK_GEO / 2, H, 1, sigma[2], 1, H},
        {T_SIGMA2, 0, 0, H, H, sigma[1], 1, H},
        {T_SIGMA1, 0, 0, A + e, H, sigma[0] + n, 1, x},
        {T_AUD, 0, 0, H, A, aud[1], 1, H},
        {T_EXP, 0, 0, eh, e, exp[1], 1, eh},
        {T_ENC, 0, 0, n, H, sigma[0], 1, x},
        {T_ENC, 0, H / 2, n, H, aud[0], 1, n},
        {T_ENC, 0, H, n, eh, exp[0], 1, n},
        {T_UNC, 0, 0, U, 1, weights->unc[1], 1, U},
    };
    for (size_t i = 0; i < STK_ARRAY_SIZE(parts); i++) pack_part(list, &parts[i]);
    return count;
}

#endif
