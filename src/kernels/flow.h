/* flow.h - the kernels of dense optical flow (RAFT-small, reference.md appendix C; head_sync/raft.h
 * is their user): correlation lookup and the gates of the recurrent unit. Pure functions, no
 * allocation; P pixels of the coarse grid (1/8 of the picture), channels fastest.
 *
 *   query [128], map [h][w][128], (x, y) -> 49 correlations around (x, y)
 *   pre-activations [P][192], context [P][288], h [P][96] -> z, r h -> new h
 *
 * DIFFERS: the published code makes the whole volume of correlations, [P][P] and three averaged
 * copies, and looks up in it. Averaging commutes with the dot product, so the target's features are
 * averaged instead and the 64 dot products that a lookup touches are taken when it happens: no
 * memory that grows with P^2 (89 MB at 512x512), and about as fast there.
 */
#ifndef STK_KERNELS_FLOW_H
#define STK_KERNELS_FLOW_H

#include "base/attr.h"

enum {
    STK_FLOW_FEATURES = 128,
    STK_FLOW_RADIUS = 3,
    STK_FLOW_WINDOW = 2 * STK_FLOW_RADIUS + 1,
    STK_FLOW_TAPS = STK_FLOW_WINDOW * STK_FLOW_WINDOW, /* 49 */
    STK_FLOW_PATCH = STK_FLOW_WINDOW + 1,              /* whole positions a window lies between */
    STK_FLOW_HIDDEN = 96,
    STK_FLOW_MOTION = 80 + 2,                             /* motion features, flow */
    STK_FLOW_UNIT_IN = STK_FLOW_HIDDEN + STK_FLOW_MOTION, /* 178 */
    STK_FLOW_GATES = 2 * STK_FLOW_HIDDEN,                 /* z, r */
    STK_FLOW_CONTEXT = 3 * STK_FLOW_HIDDEN,               /* z, r, q */
};

/* One level of the target's features, [height][width][128], 64-byte aligned. */
typedef struct stk_flow_map {
    const float *features;
    int height, width;
} stk_flow_map;

typedef struct stk_flow_kernels {
    const char *isa;
    /* taps[7 i + j] = sum_c query[c] map(y + j - 3, x + i - 3)[c] / sqrt(128): the offset in x
     * varies slowest. Bilinear between whole positions, 0 outside; any x, y (NaN: zeros). */
    void (*lookup)(const stk_flow_map *map, const float *query, float x, float y, float *taps);
    /* gates [P][192] = z | r before activation; context [P][288] is added (z | r | q).
     * z <- sigmoid(z) in place; input [P][178] receives sigmoid(r) h in its first 96 columns. */
    void (*unit_reset)(int pixels, const float *context, const float *hidden, float *gates,
                       float *input);
    /* hidden <- (1 - z) hidden + z tanh(q + context); q [P][96], gates as unit_reset left them. */
    void (*unit_update)(int pixels, const float *context, const float *gates, const float *q,
                        float *hidden);
} stk_flow_kernels;

/* The best table that stk_cpu_flags() allows; the C twin in every slot no variant fills. */
void stk_flow_kernels_init(stk_flow_kernels *kernels);

#endif
