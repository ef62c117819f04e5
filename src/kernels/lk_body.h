/* lk_body.h - the planes' kernels in plain integers, compiled once per instruction set: every file
 * that includes this gets its own copies, which the compiler turns into that set's vectors. */
#ifndef STK_KERNELS_LK_BODY_H
#define STK_KERNELS_LK_BODY_H

#include "kernels/lk.h"

static void body_grey(int n, const uint8_t *rgb, uint16_t *out) {
    for (int x = 0; x < n; x++)
        out[x] = (uint16_t)((77 * rgb[3 * x] + 150 * rgb[3 * x + 1] + 29 * rgb[3 * x + 2]) >> 1);
}

static void body_smooth(int n, const uint16_t *restrict a, const uint16_t *restrict h,
                        const uint16_t *restrict b, uint16_t *restrict out) {
    for (int x = 1; x < n - 1; x++) {
        const uint32_t left = (uint32_t)a[x - 1] + 2u * h[x - 1] + b[x - 1];
        const uint32_t mid = (uint32_t)a[x] + 2u * h[x] + b[x];
        const uint32_t right = (uint32_t)a[x + 1] + 2u * h[x + 1] + b[x + 1];
        out[x] = (uint16_t)((left + 2 * mid + right + 8) >> 4);
    }
    for (int end = 0; end < 2; end++) {
        const int x = end ? n - 1 : 0, in = end ? n - 2 : 1;
        const uint32_t mid = (uint32_t)a[x] + 2u * h[x] + b[x];
        const uint32_t inner = (uint32_t)a[in] + 2u * h[in] + b[in];
        out[x] = (uint16_t)((3 * mid + inner + 8) >> 4);
    }
}

static inline uint32_t body_column(const uint16_t *const rows[4], int x) {
    return (uint32_t)rows[0][x] + 3u * rows[1][x] + 3u * rows[2][x] + rows[3][x];
}

static void body_halve(int n, int width, const uint16_t *const rows[4], uint16_t *restrict out) {
    for (int x = 1; x < n - 1; x++)
        out[x] =
            (uint16_t)((body_column(rows, 2 * x - 1) + 3 * body_column(rows, 2 * x) +
                        3 * body_column(rows, 2 * x + 1) + body_column(rows, 2 * x + 2) + 32) >>
                       6);
    for (int end = 0; end < 2; end++) {
        const int x = end ? n - 1 : 0;
        const int left = 2 * x > 0 ? 2 * x - 1 : 0;
        const int right = 2 * x + 2 < width ? 2 * x + 2 : width - 1;
        out[x] = (uint16_t)((body_column(rows, left) + 3 * body_column(rows, 2 * x) +
                             3 * body_column(rows, 2 * x + 1) + body_column(rows, right) + 32) >>
                            6);
    }
}

#endif
