/* torso_body.h - the torso branch, forward and backward, put together from a variant's primitives.
 *
 * Included once by each variant after it has defined
 *   TORSO_ISA                                   the suffix of the kernels: c, avx2, avx512
 *   multiply(const torso_product *)             products on tiles
 *   transpose(rows, x, xt)                      [rows][64] -> [64][TORSO_XT_STRIDE]
 *   weight_grad(out, in, dy, xt, dw)            dw[o][i] += sum_s dy[o][s] xt[s][i]
 *   tile_sincos(x, sine, cosine)                64 values
 *   tile_sigmoid(x, y)
 *   cells(grid, level, point, torso_cells *)    one level's cells of point [2][64]
 *   read_level(entries, cells, features, slope, factor)
 *                                               two features [2][64] and, slope not NULL, their
 *                                               derivatives [2][2][64] by the point; factor is
 *                                               cells a unit of the point
 * Scratch is on the stack: 66 KiB in forward without acts, 50 KiB in backward.
 */
#ifndef TORSO_ISA
#error "include this file from a variant of the torso kernels"
#endif

#include <string.h>

#include "base/types.h"

#define TORSO_PASTE2(name, isa) stk_torso_##name##_##isa
#define TORSO_PASTE(name, isa) TORSO_PASTE2(name, isa)
#define TORSO_NAME(name) TORSO_PASTE(name, TORSO_ISA)

enum { HIDDEN = STK_TORSO_HIDDEN, DEFORM_IN = STK_TORSO_DEFORM_IN, NET_IN = STK_TORSO_NET_IN };

/* y = W x; W [out][in]. */
static void linear(int out, int in, const float *w, const float *x, float *y) {
    multiply(&(torso_product){out, in, w, in, 1, x, y, NULL, TORSO_STORE});
}

static void linear_relu(int out, int in, const float *w, const float *x, float *y) {
    multiply(&(torso_product){out, in, w, in, 1, x, y, NULL, TORSO_RELU});
}

/* dx = W^T dy where x = act is the output of a ReLU: zero where act is. */
static void linear_back_relu(int out, int in, const float *w, const float *dy, const float *act,
                             float *dx) {
    multiply(&(torso_product){in, out, w, 1, in, dy, dx, act, TORSO_MASK});
}

/* A net of three layers, in -> 32 -> 32 -> out. */
static void net_forward(int in, int out, const float *const w[3], const float *x, float *h1,
                        float *h2, float *y) {
    linear_relu(HIDDEN, in, w[0], x, h1);
    linear_relu(HIDDEN, HIDDEN, w[1], h1, h2);
    linear(out, HIDDEN, w[2], h2, y);
}

/* What one net keeps and gives back. */
typedef struct net_pass {
    int in, out;
    const float *const *w;
    float *const *dw;
    const float *x, *h1, *h2;
} net_pass;

/* Weight gradients from dy [out][64]; dh1 [32][64] receives the gradient before the first ReLU. */
static void net_backward(const net_pass *net, const float *dy, float *dh1) {
    STK_ALIGNED(64) float xt[STK_TILE * TORSO_XT_STRIDE], dh2[HIDDEN * STK_TILE];
    transpose(HIDDEN, net->h2, xt);
    weight_grad(net->out, HIDDEN, dy, xt, net->dw[2]);
    linear_back_relu(net->out, HIDDEN, net->w[2], dy, net->h2, dh2);
    transpose(HIDDEN, net->h1, xt);
    weight_grad(HIDDEN, HIDDEN, dh2, xt, net->dw[1]);
    linear_back_relu(HIDDEN, HIDDEN, net->w[1], dh2, net->h1, dh1);
    transpose(net->in, net->x, xt);
    weight_grad(HIDDEN, net->in, dh1, xt, net->dw[0]);
}

/* enc = x, y, then for each octave f: sin(2^f x), sin(2^f y), cos(2^f x), cos(2^f y).
 * DIFFERS: the published code takes sin(2^f x + pi/2) for the cosine, whose argument is rounded to
 * 4e-6 at 0.8 * 2^7; here it is the cosine of 2^f x, which is exact. */
static void encode(const float *xy, torso_acts *acts) {
    STK_ALIGNED(64) float angle[STK_TILE];
    float *enc = acts->input + STK_TORSO_FEATURES * STK_TILE;
    memcpy(enc, xy, 2 * STK_TILE * sizeof *xy);
    for (int octave = 0; octave < STK_TORSO_OCTAVES; octave++) {
        for (int axis = 0; axis < 2; axis++) {
            float *row = enc + (2 + 4 * octave + axis) * STK_TILE;
            for (int s = 0; s < STK_TILE; s++)
                angle[s] = xy[axis * STK_TILE + s] * (float)(1 << octave);
            tile_sincos(angle, row, row + 2 * STK_TILE);
        }
    }
    for (int s = 0; s < STK_TILE; s++) enc[STK_TORSO_ENC * STK_TILE + s] = 1;
}

/* All levels at point [2][64]; slopes only when they are wanted. */
static void read_grid(const stk_torso_grid *grid, const float *table, const float *point,
                      int slopes, torso_acts *acts) {
    torso_cells at;
    for (int level = 0; level < STK_TORSO_LEVELS; level++) {
        int row = level * STK_TORSO_PER_LEVEL;
        cells(grid, level, point, &at);
        read_level(table + (size_t)grid->offset[level] * STK_TORSO_PER_LEVEL, &at,
                   acts->input + row * STK_TILE, slopes ? acts->slope + 2 * row * STK_TILE : NULL,
                   0.5f * grid->scale[level]);
    }
}

static void TORSO_NAME(forward)(const stk_torso_grid *grid, const stk_torso_weights *weights,
                                const float *xy, float *kept, const stk_torso_out *out) {
    STK_ALIGNED(64) torso_acts scratch;
    torso_acts *acts = kept != NULL ? (torso_acts *)kept : &scratch;
    encode(xy, acts);
    net_forward(DEFORM_IN, 2, weights->deform, acts->input + STK_TORSO_FEATURES * STK_TILE,
                acts->deform1, acts->deform2, acts->moved);
    for (int i = 0; i < 2 * STK_TILE; i++) acts->moved[i] += xy[i];
    for (int i = 0; i < 2 * STK_TILE; i++) /* a NaN becomes -1 */
        out->point[i] = stk_clampf(acts->moved[i], -1.0f, 1.0f);
    read_grid(grid, weights->table, out->point, kept != NULL, acts);
    net_forward(NET_IN, STK_TORSO_OUT, weights->net, acts->input, acts->net1, acts->net2,
                acts->sigmoid);
    for (int k = 0; k < STK_TORSO_OUT; k++)
        tile_sigmoid(acts->sigmoid + k * STK_TILE, acts->sigmoid + k * STK_TILE);
    for (int s = 0; s < STK_TILE; s++) out->alpha[s] = 1.002f * acts->sigmoid[s] - 0.001f;
    for (int i = 0; i < 3 * STK_TILE; i++)
        out->rgb[i] = 1.002f * acts->sigmoid[STK_TILE + i] - 0.001f;
}

/* dpoint[k][s] = sum_f dfeat[f][s] slope[f][k][s], none where the clamp holds the point. */
static void point_back(const torso_acts *acts, const float *dfeat, float *dpoint) {
    memset(dpoint, 0, 2 * STK_TILE * sizeof *dpoint);
    for (int f = 0; f < STK_TORSO_FEATURES; f++)
        for (int k = 0; k < 2; k++)
            for (int s = 0; s < STK_TILE; s++)
                dpoint[k * STK_TILE + s] +=
                    dfeat[f * STK_TILE + s] * acts->slope[(2 * f + k) * STK_TILE + s];
    for (int i = 0; i < 2 * STK_TILE; i++) {
        float v = acts->moved[i];
        dpoint[i] = v >= -1.0f && v <= 1.0f ? dpoint[i] : 0;
    }
}

static void TORSO_NAME(backward)(const stk_torso_weights *weights, const float *kept,
                                 const stk_torso_dout *dout, const stk_torso_grads *grads,
                                 float *dfeat) {
    STK_ALIGNED(64) float dy[STK_TORSO_OUT * STK_TILE], dpoint[2 * STK_TILE];
    STK_ALIGNED(64) float dh1[HIDDEN * STK_TILE];
    const torso_acts *acts = (const torso_acts *)kept;
    memcpy(dy, dout->alpha, STK_TILE * sizeof *dy);
    memcpy(dy + STK_TILE, dout->rgb, 3 * STK_TILE * sizeof *dy);
    for (int i = 0; i < STK_TORSO_OUT * STK_TILE; i++)
        dy[i] *= 1.002f * (acts->sigmoid[i] * (1.0f - acts->sigmoid[i]));
    const net_pass net = {NET_IN,      STK_TORSO_OUT, weights->net, grads->net,
                          acts->input, acts->net1,    acts->net2};
    net_backward(&net, dy, dh1);
    /* Of the inputs only the features lead on: the first 32 columns. */
    multiply(&(torso_product){STK_TORSO_FEATURES, HIDDEN, weights->net[0], 1, NET_IN, dh1, dfeat,
                              NULL, TORSO_STORE});
    point_back(acts, dfeat, dpoint);
    const net_pass deform = {DEFORM_IN,
                             2,
                             weights->deform,
                             grads->deform,
                             acts->input + STK_TORSO_FEATURES * STK_TILE,
                             acts->deform1,
                             acts->deform2};
    net_backward(&deform, dpoint, dh1);
}

/* The read-modify-writes are scalar and in pixel order: pixels of a tile may share an entry. */
static void TORSO_NAME(grid_backward)(const stk_torso_grid *grid, int level, int tiles,
                                      const int *counts, const float *points, const float *dfeat,
                                      float *dtable) {
    float *dlevel = dtable + (size_t)grid->offset[level] * STK_TORSO_PER_LEVEL;
    torso_cells at;
    for (int t = 0; t < tiles; t++) {
        const float *d0 =
            dfeat + ((size_t)t * STK_TORSO_FEATURES + level * STK_TORSO_PER_LEVEL) * STK_TILE;
        const float *d1 = d0 + STK_TILE;
        cells(grid, level, points + (size_t)t * 2 * STK_TILE, &at);
        for (int s = 0; s < counts[t]; s++) {
            float a = at.a[s], b = at.b[s];
            const float weight[4] = {(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b};
            for (int k = 0; k < 4; k++) {
                float *entry = dlevel + (size_t)at.index[k][s] * STK_TORSO_PER_LEVEL;
                entry[0] += weight[k] * d0[s];
                entry[1] += weight[k] * d1[s];
            }
        }
    }
}

static void fill_slots(stk_torso_kernels *kernels, const char *isa) {
    kernels->isa = isa;
    kernels->forward = TORSO_NAME(forward);
    kernels->backward = TORSO_NAME(backward);
    kernels->grid_backward = TORSO_NAME(grid_backward);
}
