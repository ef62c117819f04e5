/* picture.c - see picture.h.
 *
 *   PSNR  squared differences of bytes are summed as integers: exact, in any order
 *   SSIM  Wang et al. 2004 with the Gaussian window. Per channel five planes are blurred: a, b,
 * a^2, b^2,
 *         ab. Rows pass through a ring of WINDOW blurred rows, so the scratch is 5 x 11 rows of
 * floats
 *         and stays in the cache; sums over the picture are double, row by row.
 * Threading: pure functions; the caller brings the scratch.
 */
#include "metrics/picture.h"

#include <math.h>
#include <string.h>

enum {
    RADIUS = 5, /* scikit-image: int(truncate 3.5 * sigma 1.5 + 0.5) */
    WINDOW = 2 * RADIUS + 1,
    PLANES = 5, /* a, b, aa, bb, ab */
};
static const double SIGMA = 1.5, DATA_RANGE = 255;
static const double C1 = 0.01 * 255 * 0.01 * 255, C2 = 0.03 * 255 * 0.03 * 255; /* (K L)^2 */
enum { MID_GREY = 128 };
static const double PSNR_MOST_DB = 100; /* identical pictures */

/* DIFFERS: reference.md 10 takes the last detected face and 68-point landmarks 48..67; here the
 * same places on the face mesh are named by their mesh indices: the usual 68-point correspondence.
 * Outer lip from the picture's left corner over the upper lip to the right and back along the lower
 * lip (48..59), then the inner lip likewise (60..67). */
const int stk_mouth_landmarks[20] = {61, 39,  37, 0,  267, 269, 291, 405, 314, 17,
                                     84, 181, 78, 82, 13,  312, 308, 317, 14,  87};

static int64_t row_squares(const uint8_t *a, const uint8_t *b, int count) {
    int64_t sum = 0;
    for (int i = 0; i < count; i++) {
        int d = a[i] - b[i];
        sum += d * d;
    }
    return sum;
}

double stk_mse(const stk_image *a, const stk_image *b, stk_rect rect, const stk_image *mask,
               int64_t *pixels) {
    int64_t sum = 0, counted = 0;
    int channels = a->channels, width = a->width < b->width ? a->width : b->width;
    int height = a->height < b->height ? a->height : b->height;
    int x0 = stk_clampi(rect.x0, 0, width), x1 = stk_clampi(rect.x1, x0, width);
    int y0 = stk_clampi(rect.y0, 0, height), y1 = stk_clampi(rect.y1, y0, height);
    for (int y = y0; y < y1; y++) {
        const uint8_t *p = stk_image_row(a, y), *q = stk_image_row(b, y);
        if (mask == NULL) {
            sum += row_squares(p + x0 * channels, q + x0 * channels, (x1 - x0) * channels);
            counted += x1 - x0;
            continue;
        }
        const uint8_t *m = stk_image_row(mask, y);
        for (int x = x0; x < x1; x++) {
            if (m[x] == 0) continue;
            sum += row_squares(p + x * channels, q + x * channels, channels);
            counted++;
        }
    }
    if (pixels != NULL) *pixels = counted;
    return counted > 0 ? (double)sum / ((double)counted * channels * DATA_RANGE * DATA_RANGE) : 0;
}

double stk_psnr_from_mse(double mse) {
    static const double LEAST = 1e-10; /* 100 dB */
    return mse > LEAST ? -10 * log10(mse) : PSNR_MOST_DB;
}

/* The middle tap takes up what rounding to float left, so that flat areas keep variance 0. */
static void gaussian_taps(float taps[WINDOW]) {
    double exact[WINDOW], sum = 0, rest = 1;
    for (int i = 0; i < WINDOW; i++) {
        exact[i] = exp(-0.5 * (i - RADIUS) * (i - RADIUS) / (SIGMA * SIGMA));
        sum += exact[i];
    }
    for (int i = 0; i < WINDOW; i++) {
        taps[i] = (float)(exact[i] / sum);
        if (i != RADIUS) rest -= taps[i];
    }
    taps[RADIUS] = (float)rest;
}

size_t stk_ssim_scratch_floats(int width, int height) {
    (void)height;
    return (size_t)width * PLANES * (WINDOW + 2); /* ring, the row's products, one vertical blur */
}

/* One picture row of one channel -> the five planes, blurred along x: out [PLANES][width]; the
 * RADIUS columns at either end stay without a full window and are not written. row: scratch
 * [PLANES][width]. Bytes and products of bytes are whole numbers below 2^16, exact as floats; the
 * pictures are taken about mid-grey so that E[x^2] - E[x]^2 keeps its digits. */
static void blur_row(float *out, float *row, const uint8_t *a, const uint8_t *b, int width,
                     int channels, const float taps[WINDOW]) {
    for (int x = 0; x < width; x++) {
        int p = a[x * channels] - MID_GREY, q = b[x * channels] - MID_GREY;
        row[x] = (float)p;
        row[width + x] = (float)q;
        row[2 * width + x] = (float)(p * p);
        row[3 * width + x] = (float)(q * q);
        row[4 * width + x] = (float)(p * q);
    }
    for (int plane = 0; plane < PLANES; plane++) {
        const float *in = row + (ptrdiff_t)plane * width;
        float *to = out + (ptrdiff_t)plane * width;
        for (int x = RADIUS; x < width - RADIUS; x++) {
            float sum = taps[RADIUS] * in[x];
            for (int k = 1; k <= RADIUS; k++) sum += taps[RADIUS + k] * (in[x - k] + in[x + k]);
            to[x] = sum;
        }
    }
}

/* Blurs the ring along y around the middle row `y` and returns the row's sum of SSIM values. */
static double ssim_row(const float *ring, float *blurred, int y, int width,
                       const float taps[WINDOW]) {
    ptrdiff_t size = (ptrdiff_t)PLANES * width;
    memset(blurred, 0, sizeof(float) * (size_t)size);
    for (int k = -RADIUS; k <= RADIUS; k++) {
        const float *in = ring + (y + k) % WINDOW * size;
        float tap = taps[RADIUS + k];
        for (ptrdiff_t i = 0; i < size; i++) blurred[i] += tap * in[i];
    }
    double sum = 0;
    for (int x = RADIUS; x < width - RADIUS; x++) {
        double ma = blurred[x], mb = blurred[width + x];
        double va = blurred[2 * width + x] - ma * ma, vb = blurred[3 * width + x] - mb * mb;
        double vab = blurred[4 * width + x] - ma * mb;
        ma += MID_GREY, mb += MID_GREY;
        sum += (2 * ma * mb + C1) * (2 * vab + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2));
    }
    return sum;
}

double stk_ssim(const stk_image *a, const stk_image *b, float *scratch) {
    int width = a->width, height = a->height, channels = a->channels;
    if (width < WINDOW || height < WINDOW) return 0; /* no pixel has a full window */
    double sum = 0;
    float taps[WINDOW];
    gaussian_taps(taps);
    ptrdiff_t size = (ptrdiff_t)PLANES * width;
    float *ring = scratch, *row = ring + WINDOW * size, *blurred = row + size;
    memset(ring, 0, sizeof(float) * (size_t)(WINDOW * size));
    for (int c = 0; c < channels; c++)
        for (int y = 0; y < height; y++) {
            blur_row(ring + y % WINDOW * size, row, stk_image_row(a, y) + c,
                     stk_image_row(b, y) + c, width, channels, taps);
            if (y >= 2 * RADIUS) sum += ssim_row(ring, blurred, y - RADIUS, width, taps);
        }
    return sum / ((double)(width - 2 * RADIUS) * (height - 2 * RADIUS) * channels);
}

double stk_landmark_distance(const stk_landmarks *a, const stk_landmarks *b, const int *indices,
                             int count) {
    double ma[2] = {0, 0}, mb[2] = {0, 0}, sum = 0;
    if (count < 1) return 0;
    for (int k = 0; k < count; k++)
        for (int i = 0; i < 2; i++) {
            ma[i] += a->xyz[indices[k]][i];
            mb[i] += b->xyz[indices[k]][i];
        }
    for (int k = 0; k < count; k++) {
        double d[2];
        for (int i = 0; i < 2; i++) {
            d[i] = a->xyz[indices[k]][i] - ma[i] / count;
            d[i] -= b->xyz[indices[k]][i] - mb[i] / count;
        }
        sum += sqrt(d[0] * d[0] + d[1] * d[1]);
    }
    return sum / count;
}
