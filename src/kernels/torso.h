/* torso.h - the torso branch's picture, a deformable two-dimensional radiance field, forward and
 * backward, on tiles of STK_TILE pixels that stay in cache (reference.md 3.3, 3.6).
 *
 *   xy [2][64] -> freq8 -> enc [34][64]
 *   [enc|1] -> torso_deform_net 84-32-32-2 -> dx;  point = clamp(xy + dx, -1, 1)
 *   point -> tiled grid, 16 levels of 2 -> T [32][64]
 *   [T|enc|1] -> torso_net 116-32-32-4 -> (alpha, rgb) = 1.002 sigmoid - 0.001
 *
 * Of the 84 inputs that both nets share, 50 (anchors, code) are the same for a whole picture. Their
 * product with the first layers is taken once a frame and comes here as one more column of the
 * weights, whose input is 1: [32][34 + 1] instead of [32][84], [32][66 + 1] instead of [32][116].
 * The gradient of that column is the sum of the hidden layer's gradients, from which the caller
 * (portrait/torso.c) gets those of the 50 columns and of the 50 inputs.
 *
 * Layout, alignment and lanes past `n` as in kernels/field.h. Scatter into the grid's table is not
 * done tile by tile: backward leaves dfeat [32][64]; grid_backward runs once a level over all tiles
 * of a step, in order, so that the sums do not depend on the thread count.
 */
#ifndef STK_KERNELS_TORSO_H
#define STK_KERNELS_TORSO_H

#include "kernels/field.h"

enum {
    STK_TORSO_LEVELS = 16,
    STK_TORSO_PER_LEVEL = 2,
    STK_TORSO_FEATURES = STK_TORSO_LEVELS * STK_TORSO_PER_LEVEL,
    STK_TORSO_OCTAVES = 8,                           /* of the pixel's frequency encoding */
    STK_TORSO_ENC = 2 * (1 + 2 * STK_TORSO_OCTAVES), /* 34 */
    STK_TORSO_HIDDEN = 32,
    STK_TORSO_DEFORM_IN = STK_TORSO_ENC + 1,                     /* [enc|1] */
    STK_TORSO_NET_IN = STK_TORSO_FEATURES + STK_TORSO_DEFORM_IN, /* [T|enc|1] */
    STK_TORSO_OUT = 4,                                           /* alpha, red, green, blue */
    STK_TORSO_ENTRIES = 555520,                                  /* of the grid's table */
};

/* The tiled grid's levels: base 16, finest 2048, table of at most 2^16 entries a level. */
typedef struct stk_torso_grid {
    float scale[STK_TORSO_LEVELS];         /* exp2f(l*S)*16 - 1 */
    uint32_t side[STK_TORSO_LEVELS];       /* resolution + 1: index = (x + side y) & wrap */
    uint32_t wrap[STK_TORSO_LEVELS];       /* entries - 1 where tiled, else all ones */
    uint32_t offset[STK_TORSO_LEVELS + 1]; /* in entries */
} stk_torso_grid;
void stk_torso_grid_init(stk_torso_grid *grid);

/* Read only; matrices [out][in] row-major. */
typedef struct stk_torso_weights {
    const float *deform[3]; /* [32][35], [32][32], [2][32] */
    const float *table;     /* [555520][2] */
    const float *net[3];    /* [32][67], [32][32], [4][32] */
} stk_torso_weights;

/* The same shapes, accumulated into (+=). Not the table. */
typedef struct stk_torso_grads {
    float *deform[3], *net[3];
} stk_torso_grads;

/* alpha [64], rgb [3][64] in [-0.001, 1.001]; point [2][64] in [-1, 1]: where the grid was read. */
typedef struct stk_torso_out {
    float *alpha, *rgb, *point;
} stk_torso_out;
/* Gradients of the loss by alpha [64] and rgb [3][64]; zero in unused lanes. */
typedef struct stk_torso_dout {
    const float *alpha, *rgb;
} stk_torso_dout;

/* A block of 64 x 64 pixels whose rows and columns were encoded apart: what an axis contributes to
 * the first layers (32 rows of the deform net's, 32 of torso_net's; axis 0 with the condition), as
 * split_axis left it, and its 64 coordinates. */
typedef struct stk_torso_axis {
    STK_ALIGNED(64) float hidden[2 * STK_TORSO_HIDDEN * STK_TILE];
    STK_ALIGNED(64) float coord[STK_TILE];
} stk_torso_axis;

/* Activations kept between forward and backward of one tile, in floats: 265 rows of 64, 66 KiB. */
size_t stk_torso_act_floats(void);

typedef struct stk_torso_kernels {
    const char *isa;
    /* xy [2][64]: the pixel (row, column) in [-1, 1]^2 times 0.8; any value up to 64 is encoded to
     * 2e-7. acts NULL: inference, nothing kept. */
    void (*forward)(const stk_torso_grid *grid, const stk_torso_weights *weights, const float *xy,
                    float *acts, const stk_torso_out *out);
    /* The same for pixels on a lattice, of which each row and each column is encoded only once, and
     * goes through its half of the first layers only once: split_axis for both axes (0 rows, 1
     * columns; coord is set), then split_forward for one row of the block. Inference only. */
    void (*split_axis)(const stk_torso_weights *weights, int axis, stk_torso_axis *coords);
    void (*split_forward)(const stk_torso_grid *grid, const stk_torso_weights *weights,
                          const stk_torso_axis *rows, int row, const stk_torso_axis *columns,
                          const stk_torso_out *out);
    /* acts as left by forward. Weight gradients accumulate; dfeat [32][64] is written. */
    void (*backward)(const stk_torso_weights *weights, const float *acts,
                     const stk_torso_dout *dout, const stk_torso_grads *grads, float *dfeat);
    /* Scatter-add of one level over `tiles` tiles in order: points [tiles][2][64], dfeat
     * [tiles][32][64], counts[t] pixels in tile t; dtable: the whole gradient table. */
    void (*grid_backward)(const stk_torso_grid *grid, int level, int tiles, const int *counts,
                          const float *points, const float *dfeat, float *dtable);
} stk_torso_kernels;

/* The best table that stk_cpu_flags() allows; the C twin in every slot no variant fills. */
void stk_torso_kernels_init(stk_torso_kernels *kernels);

#endif
