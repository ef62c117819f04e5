/* fit.c - see fit.h: the colours. What hides the face is in fit_hidden.c.
 *
 * The shift at p is the sum of those round the rim, weighted by 1 / distance^2, over the sum of
 * weights and a constant: nearly what was measured there on the rim, a third of it in mid-face.
 * There it is rather the model's own than the light's: with all of it obama lost 0.10 dB, french
 * won 0.08; so they lose 0.04 and win 0.09, may wins 0.3. It is computed at the corners of blocks
 * of 16 x 16 pixels and linear between them.
 */
#include "portrait_sync/fit.h"

#include "portrait_sync/fit_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    RIM_LOW = 24, /* mask values that count as rim */
    RIM_HIGH = 232,
    FAR_LEVELS = 36, /* a difference that is no light: another mouth, a hair */
    BLOCK = 16,
    KNOTS = 2048 / BLOCK + 2,
    SAME_ROWS = 4, /* rows that share one row of shifts: it changes by less than a level */
};
static const float PRIOR_PX = 40;  /* pixels of no difference that each direction begins with */
static const float STEADY = 0.25f; /* share of the newest frame */
static const float HOLD = 0.8f;    /* a frame, of what was hidden */
static const float SOFTENING = 0.0004f; /* of the width squared, added to distances squared */
static const float FADE = 0.28f;        /* of the width: a third of the shift is left in mid-face */

/* --- the rim ---------------------------------------------------------------------------------- */

/* 0 .. STK_RING: the direction of (dx, dy), by the perimeter of a square instead of an angle. */
static int direction(float dx, float dy) {
    const float sum = fabsf(dx) + fabsf(dy);
    if (!(sum > 0)) return 0;
    const float t = dx / sum;                     /* 1 right, 0 up or down, -1 left */
    const float around = dy >= 0 ? 1 - t : 3 + t; /* 0 .. 4 */
    return stk_clampi((int)(around * (STK_RING / 4)), 0, STK_RING - 1);
}

static int mask_middle(const stk_image *mask, float middle[2]) {
    double sum[2] = {0, 0}, count = 0;
    for (int y = 0; y < mask->height; y += 4) {
        const uint8_t *m = stk_image_row(mask, y);
        for (int x = 0; x < mask->width; x += 4)
            if (m[x] > 127) sum[0] += x, sum[1] += y, count++;
    }
    if (count == 0) return 0;
    middle[0] = (float)(sum[0] / count), middle[1] = (float)(sum[1] / count);
    return 1;
}

static void add_rim_pixel(stk_fit *fit, const float middle[2], int x, int y, const uint8_t *made,
                          const uint8_t *real) {
    int d[3], size = 0;
    for (int c = 0; c < 3; c++)
        d[c] = real[c] - made[c], size = abs(d[c]) > size ? abs(d[c]) : size;
    if (size > FAR_LEVELS) return;
    const int i = direction((float)x - middle[0], (float)y - middle[1]);
    for (int c = 0; c < 3; c++) fit->shift[i][c] += (float)d[c];
    fit->at[i][0] += (float)x, fit->at[i][1] += (float)y;
    fit->weight[i]++;
}

/* Sums to means, each direction with its neighbours (1 2 1); those without pixels weigh nothing. */
static void finish_ring(stk_fit *fit) {
    float shift[STK_RING][3], weight[STK_RING];
    for (int i = 0; i < STK_RING; i++)
        for (int c = 0; c < 2 && fit->weight[i] > 0; c++) fit->at[i][c] /= fit->weight[i];
    for (int i = 0; i < STK_RING; i++) {
        const int a = (i + STK_RING - 1) % STK_RING, b = (i + 1) % STK_RING;
        weight[i] = fit->weight[a] + 2 * fit->weight[i] + fit->weight[b];
        for (int c = 0; c < 3; c++)
            shift[i][c] = (fit->shift[a][c] + 2 * fit->shift[i][c] + fit->shift[b][c]) /
                          (weight[i] + 4 * PRIOR_PX);
    }
    memcpy(fit->shift, shift, sizeof shift);
}

void stk_fit_measure(stk_fit *fit, const stk_fit_input *input) {
    const stk_image *picture = input->picture, *frame = input->frame, *mask = input->mask;
    float middle[2];
    memset(fit, 0, sizeof *fit);
    if (!mask_middle(mask, middle)) return;
    fit->ready = 1;
    for (int y = 0; y < mask->height; y++) {
        const uint8_t *m = stk_image_row(mask, y);
        const uint8_t *made = stk_image_row(picture, y), *real = stk_image_row(frame, y);
        for (int x = 0; x < mask->width; x++)
            if (m[x] >= RIM_LOW && m[x] <= RIM_HIGH)
                add_rim_pixel(fit, middle, x, y, made + 3 * x, real + 3 * x);
    }
    finish_ring(fit);
    stk_fit_hidden(input, fit->hidden);
}

/* --- over time -------------------------------------------------------------------------------- */

void stk_fit_steady(stk_fit *fit, stk_fit *before) {
    if (before->ready && fit->ready) {
        for (int i = 0; i < STK_RING; i++)
            for (int c = 0; c < 3; c++)
                fit->shift[i][c] = STEADY * fit->shift[i][c] + (1 - STEADY) * before->shift[i][c];
        for (int i = 0; i < STK_CELLS * STK_CELLS; i++) /* comes at once, goes softly */
            fit->hidden[i] = fmaxf(fit->hidden[i], HOLD * before->hidden[i]);
    }
    *before = *fit;
}

/* --- the field -------------------------------------------------------------------------------- */

/* Shifts at the corners of blocks along a row of them, levels; [knots][3]. */
static void shifts_along(const stk_fit *fit, int width, float y, float (*knots)[3]) {
    const float soft = SOFTENING * (float)width * (float)width, fade = FADE * (float)width;
    for (int k = 0; k * BLOCK < width + BLOCK; k++) {
        const float x = (float)(k * BLOCK);
        float sum[3] = {0, 0, 0}, total = STK_RING / (fade * fade);
        for (int i = 0; i < STK_RING; i++) {
            if (fit->weight[i] <= 0) continue;
            const float dx = x - fit->at[i][0], dy = y - fit->at[i][1];
            const float w = 1 / (dx * dx + dy * dy + soft);
            for (int c = 0; c < 3; c++) sum[c] += w * fit->shift[i][c];
            total += w;
        }
        for (int c = 0; c < 3; c++) knots[k][c] = sum[c] / total;
    }
}

/* Levels in 1/64 between the corners of two rows of blocks, then between columns, rounded. */
static void fill_shifts(int width, const float (*upper)[3], const float (*lower)[3], float share,
                        int16_t *shift) {
    int value[3], next[3];
    for (int k = 0; k * BLOCK < width; k++) {
        for (int c = 0; c < 3; c++) {
            value[c] = (int)lrintf(64 * (upper[k][c] + share * (lower[k][c] - upper[k][c])));
            next[c] =
                (int)lrintf(64 * (upper[k + 1][c] + share * (lower[k + 1][c] - upper[k + 1][c])));
        }
        const int n = width - k * BLOCK < BLOCK ? width - k * BLOCK : BLOCK;
        for (int i = 0; i < n; i++, shift += 3)
            for (int c = 0; c < 3; c++)
                shift[c] =
                    (int16_t)((BLOCK * value[c] + i * (next[c] - value[c]) + 32 * BLOCK) >> 10);
    }
}
_Static_assert(64 * BLOCK == 1 << 10, "the shift above");

size_t stk_fit_scratch(int width) {
    return 3 * (size_t)width;
}

/* Columns [x0, x1) of the mask's row that are not 0. */
static int span_of(const uint8_t *m, int width, int *x0, int *x1) {
    *x0 = 0, *x1 = width;
    while (*x0 < *x1 && m[*x0] == 0) ++*x0;
    while (*x1 > *x0 && m[*x1 - 1] == 0) --*x1;
    return *x0 < *x1;
}

void stk_fit_apply(const stk_fit *fit, const stk_blend_kernels *kernels, int16_t *scratch,
                   stk_image *picture, stk_image *mask) {
    float knots[2][KNOTS][3];
    int block = -1, rows = -1, x0, x1;
    const int width = mask->width;
    if (!fit->ready || width > (KNOTS - 2) * BLOCK) return;
    for (int y = 0; y < mask->height; y++) {
        if (!span_of(stk_image_row(mask, y), width, &x0, &x1)) continue;
        if (y / BLOCK != block) {
            block = y / BLOCK;
            shifts_along(fit, width, (float)(block * BLOCK), knots[0]);
            shifts_along(fit, width, (float)((block + 1) * BLOCK), knots[1]);
        }
        if (y / SAME_ROWS != rows) {
            rows = y / SAME_ROWS;
            const float share = (float)(y % BLOCK) / BLOCK;
            fill_shifts(width, (const float(*)[3])knots[0], (const float(*)[3])knots[1], share,
                        scratch);
        }
        kernels->shade(x1 - x0, stk_image_row(picture, y) + 3 * (ptrdiff_t)x0, scratch + 3 * x0);
    }
    stk_fit_uncover(fit->hidden, mask);
}
