/* winograd_body.h - the transforms, written for one vector of BLOCK channels at a time; compiled
 * once for each instruction set. Everything is static. */
#ifndef STK_KERNELS_WINOGRAD_BODY_H
#define STK_KERNELS_WINOGRAD_BODY_H

#include "base/attr.h"
#include "kernels/winograd.h"

#include <string.h>

enum { BLOCK = 16, SIDE = STK_WINOGRAD_IN, OUT = STK_WINOGRAD_TILE };

/* Overwrites the slots it has. */
void stk_winograd_fill_avx2(stk_winograd_kernels *kernels);

typedef float channels16[BLOCK] STK_ALIGNED(64);

/* B' of six vectors `step` apart, to six `to_step` apart. */
STK_INLINE void input_line(const channels16 *d, int step, channels16 *t, int to_step) {
    for (int c = 0; c < BLOCK; c++) {
        const float d0 = d[0][c], d1 = d[step][c], d2 = d[2 * step][c], d3 = d[3 * step][c];
        const float d4 = d[4 * step][c], d5 = d[5 * step][c];
        const float a = d4 - 4 * d2, b = d3 - 4 * d1, e = d4 - d2, f = 2 * (d3 - d1);
        t[0][c] = 4 * d0 - 5 * d2 + d4;
        t[to_step][c] = a + b;
        t[2 * to_step][c] = a - b;
        t[3 * to_step][c] = e + f;
        t[4 * to_step][c] = e - f;
        t[5 * to_step][c] = 4 * d1 - 5 * d3 + d5;
    }
}

/* A' of six vectors, to four. */
STK_INLINE void output_line(const channels16 *m, int step, channels16 *t, int to_step) {
    for (int c = 0; c < BLOCK; c++) {
        const float a = m[step][c] + m[2 * step][c], b = m[step][c] - m[2 * step][c];
        const float e = m[3 * step][c] + m[4 * step][c], f = m[3 * step][c] - m[4 * step][c];
        t[0][c] = m[0][c] + a + e;
        t[to_step][c] = b + 2 * f;
        t[2 * to_step][c] = a + 4 * e;
        t[3 * to_step][c] = b + 8 * f + m[5 * step][c];
    }
}

STK_INLINE void copy(float *to, const float *from, int n) {
    if (n == BLOCK)
        memcpy(to, from, BLOCK * sizeof(float));
    else
        memcpy(to, from, (size_t)n * sizeof(float));
}

static void input(const stk_winograd_size *s, const float *x, int tile_row, float *v,
                  size_t plane) {
    const int tiles = (s->width + OUT - 1) / OUT, top = tile_row * OUT - 1;
    for (int tile = 0; tile < tiles; tile++, v += s->channels) {
        const int left = tile * OUT - 1;
        for (int c = 0; c < s->channels; c += BLOCK) {
            const int n = s->channels - c < BLOCK ? s->channels - c : BLOCK;
            channels16 d[STK_WINOGRAD_PLANES] = {{0}}, t[STK_WINOGRAD_PLANES];
            for (int i = 0; i < STK_WINOGRAD_PLANES; i++) {
                const int row = top + i / SIDE, column = left + i % SIDE;
                if (row < 0 || column < 0 || row >= s->height || column >= s->width) continue;
                const size_t at = (size_t)row * (size_t)s->width + (size_t)column;
                copy(d[i], x + at * (size_t)s->channels + c, n);
            }
            for (int k = 0; k < SIDE; k++) input_line(d + k, SIDE, t + k, SIDE);
            for (int k = 0; k < SIDE; k++) input_line(t + k * SIDE, 1, d + k * SIDE, 1);
            for (int i = 0; i < STK_WINOGRAD_PLANES; i++) copy(v + (size_t)i * plane + c, d[i], n);
        }
    }
}

/* y [4][4] of one tile and block of channels; what lies outside the map is dropped. */
STK_INLINE void store_tile(const stk_winograd_size *s, const channels16 *t, int top, int left,
                           int n, float *y) {
    for (int i = 0; i < OUT * OUT; i++) {
        const int row = top + i / OUT, column = left + i % OUT;
        if (row >= s->height || column >= s->width) continue;
        const size_t at = (size_t)row * (size_t)s->width + (size_t)column;
        copy(y + at * (size_t)s->channels, t[i], n);
    }
}

static void output(const stk_winograd_size *s, const float *m, size_t plane, const float *bias,
                   int relu, int tile_row, float *y) {
    const int tiles = (s->width + OUT - 1) / OUT;
    for (int tile = 0; tile < tiles; tile++, m += s->channels)
        for (int c = 0; c < s->channels; c += BLOCK) {
            const int n = s->channels - c < BLOCK ? s->channels - c : BLOCK;
            channels16 d[STK_WINOGRAD_PLANES] = {{0}}, t[OUT * SIDE], b = {0};
            for (int i = 0; i < STK_WINOGRAD_PLANES; i++) copy(d[i], m + (size_t)i * plane + c, n);
            if (bias != NULL) copy(b, bias + c, n);
            for (int k = 0; k < SIDE; k++) output_line(d + k, SIDE, t + k, SIDE);
            for (int k = 0; k < OUT; k++) output_line(t + k * SIDE, 1, d + k * OUT, 1);
            for (int i = 0; i < OUT * OUT; i++)
                for (int k = 0; k < BLOCK; k++) {
                    const float sum = d[i][k] + b[k];
                    d[i][k] = relu && !(sum > 0) ? 0 : sum;
                }
            store_tile(s, d, tile_row * OUT, tile * OUT, n, y + c);
        }
}

#endif
