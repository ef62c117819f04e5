/* raft_correlation.c - the target's features at four sizes, the lookup in them for every pixel, and
 * flow between the coarse grid and the picture. */
#include "head_sync/raft_private.h"

#include "base/memory.h"

#include <math.h>

void stk_raft_pyramid_place(stk_flow_map maps[RAFT_LEVELS], float *block, int height, int width) {
    for (int level = 0; level < RAFT_LEVELS; level++) {
        maps[level] = (stk_flow_map){block, height, width};
        block += (size_t)height * (size_t)width * STK_FLOW_FEATURES;
        height /= 2, width /= 2;
    }
}

size_t stk_raft_pyramid_floats(int height, int width) {
    size_t floats = 0;
    for (int level = 0; level < RAFT_LEVELS; level++, height /= 2, width /= 2)
        floats += (size_t)height * (size_t)width * STK_FLOW_FEATURES;
    return floats;
}

static void average(const stk_flow_map *fine, float *coarse, int height, int width) {
    const size_t row = (size_t)fine->width * STK_FLOW_FEATURES;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const float *f = fine->features + 2 * (size_t)y * row;
            f += 2 * (size_t)x * STK_FLOW_FEATURES;
            for (int c = 0; c < STK_FLOW_FEATURES; c++)
                coarse[c] = 0.25f * ((f[c] + f[STK_FLOW_FEATURES + c]) +
                                     (f[row + (size_t)c] + f[row + (size_t)c + STK_FLOW_FEATURES]));
            coarse += STK_FLOW_FEATURES;
        }
}

void stk_raft_pyramid_build(const stk_flow_map maps[RAFT_LEVELS], float *block) {
    size_t done = 0;
    for (int level = 1; level < RAFT_LEVELS; level++) {
        const stk_flow_map *fine = &maps[level - 1], *coarse = &maps[level];
        done += (size_t)fine->height * (size_t)fine->width * STK_FLOW_FEATURES;
        average(fine, block + done, coarse->height, coarse->width);
    }
}

void stk_raft_correlate(const stk_flow_kernels *kernels, const stk_flow_map maps[RAFT_LEVELS],
                        const float *features, const float *flow, float *taps) {
    for (int y = 0; y < maps[0].height; y++)
        for (int x = 0; x < maps[0].width; x++) {
            float at_x = (float)x + flow[0], at_y = (float)y + flow[1];
            for (int level = 0; level < RAFT_LEVELS; level++) {
                kernels->lookup(&maps[level], features, at_x, at_y, taps);
                at_x *= 0.5f, at_y *= 0.5f;
                taps += STK_FLOW_TAPS;
            }
            features += STK_FLOW_FEATURES, flow += 2;
        }
}

/* --- coarse grid and picture ------------------------------------------------------------------ */

void stk_raft_upsample(const float *coarse, int height, int width, float *flow) {
    const int h = 8 * height, w = 8 * width;
    const float step_y = (float)(height - 1) / (float)(h - 1);
    const float step_x = (float)(width - 1) / (float)(w - 1);
    const size_t plane = (size_t)h * (size_t)w;
    for (int y = 0; y < h; y++) {
        const float sy = step_y * (float)y;
        const int y0 = stk_clampi((int)sy, 0, height - 2);
        const float fy = sy - (float)y0;
        const float *top = coarse + 2 * (size_t)y0 * (size_t)width, *low = top + 2 * width;
        for (int x = 0; x < w; x++) {
            const float sx = step_x * (float)x;
            const int x0 = stk_clampi((int)sx, 0, width - 2);
            const float fx = sx - (float)x0;
            for (int k = 0; k < 2; k++) {
                const int i = 2 * x0 + k;
                const float upper = (1 - fx) * top[i] + fx * top[i + 2];
                const float lower = (1 - fx) * low[i] + fx * low[i + 2];
                flow[(size_t)k * plane] = 8 * ((1 - fy) * upper + fy * lower);
            }
            flow++;
        }
    }
}

void stk_raft_downsample(const float *flow, int height, int width, float *coarse) {
    const int h = 8 * height, w = 8 * width;
    const size_t plane = (size_t)h * (size_t)w;
    for (int y = 0; y < height; y++) {
        const float sy = (float)y * (float)(h - 1) / (float)(height - 1);
        const int y0 = stk_clampi((int)sy, 0, h - 2);
        const float fy = sy - (float)y0;
        for (int x = 0; x < width; x++) {
            const float sx = (float)x * (float)(w - 1) / (float)(width - 1);
            const int x0 = stk_clampi((int)sx, 0, w - 2);
            const float fx = sx - (float)x0;
            for (int k = 0; k < 2; k++) {
                const float *f = flow + (size_t)k * plane + (size_t)y0 * (size_t)w + x0;
                const float v = (1 - fy) * ((1 - fx) * f[0] + fx * f[1]) +
                                fy * ((1 - fx) * f[w] + fx * f[w + 1]);
                *coarse++ = isfinite(v) ? v / 8 : 0;
            }
        }
    }
}
