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
 * Scratch is on the stack: up to 75 KiB in inference, 50 KiB in backward.
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

/* One axis of freq8: x, then for each octave f sin(2^f x) and cos(2^f x): 17 rows, `step` rows
 * apart.
 * DIFFERS: the published code takes sin(2^f x + pi/2) for the cosine, whose argument is rounded to
 * 4e-6 at 0.8 * 2^7; here it is the cosine of 2^f x, which is exact. */
static void encode_axis(const float *x, int step, float *row) {
    STK_ALIGNED(64) float angle[STK_TILE];
    memcpy(row, x, STK_TILE * sizeof *x);
    for (int octave = 0; octave < STK_TORSO_OCTAVES; octave++) {
        float *sine = row + (1 + 2 * octave) * step * STK_TILE;
        for (int s = 0; s < STK_TILE; s++) angle[s] = x[s] * (float)(1 << octave);
        tile_sincos(angle, sine, sine + step * STK_TILE);
    }
}

/* enc = x, y, then for each octave f: sin(2^f x), sin(2^f y), cos(2^f x), cos(2^f y); and a row of
 * ones behind it. */
static void encode(const float *xy, torso_acts *acts) {
    float *enc = acts->input + STK_TORSO_FEATURES * STK_TILE;
    encode_axis(xy, 2, enc);
    encode_axis(xy + STK_TILE, 2, enc + STK_TILE);
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

/* From the deform net's first hidden layer to the features. */
static void deform_and_read(const stk_torso_grid *grid, const stk_torso_weights *weights,
                            const float *xy, int slopes, torso_acts *acts, float *point) {
    linear_relu(HIDDEN, HIDDEN, weights->deform[1], acts->deform1, acts->deform2);
    linear(2, HIDDEN, weights->deform[2], acts->deform2, acts->moved);
    for (int i = 0; i < 2 * STK_TILE; i++) acts->moved[i] += xy[i];
    for (int i = 0; i < 2 * STK_TILE; i++) /* a NaN becomes -1 */
        point[i] = stk_clampf(acts->moved[i], -1.0f, 1.0f);
    read_grid(grid, weights->table, point, slopes, acts);
}

/* From torso_net's first hidden layer to alpha and colour. */
static void colour(const stk_torso_weights *weights, torso_acts *acts, const stk_torso_out *out) {
    linear_relu(HIDDEN, HIDDEN, weights->net[1], acts->net1, acts->net2);
    linear(STK_TORSO_OUT, HIDDEN, weights->net[2], acts->net2, acts->sigmoid);
    for (int k = 0; k < STK_TORSO_OUT; k++)
        tile_sigmoid(acts->sigmoid + k * STK_TILE, acts->sigmoid + k * STK_TILE);
    for (int s = 0; s < STK_TILE; s++) out->alpha[s] = 1.002f * acts->sigmoid[s] - 0.001f;
    for (int i = 0; i < 3 * STK_TILE; i++)
        out->rgb[i] = 1.002f * acts->sigmoid[STK_TILE + i] - 0.001f;
}

static void TORSO_NAME(forward)(const stk_torso_grid *grid, const stk_torso_weights *weights,
                                const float *xy, float *kept, const stk_torso_out *out) {
    STK_ALIGNED(64) torso_acts scratch;
    torso_acts *acts = kept != NULL ? (torso_acts *)kept : &scratch;
    encode(xy, acts);
    linear_relu(HIDDEN, DEFORM_IN, weights->deform[0], acts->input + STK_TORSO_FEATURES * STK_TILE,
                acts->deform1);
    deform_and_read(grid, weights, xy, kept != NULL, acts, out->point);
    linear_relu(HIDDEN, NET_IN, weights->net[0], acts->input, acts->net1);
    colour(weights, acts, out);
}

/* Of [enc|1], axis k has the columns k, k + 2, k + 4 ...; the last, 34, is the condition's and goes
 * to axis 0. */
static void TORSO_NAME(split_axis)(const stk_torso_weights *weights, int axis,
                                   stk_torso_axis *coords) {
    STK_ALIGNED(64) float enc[(2 + 2 * STK_TORSO_OCTAVES) * STK_TILE];
    const int inner = axis == 0 ? 2 + 2 * STK_TORSO_OCTAVES : 1 + 2 * STK_TORSO_OCTAVES;
    const float *w = weights->deform[0] + axis;
    encode_axis(coords->coord, 1, enc);
    for (int s = 0; s < STK_TILE; s++) enc[(1 + 2 * STK_TORSO_OCTAVES) * STK_TILE + s] = 1;
    multiply(
        &(torso_product){HIDDEN, inner, w, DEFORM_IN, 2, enc, coords->hidden, NULL, TORSO_STORE});
    w = weights->net[0] + STK_TORSO_FEATURES + axis;
    multiply(&(torso_product){HIDDEN, inner, w, NET_IN, 2, enc, coords->hidden + HIDDEN * STK_TILE,
                              NULL, TORSO_STORE});
}

static void TORSO_NAME(split_forward)(const stk_torso_grid *grid, const stk_torso_weights *weights,
                                      const stk_torso_axis *rows, int row,
                                      const stk_torso_axis *columns, const stk_torso_out *out) {
    STK_ALIGNED(64) torso_acts acts;
    STK_ALIGNED(64) float xy[2 * STK_TILE], encoded[HIDDEN * STK_TILE];
    for (int s = 0; s < STK_TILE; s++) xy[s] = rows->coord[row];
    memcpy(xy + STK_TILE, columns->coord, sizeof columns->coord);
    for (int o = 0; o < HIDDEN; o++) {
        const float *column = columns->hidden + o * STK_TILE, *second = column + HIDDEN * STK_TILE;
        const float a = rows->hidden[o * STK_TILE + row];
        const float b = rows->hidden[(HIDDEN + o) * STK_TILE + row];
        for (int s = 0; s < STK_TILE; s++) {
            const float sum = a + column[s];
            acts.deform1[o * STK_TILE + s] = sum > 0 ? sum : 0;
            encoded[o * STK_TILE + s] = b + second[s];
        }
    }
    deform_and_read(grid, weights, xy, 0, &acts, out->point);
    multiply(&(torso_product){HIDDEN, STK_TORSO_FEATURES, weights->net[0], NET_IN, 1, acts.input,
                              acts.net1, encoded, TORSO_ADD_RELU});
    colour(weights, &acts, out);
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
    kernels->split_axis = TORSO_NAME(split_axis);
    kernels->split_forward = TORSO_NAME(split_forward);
    kernels->backward = TORSO_NAME(backward);
    kernels->grid_backward = TORSO_NAME(grid_backward);
}
