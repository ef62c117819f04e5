/* field_c.c - the field's primitives in plain C: the twin that every variant is tested against.
 *
 * Written to be read; the inner loops run over lanes or over a layer's inputs, so that a compiler
 * for a bare x86-64 still uses four lanes. exp and log come from the C library here, and only here.
 */
#include "kernels/field_private.h"

#include <math.h>

static float finish(const field_product *p, int at, float sum) {
    switch (p->finish) {
    case FIELD_RELU:
        return sum > 0 ? sum : 0;
    case FIELD_MASK:
        return p->mask[at] > 0 ? sum : 0;
    case FIELD_ADD:
        return p->y[at] + sum;
    default:
        return sum;
    }
}

/* CHUNK lanes at a time, so that their sums stay in registers. */
static void multiply(const field_product *p) {
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
        for (int r = 0; r < rows; r++) xt[s * FIELD_XT_STRIDE + r] = x[r * STK_TILE + s];
}

static void weight_grad(int out, int in, const float *dy, const float *xt, float *dw) {
    for (int o = 0; o < out; o++) {
        float sum[FIELD_XT_STRIDE] = {0};
        for (int s = 0; s < STK_TILE; s++) {
            float d = dy[o * STK_TILE + s];
            for (int i = 0; i < in; i++) sum[i] += d * xt[s * FIELD_XT_STRIDE + i];
        }
        for (int i = 0; i < in; i++) dw[o * in + i] += sum[i];
    }
}

static void tile_exp(const float *x, float *y) {
    for (int s = 0; s < STK_TILE; s++) y[s] = expf(x[s]);
}

static void tile_sigmoid(const float *x, float *y) {
    for (int s = 0; s < STK_TILE; s++) y[s] = 1.0f / (1.0f + expf(-x[s]));
}

/* log(1 + e^x) = max(x, 0) + log1p(e^-|x|), which does not overflow. */
static void tile_softplus(const float *x, float *y) {
    for (int s = 0; s < STK_TILE; s++) y[s] = (x[s] > 0 ? x[s] : 0) + log1pf(expf(-fabsf(x[s])));
}

/* reference.md 3.1. A coordinate that is not a number counts as outside. */
static void corners(const stk_grid_layout *grid, int level, const float *u, const float *v,
                    field_corners *at) {
    float scale = grid->scale[level];
    uint32_t side = grid->resolution[level] + 1;
    uint32_t wrap = grid->offset[level + 1] - grid->offset[level] - 1;
    for (int s = 0; s < STK_TILE; s++) {
        float a = (u[s] + 1.0f) * 0.5f, b = (v[s] + 1.0f) * 0.5f;
        int inside = a >= 0 && a <= 1 && b >= 0 && b <= 1;
        a = inside ? a * scale + 0.5f : 0;
        b = inside ? b * scale + 0.5f : 0;
        uint32_t x = (uint32_t)(int)a, y = (uint32_t)(int)b;
        a -= (float)(int)x;
        b -= (float)(int)y;
        for (int k = 0; k < 4; k++) {
            uint32_t cx = x + (k & 1), cy = y + (k >> 1);
            uint32_t index = grid->hashed[level] ? (cx ^ cy * FIELD_PRIME) & wrap : cx + cy * side;
            float weight = (k & 1 ? a : 1 - a) * (k >> 1 ? b : 1 - b);
            at->index[k][s] = inside ? index : 0;
            at->weight[k][s] = inside ? weight : 0;
        }
    }
}

static void encode_plane(const stk_grid_layout *grid, const float *table, const float *u,
                         const float *v, float *enc) {
    field_corners at;
    for (int level = 0; level < grid->levels; level++, enc += STK_TILE) {
        const float *entries = table + grid->offset[level];
        corners(grid, level, u, v, &at);
        for (int s = 0; s < STK_TILE; s++) {
            float sum = 0;
            for (int k = 0; k < 4; k++) sum += at.weight[k][s] * entries[at.index[k][s]];
            enc[s] = sum;
        }
    }
}

#define FIELD_ISA c
#include "kernels/field_body.h"
#define RADIANCE_ENCODE(b, p, u, v, enc) encode_plane(&(b)->shape.grid, (b)->plane[p], u, v, enc)
#include "kernels/radiance_body.h"

void stk_field_fill_c(stk_field_kernels *kernels) {
    fill_slots(kernels, "c");
}
