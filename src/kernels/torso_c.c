/* torso_c.c - the torso kernels' primitives in plain C: the twin that every variant is tested
 * against. sin, cos and exp come from the C library here, and only here. */
#include "kernels/torso_private.h"

#include <math.h>

static float finish(const torso_product *p, int at, float sum) {
    switch (p->finish) {
    case TORSO_RELU:
        return sum > 0 ? sum : 0;
    case TORSO_MASK:
        return p->with[at] > 0 ? sum : 0;
    case TORSO_ADD_RELU:
        sum += p->with[at];
        return sum > 0 ? sum : 0;
    default:
        return sum;
    }
}

/* CHUNK lanes at a time, so that their sums stay in registers. */
static void multiply(const torso_product *p) {
    enum { CHUNK = 16 };
    for (int r = 0; r < p->rows; r++) {
        for (int lane = 0; lane < STK_TILE; lane += CHUNK) {
            float sum[CHUNK] = {0};
            for (int k = 0; k < p->inner; k++) {
                float w = p->w[r * p->w_row + k * p->w_k];
                const float *x = p->x + k * STK_TILE + lane;
                for (int s = 0; s < CHUNK; s++) sum[s] += w * x[s];
            }
            for (int s = 0; s < CHUNK; s++) {
                int at = r * STK_TILE + lane + s;
                p->y[at] = finish(p, at, sum[s]);
            }
        }
    }
}

static void transpose(int rows, const float *x, float *xt) {
    for (int s = 0; s < STK_TILE; s++)
        for (int r = 0; r < rows; r++) xt[s * TORSO_XT_STRIDE + r] = x[r * STK_TILE + s];
}

static void weight_grad(int out, int in, const float *dy, const float *xt, float *dw) {
    for (int o = 0; o < out; o++) {
        float sum[TORSO_XT_STRIDE] = {0};
        for (int s = 0; s < STK_TILE; s++) {
            float d = dy[o * STK_TILE + s];
            for (int i = 0; i < in; i++) sum[i] += d * xt[s * TORSO_XT_STRIDE + i];
        }
        for (int i = 0; i < in; i++) dw[o * in + i] += sum[i];
    }
}

static void tile_sincos(const float *x, float *sine, float *cosine) {
    for (int s = 0; s < STK_TILE; s++) {
        sine[s] = sinf(x[s]);
        cosine[s] = cosf(x[s]);
    }
}

static void tile_sigmoid(const float *x, float *y) {
    for (int s = 0; s < STK_TILE; s++) y[s] = 1.0f / (1.0f + expf(-x[s]));
}

static void cells(const stk_torso_grid *grid, int level, const float *point, torso_cells *at) {
    float scale = grid->scale[level];
    uint32_t side = grid->side[level], wrap = grid->wrap[level];
    for (int s = 0; s < STK_TILE; s++) {
        float a = (point[s] + 1.0f) * 0.5f * scale + 0.5f;
        float b = (point[STK_TILE + s] + 1.0f) * 0.5f * scale + 0.5f;
        uint32_t x = (uint32_t)(int)a, y = (uint32_t)(int)b;
        at->a[s] = a - (float)(int)x;
        at->b[s] = b - (float)(int)y;
        for (uint32_t k = 0; k < 4; k++)
            at->index[k][s] = (x + (k & 1) + (y + (k >> 1)) * side) & wrap;
    }
}

static void read_level(const float *entries, const torso_cells *at, float *features, float *slope,
                       float factor) {
    for (int s = 0; s < STK_TILE; s++) {
        float a = at->a[s], b = at->b[s], a0 = 1 - a, b0 = 1 - b;
        for (int f = 0; f < STK_TORSO_PER_LEVEL; f++) {
            float v[4];
            for (int k = 0; k < 4; k++) v[k] = entries[at->index[k][s] * STK_TORSO_PER_LEVEL + f];
            features[f * STK_TILE + s] =
                a0 * b0 * v[0] + a * b0 * v[1] + a0 * b * v[2] + a * b * v[3];
            if (slope == NULL) continue;
            slope[2 * f * STK_TILE + s] = factor * (b0 * (v[1] - v[0]) + b * (v[3] - v[2]));
            slope[(2 * f + 1) * STK_TILE + s] = factor * (a0 * (v[2] - v[0]) + a * (v[3] - v[1]));
        }
    }
}

#define TORSO_ISA c
#include "kernels/torso_body.h"

void stk_torso_fill_c(stk_torso_kernels *kernels) {
    fill_slots(kernels, "c");
}
