/* scatter.c - the person without a segmentation graph: where a body must be, given the face, and
 * which colours the background has.
 *
 *   mesh -> prior: an ellipse round face and hair, a bell below the chin
 *   certain background, certain person -> colour histograms 16x16x16 -> posterior -> box mean
 *
 * A fallback: about right on plain backgrounds, rough on others; edges come from the guided filter.
 * Pure function, no allocation.
 */
#include "parts.h"

#include <math.h>
#include <string.h>

static const float CERTAIN = 0.99f;   /* prior above which a pixel teaches the person's colours */
static const float IMPOSSIBLE = 0.1f; /* and below which the background's */
enum { SMOOTHING_RADIUS = 2 };

static int bin_of(const uint8_t *p) {
    return (p[0] >> 4) << 8 | (p[1] >> 4) << 4 | p[2] >> 4;
}

/* Softness: the prior falls from 1 to 0 between 0.75 and 1.25 of the shape's radius. */
static float shape_prior(const stk_jaw *jaw, float x, float y) {
    float u, v;
    stk_jaw_axes(jaw, x, y, &u, &v);
    float off = (u - jaw->u_mid) / jaw->width;
    float rise =
        (v - (jaw->v_chin - 0.58f * jaw->height)) / jaw->height; /* 0: middle of the head */
    float head = hypotf(off / 0.66f, rise / 0.72f);
    /* the body stands upright however the head is tilted */
    float chin_x = jaw->origin[0] + jaw->u_chin * jaw->right[0] + jaw->v_chin * jaw->down[0];
    float chin_y = jaw->origin[1] + jaw->u_chin * jaw->right[1] + jaw->v_chin * jaw->down[1];
    float below = (y - chin_y) / jaw->height;
    float half = 0.45f + 2.0f * stk_clampf(below - 0.15f, 0, 0.6f); /* neck, then shoulders */
    float body = below > -0.3f ? fabsf(x - chin_x) / jaw->width / half : 9;
    float shape = head < body ? head : body;
    return stk_clampf((1.25f - shape) / 0.5f, 0, 1);
}

void stk_scatter_person(float *person, const stk_image *grid_rgb, const stk_jaw *jaw, float scale,
                        float *counts, float *plane) {
    int w = grid_rgb->width, h = grid_rgb->height, size[2] = {w, h};
    float *fore = counts, *back = counts + STK_SCATTER_BINS, fore_sum = 1, back_sum = 1;
    size_t at = 0;
    memset(counts, 0, 2 * STK_SCATTER_BINS * sizeof *counts);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, at++) {
            float prior = shape_prior(jaw, ((float)x + 0.5f) / scale, ((float)y + 0.5f) / scale);
            int bin = bin_of(stk_image_row(grid_rgb, y) + 3 * x);
            person[at] = prior;
            if (prior > CERTAIN)
                fore[bin]++, fore_sum++;
            else if (prior < IMPOSSIBLE)
                back[bin]++, back_sum++;
        }
    at = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, at++) {
            int bin = bin_of(stk_image_row(grid_rgb, y) + 3 * x);
            float prior = stk_clampf(person[at], 0.02f, 0.98f);
            /* one count in a thousand for colours never met: no evidence either way */
            float f = prior * (fore[bin] / fore_sum + 1e-3f);
            float b = (1 - prior) * (back[bin] / back_sum + 1e-3f);
            person[at] = f / (f + b);
        }
    stk_box_mean(person, person, plane, size, SMOOTHING_RADIUS);
}
