/* bench_torso.c - pixels a second of every slot of the torso kernels, one thread, per CPU mask.
 *
 * The best of several rounds counts: the least disturbed one. Drawing takes blocks of 64 x 64
 * pixels of a 512 x 512 picture; the same pixels in rows; and scattered over the picture, as a
 * training step has them. GFLOP/s count two operations for each multiply-add of the layers and nothing else.
 */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernels/torso.h"

#include <stdio.h>
#include <stdlib.h>

enum { TILES = 128, ROUNDS = 20, SIDE = 512, HIDDEN = STK_TORSO_HIDDEN };

/* Multiply-adds a pixel. */
enum {
    MACS_NET = HIDDEN * STK_TORSO_NET_IN + HIDDEN * HIDDEN + STK_TORSO_OUT * HIDDEN,
    MACS_DEFORM = HIDDEN * STK_TORSO_DEFORM_IN + HIDDEN * HIDDEN + 2 * HIDDEN,
    MACS_FORWARD = MACS_NET + MACS_DEFORM,
    MACS_SPLIT = MACS_FORWARD - 2 * HIDDEN * STK_TORSO_DEFORM_IN,
    /* Weight gradients cost what forward does; of the inputs only the features get gradients. */
    MACS_BACKWARD = 2 * MACS_FORWARD - HIDDEN * STK_TORSO_DEFORM_IN * 2,
};

typedef struct bench {
    stk_torso_kernels kernels;
    stk_torso_grid grid;
    stk_torso_weights weights;
    stk_torso_grads grads;
    stk_torso_out out;
    stk_torso_dout dout;
    stk_torso_axis axis[2];
    float *rows, *scattered;
    float *acts, *points, *dfeat, *dtable;
    int counts[TILES];
} bench;

static float *floats(size_t n, float bound) {
    static stk_rng rng = {1, 3};
    float *block = stk_calloc_aligned(n, sizeof *block);
    if (block == NULL) exit(1);
    for (size_t i = 0; bound > 0 && i < n; i++) block[i] = (2 * stk_rng_float(&rng) - 1) * bound;
    return block;
}

static void prepare(bench *b) {
    static const int deform[3] = {HIDDEN * STK_TORSO_DEFORM_IN, HIDDEN * HIDDEN, 2 * HIDDEN};
    static const int net[3] = {HIDDEN * STK_TORSO_NET_IN, HIDDEN * HIDDEN, STK_TORSO_OUT * HIDDEN};
    stk_torso_grid_init(&b->grid);
    for (int k = 0; k < 3; k++) {
        b->weights.deform[k] = floats((size_t)deform[k], k == 2 ? 0.01f : 0.15f);
        b->weights.net[k] = floats((size_t)net[k], 0.15f);
        b->grads.deform[k] = floats((size_t)deform[k], 0);
        b->grads.net[k] = floats((size_t)net[k], 0);
    }
    b->weights.table = floats((size_t)STK_TORSO_ENTRIES * STK_TORSO_PER_LEVEL, 0.5f);
    b->dtable = floats((size_t)STK_TORSO_ENTRIES * STK_TORSO_PER_LEVEL, 0);
    b->out = (stk_torso_out){floats(64, 0), floats(192, 0), NULL};
    b->dout = (stk_torso_dout){floats(64, 1), floats(192, 1)};
    b->acts = floats(stk_torso_act_floats(), 0);
    b->points = floats((size_t)TILES * 2 * STK_TILE, 0.8f);
    b->dfeat = floats((size_t)TILES * STK_TORSO_FEATURES * STK_TILE, 1);
    b->scattered = floats((size_t)TILES * 2 * STK_TILE, 0.8f);
    b->rows = floats((size_t)TILES * 2 * STK_TILE, 0);
    for (int i = 0; i < TILES * STK_TILE; i++) {
        float *xy = b->rows + (size_t)(i / STK_TILE) * 2 * STK_TILE + i % STK_TILE;
        xy[0] = 1.6f * (float)(i / SIDE + SIDE / 2) / SIDE - 0.8f;
        xy[STK_TILE] = 1.6f * (float)(i % SIDE) / SIDE - 0.8f;
    }
    for (int t = 0; t < TILES; t++) b->counts[t] = STK_TILE;
    for (int s = 0; s < STK_TILE; s++)
        b->axis[0].coord[s] = b->axis[1].coord[s] = 1.6f * (float)(s + SIDE / 2) / SIDE - 0.8f;
}

static void forward(bench *b, float *acts, const float *xy) {
    for (int t = 0; t < TILES; t++) {
        b->out.point = b->points + (size_t)t * 2 * STK_TILE;
        b->kernels.forward(&b->grid, &b->weights, xy + (size_t)t * 2 * STK_TILE, acts, &b->out);
    }
}

static void run_split(bench *b) {
    for (int block = 0; block < TILES / STK_TILE; block++) {
        b->kernels.split_axis(&b->weights, 0, &b->axis[0]);
        b->kernels.split_axis(&b->weights, 1, &b->axis[1]);
        for (int t = 0; t < STK_TILE; t++) {
            b->out.point = b->points + (size_t)t * 2 * STK_TILE;
            b->kernels.split_forward(&b->grid, &b->weights, &b->axis[0], t, &b->axis[1], &b->out);
        }
    }
}

static void run_rows(bench *b) {
    forward(b, NULL, b->rows);
}

static void run_forward(bench *b) {
    forward(b, b->acts, b->scattered);
}

static void run_backward(bench *b) {
    for (int t = 0; t < TILES; t++)
        b->kernels.backward(&b->weights, b->acts, &b->dout, &b->grads,
                            b->dfeat + (size_t)t * STK_TORSO_FEATURES * STK_TILE);
}

static void run_grid_backward(bench *b) {
    for (int level = 0; level < STK_TORSO_LEVELS; level++)
        b->kernels.grid_backward(&b->grid, level, TILES, b->counts, b->points, b->dfeat, b->dtable);
}

int main(void) {
    static const struct {
        const char *name;
        void (*run)(bench *);
        int macs;
    } slots[] = {
        {"drawing", run_split, MACS_SPLIT},      {"in rows", run_rows, MACS_FORWARD},
        {"forward", run_forward, MACS_FORWARD},  {"backward", run_backward, MACS_BACKWARD},
        {"grid_backward", run_grid_backward, 0},
    };
    static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};
    static bench b;
    prepare(&b);
    for (size_t m = 0; m < STK_ARRAY_SIZE(masks); m++) {
        stk_cpu_set_mask(masks[m]);
        stk_torso_kernels_init(&b.kernels);
        for (size_t i = 0; i < STK_ARRAY_SIZE(slots); i++) {
            double best = 1e30;
            for (int round = 0; round < ROUNDS; round++) {
                double start = stk_clock_s();
                slots[i].run(&b);
                double seconds = stk_clock_s() - start;
                if (seconds < best) best = seconds;
            }
            double rate = TILES * STK_TILE / best;
            printf("%-7s %-14s %8.3f Mpixels/s  %7.1f GFLOP/s\n", b.kernels.isa, slots[i].name,
                   rate * 1e-6, rate * 2e-9 * slots[i].macs);
        }
    }
    return 0;
}
