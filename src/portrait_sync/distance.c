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

/* row = 0 on the set, else min(cap, own, next + 3, next diagonal + 4); next is the row above (or
 * below) and NULL at the border. Byte arithmetic without branches: compilers vectorise it. */
static void chamfer_from_row(uint8_t *restrict row, const uint8_t *restrict next, int w) {
    if (w == 1) {
        row[0] = (uint8_t)(next[0] + 3 < row[0] ? next[0] + 3 : row[0]);
        return;
    }
    uint8_t first = (uint8_t)(next[1] + 4 < next[0] + 3 ? next[1] + 4 : next[0] + 3);
    uint8_t last = (uint8_t)(next[w - 2] + 4 < next[w - 1] + 3 ? next[w - 2] + 4 : next[w - 1] + 3);
    for (int x = 1; x < w - 1; x++) {
        uint8_t straight = (uint8_t)(next[x] + 3), left = (uint8_t)(next[x - 1] + 4);
        uint8_t right = (uint8_t)(next[x + 1] + 4);
        uint8_t best = left < right ? left : right;
        best = straight < best ? straight : best;
        row[x] = best < row[x] ? best : row[x];
    }
    row[0] = first < row[0] ? first : row[0];
    row[w - 1] = last < row[w - 1] ? last : row[w - 1];
}

static void mark_row(uint8_t *restrict row, const uint8_t *restrict label, int w, unsigned set,
                     uint8_t cap) {
    uint8_t value[4];
    for (unsigned l = 0; l < 4; l++) value[l] = (set >> l & 1u) ? 0 : cap;
    for (int x = 0; x < w; x++) row[x] = value[label[x] & 3];
}

void stk_distance_chamfer(uint8_t *distance, const stk_image *labels, unsigned set, int cap) {
    int w = labels->width, h = labels->height;
    for (int y = 0; y < h; y++) {
        uint8_t *d = distance + (size_t)y * (size_t)w;
        mark_row(d, stk_image_row(labels, y), w, set, (uint8_t)cap);
        if (y > 0) chamfer_from_row(d, d - w, w);
        for (int x = 1; x < w; x++)
            if (d[x - 1] + 3 < d[x]) d[x] = (uint8_t)(d[x - 1] + 3);
    }
    for (int y = h - 1; y >= 0; y--) {
        uint8_t *d = distance + (size_t)y * (size_t)w;
        if (y + 1 < h) chamfer_from_row(d, d + w, w);
        for (int x = w - 2; x >= 0; x--)
            if (d[x + 1] + 3 < d[x]) d[x] = (uint8_t)(d[x + 1] + 3);
    }
}
