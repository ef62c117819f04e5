/* march.c - plain-C rays, marching and compositing: the twin every variant is tested against.
 *
 *   ray (o, d) -> near_far: box interval -> march: sample positions [n][3], (dt, t_after) [n][2]
 *   field outputs in tiles -> composite: one stk_ray_out a ray -> composite_backward: gradients
 *
 * Everything is per ray, keeps its state in registers, allocates nothing and may run on any thread.
 * Rounding follows the order in which the formulas of reference.md 4 are written, so that the sample
 * lists agree with the published ones cell for cell.
 */
#include "kernels/march.h"
#include "kernels/field.h"

#include <float.h>
#include <math.h>

/* The box that clips ray intervals, ngp units: +-1, +-0.5 (depth), +-1. */
static const float BOX_HALF[3] = {1.0f, 0.5f, 1.0f};

static uint32_t spread_bits(uint32_t v) {
    v &= 0x7f;
    v = (v | (v << 8)) & 0x0000f00fu;
    v = (v | (v << 4)) & 0x000c30c3u;
    v = (v | (v << 2)) & 0x00249249u;
    return v;
}

static uint32_t gather_bits(uint32_t v) {
    v &= 0x00249249u;
    v = (v | (v >> 2)) & 0x000c30c3u;
    v = (v | (v >> 4)) & 0x0000f00fu;
    v = (v | (v >> 8)) & 0x0000007fu;
    return v;
}

uint32_t stk_morton_encode(uint32_t x, uint32_t y, uint32_t z) {
    return spread_bits(x) | spread_bits(y) << 1 | spread_bits(z) << 2;
}

void stk_morton_decode(uint32_t code, uint32_t *x, uint32_t *y, uint32_t *z) {
    *x = gather_bits(code);
    *y = gather_bits(code >> 1);
    *z = gather_bits(code >> 2);
}

/* Interval [near, far] of one ray with the box; a miss gives FLT_MAX twice (reference.md 4.2). */
static void near_far_one(const float o[3], const float d[3], float out[2]) {
    float near = 0, far = 0;
    for (int k = 0; k < 3; k++) {
        float inverse = 1.0f / d[k];
        float a = (-BOX_HALF[k] - o[k]) * inverse, b = (BOX_HALF[k] - o[k]) * inverse;
        if (a > b) {
            float swap = a;
            a = b;
            b = swap;
        }
        if (k > 0 && (near > b || a > far)) {
            out[0] = out[1] = FLT_MAX;
            return;
        }
        if (k == 0 || a > near) near = a;
        if (k == 0 || b < far) far = b;
    }
    out[0] = near < STK_MIN_NEAR ? STK_MIN_NEAR : near;
    out[1] = far;
}

static void near_far_c(int n, const float *o, const float *d, float *near_far) {
    for (int i = 0; i < n; i++) near_far_one(o + 3 * i, d + 3 * i, near_far + 2 * i);
}

static int cell_of(float p) {
    float c = 0.5f * (p + 1.0f) * STK_GRID_SIDE;
    return (int)(c < 0 ? 0 : c > STK_GRID_SIDE - 1 ? STK_GRID_SIDE - 1 : c);
}

/* Distance along the ray to the face of `cell` that it leaves through, one axis. */
static float face_distance(int cell, float p, float d, float inverse) {
    float face = ((float)cell + 0.5f + 0.5f * copysignf(1.0f, d)) * (2.0f / STK_GRID_SIDE) - 1.0f;
    return (face - p) * inverse;
}

static int march_c(const float o[3], const float d[3], float t0, float far, const uint8_t *bitfield,
                   int max_samples, float *xyz, float *dt_t, float *t_end) {
    const float inverse[3] = {1.0f / d[0], 1.0f / d[1], 1.0f / d[2]};
    float t = t0;
    int count = 0;
    while (t < far && count < max_samples) {
        float p[3];
        int cell[3];
        for (int k = 0; k < 3; k++) {
            p[k] = o[k] + t * d[k];
            p[k] = p[k] < -1.0f ? -1.0f : p[k] > 1.0f ? 1.0f : p[k];
            cell[k] = cell_of(p[k]);
        }
        uint32_t index =
            stk_morton_encode((uint32_t)cell[0], (uint32_t)cell[1], (uint32_t)cell[2]);
        if (bitfield[index >> 3] >> (index & 7) & 1) {
            for (int k = 0; k < 3; k++) xyz[3 * count + k] = p[k];
            t += STK_STEP_NGP;
            dt_t[2 * count] = STK_STEP_NGP;
            dt_t[2 * count + 1] = t;
            count++;
            continue;
        }
        float leave = fminf(face_distance(cell[0], p[0], d[0], inverse[0]),
                            fminf(face_distance(cell[1], p[1], d[1], inverse[1]),
                                  face_distance(cell[2], p[2], d[2], inverse[2])));
        float target = t + fmaxf(0.0f, leave);
        do t += STK_STEP_NGP;
        while (t < target);
    }
    *t_end = t;
    return count;
}

/* rgb of flat sample i, channel k, in [tiles][3][64]. */
STK_INLINE int64_t rgb_at(int64_t i, int k) {
    return (i / STK_TILE * 3 + k) * STK_TILE + i % STK_TILE;
}

float stk_march_alpha(float sigma, float dt) { return 1.0f - expf(-sigma * dt); }

/* alpha = 1 - exp(-sigma dt), w = alpha T; sums of w c, w t_after, w, w u; plain sums of the ambient
 * norms; T *= 1 - alpha; the ray ends after the sample that brings T below 1e-4 (reference.md 4.4). */
static int composite_c(const stk_samples *samples, int64_t first, int count, stk_ray_out *out) {
    stk_ray_out sum = {0};
    float T = 1.0f;
    int visited = 0;
    while (visited < count) {
        int64_t i = first + visited++;
        float alpha = stk_march_alpha(samples->sigma[i], samples->dt[i]);
        float w = alpha * T;
        for (int k = 0; k < 3; k++) sum.rgb[k] += w * samples->rgb[rgb_at(i, k)];
        sum.depth += w * samples->t_after[i];
        sum.weight += w;
        sum.amb_aud += samples->amb_aud[i];
        sum.amb_exp += samples->amb_exp[i];
        if (samples->unc != NULL) sum.unc += w * samples->unc[i];
        T *= 1.0f - alpha;
        if (T < STK_TRANSMITTANCE_MIN) break;
    }
    *out = sum;
    return visited;
}

/* d sigma = dt (sum_k g_k (T_after c_k - (C_k - C_k so far)) + the same for unc + g_weight (1 - W)),
 * where "so far" includes the sample itself. */
static void composite_backward_c(const stk_samples *samples, int64_t first, int count,
                                 const stk_ray_out *out, const stk_ray_dout *dout,
                                 stk_dsamples *dsamples) {
    float rgb[3] = {0, 0, 0}, unc = 0, T = 1.0f;
    int visited = 0;
    const int with_unc = samples->unc != NULL && dsamples->unc != NULL;
    while (visited < count && !(T < STK_TRANSMITTANCE_MIN)) {
        int64_t i = first + visited++;
        float alpha = stk_march_alpha(samples->sigma[i], samples->dt[i]);
        float w = alpha * T, dsigma = dout->weight * (1.0f - out->weight);
        T *= 1.0f - alpha;
        for (int k = 0; k < 3; k++) {
            float c = samples->rgb[rgb_at(i, k)];
            rgb[k] += w * c;
            dsamples->rgb[rgb_at(i, k)] = dout->rgb[k] * w;
            dsigma += dout->rgb[k] * (T * c - (out->rgb[k] - rgb[k]));
        }
        if (with_unc) {
            unc += w * samples->unc[i];
            dsamples->unc[i] = dout->unc * w;
            dsigma += dout->unc * (T * samples->unc[i] - (out->unc - unc));
        }
        dsamples->amb_aud[i] = dout->amb_aud;
        dsamples->amb_exp[i] = dout->amb_exp;
        dsamples->sigma[i] = samples->dt[i] * dsigma;
    }
    for (int64_t i = first + visited; i < first + count; i++) {
        for (int k = 0; k < 3; k++) dsamples->rgb[rgb_at(i, k)] = 0;
        if (dsamples->unc != NULL) dsamples->unc[i] = 0;
        dsamples->sigma[i] = dsamples->amb_aud[i] = dsamples->amb_exp[i] = 0;
    }
}

void stk_march_kernels_init(stk_march_kernels *kernels) {
    *kernels = (stk_march_kernels){
        .isa = "c",
        .near_far = near_far_c,
        .march = march_c,
        .composite = composite_c,
        .composite_backward = composite_backward_c,
    };
}
