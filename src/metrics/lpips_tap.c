/* lpips_tap.c - the distance of two pictures' features at one tap, and its derivative.
 *
 *   n = |f|, u = f / (n + e), v likewise of g; d = mean over pixels of sum_c w (u - v)^2
 *   q = dd/du = 2 w (u - v) / pixels;  dd/df = q / (n + e) - f (q . f) / (n (n + e)^2)
 *
 * DIFFERS: where f is all 0, the published code's derivative is not a number; here it is 0, which
 * is what the ReLU before the tap would make of any.
 */
#include "metrics/lpips_private.h"

#include <math.h>

enum { LANES = 16 }; /* channels are whole multiples of it; a sum keeps one part a lane */
static const float EPSILON = 1e-10f;

static float total(const float lane[LANES]) {
    float sum = 0;
    for (int k = 0; k < LANES; k++) sum += lane[k];
    return sum;
}

static float length_of(int c, const float *restrict f) {
    float lane[LANES] = {0};
    for (int k = 0; k < c; k += LANES)
        for (int j = 0; j < LANES; j++) lane[j] += f[k + j] * f[k + j];
    return sqrtf(total(lane));
}

/* sum_c w (u - v)^2 of one pixel; a, b: 1 / (n + e). */
static float pixel_distance(int c, const float *restrict f, const float *restrict g,
                            const float *restrict w, float a, float b) {
    float lane[LANES] = {0};
    for (int k = 0; k < c; k += LANES)
        for (int j = 0; j < LANES; j++) {
            const float apart = f[k + j] * a - g[k + j] * b;
            lane[j] += w[k + j] * apart * apart;
        }
    return total(lane);
}

/* df = share times the derivative of the above by f, whose length is n. */
static void pixel_gradient(int c, const float *restrict f, const float *restrict g,
                           const float *restrict w, const float abn[3], float share,
                           float *restrict df) {
    const float a = abn[0], b = abn[1], n = abn[2];
    float lane[LANES] = {0};
    for (int k = 0; k < c; k += LANES)
        for (int j = 0; j < LANES; j++) {
            const float q = 2 * share * w[k + j] * (f[k + j] * a - g[k + j] * b);
            lane[j] += q * f[k + j];
            df[k + j] = q;
        }
    const float along = n > 0 ? total(lane) * a * a / n : 0.0f, across = n > 0 ? a : 0.0f;
    for (int k = 0; k < c; k++) df[k] = df[k] * across - f[k] * along;
}

double lpips_tap_distance(size_t pixels, int c, const float *f, const float *g, const float *w,
                          float scale, float *df) {
    const size_t step = (size_t)c;
    const float share = scale / (float)pixels;
    double sum = 0;
    for (size_t p = 0; p < pixels; p++, f += step, g += step) {
        const float n = length_of(c, f), m = length_of(c, g);
        const float abn[3] = {1 / (n + EPSILON), 1 / (m + EPSILON), n};
        sum += (double)pixel_distance(c, f, g, w, abn[0], abn[1]);
        if (df != NULL) pixel_gradient(c, f, g, w, abn, share, df + p * step);
    }
    return sum / (double)pixels;
}
