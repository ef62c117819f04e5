/* blend_body.h - blending in plain integers. Compiled once per instruction set: every file that
 * includes this gets its own copies; `shade` and `between` the compiler turns into that set's
 * vectors, the others serve as the ends of rows. */
#ifndef STK_KERNELS_BLEND_BODY_H
#define STK_KERNELS_BLEND_BODY_H

#include "base/attr.h"
#include "kernels/blend.h"

static void body_shade(int n, uint8_t *restrict a, const int16_t *restrict shift) {
    for (int i = 0; i < 3 * n; i++) {
        const int v = a[i] + shift[i];
        a[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

/* round((m a + (255 - m) b) / 255), exact. */
STK_INLINE uint8_t body_mix_value(unsigned m, unsigned a, unsigned b) {
    const unsigned t = m * a + (255 - m) * b + 128;
    return (uint8_t)((t + (t >> 8)) >> 8);
}

STK_INLINE void body_mix(int n, const uint8_t *mask, uint8_t *a, const uint8_t *b) {
    for (int i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            a[3 * i + c] = body_mix_value(mask[i], a[3 * i + c], b[3 * i + c]);
}

static void body_between(int n, const uint8_t *const rgb[2], const uint8_t *const mask[2],
                         int share, uint16_t *restrict out) {
    const uint8_t *restrict upper = rgb[0], *restrict lower = rgb[1];
    const uint8_t *restrict m0 = mask[0], *restrict m1 = mask[1];
    const int rest = STK_BLEND_ONE - share;
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < 3; c++)
            out[4 * i + c] = (uint16_t)(rest * upper[3 * i + c] + share * lower[3 * i + c]);
        out[4 * i + 3] = (uint16_t)(rest * m0[i] + share * m1[i]);
    }
}

STK_INLINE unsigned body_sample(const uint16_t *pixel, int share) {
    const unsigned t = (unsigned)pixel[0] * (unsigned)(STK_BLEND_ONE - share) +
                       (unsigned)pixel[4] * (unsigned)share;
    return (t + (1u << (2 * STK_BLEND_BITS - 1))) >> (2 * STK_BLEND_BITS);
}

STK_INLINE void body_paste(int n, const uint16_t *row, const stk_blend_columns *columns, int from,
                           uint8_t *target) {
    for (int i = from; i < n; i++) {
        const uint16_t *p = row + 4 * columns->first[i];
        const int share = columns->share[i];
        const unsigned m = body_sample(p + 3, share);
        for (int c = 0; c < 3; c++)
            target[3 * i + c] = body_mix_value(m, body_sample(p + c, share), target[3 * i + c]);
    }
}

#endif
