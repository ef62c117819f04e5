/* distance.c - distance of every pixel to a set of labels, in time linear in the pixels.
 *
 *   labels [h][w] -> column pass: distance g to the nearest set pixel of the column
 *                 -> row pass: lower envelope of the parabolas (x-q)^2 + g(q)^2
 * (Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions, 2012). The chamfer
 * variant serves where only a few pixels around the set matter. Pure functions, no allocation.
 */
#include "layers.h"

#include <math.h>

enum { FAR = 30000 }; /* longer than any picture side that the column pass may meet */

size_t stk_distance_scratch_bytes(int width, int height) {
    size_t columns = (size_t)width * (size_t)height * sizeof(int16_t);
    return columns + (size_t)width * (sizeof(int32_t) + sizeof(float)) + sizeof(float) + 64;
}

static int in_set(uint8_t label, unsigned set) {
    return (int)(set >> (label & 3) & 1u);
}

static void column_pass(int16_t *g, const stk_image *labels, unsigned set) {
    int w = labels->width, h = labels->height;
    for (int y = 0; y < h; y++) {
        const uint8_t *l = stk_image_row(labels, y);
        int16_t *row = g + (size_t)y * (size_t)w;
        for (int x = 0; x < w; x++) {
            int above = y > 0 ? row[x - w] + 1 : FAR;
            row[x] = (int16_t)(in_set(l[x], set) ? 0 : above < FAR ? above : FAR);
        }
    }
    for (int y = h - 2; y >= 0; y--) {
        int16_t *row = g + (size_t)y * (size_t)w;
        for (int x = 0; x < w; x++)
            if (row[x + w] + 1 < row[x]) row[x] = (int16_t)(row[x + w] + 1);
    }
}

/* apex[n]: columns of the envelope's parabolas; edge[n]: where parabola n begins to be the lowest.
 */
static void row_pass(uint8_t *out, const int16_t *g, int w, int32_t *apex, float *edge) {
    int last = -1;
    for (int q = 0; q < w; q++) {
        if (g[q] >= FAR) continue;
        double height_q = (double)g[q] * g[q] + (double)q * q, from = -1e30;
        while (last >= 0) {
            int v = apex[last];
            from = (height_q - (double)g[v] * g[v] - (double)v * v) / (2.0 * (q - v));
            if (from > (double)edge[last]) break;
            last--;
        }
        if (last < 0) from = -1e30;
        apex[++last] = q;
        edge[last] = (float)from;
    }
    for (int x = 0, n = 0; x < w; x++) {
        if (last < 0) {
            out[x] = STK_DISTANCE_CAP;
            continue;
        }
        while (n < last && edge[n + 1] < (float)x) n++;
        float dx = (float)(x - apex[n]), dy = (float)g[apex[n]];
        float distance = sqrtf(dx * dx + dy * dy);
        out[x] = (uint8_t)(distance < STK_DISTANCE_CAP ? distance : STK_DISTANCE_CAP);
    }
}

void stk_distance_exact(uint8_t *distance, const stk_image *labels, unsigned set, void *scratch) {
    size_t w = (size_t)labels->width, h = (size_t)labels->height;
    int32_t *apex = scratch;
    float *edge = (float *)(apex + w);
    int16_t *g = (int16_t *)(edge + w + 1);
    column_pass(g, labels, set);
    for (size_t y = 0; y < h; y++) row_pass(distance + y * w, g + y * w, (int)w, apex, edge);
}

static int lesser(int a, int b) {
    return a < b ? a : b;
}

void stk_distance_chamfer(uint8_t *distance, const stk_image *labels, unsigned set, int cap) {
    int w = labels->width, h = labels->height;
    for (int y = 0; y < h; y++) {
        const uint8_t *l = stk_image_row(labels, y);
        uint8_t *d = distance + (size_t)y * (size_t)w;
        for (int x = 0; x < w; x++) {
            int best = cap;
            if (in_set(l[x], set)) {
                best = 0;
            } else {
                if (x > 0) best = lesser(best, d[x - 1] + 3);
                if (y > 0) best = lesser(best, d[x - w] + 3);
                if (y > 0 && x > 0) best = lesser(best, d[x - w - 1] + 4);
                if (y > 0 && x + 1 < w) best = lesser(best, d[x - w + 1] + 4);
            }
            d[x] = (uint8_t)best;
        }
    }
    for (int y = h - 1; y >= 0; y--) {
        uint8_t *d = distance + (size_t)y * (size_t)w;
        for (int x = w - 1; x >= 0; x--) {
            int best = d[x];
            if (best == 0) continue;
            if (x + 1 < w) best = lesser(best, d[x + 1] + 3);
            if (y + 1 < h) best = lesser(best, d[x + w] + 3);
            if (y + 1 < h && x > 0) best = lesser(best, d[x + w - 1] + 4);
            if (y + 1 < h && x + 1 < w) best = lesser(best, d[x + w + 1] + 4);
            d[x] = (uint8_t)best;
        }
    }
}
