/* guided.c - fast guided filter: a smooth probability takes the edges of the picture.
 *
 *   grid: I luma, p probability, windows (2r+1)^2
 *         slope = (mean(Ip) - mean(I) mean(p)) / (var(I) + eps),  offset = mean(p) - slope mean(I)
 *   full: q = mean(slope) I + mean(offset), both interpolated bilinearly
 * (He and Sun, Fast Guided Filter, arXiv 1505.00996). No allocation after init; one thread.
 */
#include "parts.h"

#include <string.h>

enum { RADIUS = 3 };                  /* grid px; 6 px of a 512 picture */
static const float EPSILON = 0.0009f; /* (0.03)^2: luma steps above 3 % count as edges */

size_t stk_guided_bytes(int width, int height, int grid_width, int grid_height) {
    (void)height;
    size_t grid = (size_t)grid_width * (size_t)grid_height * sizeof(float) + 64;
    return 7 * grid + (size_t)grid_width * 12 + (size_t)width * 8 + 512;
}

void stk_guided_init(stk_guided *g, stk_arena *arena, const int size[2], const int grid[2]) {
    size_t plane = (size_t)grid[0] * (size_t)grid[1] * sizeof(float);
    g->width = size[0], g->height = size[1];
    g->grid_width = grid[0], g->grid_height = grid[1];
    g->guide = stk_arena_push(arena, plane);
    g->mean = stk_arena_push(arena, plane);
    g->variance = stk_arena_push(arena, plane);
    g->slope = stk_arena_push(arena, plane);
    g->offset = stk_arena_push(arena, plane);
    g->t0 = stk_arena_push(arena, plane);
    g->t1 = stk_arena_push(arena, plane + (size_t)grid[0] * sizeof(float)); /* + column sums */
    g->row = stk_arena_push(arena, 2 * (size_t)grid[0] * sizeof(float));
    g->column = stk_arena_push(arena, (size_t)size[0] * sizeof(int32_t));
    g->share = stk_arena_push(arena, (size_t)size[0] * sizeof(float));
    for (int x = 0; x < size[0]; x++) {
        float at = ((float)x + 0.5f) * (float)grid[0] / (float)size[0] - 0.5f;
        at = stk_clampf(at, 0, (float)(grid[0] - 1));
        g->column[x] = stk_clampi((int)at, 0, grid[0] > 1 ? grid[0] - 2 : 0);
        g->share[x] = at - (float)g->column[x];
    }
}

static void box_row(float *out, const float *in, int w, int radius) {
    float sum = 0;
    for (int x = 0; x < radius && x < w; x++) sum += in[x];
    for (int x = 0; x < w; x++) {
        if (x + radius < w) sum += in[x + radius];
        if (x - radius - 1 >= 0) sum -= in[x - radius - 1];
        int first = x > radius ? x - radius : 0, last = x + radius < w ? x + radius : w - 1;
        out[x] = sum / (float)(last - first + 1);
    }
}

void stk_box_mean(float *out, const float *in, float *scratch, const int size[2], int radius) {
    int w = size[0], h = size[1];
    float *sum = scratch + (size_t)w * (size_t)h;
    for (int y = 0; y < h; y++) {
        size_t at = (size_t)y * (size_t)w;
        box_row(scratch + at, in + at, w, radius);
    }
    memset(sum, 0, (size_t)w * sizeof *sum);
    for (int y = -radius; y < h; y++) {
        int enter = y + radius, leave = y - radius - 1;
        if (enter < h) {
            const float *row = scratch + (size_t)enter * (size_t)w;
            for (int x = 0; x < w; x++) sum[x] += row[x];
        }
        if (leave >= 0) {
            const float *row = scratch + (size_t)leave * (size_t)w;
            for (int x = 0; x < w; x++) sum[x] -= row[x];
        }
        if (y < 0) continue;
        int first = y > radius ? y - radius : 0, last = enter < h ? enter : h - 1;
        float scale = 1 / (float)(last - first + 1);
        float *row = out + (size_t)y * (size_t)w;
        for (int x = 0; x < w; x++) row[x] = sum[x] * scale;
    }
}

void stk_guided_set(stk_guided *g, const stk_image *grid_rgb) {
    int w = g->grid_width, h = g->grid_height, size[2] = {w, h};
    size_t n = (size_t)w * (size_t)h;
    for (int y = 0; y < h; y++) {
        const uint8_t *p = stk_image_row(grid_rgb, y);
        float *row = g->guide + (size_t)y * (size_t)w;
        for (int x = 0; x < w; x++, p += 3) /* the same weights as the parser's 8-bit luma */
            row[x] = (float)(77 * p[0] + 150 * p[1] + 29 * p[2]) * (1 / (256 * 255.0f));
    }
    stk_box_mean(g->mean, g->guide, g->t1, size, RADIUS);
    for (size_t i = 0; i < n; i++) g->t0[i] = g->guide[i] * g->guide[i];
    stk_box_mean(g->variance, g->t0, g->t1, size, RADIUS);
    for (size_t i = 0; i < n; i++) g->variance[i] -= g->mean[i] * g->mean[i];
}

static void coefficients(stk_guided *g, const float *p) {
    int size[2] = {g->grid_width, g->grid_height};
    size_t n = (size_t)size[0] * (size_t)size[1];
    for (size_t i = 0; i < n; i++) g->t0[i] = g->guide[i] * p[i];
    stk_box_mean(g->slope, g->t0, g->t1, size, RADIUS);
    stk_box_mean(g->offset, p, g->t1, size, RADIUS);
    for (size_t i = 0; i < n; i++) {
        float variance = g->variance[i] > 0 ? g->variance[i] : 0;
        float slope = (g->slope[i] - g->mean[i] * g->offset[i]) / (variance + EPSILON);
        g->offset[i] -= slope * g->mean[i];
        g->slope[i] = slope;
    }
    stk_box_mean(g->slope, g->slope, g->t1, size, RADIUS);
    stk_box_mean(g->offset, g->offset, g->t1, size, RADIUS);
}

void stk_guided_apply(stk_guided *g, uint8_t *out, const float *p, const uint8_t *luma) {
    int gw = g->grid_width, gh = g->grid_height, right = gw > 1;
    float *slope = g->row, *offset = g->row + gw;
    coefficients(g, p);
    for (int y = 0; y < g->height; y++) {
        float at = ((float)y + 0.5f) * (float)gh / (float)g->height - 0.5f;
        at = stk_clampf(at, 0, (float)(gh - 1));
        int y0 = (int)at, y1 = y0 + 1 < gh ? y0 + 1 : y0;
        float lower = at - (float)y0;
        const float *s0 = g->slope + (size_t)y0 * (size_t)gw,
                    *s1 = g->slope + (size_t)y1 * (size_t)gw;
        const float *o0 = g->offset + (size_t)y0 * (size_t)gw;
        const float *o1 = g->offset + (size_t)y1 * (size_t)gw;
        for (int x = 0; x < gw; x++) {
            slope[x] = (s0[x] + lower * (s1[x] - s0[x])) * (1 / 255.0f);
            offset[x] = o0[x] + lower * (o1[x] - o0[x]);
        }
        const uint8_t *l = luma + (size_t)y * (size_t)g->width;
        uint8_t *o = out + (size_t)y * (size_t)g->width;
        for (int x = 0; x < g->width; x++) {
            int c = g->column[x];
            float f = g->share[x];
            float s = slope[c] + f * (slope[c + right] - slope[c]);
            float q = s * (float)l[x] + offset[c] + f * (offset[c + right] - offset[c]);
            o[x] = (uint8_t)(stk_clampf(q, 0, 1) * 255 + 0.5f);
        }
    }
}
