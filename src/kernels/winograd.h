/* winograd.h - the transforms of 3x3 convolutions by Winograd's F(4x4, 3x3) (Lavin and Gray, 2016):
 * a tile of 4x4 results from 6x6 inputs with 36 products a channel instead of 144.
 *
 *   x [6][6] -> V = B' x B [36];  M = sum over channels of U V (matrix products, nn/winograd.h)
 *   M [36] -> A' M A + bias = y [4][4]
 *
 * Maps are [height][width][channels]. In V and M the 36 planes lie `plane` floats apart, channels
 * fastest. Rounding errors are about 10 times those of plain sums.
 */
#ifndef STK_KERNELS_WINOGRAD_H
#define STK_KERNELS_WINOGRAD_H

#include <stddef.h>

enum {
    STK_WINOGRAD_TILE = 4,
    STK_WINOGRAD_IN = STK_WINOGRAD_TILE + 2,
    STK_WINOGRAD_PLANES = STK_WINOGRAD_IN * STK_WINOGRAD_IN,
};

typedef struct stk_winograd_size {
    int height, width, channels;
} stk_winograd_size;

typedef struct stk_winograd_kernels {
    const char *isa;
    /* One row of tiles, results 4 tile_row .. +3: x -> v, tile after tile [tiles][channels] in each
     * plane; 0 outside of x. */
    void (*input)(const stk_winograd_size *size, const float *x, int tile_row, float *v,
                  size_t plane);
    /* m -> y for the same row; bias [channels] or NULL; relu != 0: max(0, .). */
    void (*output)(const stk_winograd_size *size, const float *m, size_t plane, const float *bias,
                   int relu, int tile_row, float *y);
} stk_winograd_kernels;

/* u [36] = G w G' of w [3][3], in double. */
void stk_winograd_weights(const float w[9], float u[STK_WINOGRAD_PLANES]);
/* The best table that stk_cpu_flags() allows; the C twin in every slot no variant fills. */
void stk_winograd_kernels_init(stk_winograd_kernels *kernels);

#endif
