/* bust_math.h - small vector helpers of the bust's files. */
#ifndef STK_PRESENTER_BUST_MATH_H
#define STK_PRESENTER_BUST_MATH_H

#include <math.h>

#include "base/types.h"

/* 3 t^2 - 2 t^3 between the edges, clamped; lo < hi or lo > hi. */
static inline float bust_step(float lo, float hi, float v) {
    const float t = stk_clampf((v - lo) / (hi - lo), 0, 1);
    return t * t * (3 - 2 * t);
}
static inline float bust_mix(float a, float b, float t) {
    return a + (b - a) * t;
}
static inline void bust_sub(const float a[3], const float b[3], float out[3]) {
    for (int k = 0; k < 3; k++) out[k] = a[k] - b[k];
}
static inline float bust_dot(const float a[3], const float b[3]) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
static inline void bust_cross(const float a[3], const float b[3], float out[3]) {
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}
/* Makes v unit; returns the length it had. */
static inline float bust_normalise(float v[3]) {
    const float length = sqrtf(bust_dot(v, v));
    const float scale = length > 1e-12f ? 1 / length : 0;
    for (int k = 0; k < 3; k++) v[k] *= scale;
    return length;
}
/* exp(-d^2 / (2 s^2)) for a point and a centre; s by axis, m. */
static inline float bust_bump(const float p[3], float x, float y, float sx, float sy) {
    const float dx = (p[0] - x) / sx, dy = (p[1] - y) / sy;
    return expf(-0.5f * (dx * dx + dy * dy));
}

#endif
