/* torso_case.h - a seeded torso branch and tiles of pixels, for the torso kernels' tests.
 *
 * All matrices, then the table, lie in one block in the order of torso_tensor; gradients in another.
 */
#ifndef STK_TESTS_TORSO_CASE_H
#define STK_TESTS_TORSO_CASE_H

#include "kernels/torso.h"

typedef enum torso_tensor {
    TORSO_DEFORM0, /* [32][35] */
    TORSO_DEFORM1,
    TORSO_DEFORM2,
    TORSO_NET0, /* [32][67] */
    TORSO_NET1,
    TORSO_NET2,
    TORSO_TABLE,
    TORSO_TENSORS
} torso_tensor;

typedef struct torso_case {
    stk_torso_grid grid;
    size_t offset[TORSO_TENSORS], count[TORSO_TENSORS], total;
    float *value, *grad;
    stk_torso_weights weights;
    stk_torso_grads grads;
} torso_case;

typedef struct torso_tile {
    float xy[2 * STK_TILE] STK_ALIGNED(64);
    float alpha[STK_TILE] STK_ALIGNED(64);
    float rgb[3 * STK_TILE] STK_ALIGNED(64);
    float point[2 * STK_TILE] STK_ALIGNED(64);
    float dalpha[STK_TILE] STK_ALIGNED(64);
    float drgb[3 * STK_TILE] STK_ALIGNED(64);
    float dfeat[STK_TORSO_FEATURES * STK_TILE] STK_ALIGNED(64);
    int n;
} torso_tile;

const char *torso_tensor_name(int tensor);
/* Uniform weights +-gain/sqrt(fan in), table +-0.5; the last layer of the deform net is scaled by
 * `reach`: 0 leaves every pixel where it is, 1 throws many against the clamp. */
void torso_case_init(torso_case *tc, uint64_t seed, float gain, float reach);
void torso_case_clear(torso_case *tc);
/* Pixels in [-1, 1]^2 and on its edges; random gradients for n lanes, zero beyond. */
void torso_tile_init(torso_tile *tile, int n, uint64_t seed);
stk_torso_out torso_tile_out(torso_tile *tile);
stk_torso_dout torso_tile_dout(const torso_tile *tile);

#endif
