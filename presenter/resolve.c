/* resolve.c - samples to the picture: mean of four over the backdrop, a lens, film grain, sRGB
 * bytes; the part of most samples; coverage. Two runs of one task a band of rows: roots, bytes.
 *
 * Between them stands the square root of light. Four samples make few steps, and steps of its root
 * are about equal for the eye, where steps of light leave the edge of a bright thing before a dark
 * one ragged. A lens is never sharper than its pixels: what is drawn spreads a little to its
 * neighbours; backdrop beside nothing drawn stays as it was painted.
 */
#include "presenter/canvas_private.h"

#include <math.h>

/* Share of a pixel that goes to each neighbour along a row and along a column. */
static const float LENS = 0.07f;

typedef struct resolve_run {
    stk_canvas *canvas;
    const stk_image *backdrop;
    stk_image *rgb, *parts, *alpha;
    float grain;
    uint32_t seed;
} resolve_run;

static uint32_t mix(uint32_t v) {
    v ^= v >> 16;
    v *= 0x7feb352du;
    v ^= v >> 15;
    v *= 0x846ca68bu;
    return v ^ v >> 16;
}

/* About normal, unit variance: the sum of four bytes and of one shared by the colours. */
static float noise(uint32_t bits) {
    const int sum =
        (int)(bits & 255) + (int)(bits >> 8 & 255) + (int)(bits >> 16 & 255) + (int)(bits >> 24);
    return ((float)sum - 510) * (1 / 147.8f);
}

static uint8_t majority(const uint8_t part[4]) {
    uint8_t best = part[0];
    int most = 0;
    for (int i = 0; i < 4; i++) {
        int count = 0;
        for (int j = 0; j < 4; j++) count += part[j] == part[i];
        if (count > most) {
            most = count;
            best = part[i];
        }
    }
    return best;
}

static float sum4(canvas_f4 v) {
    return (v[0] + v[1]) + (v[2] + v[3]);
}

/* Root of the light of the samples v, of coverage a, over `back`. */
static float root4(canvas_f4 v, canvas_f4 a, float back) {
    float sum = 0;
    for (int i = 0; i < 4; i++) sum += sqrtf(v[i] + (1 - a[i]) * back);
    return 0.25f * sum;
}

static void band_rows(const stk_canvas *canvas, int band, int *y0, int *y1) {
    *y0 = band * CANVAS_BAND;
    *y1 = *y0 + CANVAS_BAND < canvas->height ? *y0 + CANVAS_BAND : canvas->height;
}

static void root_pixel(const resolve_run *run, int x, int y) {
    const stk_canvas *canvas = run->canvas;
    const ptrdiff_t at = (ptrdiff_t)y * canvas->width + x;
    float *root = canvas->root + 3 * at, cover = 0;
    const uint8_t *back = run->backdrop ? stk_image_row(run->backdrop, y) + 3 * x : NULL;
    if (canvas->live[at]) {
        const canvas_pixel *p = &canvas->pixel[at];
        float light[3] = {0, 0, 0};
        for (int c = 0; back != NULL && c < 3; c++) light[c] = canvas->to_linear[back[c]];
        root[0] = root4(p->r, p->a, light[0]);
        root[1] = root4(p->g, p->a, light[1]);
        root[2] = root4(p->b, p->a, light[2]);
        cover = 0.25f * sum4(p->a);
    } else {
        for (int c = 0; c < 3; c++) root[c] = back != NULL ? canvas->to_root[back[c]] : 0;
    }
    if (run->alpha != NULL)
        stk_image_row(run->alpha, y)[x] = (uint8_t)(stk_clampf(cover, 0, 1) * 255 + 0.5f);
}

static void root_band(void *ctx, int band, int worker) {
    (void)worker;
    const resolve_run *run = ctx;
    const stk_canvas *canvas = run->canvas;
    int y0, y1;
    band_rows(canvas, band, &y0, &y1);
    for (int y = y0; y < y1; y++) {
        uint8_t *parts = stk_image_row(run->parts, y);
        for (int x = 0; x < canvas->width; x++) {
            const ptrdiff_t at = (ptrdiff_t)y * canvas->width + x;
            root_pixel(run, x, y);
            parts[x] = canvas->live[at] ? majority(canvas->part[at]) : STK_PART_BACKGROUND;
        }
    }
}

/* The pixel seen through the lens; columns x0, x, x1 of rows above, here and below. */
static void look(const stk_canvas *canvas, const int x[3], const ptrdiff_t row[3], float root[3]) {
    int live = 0;
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++) live |= canvas->live[row[j] + x[i]];
    const float *here = canvas->root + 3 * (row[1] + x[1]);
    for (int c = 0; c < 3; c++) root[c] = here[c];
    if (!live) return;
    const float share[3] = {LENS, 1 - 2 * LENS, LENS};
    for (int c = 0; c < 3; c++) {
        float sum = 0;
        for (int j = 0; j < 3; j++) {
            const float *line = canvas->root + 3 * row[j] + c;
            sum += share[j] *
                   (share[0] * (line[3 * x[0]] + line[3 * x[2]]) + share[1] * line[3 * x[1]]);
        }
        root[c] = sum;
    }
}

static void develop(const resolve_run *run, ptrdiff_t at, const float root[3], uint8_t out[3]) {
    const stk_canvas *canvas = run->canvas;
    uint32_t bits = 0;
    float shared = 0;
    if (run->grain > 0) {
        bits = mix((uint32_t)at ^ mix(run->seed));
        shared = noise(bits);
    }
    for (int c = 0; c < 3; c++) {
        float v = canvas->to_srgb[(int)(stk_clampf(root[c], 0, 1) * CANVAS_SRGB_STEPS + 0.5f)];
        if (run->grain > 0) {
            bits = mix(bits + 0x9e3779b9u);
            v += run->grain * (0.8f * shared + 0.6f * noise(bits));
        }
        out[c] = (uint8_t)stk_clampf(v + 0.5f, 0, 255);
    }
}

static void develop_band(void *ctx, int band, int worker) {
    (void)worker;
    const resolve_run *run = ctx;
    const stk_canvas *canvas = run->canvas;
    const int width = canvas->width;
    int y0, y1;
    band_rows(canvas, band, &y0, &y1);
    for (int y = y0; y < y1; y++) {
        const ptrdiff_t row[3] = {(ptrdiff_t)(y > 0 ? y - 1 : y) * width, (ptrdiff_t)y * width,
                                  (ptrdiff_t)(y + 1 < canvas->height ? y + 1 : y) * width};
        uint8_t *out = stk_image_row(run->rgb, y);
        for (int x = 0; x < width; x++) {
            const int column[3] = {x > 0 ? x - 1 : x, x, x + 1 < width ? x + 1 : x};
            float root[3];
            look(canvas, column, row, root);
            develop(run, row[1] + x, root, out + 3 * x);
        }
    }
}

void stk_canvas_resolve(stk_canvas *canvas, const stk_image *backdrop, float grain,
                        uint32_t grain_seed, stk_image *rgb, stk_image *parts, stk_image *alpha) {
    resolve_run run = {canvas, backdrop, rgb, parts, alpha, grain, grain_seed};
    stk_pool_run(canvas->pool, canvas->bands, root_band, &run);
    stk_pool_run(canvas->pool, canvas->bands, develop_band, &run);
}
