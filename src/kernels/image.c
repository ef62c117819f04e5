/* image.c - resizing, sampling and blurring of pictures; plain C.
 *
 * Resizing is separable. For each axis a target sample covers source positions through an stk_tap:
 * the first source sample, how many, and their weights (first, those between, last), which sum to
 * 1:
 *
 *   enlarging, or shrinking by up to 2: two taps around (x+0.5)*scale-0.5 (bilinear)
 *   shrinking by more: the mean over [x*scale, (x+1)*scale) with fractional ends
 *
 * Taps of one block of target columns are computed once per block and kept on the stack.
 */
#include "kernels/image.h"

#include <math.h>

enum { BLOCK = 64, TAPS_MAX = 63, CHANNELS_MAX = 4 };

typedef struct stk_tap {
    int first, count;
    float w_first, w_mid, w_last; /* count 1: w_first only */
} stk_tap;

static stk_tap tap_bilinear(int x, float scale, int size) {
    float at = ((float)x + 0.5f) * scale - 0.5f;
    at = stk_clampf(at, 0, (float)(size - 1));
    int first = (int)at;
    if (first > size - 2) first = size - 2;
    if (first < 0) return (stk_tap){0, 1, 1, 0, 0};
    float f = at - (float)first;
    return (stk_tap){first, 2, 1 - f, 0, f};
}

static stk_tap tap_box(int x, int target, int size) {
    /* Ends as exact fractions of the target size, so that neighbours share them. */
    int64_t from = (int64_t)x * size, to = (int64_t)(x + 1) * size;
    int first = (int)(from / target), last = (int)((to - 1) / target);
    if (first == last) return (stk_tap){first, 1, 1, 0, 0};
    float unit = 1.0f / (float)size; /* target samples a source sample, in units of 1/target */
    float head = (float)((int64_t)(first + 1) * target - from) * unit;
    float tail = (float)(to - (int64_t)last * target) * unit;
    return (stk_tap){first, last - first + 1, head, (float)target * unit, tail};
}

/* `limit`: the shrinking factor up to which two taps are enough. */
static stk_tap tap_make(int x, int target, int size, int limit) {
    if ((int64_t)size > (int64_t)limit * target) return tap_box(x, target, size);
    return tap_bilinear(x, (float)size / (float)target, size);
}

static float tap_weight(const stk_tap *tap, int i) {
    return i == 0 ? tap->w_first : i == tap->count - 1 ? tap->w_last : tap->w_mid;
}

/* Weighted sum of one source row's pixels under a tap, all channels, added to sum. */
static void gather(float sum[CHANNELS_MAX], const uint8_t *row, const stk_tap *tap, int channels,
                   float weight) {
    const uint8_t *p = row + (ptrdiff_t)tap->first * channels;
    for (int c = 0; c < channels; c++, p++) {
        if (tap->count == 1) {
            sum[c] += weight * tap->w_first * p[0];
            continue;
        }
        uint32_t mid = 0;
        for (int i = 1; i < tap->count - 1; i++) mid += p[(ptrdiff_t)i * channels];
        sum[c] += weight * (tap->w_first * p[0] + tap->w_mid * (float)mid +
                            tap->w_last * p[(ptrdiff_t)(tap->count - 1) * channels]);
    }
}

void stk_image_resize(stk_image *target, const stk_image *source) {
    int channels = source->channels;
    for (int x0 = 0; x0 < target->width; x0 += BLOCK) {
        stk_tap columns[BLOCK];
        int n = target->width - x0 < BLOCK ? target->width - x0 : BLOCK;
        for (int i = 0; i < n; i++) columns[i] = tap_make(x0 + i, target->width, source->width, 2);
        for (int y = 0; y < target->height; y++) {
            stk_tap rows = tap_make(y, target->height, source->height, 2);
            uint8_t *out = stk_image_row(target, y) + (ptrdiff_t)x0 * channels;
            for (int i = 0; i < n; i++, out += channels) {
                float sum[CHANNELS_MAX] = {0};
                for (int r = 0; r < rows.count; r++)
                    gather(sum, stk_image_row(source, rows.first + r), &columns[i], channels,
                           tap_weight(&rows, r));
                for (int c = 0; c < channels; c++)
                    out[c] = (uint8_t)stk_clampf(sum[c] + 0.5f, 0, 255);
            }
        }
    }
}

void stk_plane_resize(float *target, int tw, int th, const float *source, int sw, int sh) {
    for (int x0 = 0; x0 < tw; x0 += BLOCK) {
        stk_tap columns[BLOCK];
        int n = tw - x0 < BLOCK ? tw - x0 : BLOCK;
        for (int i = 0; i < n; i++) columns[i] = tap_make(x0 + i, tw, sw, 1);
        for (int y = 0; y < th; y++) {
            stk_tap rows = tap_make(y, th, sh, 1);
            for (int i = 0; i < n; i++) {
                const stk_tap *tap = &columns[i];
                float sum = 0;
                for (int r = 0; r < rows.count; r++) {
                    const float *p = source + (size_t)(rows.first + r) * (size_t)sw + tap->first;
                    float line = 0;
                    for (int k = 0; k < tap->count; k++) line += tap_weight(tap, k) * p[k];
                    sum += tap_weight(&rows, r) * line;
                }
                target[(size_t)y * (size_t)tw + (size_t)(x0 + i)] = sum;
            }
        }
    }
}

/* Not-a-number goes to 0: a bad map gives a wrong picture, never a wild read. */
static float clamp_position(float v, float last) {
    return v >= 0 ? v < last ? v : last : 0;
}

void stk_image_warp_affine_f32(float *target, int width, int height, const stk_image *source,
                               const float m[6], float a, float b) {
    int channels = source->channels;
    float right = (float)(source->width - 1), bottom = (float)(source->height - 1);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            float px = (float)x + 0.5f, py = (float)y + 0.5f;
            float sx = clamp_position(m[0] * px + m[1] * py + m[2] - 0.5f, right);
            float sy = clamp_position(m[3] * px + m[4] * py + m[5] - 0.5f, bottom);
            int x0 = (int)sx, y0 = (int)sy;
            float fx = sx - (float)x0, fy = sy - (float)y0;
            ptrdiff_t next = x0 + 1 < source->width ? channels : 0;
            const uint8_t *top = stk_image_row(source, y0) + (ptrdiff_t)x0 * channels;
            const uint8_t *low = y0 + 1 < source->height ? top + source->stride : top;
            for (int c = 0; c < channels; c++) {
                float upper = top[c] + fx * (float)(top[next + c] - top[c]);
                float lower = low[c] + fx * (float)(low[next + c] - low[c]);
                *target++ = (upper + fy * (lower - upper)) * a + b;
            }
        }
    }
}

/* Index mirrored at the border without repeating it: -1 -> 1, size -> size-2. */
static int mirror(int i, int size) {
    if (size == 1) return 0;
    int period = 2 * (size - 1);
    i = (i % period + period) % period;
    return i < size ? i : period - i;
}

static void blur_row(float *target, const float *source, int width, const float *taps, int radius) {
    for (int x = 0; x < width; x++) {
        float sum = taps[0] * source[x];
        if (x >= radius && x + radius < width)
            for (int k = 1; k <= radius; k++) sum += taps[k] * (source[x - k] + source[x + k]);
        else
            for (int k = 1; k <= radius; k++)
                sum += taps[k] * (source[mirror(x - k, width)] + source[mirror(x + k, width)]);
        target[x] = sum;
    }
}

void stk_plane_blur(float *plane, float *scratch, int width, int height, float sigma, int radius) {
    float taps[TAPS_MAX / 2 + 1];
    radius = stk_clampi(radius, 0, TAPS_MAX / 2);
    if (sigma <= 0 || radius == 0) return;
    float total = 0;
    for (int k = 0; k <= radius; k++) {
        taps[k] = expf(-0.5f * (float)(k * k) / (sigma * sigma));
        total += k == 0 ? taps[k] : 2 * taps[k];
    }
    for (int k = 0; k <= radius; k++) taps[k] /= total;
    size_t w = (size_t)width;
    for (int y = 0; y < height; y++)
        blur_row(scratch + (size_t)y * w, plane + (size_t)y * w, width, taps, radius);
    for (int y = 0; y < height; y++) {
        float *out = plane + (size_t)y * w;
        const float *centre = scratch + (size_t)y * w;
        for (int x = 0; x < width; x++) out[x] = taps[0] * centre[x];
        for (int k = 1; k <= radius; k++) {
            const float *above = scratch + (size_t)mirror(y - k, height) * w;
            const float *below = scratch + (size_t)mirror(y + k, height) * w;
            for (int x = 0; x < width; x++) out[x] += taps[k] * (above[x] + below[x]);
        }
    }
}
