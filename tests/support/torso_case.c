/* torso_case.c */
#include "torso_case.h"
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

static const int dims[TORSO_TENSORS][2] = {{STK_TORSO_HIDDEN, STK_TORSO_DEFORM_IN},
                                           {STK_TORSO_HIDDEN, STK_TORSO_HIDDEN},
                                           {2, STK_TORSO_HIDDEN},
                                           {STK_TORSO_HIDDEN, STK_TORSO_NET_IN},
                                           {STK_TORSO_HIDDEN, STK_TORSO_HIDDEN},
                                           {STK_TORSO_OUT, STK_TORSO_HIDDEN},
                                           {STK_TORSO_ENTRIES, STK_TORSO_PER_LEVEL}};

const char *torso_tensor_name(int tensor) {
    static const char *const names[TORSO_TENSORS] = {"deform 0", "deform 1", "deform 2", "net 0",
                                                     "net 1",    "net 2",    "table"};
    return names[tensor];
}

static void fill(torso_case *tc, uint64_t seed, float gain, float reach) {
    stk_rng rng;
    stk_rng_seed(&rng, seed, 1);
    for (int t = 0; t < TORSO_TENSORS; t++) {
        float bound = t == TORSO_TABLE ? 0.5f : gain / sqrtf((float)dims[t][1]);
        if (t == TORSO_DEFORM2) bound *= reach;
        for (size_t i = 0; i < tc->count[t]; i++)
            tc->value[tc->offset[t] + i] = (2 * stk_rng_float(&rng) - 1) * bound;
    }
}

void torso_case_init(torso_case *tc, uint64_t seed, float gain, float reach) {
    memset(tc, 0, sizeof *tc);
    stk_torso_grid_init(&tc->grid);
    for (int t = 0; t < TORSO_TENSORS; t++) {
        tc->offset[t] = tc->total;
        tc->count[t] = (size_t)dims[t][0] * (size_t)dims[t][1];
        tc->total += (tc->count[t] + 15) / 16 * 16;
    }
    tc->value = stk_calloc_aligned(tc->total, sizeof(float));
    tc->grad = stk_calloc_aligned(tc->total, sizeof(float));
    assert_non_null(tc->value);
    assert_non_null(tc->grad);
    fill(tc, seed, gain, reach);
    for (int k = 0; k < 3; k++) {
        tc->weights.deform[k] = tc->value + tc->offset[TORSO_DEFORM0 + k];
        tc->weights.net[k] = tc->value + tc->offset[TORSO_NET0 + k];
        tc->grads.deform[k] = tc->grad + tc->offset[TORSO_DEFORM0 + k];
        tc->grads.net[k] = tc->grad + tc->offset[TORSO_NET0 + k];
    }
    tc->weights.table = tc->value + tc->offset[TORSO_TABLE];
}

void torso_case_clear(torso_case *tc) {
    stk_free(tc->value);
    stk_free(tc->grad);
    memset(tc, 0, sizeof *tc);
}

static float coordinate(stk_rng *rng) {
    static const float edges[] = {-1, 1, 0, -0.99999994f, 0.99999994f, 0.8f, -0.8f, 1e-30f};
    if (stk_rng_below(rng, 4) == 0) return edges[stk_rng_below(rng, STK_ARRAY_SIZE(edges))];
    return 2 * stk_rng_float(rng) - 1;
}

void torso_tile_init(torso_tile *tile, int n, uint64_t seed) {
    memset(tile, 0, sizeof *tile);
    tile->n = n;
    stk_rng rng;
    stk_rng_seed(&rng, seed, 2);
    for (int s = 0; s < STK_TILE; s++) {
        for (int k = 0; k < 2; k++) tile->xy[k * STK_TILE + s] = coordinate(&rng);
        if (s >= n) continue;
        tile->dalpha[s] = stk_rng_normal(&rng);
        for (int k = 0; k < 3; k++) tile->drgb[k * STK_TILE + s] = stk_rng_normal(&rng);
    }
}

stk_torso_out torso_tile_out(torso_tile *tile) {
    return (stk_torso_out){tile->alpha, tile->rgb, tile->point};
}

stk_torso_dout torso_tile_dout(const torso_tile *tile) {
    return (stk_torso_dout){tile->dalpha, tile->drgb};
}
