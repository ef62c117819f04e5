/* crop.c - samples a rotated square of a picture for a network.
 *
 * Target pixel (i, j) of n has its centre at u = (j + 0.5) / n - 0.5, v = (i + 0.5) / n - 0.5 of
 * the square; in the picture that is c + size R(angle) (u, v).
 *
 * DIFFERS: MediaPipe takes one bilinear sample however much it shrinks; here a target pixel
 * averages up to 4x4 samples, which keeps small faces in large pictures from flickering between
 * frames.
 */
#include "face_sync/face_graphs.h"

#include <math.h>

enum { MOST_SAMPLES = 4 };

/* Adds the bilinear sample at (x, y) px to sum[3]. */
static void add_sample(const stk_image *rgb, float x, float y, int border_zero, float sum[3]) {
    x -= 0.5f;
    y -= 0.5f;
    float left = floorf(x), top = floorf(y), u = x - left, v = y - top;
    /* far outside: clamp before the conversion to int could overflow */
    int j = (int)stk_clampf(left, -2, (float)rgb->width + 1);
    int i = (int)stk_clampf(top, -2, (float)rgb->height + 1);
    for (int k = 0; k < 4; k++) {
        int row = i + (k >> 1), col = j + (k & 1);
        float weight = ((k >> 1) != 0 ? v : 1 - v) * ((k & 1) != 0 ? u : 1 - u);
        if (row < 0 || row >= rgb->height || col < 0 || col >= rgb->width) {
            if (border_zero) continue;
            row = stk_clampi(row, 0, rgb->height - 1);
            col = stk_clampi(col, 0, rgb->width - 1);
        }
        const uint8_t *p = stk_image_row(rgb, row) + col * rgb->channels;
        for (int c = 0; c < 3; c++) sum[c] += weight * (float)p[c];
    }
}

void stk_face_crop(float *target, int n, const stk_image *rgb, const stk_face_roi *roi,
                   float scale, float shift, int border_zero) {
    /* one bilinear sample covers two source pixels */
    int samples = stk_clampi((int)ceilf(roi->size_px / (float)n * 0.5f), 1, MOST_SAMPLES);
    float step = roi->size_px / (float)(n * samples), weight = scale / (float)(samples * samples);
    float dx = cosf(roi->angle_rad) * step, dy = sinf(roi->angle_rad) * step;
    float middle = 0.5f * (float)(n * samples - 1);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++, target += 3) {
            float sum[3] = {0};
            for (int k = 0; k < samples * samples; k++) {
                float u = (float)(j * samples + k % samples) - middle;
                float v = (float)(i * samples + k / samples) - middle;
                add_sample(rgb, roi->cx_px + u * dx - v * dy, roi->cy_px + u * dy + v * dx,
                           border_zero, sum);
            }
            for (int c = 0; c < 3; c++) target[c] = sum[c] * weight + shift;
        }
}
