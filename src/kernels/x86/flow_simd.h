/* flow_simd.h - the flow kernels in the operations of vector_<isa>.h; the variant gives
 * row_dots(query, feature, left, right, dots): the dot products of the query with up to eight
 * neighbours in a row. */
#ifndef STK_KERNELS_X86_FLOW_SIMD_H
#define STK_KERNELS_X86_FLOW_SIMD_H

#include "kernels/flow_private.h"
#include "kernels/x86/vector_math.h"

static void lookup(const stk_flow_map *map, const float *query, float x, float y, float *taps) {
    STK_ALIGNED(64) float dots[STK_FLOW_PATCH * STK_FLOW_PATCH] = {0};
    const flow_patch p = flow_place(map, x, y);
    if (p.left < p.right)
        for (int row = p.top; row < p.bottom; row++) {
            const long at = (long)(p.y0 + row) * map->width + p.x0 + p.left;
            row_dots(query, map->features + at * STK_FLOW_FEATURES, p.right - p.left,
                     dots + row * STK_FLOW_PATCH + p.left);
        }
    flow_interpolate(&p, dots, taps);
}

/* 1 / (1 + e^-x); e^-x may be infinite. */
STK_INLINE vf vf_sigmoid(vf x) {
    const vf one = vf_set1(1.0f);
    return vf_div(one, vf_add(one, vf_exp(vf_sub(vf_zero(), x))));
}

static void unit_reset(int pixels, const float *context, const float *hidden, float *gates,
                       float *input) {
    for (int p = 0; p < pixels; p++) {
        for (int c = 0; c < STK_FLOW_HIDDEN; c += LANES) {
            vf z = vf_add(vf_load(gates + c), vf_load(context + c));
            vf r = vf_add(vf_load(gates + STK_FLOW_HIDDEN + c),
                          vf_load(context + STK_FLOW_HIDDEN + c));
            vf_store(gates + c, vf_sigmoid(z));
            vf_store(input + c, vf_mul(vf_sigmoid(r), vf_load(hidden + c)));
        }
        context += STK_FLOW_CONTEXT, hidden += STK_FLOW_HIDDEN;
        gates += STK_FLOW_GATES, input += STK_FLOW_UNIT_IN;
    }
}

/* tanh(x) = 2 sigmoid(2 x) - 1, absolute error 2e-7. */
static void unit_update(int pixels, const float *context, const float *gates, const float *q,
                        float *hidden) {
    const vf two = vf_set1(2.0f), one = vf_set1(1.0f);
    for (int p = 0; p < pixels; p++) {
        for (int c = 0; c < STK_FLOW_HIDDEN; c += LANES) {
            vf a = vf_add(vf_load(q + c), vf_load(context + 2 * STK_FLOW_HIDDEN + c));
            vf wanted = vf_sub(vf_mul(two, vf_sigmoid(vf_mul(two, a))), one);
            vf old = vf_load(hidden + c);
            vf h = vf_fma(vf_load(gates + c), vf_sub(wanted, old), old);
            vf_store(hidden + c, h);
        }
        context += STK_FLOW_CONTEXT, hidden += STK_FLOW_HIDDEN, q += STK_FLOW_HIDDEN;
        gates += STK_FLOW_GATES;
    }
}

#endif
