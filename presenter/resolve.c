/* resolve.c - samples to the picture: mean of four over the backdrop, film grain, sRGB bytes; the
 * part of most samples; coverage. One task a band of rows.
 *
 * The mean is of square roots of light: four samples make few steps, and these are about equal for
 * the eye, where steps of equal light leave the edge of a bright thing before a dark one ragged.
 */
#include "presenter/canvas_private.h"

#include <math.h>

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

/* Mean light of the samples v, of coverage a, over `back`. */
static float mean4(canvas_f4 v, canvas_f4 a, float back) {
    float sum = 0;
    for (int i = 0; i < 4; i++) sum += sqrtf(v[i] + (1 - a[i]) * back);
    return 0.0625f * sum * sum;
}

static void resolve_pixel(const resolve_run *run, int x, int y, uint8_t out[3]) {
    const stk_canvas *canvas = run->canvas;
    const ptrdiff_t at = (ptrdiff_t)y * canvas->width + x;
    float linear[3] = {0, 0, 0}, cover = 0;
    if (run->backdrop != NULL) {
        const uint8_t *back = stk_image_row(run->backdrop, y) + 3 * x;
        for (int c = 0; c < 3; c++) linear[c] = canvas->to_linear[back[c]];
    }
    if (canvas->live[at]) {
        const canvas_pixel *p = &canvas->pixel[at];
        linear[0] = mean4(p->r, p->a, linear[0]);
        linear[1] = mean4(p->g, p->a, linear[1]);
        linear[2] = mean4(p->b, p->a, linear[2]);
        cover = 0.25f * sum4(p->a);
    }
    if (run->alpha != NULL)
        stk_image_row(run->alpha, y)[x] = (uint8_t)(stk_clampf(cover, 0, 1) * 255 + 0.5f);
    float shared = 0;
    uint32_t bits = 0;
    if (run->grain > 0) {
        bits = mix((uint32_t)(y * canvas->width + x) ^ mix(run->seed));
        shared = noise(bits);
    }
    for (int c = 0; c < 3; c++) {
        float v = canvas->to_srgb[(int)(stk_clampf(linear[c], 0, 1) * CANVAS_SRGB_STEPS + 0.5f)];
        if (run->grain > 0) {
            bits = mix(bits + 0x9e3779b9u);
            v += run->grain * (0.8f * shared + 0.6f * noise(bits)) + 0.5f;
        } else {
            v += 0.5f;
        }
        out[c] = (uint8_t)stk_clampf(v, 0, 255);
    }
}

static void resolve_band(void *ctx, int band, int worker) {
    (void)worker;
    const resolve_run *run = ctx;
    const stk_canvas *canvas = run->canvas;
    const int y0 = band * CANVAS_BAND;
    const int y1 = y0 + CANVAS_BAND < canvas->height ? y0 + CANVAS_BAND : canvas->height;
    for (int y = y0; y < y1; y++) {
        uint8_t *out = stk_image_row(run->rgb, y), *parts = stk_image_row(run->parts, y);
        for (int x = 0; x < canvas->width; x++) {
            const ptrdiff_t at = (ptrdiff_t)y * canvas->width + x;
            resolve_pixel(run, x, y, out + 3 * x);
            parts[x] = canvas->live[at] ? majority(canvas->part[at]) : STK_PART_BACKGROUND;
        }
    }
}

void stk_canvas_resolve(stk_canvas *canvas, const stk_image *backdrop, float grain,
                        uint32_t grain_seed, stk_image *rgb, stk_image *parts, stk_image *alpha) {
    resolve_run run = {canvas, backdrop, rgb, parts, alpha, grain, grain_seed};
    stk_pool_run(canvas->pool, canvas->bands, resolve_band, &run);
}
