/* bench_field.c - samples a second of every slot of the field's kernels, one thread, per CPU mask.
 *
 * The best of several rounds counts: the least disturbed one. Released shape (12 levels, E = 7),
 * full tiles of short runs along rays, one frame's conditions. GFLOP/s count two operations for
 * each multiply-add of the layers and nothing else.
 */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "base/rng.h"
#include "kernels/field.h"

#include <stdio.h>
#include <stdlib.h>

enum { TILES = 64, ROUNDS = 20, LEVELS = 12, EXP = 7, ENC = 3 * LEVELS, X = ENC + STK_AUD + EXP };

/* Multiply-adds a sample. */
enum {
    MACS_ATT = 64 * ENC + 32 * 64 + 64 * ENC + EXP * 64,
    MACS_SIGMA = 64 * X + 64 * 64,
    MACS_COLOR = 64 * 84 + 3 * 64,
    MACS_UNC = 32 * ENC + 32,
    MACS_FORWARD = MACS_ATT + MACS_SIGMA + 65 * 64 + MACS_COLOR + MACS_UNC,
    MACS_DENSITY = MACS_ATT + MACS_SIGMA + 64,
    /* Weight gradients cost what forward does; no gradients into SH and into unc_net's input. */
    MACS_BACKWARD = 2 * MACS_FORWARD - 64 * 16 - 32 * ENC,
};

typedef struct bench {
    stk_field_kernels kernels;
    stk_field_shape shape;
    stk_field_weights weights;
    stk_field_grads grads;
    stk_field_cond cond;
    stk_field_dcond dcond;
    stk_field_in in[TILES];
    stk_field_out out;
    stk_field_dout dout;
    float *acts, *denc, *dtable, *xyz;
    int counts[TILES];
} bench;

static float *floats(size_t n, float bound) {
    static stk_rng rng = {1, 3};
    float *block = stk_calloc_aligned(n, sizeof *block);
    if (block == NULL) exit(1);
    for (size_t i = 0; bound > 0 && i < n; i++) block[i] = (2 * stk_rng_float(&rng) - 1) * bound;
    return block;
}

static void prepare_weights(bench *b) {
    static const int sizes[][2] = {{64, ENC}, {32, 64}, {64, ENC}, {EXP, 64}, {64, X}, {64, 64},
                                   {65, 64},  {64, 84}, {3, 64},   {32, ENC}, {1, 32}};
    const float **w[] = {&b->weights.aud_att[0], &b->weights.aud_att[1], &b->weights.exp_att[0],
                         &b->weights.exp_att[1], &b->weights.sigma[0],   &b->weights.sigma[1],
                         &b->weights.sigma[2],   &b->weights.color[0],   &b->weights.color[1],
                         &b->weights.unc[0],     &b->weights.unc[1]};
    float **g[] = {&b->grads.aud_att[0], &b->grads.aud_att[1], &b->grads.exp_att[0],
                   &b->grads.exp_att[1], &b->grads.sigma[0],   &b->grads.sigma[1],
                   &b->grads.sigma[2],   &b->grads.color[0],   &b->grads.color[1],
                   &b->grads.unc[0],     &b->grads.unc[1]};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t count = (size_t)sizes[i][0] * (size_t)sizes[i][1];
        *w[i] = floats(count, 0.15f);
        *g[i] = floats(count, 0);
    }
    for (int p = 0; p < STK_PLANES; p++)
        b->weights.plane[p] = floats(b->shape.grid.offset[LEVELS], 0.5f);
}

/* Samples as marching leaves them: runs of eight along a ray in y (depth) from random starts. */
static void lay_rays(float *xyz) {
    for (int i = 0; i < TILES * STK_TILE; i++) {
        float *p = xyz + (size_t)(i / STK_TILE) * 3 * STK_TILE + i % STK_TILE;
        if (i % 8 == 0) continue;
        p[0] = p[-1] + 0.002f;
        p[STK_TILE] = p[STK_TILE - 1] + 0.027f;
        p[2 * STK_TILE] = p[2 * STK_TILE - 1] - 0.001f;
    }
}

static void prepare(bench *b) {
    static uint16_t rows[STK_TILE];
    stk_grid_layout_init(&b->shape.grid, LEVELS);
    b->shape.enc = ENC;
    b->shape.exp = EXP;
    b->shape.exp_hidden = STK_HIDDEN;
    prepare_weights(b);
    b->cond = (stk_field_cond){floats(32, 1), floats(STK_EXP_MAX, 1), floats(4, 1)};
    b->dcond = (stk_field_dcond){floats(32, 0), floats(4, 0)};
    b->xyz = floats(TILES * 3 * STK_TILE, 0.8f);
    lay_rays(b->xyz);
    const float *dir = floats(3 * STK_TILE, 0.57f);
    for (int t = 0; t < TILES; t++) {
        b->in[t] = (stk_field_in){b->xyz + t * 3 * STK_TILE, dir, rows, STK_TILE};
        b->counts[t] = STK_TILE;
    }
    b->out =
        (stk_field_out){floats(64, 0), floats(192, 0), floats(64, 0), floats(64, 0), floats(64, 0)};
    b->dout = (stk_field_dout){floats(64, 1), floats(192, 1), floats(64, 1), floats(64, 1),
                               floats(64, 1)};
    b->acts = floats(stk_field_act_floats(&b->shape), 0);
    b->denc = floats((size_t)TILES * ENC * STK_TILE, 1);
    b->dtable = floats(b->shape.grid.offset[LEVELS], 0);
}

static void run_inference(bench *b) {
    stk_field_out out = b->out;
    out.unc = NULL;
    for (int t = 0; t < TILES; t++)
        b->kernels.forward(&b->shape, &b->weights, &b->cond, &b->in[t], NULL, &out);
}

static void run_forward(bench *b) {
    for (int t = 0; t < TILES; t++)
        b->kernels.forward(&b->shape, &b->weights, &b->cond, &b->in[t], b->acts, &b->out);
}

static void run_density(bench *b) {
    for (int t = 0; t < TILES; t++)
        b->kernels.density(&b->shape, &b->weights, &b->cond, &b->in[t], b->out.sigma);
}

static void run_encode(bench *b) {
    for (int t = 0; t < TILES; t++) b->kernels.encode(&b->shape, &b->weights, &b->in[t], b->denc);
}

static void run_backward(bench *b) {
    for (int t = 0; t < TILES; t++)
        b->kernels.backward(&b->shape, &b->weights, &b->cond, &b->in[t], b->acts, &b->dout,
                            &b->grads, &b->dcond, b->denc);
}

static void run_grid_backward(bench *b) {
    for (int plane = 0; plane < STK_PLANES; plane++)
        for (int level = 0; level < LEVELS; level++)
            b->kernels.grid_backward(&b->shape, plane, level, TILES, b->counts, b->xyz, b->denc,
                                     b->dtable);
}

int main(void) {
    static const struct {
        const char *name;
        void (*run)(bench *);
        int macs;
    } slots[] = {
        {"inference", run_inference, MACS_FORWARD - MACS_UNC},
        {"forward", run_forward, MACS_FORWARD},
        {"density", run_density, MACS_DENSITY},
        {"backward", run_backward, MACS_BACKWARD},
        {"encode", run_encode, 0},
        {"grid_backward", run_grid_backward, 0},
    };
    static const uint32_t masks[] = {0, STK_CPU_AVX2, STK_CPU_AVX2 | STK_CPU_AVX512};
    static bench b;
    prepare(&b);
    for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++) {
        stk_cpu_set_mask(masks[m]);
        stk_field_kernels_init(&b.kernels);
        for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
            double best = 1e30;
            for (int round = 0; round < ROUNDS; round++) {
                double start = stk_clock_s();
                slots[i].run(&b);
                double seconds = stk_clock_s() - start;
                if (seconds < best) best = seconds;
            }
            double rate = TILES * STK_TILE / best;
            printf("%-7s %-14s %8.3f Msamples/s  %7.1f GFLOP/s\n", b.kernels.isa, slots[i].name,
                   rate * 1e-6, rate * 2e-9 * slots[i].macs);
        }
    }
    return 0;
}
