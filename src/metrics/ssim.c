/* ssim.c - SSIM and MS-SSIM, see picture.h.
 *
 *   Wang et al. 2004 with the Gaussian window. Per channel five planes are blurred: a, b, a^2, b^2,
 *   ab. Rows pass through a ring of WINDOW blurred rows, so the working set is 5 x 11 rows of
 *   floats and stays in the cache; sums over the picture are double, row by row.
 *
 * Values are taken about mid-grey so that E[x^2] - E[x]^2 keeps its digits; bytes and their
 * products are then whole numbers up to 2^14, exact as floats. Threading: pure functions; the
 * caller brings the scratch.
 */
#include "metrics/picture.h"

#include <math.h>
#include <string.h>

enum {
    RADIUS = 5, /* scikit-image: int(truncate 3.5 * sigma 1.5 + 0.5) */
    WINDOW = 2 * RADIUS + 1,
    PLANES = 5,                        /* a, b, aa, bb, ab */
    RING_ROWS = PLANES * (WINDOW + 2), /* ring, the row's products, one vertical blur */
    SCALES = 5,
    MID_GREY = 128,
};
static const double SIGMA = 1.5;
static const double C1 = 0.01 * 255 * 0.01 * 255, C2 = 0.03 * 255 * 0.03 * 255; /* (K L)^2 */

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

/* row [PLANES][width], of which a and b are given about mid-grey, -> the five planes, blurred along
 * x: out [PLANES][width]; the RADIUS columns at either end stay without a full window and are not
 * written. */
static void blur_row(float *out, float *row, int width, const float taps[WINDOW]) {
    for (int x = 0; x < width; x++) {
        const float p = row[x], q = row[width + x];
        row[2 * width + x] = p * p;
        row[3 * width + x] = q * q;
        row[4 * width + x] = p * q;
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

/* Sums over pixels of SSIM and of its contrast-structure factor alone. */
typedef struct ssim_sums {
    double ssim, structure;
} ssim_sums;

/* Blurs the ring along y around the middle row `y` and adds that row. */
static void add_row(const float *ring, float *blurred, int y, int width, const float taps[WINDOW],
                    ssim_sums *sums) {
    ptrdiff_t size = (ptrdiff_t)PLANES * width;
    memset(blurred, 0, sizeof(float) * (size_t)size);
    for (int k = -RADIUS; k <= RADIUS; k++) {
        const float *in = ring + (y + k) % WINDOW * size;
        float tap = taps[RADIUS + k];
        for (ptrdiff_t i = 0; i < size; i++) blurred[i] += tap * in[i];
    }
    for (int x = RADIUS; x < width - RADIUS; x++) {
        double ma = blurred[x], mb = blurred[width + x];
        double va = blurred[2 * width + x] - ma * ma, vb = blurred[3 * width + x] - mb * mb;
        double vab = blurred[4 * width + x] - ma * mb;
        ma += MID_GREY, mb += MID_GREY;
        const double structure = (2 * vab + C2) / (va + vb + C2);
        sums->structure += structure;
        sums->ssim += (2 * ma * mb + C1) / (ma * ma + mb * mb + C1) * structure;
    }
}

/* One channel of two pictures: of 8-bit pictures, or of float planes. */
typedef struct ssim_pair {
    int width, height;
    const stk_image *bytes[2]; /* NULL: */
    const float *planes[2];
    int channel;
} ssim_pair;

static void fetch_row(const ssim_pair *pair, int y, float *row) {
    const int w = pair->width;
    for (int i = 0; i < 2; i++) {
        float *to = row + (ptrdiff_t)i * w;
        if (pair->bytes[i] == NULL) {
            memcpy(to, pair->planes[i] + (ptrdiff_t)y * w, sizeof(float) * (size_t)w);
            continue;
        }
        const int channels = pair->bytes[i]->channels;
        const uint8_t *from = stk_image_row(pair->bytes[i], y) + pair->channel;
        for (int x = 0; x < w; x++) to[x] = (float)(from[x * channels] - MID_GREY);
    }
}

/* Means over the pixels that a full window fits. */
static ssim_sums compare(const ssim_pair *pair, const float taps[WINDOW], float *scratch) {
    const int w = pair->width, h = pair->height;
    const ptrdiff_t size = (ptrdiff_t)PLANES * w;
    float *ring = scratch, *row = ring + WINDOW * size, *blurred = row + size;
    ssim_sums sums = {0, 0};
    memset(ring, 0, sizeof(float) * (size_t)(WINDOW * size));
    for (int y = 0; y < h; y++) {
        fetch_row(pair, y, row);
        blur_row(ring + y % WINDOW * size, row, w, taps);
        if (y >= 2 * RADIUS) add_row(ring, blurred, y - RADIUS, w, taps, &sums);
    }
    const double pixels = (double)(w - 2 * RADIUS) * (h - 2 * RADIUS);
    return (ssim_sums){sums.ssim / pixels, sums.structure / pixels};
}

size_t stk_ssim_scratch_floats(int width, int height) {
    (void)height;
    return (size_t)width * RING_ROWS;
}

double stk_ssim(const stk_image *a, const stk_image *b, float *scratch) {
    if (a->width < WINDOW || a->height < WINDOW) return 0; /* no pixel has a full window */
    ssim_pair pair = {.width = a->width, .height = a->height, .bytes = {a, b}};
    float taps[WINDOW];
    gaussian_taps(taps);
    double sum = 0;
    for (; pair.channel < a->channels; pair.channel++) sum += compare(&pair, taps, scratch).ssim;
    return sum / a->channels;
}

size_t stk_ms_ssim_scratch_floats(int width, int height) {
    return (size_t)width * RING_ROWS + 2 * (size_t)(width / 2) * (size_t)(height / 2);
}

/* The pair at half the size, each value the mean of 2x2, into planes; an odd last row or column is
 * left out. Planes may be halved in place: what is written lies before what is yet to be read. row:
 * [4][width]. */
static void halve(ssim_pair *pair, float *row, float *const planes[2]) {
    const int w = pair->width, half = w / 2;
    for (int y = 0; y < pair->height / 2; y++) {
        fetch_row(pair, 2 * y, row);
        fetch_row(pair, 2 * y + 1, row + 2 * (ptrdiff_t)w);
        for (int i = 0; i < 2; i++) {
            const float *above = row + (ptrdiff_t)i * w, *below = above + 2 * (ptrdiff_t)w;
            float *to = planes[i] + (ptrdiff_t)y * half;
            for (int x = 0; x < half; x++)
                to[x] = 0.25f * (above[2 * x] + above[2 * x + 1] + below[2 * x] + below[2 * x + 1]);
        }
    }
    pair->width = half;
    pair->height /= 2;
    for (int i = 0; i < 2; i++) {
        pair->bytes[i] = NULL;
        pair->planes[i] = planes[i];
    }
}

double stk_ms_ssim(const stk_image *a, const stk_image *b, float *scratch) {
    static const double powers[SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
    const int width = a->width, height = a->height;
    if (width < STK_MS_SSIM_SIDE || height < STK_MS_SSIM_SIDE) return (double)NAN;
    float taps[WINDOW], *planes[2];
    gaussian_taps(taps);
    planes[0] = scratch + (ptrdiff_t)width * RING_ROWS;
    planes[1] = planes[0] + (ptrdiff_t)(width / 2) * (height / 2);
    double sum = 0;
    for (int c = 0; c < a->channels; c++) {
        ssim_pair pair = {width, height, .bytes = {a, b}, .channel = c};
        double product = 1;
        for (int scale = 0; scale < SCALES; scale++) {
            const ssim_sums means = compare(&pair, taps, scratch);
            const double factor = scale < SCALES - 1 ? means.structure : means.ssim;
            product *= pow(fmax(factor, 0), powers[scale]);
            if (scale < SCALES - 1) halve(&pair, scratch, planes);
        }
        sum += product;
    }
    return sum / a->channels;
}
