/* flow.c - the flow kernels in plain C, and the choice of a variant. */
#include "kernels/flow_private.h"

#include "base/cpu.h"

static void lookup_c(const stk_flow_map *map, const float *query, float x, float y, float *taps) {
    float dots[STK_FLOW_PATCH * STK_FLOW_PATCH] = {0};
    const flow_patch p = flow_place(map, x, y);
    for (int row = p.top; row < p.bottom; row++)
        for (int column = p.left; column < p.right; column++) {
            const long at = (long)(p.y0 + row) * map->width + p.x0 + column;
            const float *feature = map->features + at * STK_FLOW_FEATURES;
            float sum = 0;
            for (int c = 0; c < STK_FLOW_FEATURES; c++) sum += query[c] * feature[c];
            dots[row * STK_FLOW_PATCH + column] = sum;
        }
    flow_interpolate(&p, dots, taps);
}

static float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

static void unit_reset_c(int pixels, const float *context, const float *hidden, float *gates,
                         float *input) {
    for (int p = 0; p < pixels; p++) {
        for (int c = 0; c < STK_FLOW_HIDDEN; c++) {
            gates[c] = sigmoid(gates[c] + context[c]);
            const float r = gates[STK_FLOW_HIDDEN + c] + context[STK_FLOW_HIDDEN + c];
            input[c] = sigmoid(r) * hidden[c];
        }
        context += STK_FLOW_CONTEXT, hidden += STK_FLOW_HIDDEN;
        gates += STK_FLOW_GATES, input += STK_FLOW_UNIT_IN;
    }
}

static void unit_update_c(int pixels, const float *context, const float *gates, const float *q,
                          float *hidden) {
    for (int p = 0; p < pixels; p++) {
        for (int c = 0; c < STK_FLOW_HIDDEN; c++) {
            const float wanted = tanhf(q[c] + context[2 * STK_FLOW_HIDDEN + c]);
            hidden[c] = (1 - gates[c]) * hidden[c] + gates[c] * wanted;
        }
        context += STK_FLOW_CONTEXT, hidden += STK_FLOW_HIDDEN, q += STK_FLOW_HIDDEN;
        gates += STK_FLOW_GATES;
    }
}

void stk_flow_fill_c(stk_flow_kernels *kernels) {
    *kernels = (stk_flow_kernels){"c", lookup_c, unit_reset_c, unit_update_c};
}

void stk_flow_kernels_init(stk_flow_kernels *kernels) {
    const uint32_t flags = stk_cpu_flags();
    stk_flow_fill_c(kernels);
    if (flags & STK_CPU_AVX2) stk_flow_fill_avx2(kernels);
    if (flags & STK_CPU_AVX512) stk_flow_fill_avx512(kernels);
}
