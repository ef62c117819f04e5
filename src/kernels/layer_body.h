/* layer_body.h - the loops of layer.h, compiled once per instruction set: they vectorise over the
 * channels by themselves, so all variants round alike but for fused multiply-adds. Comparisons are
 * turned so that what is no number stays none: a diverging run must be seen to diverge. */
#ifndef STK_KERNELS_LAYER_BODY_H
#define STK_KERNELS_LAYER_BODY_H

#include "kernels/bf16.h"
#include "kernels/layer.h"

#include <math.h>
#include <string.h>

enum { BODY_CHUNK = 64 /* rows summed in float */ };

static void body_flush(int c, float *restrict a, float *restrict b, double *restrict sum,
                       double *restrict square) {
    for (int i = 0; i < c; i++) {
        sum[i] += (double)a[i];
        square[i] += (double)b[i];
        a[i] = b[i] = 0;
    }
}

static void body_moments(size_t rows, int c, const float *restrict z, const float *restrict about,
                         double *restrict sum, double *restrict square) {
    float a[STK_LAYER_CHANNELS], b[STK_LAYER_CHANNELS];
    memset(a, 0, (size_t)c * sizeof *a);
    memset(b, 0, (size_t)c * sizeof *b);
    memset(sum, 0, (size_t)c * sizeof *sum);
    memset(square, 0, (size_t)c * sizeof *square);
    for (size_t r = 0; r < rows; r++, z += c) {
        for (int i = 0; i < c; i++) {
            const float d = z[i] - about[i];
            a[i] += z[i];
            b[i] += d * d;
        }
        if (r % BODY_CHUNK == BODY_CHUNK - 1) body_flush(c, a, b, sum, square);
    }
    body_flush(c, a, b, sum, square);
}

static void body_apply(size_t rows, int c, const float *z, const float *restrict scale,
                       const float *restrict shift, const float *residual, int relu, float *y) {
    const float floor_value = relu ? 0.0f : -INFINITY;
    if (residual == NULL) {
        for (size_t r = 0; r < rows; r++, z += c, y += c)
            for (int i = 0; i < c; i++) {
                const float v = scale[i] * z[i] + shift[i];
                y[i] = v < floor_value ? floor_value : v;
            }
        return;
    }
    for (size_t r = 0; r < rows; r++, z += c, y += c, residual += c)
        for (int i = 0; i < c; i++) {
            const float v = scale[i] * z[i] + shift[i] + residual[i];
            y[i] = v < floor_value ? floor_value : v;
        }
}

static void body_gate(size_t rows, int c, const float *restrict y, const float *restrict z,
                      const float *restrict mean, int relu, float *restrict dy,
                      double *restrict sum_g, double *restrict sum_gz) {
    float a[STK_LAYER_CHANNELS], b[STK_LAYER_CHANNELS];
    const float floor_value = relu ? 0.0f : -INFINITY;
    memset(a, 0, (size_t)c * sizeof *a);
    memset(b, 0, (size_t)c * sizeof *b);
    memset(sum_g, 0, (size_t)c * sizeof *sum_g);
    memset(sum_gz, 0, (size_t)c * sizeof *sum_gz);
    for (size_t r = 0; r < rows; r++, y += c, z += c, dy += c) {
        for (int i = 0; i < c; i++) {
            const float g = y[i] <= floor_value ? 0.0f : dy[i];
            dy[i] = g;
            a[i] += g;
            b[i] += g * (z[i] - mean[i]);
        }
        if (r % BODY_CHUNK == BODY_CHUNK - 1) body_flush(c, a, b, sum_g, sum_gz);
    }
    body_flush(c, a, b, sum_g, sum_gz);
}

static void body_spread(size_t rows, int c, const float *restrict g, const float *restrict z,
                        const float *restrict mean, const float *const abk[3], float *restrict dz) {
    const float *restrict a = abk[0], *restrict b = abk[1], *restrict k = abk[2];
    for (size_t r = 0; r < rows; r++, g += c, z += c, dz += c)
        for (int i = 0; i < c; i++) dz[i] = a[i] * g[i] + b[i] * (z[i] - mean[i]) + k[i];
}

static void body_halve(size_t n, const float *restrict x, uint16_t *restrict y) {
    for (size_t i = 0; i < n; i++) y[i] = (uint16_t)stk_bf16(x[i]);
}

static void body_add(size_t n, const float *restrict x, float *restrict y) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void body_adam(const stk_adam *settings, size_t n, const float *restrict g,
                      float *restrict p, float *restrict m, float *restrict v) {
    const stk_adam s = *settings;
    const float shrink = 1.0f - s.lr * s.weight_decay, rate = s.lr / s.correction1;
    const float root = 1.0f / sqrtf(s.correction2);
    for (size_t i = 0; i < n; i++) {
        m[i] = s.beta1 * m[i] + (1.0f - s.beta1) * g[i];
        v[i] = s.beta2 * v[i] + (1.0f - s.beta2) * (g[i] * g[i]);
        p[i] = p[i] * shrink - rate * m[i] / (sqrtf(v[i]) * root + s.eps);
    }
}

static void body_init(stk_layer_kernels *kernels, const char *isa) {
    *kernels = (stk_layer_kernels){
        .isa = isa,
        .moments = body_moments,
        .apply = body_apply,
        .gate = body_gate,
        .spread = body_spread,
        .halve = body_halve,
        .add = body_add,
        .adam = body_adam,
    };
}

#endif
