/* torso_private.h - what the variants of the torso kernels share: the activation block, the
 * products on tiles, the cells of the grid. */
#ifndef STK_KERNELS_TORSO_PRIVATE_H
#define STK_KERNELS_TORSO_PRIVATE_H

#include "kernels/torso.h"

/* Inputs of a layer after transposition: the widest, 67, rounded up to 16. */
enum { TORSO_XT_STRIDE = 80 };

/* What happens to a row of a product before it is stored. */
enum {
    TORSO_STORE,
    TORSO_RELU,     /* max(0, .) */
    TORSO_MASK,     /* kept where `with` > 0: the derivative of a ReLU whose output that is */
    TORSO_ADD_RELU, /* max(0, with + .) */
};

/* y[r][s] = sum_k w[r*w_row + k*w_k] x[k][s], r < rows (even), k < inner, s < 64. */
typedef struct torso_product {
    int rows, inner;
    const float *w;
    int w_row, w_k;
    const float *x;    /* [inner][64] */
    float *y;          /* [rows][64], not overlapping x */
    const float *with; /* [rows][64], TORSO_MASK and TORSO_ADD_RELU */
    int finish;
} torso_product;

/* One level's cell of each pixel: the four entries (corner bit 0 is the first coordinate, bit 1 the
 * second) and the place within the cell, in [0, 1). */
typedef struct torso_cells {
    STK_ALIGNED(64) uint32_t index[4][STK_TILE];
    STK_ALIGNED(64) float a[STK_TILE];
    STK_ALIGNED(64) float b[STK_TILE];
} torso_cells;

/* The activation block, rows of 64. */
typedef struct torso_acts {
    float input[STK_TORSO_NET_IN * STK_TILE]; /* T, enc, one: of torso_net; from row 32 on of the
                                                 deform net */
    float deform1[STK_TORSO_HIDDEN * STK_TILE], deform2[STK_TORSO_HIDDEN * STK_TILE];
    float moved[2 * STK_TILE];                      /* xy + dx, not yet clamped */
    float slope[STK_TORSO_FEATURES * 2 * STK_TILE]; /* dT / dpoint: [32][2][64] */
    float net1[STK_TORSO_HIDDEN * STK_TILE], net2[STK_TORSO_HIDDEN * STK_TILE];
    float sigmoid[STK_TORSO_OUT * STK_TILE];
} torso_acts;

enum { TORSO_ACT_FLOATS = sizeof(torso_acts) / sizeof(float) };

/* Each overwrites the slots it has. */
void stk_torso_fill_c(stk_torso_kernels *kernels);
void stk_torso_fill_avx2(stk_torso_kernels *kernels);
void stk_torso_fill_avx512(stk_torso_kernels *kernels);

#endif
