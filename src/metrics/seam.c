/* seam.c - see seam.h. Double sums in raster order: the same whatever runs beside. */
#include "metrics/seam.h"

#include <math.h>
#include <stdlib.h>

enum { HALF = 128 };

/* --- across the rim --------------------------------------------------------------------------- */

static int mask_at(const stk_image *mask, int x, int y) {
    return stk_image_row(mask,
                         stk_clampi(y, 0, mask->height - 1))[stk_clampi(x, 0, mask->width - 1)];
}

static int on_rim(const stk_image *mask, int x, int y) {
    const int here = mask_at(mask, x, y) >= HALF;
    return here != (mask_at(mask, x + 1, y) >= HALF) || here != (mask_at(mask, x, y + 1) >= HALF);
}

/* Sobel's gradient, of length 1; 0 where the mask is flat. */
static int normal_of(const stk_image *mask, int x, int y, float n[2]) {
    int gx = 0, gy = 0;
    for (int k = -1; k <= 1; k++) {
        const int weight = k == 0 ? 2 : 1;
        gx += weight * (mask_at(mask, x + 1, y + k) - mask_at(mask, x - 1, y + k));
        gy += weight * (mask_at(mask, x + k, y + 1) - mask_at(mask, x + k, y - 1));
    }
    const float length = sqrtf((float)(gx * gx + gy * gy));
    if (length == 0) return 0;
    n[0] = (float)gx / length, n[1] = (float)gy / length;
    return 1;
}

static const uint8_t *pixel_near(const stk_image *image, float x, float y) {
    const int px = stk_clampi((int)lrintf(x), 0, image->width - 1);
    const int py = stk_clampi((int)lrintf(y), 0, image->height - 1);
    return stk_image_row(image, py) + 3 * (ptrdiff_t)px;
}

static void add(stk_sum *sum, double value) {
    sum->sum += value;
    sum->count++;
}

void stk_seam_add(stk_seam *seam, const stk_image *made, const stk_image *real,
                  const stk_image *mask, float reach_px) {
    for (int y = 0; y < mask->height; y++)
        for (int x = 0; x < mask->width; x++) {
            float n[2];
            if (!on_rim(mask, x, y) || !normal_of(mask, x, y, n)) continue;
            const float dx = reach_px * n[0], dy = reach_px * n[1];
            const float in[2] = {(float)x + dx, (float)y + dy};
            const float out[2] = {(float)x - dx, (float)y - dy};
            const uint8_t *m0 = pixel_near(made, out[0], out[1]);
            const uint8_t *m1 = pixel_near(made, in[0], in[1]);
            const uint8_t *r0 = pixel_near(real, out[0], out[1]);
            const uint8_t *r1 = pixel_near(real, in[0], in[1]);
            int sum_made = 0, sum_real = 0, sum_other = 0;
            for (int c = 0; c < 3; c++) {
                sum_made += abs(m1[c] - m0[c]);
                sum_real += abs(r1[c] - r0[c]);
                sum_other += abs(m1[c] - m0[c] - r1[c] + r0[c]);
            }
            add(&seam->made, sum_made / 3.0);
            add(&seam->real, sum_real / 3.0);
            add(&seam->mismatch, sum_other / 3.0);
        }
}

double stk_seam_ratio(const stk_seam *seam) {
    if (seam->real.sum > 0) return seam->made.sum / seam->real.sum;
    return seam->made.sum > 0 ? INFINITY : 1;
}

/* --- colour ----------------------------------------------------------------------------------- */

static float linear_light(uint8_t v) {
    const float s = (float)v / 255;
    return s <= 0.04045f ? s / 12.92f : powf((s + 0.055f) / 1.055f, 2.4f);
}

static float lab_curve(float t) {
    const float d = 6.0f / 29;
    return t > d * d * d ? cbrtf(t) : t / (3 * d * d) + 4.0f / 29;
}

void stk_lab_of_rgb(const uint8_t rgb[3], float lab[3]) {
    const float r = linear_light(rgb[0]), g = linear_light(rgb[1]), b = linear_light(rgb[2]);
    const float x = lab_curve((0.4124564f * r + 0.3575761f * g + 0.1804375f * b) / 0.950470f);
    const float y = lab_curve(0.2126729f * r + 0.7151522f * g + 0.0721750f * b);
    const float z = lab_curve((0.0193339f * r + 0.1191920f * g + 0.9503041f * b) / 1.088830f);
    lab[0] = 116 * y - 16;
    lab[1] = 500 * (x - y);
    lab[2] = 200 * (y - z);
}

void stk_colour_distance_add(stk_sum *sum, const stk_image *a, const stk_image *b,
                             const stk_image *labels, uint8_t label) {
    for (int y = 0; y < labels->height; y++) {
        const uint8_t *l = stk_image_row(labels, y);
        const uint8_t *pa = stk_image_row(a, y), *pb = stk_image_row(b, y);
        for (int x = 0; x < labels->width; x++, pa += 3, pb += 3) {
            if (l[x] != label) continue;
            float la[3] = {0}, lb[3] = {0};
            if (pa[0] != pb[0] || pa[1] != pb[1] || pa[2] != pb[2]) {
                stk_lab_of_rgb(pa, la);
                stk_lab_of_rgb(pb, lb);
            }
            const float d0 = la[0] - lb[0], d1 = la[1] - lb[1], d2 = la[2] - lb[2];
            add(sum, sqrt((double)(d0 * d0 + d1 * d1 + d2 * d2)));
        }
    }
}

/* --- over time -------------------------------------------------------------------------------- */

static int change(const uint8_t *a, const uint8_t *b) {
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2]);
}

static int is_still(const uint8_t *a, const uint8_t *b, int still) {
    return abs(a[0] - b[0]) <= still && abs(a[1] - b[1]) <= still && abs(a[2] - b[2]) <= still;
}

/* still < 0: by label. */
static void add_changes(stk_sum *made, stk_sum *real, const stk_succession *s, uint8_t label,
                        int still) {
    for (int y = 0; y < s->real[1]->height; y++) {
        const uint8_t *m0 = stk_image_row(s->made[0], y), *m1 = stk_image_row(s->made[1], y);
        const uint8_t *r0 = stk_image_row(s->real[0], y), *r1 = stk_image_row(s->real[1], y);
        const uint8_t *l0 = still < 0 ? stk_image_row(s->labels[0], y) : NULL;
        const uint8_t *l1 = still < 0 ? stk_image_row(s->labels[1], y) : NULL;
        for (int x = 0; x < s->real[1]->width; x++, m0 += 3, m1 += 3, r0 += 3, r1 += 3) {
            if (still < 0 ? l0[x] != label || l1[x] != label : !is_still(r0, r1, still)) continue;
            add(made, change(m0, m1) / 3.0);
            add(real, change(r0, r1) / 3.0);
        }
    }
}

void stk_change_add(stk_sum *made, stk_sum *real, const stk_succession *s, uint8_t label) {
    add_changes(made, real, s, label, -1);
}

void stk_still_change_add(stk_sum *made, stk_sum *real, const stk_succession *s, int still) {
    add_changes(made, real, s, 0, still);
}
