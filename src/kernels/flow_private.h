/* flow_private.h - what the variants of the flow kernels share: where a window lies, and its
 * bilinear taps. */
#ifndef STK_KERNELS_FLOW_PRIVATE_H
#define STK_KERNELS_FLOW_PRIVATE_H

#include "kernels/flow.h"

#include <math.h>

/* 1 / sqrt(128) */
#define FLOW_SCALE 0.08838834764831845f

/* The 8 x 8 whole positions from (x0, y0) on, those within the map being rows [top, bottom) and
 * columns [left, right) of the patch; the window's place between them, in [0, 1). */
typedef struct flow_patch {
    int x0, y0, left, right, top, bottom;
    float fx, fy;
} flow_patch;

/* First whole position and fraction; anything far outside (or NaN) goes to a place whose patch
 * does not touch a map of `size`. */
static inline int flow_floor(float v, int size, float *fraction) {
    const float far = (float)(-2 * STK_FLOW_PATCH);
    if (!(v > far)) v = far;
    if (v > (float)(size + 2 * STK_FLOW_PATCH)) v = (float)(size + 2 * STK_FLOW_PATCH);
    const float whole = floorf(v);
    *fraction = v - whole;
    return (int)whole - STK_FLOW_RADIUS;
}

static inline int flow_clip(int v) {
    return v < 0 ? 0 : v > STK_FLOW_PATCH ? STK_FLOW_PATCH : v;
}

static inline flow_patch flow_place(const stk_flow_map *map, float x, float y) {
    flow_patch p;
    p.x0 = flow_floor(x, map->width, &p.fx);
    p.y0 = flow_floor(y, map->height, &p.fy);
    p.left = flow_clip(-p.x0), p.right = flow_clip(map->width - p.x0);
    p.top = flow_clip(-p.y0), p.bottom = flow_clip(map->height - p.y0);
    return p;
}

/* dots [8][8], rows are y -> taps [7][7], rows are x. */
static inline void flow_interpolate(const flow_patch *p, const float *dots, float *taps) {
    const float fx = p->fx, fy = p->fy;
    const float w00 = (1 - fy) * (1 - fx) * FLOW_SCALE, w01 = (1 - fy) * fx * FLOW_SCALE;
    const float w10 = fy * (1 - fx) * FLOW_SCALE, w11 = fy * fx * FLOW_SCALE;
    for (int i = 0; i < STK_FLOW_WINDOW; i++)
        for (int j = 0; j < STK_FLOW_WINDOW; j++) {
            const float *d = dots + j * STK_FLOW_PATCH + i;
            taps[i * STK_FLOW_WINDOW + j] =
                w00 * d[0] + w01 * d[1] + w10 * d[STK_FLOW_PATCH] + w11 * d[STK_FLOW_PATCH + 1];
        }
}

/* Each overwrites the slots it has. */
void stk_flow_fill_c(stk_flow_kernels *kernels);
void stk_flow_fill_avx2(stk_flow_kernels *kernels);
void stk_flow_fill_avx512(stk_flow_kernels *kernels);

#endif
