/* march.c - plain-C rays, marching and compositing: the twins, and the ladder that picks variants.
 *
 *   ray (o, d) -> near_far: box interval -> march: sample positions [n][3], (dt, t_after) [n][2]
 *   field outputs in tiles -> composite: one stk_ray_out a ray -> composite_backward: gradients
 *
 * Everything is per ray, keeps its state in registers, allocates nothing and may run on any thread.
 * Rounding follows the order in which the formulas of reference.md 4 are written, so that the
 * sample lists agree with the published ones cell for cell.
 */
#include "kernels/march.h"
#include "kernels/field.h"
#include "kernels/x86/march_x86.h"
#include "base/cpu.h"

#include <float.h>
#include <math.h>

/* The box that clips ray intervals, ngp units: +-1, +-0.5 (depth), +-1. */
static const float BOX_HALF[3] = {1.0f, 0.5f, 1.0f};

/* Seven bits, two zeros after each. */
#define SPREAD_BITS(v)                                                                             \
    (((v)&1u) | ((v)&2u) << 2 | ((v)&4u) << 4 | ((v)&8u) << 6 | ((v)&16u) << 8 | ((v)&32u) << 10 | \
     ((v)&64u) << 12)
#define SPREAD_4(v) SPREAD_BITS(v), SPREAD_BITS(v + 1), SPREAD_BITS(v + 2), SPREAD_BITS(v + 3)
#define SPREAD_16(v) SPREAD_4(v), SPREAD_4(v + 4), SPREAD_4(v + 8), SPREAD_4(v + 12)
static const uint32_t SPREAD[STK_GRID_SIDE] = {SPREAD_16(0u),  SPREAD_16(16u), SPREAD_16(32u),
                                               SPREAD_16(48u), SPREAD_16(64u), SPREAD_16(80u),
                                               SPREAD_16(96u), SPREAD_16(112u)};

static uint32_t gather_bits(uint32_t v) {
    v &= 0x00249249u;
    v = (v | (v >> 2)) & 0x000c30c3u;
    v = (v | (v >> 4)) & 0x0000f00fu;
    v = (v | (v >> 8)) & 0x0000007fu;
    return v;
}

uint32_t stk_morton_encode(uint32_t x, uint32_t y, uint32_t z) {
    return SPREAD[x & 127] | SPREAD[y & 127] << 1 | SPREAD[z & 127] << 2;
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
    if (!(c > 0)) return 0; /* NaN too */
    return (int)(c > STK_GRID_SIDE - 1 ? STK_GRID_SIDE - 1 : c);
}

/* Cell of the point, Morton order; p receives the point, held inside the cube. */
STK_INLINE uint32_t cell_at(const float o[3], const float d[3], float t, float p[3]) {
    uint32_t index = 0;
    for (int k = 0; k < 3; k++) {
        p[k] = o[k] + t * d[k];
        p[k] = p[k] < -1.0f ? -1.0f : p[k] > 1.0f ? 1.0f : p[k];
        index |= SPREAD[cell_of(p[k])] << k;
    }
    return index;
}

/* reference.md 4.3 moves an empty point on by whole steps until it is past the face of its cell.
 * The step is the diagonal of a cell (2 sqrt(3) / 128), so one step always gets there, and the rule
 * comes down to: a sample at every lattice point whose cell is occupied. */
static int march_c(const float o[3], const float d[3], float t0, float far, const uint8_t *bitfield,
                   int max_samples, float *xyz, float *dt_t, float *t_end) {
    float t = t0;
    int count = 0;
    /* far beyond the box's diagonal, or where a step is lost in rounding, only by a camera that is
     * no camera */
    for (int point = 0; point < STK_SCAN_POINTS && t < far && count < max_samples; point++) {
        float p[3];
        const uint32_t index = cell_at(o, d, t, p);
        t += STK_STEP_NGP;
        if (!(bitfield[index >> 3] >> (index & 7) & 1)) continue;
        for (int k = 0; k < 3; k++) xyz[3 * count + k] = p[k];
        dt_t[2 * count] = STK_STEP_NGP;
        dt_t[2 * count + 1] = t;
        count++;
    }
    *t_end = t;
    return count;
}

static void scan_c(int n, const float o[3], const float *d, const float *t0, const float *far,
                   const uint8_t *bitfield, uint32_t *mask) {
    for (int i = 0; i < n; i++) {
        const float direction[3] = {d[i], d[n + i], d[2 * n + i]};
        float t = t0[i];
        for (int word = 0; word < STK_SCAN_WORDS; word++) {
            uint32_t bits = 0;
            for (int k = 0; k < 32 && t < far[i]; k++, t += STK_STEP_NGP) {
                float p[3];
                const uint32_t index = cell_at(o, direction, t, p);
                bits |= (uint32_t)(bitfield[index >> 3] >> (index & 7) & 1) << k;
            }
            mask[word * n + i] = bits;
        }
    }
}

/* rgb of flat sample i, channel k, in [tiles][3][64]. */
STK_INLINE int64_t rgb_at(int64_t i, int k) {
    return (i / STK_TILE * 3 + k) * STK_TILE + i % STK_TILE;
}

float stk_march_alpha(float sigma, float dt) {
    return 1.0f - expf(-sigma * dt);
}

static void opacity_c(int n, const float *sigma, float dt, float *alpha) {
    for (int i = 0; i < n; i++) alpha[i] = stk_march_alpha(sigma[i], dt);
}

/* alpha = 1 - exp(-sigma dt), w = alpha T; sums of w c, w t_after, w, w u; plain sums of the
 * ambient norms; T *= 1 - alpha; the ray ends after the sample that brings T below 1e-4
 * (reference.md 4.4). */
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

/* d sigma = dt (sum over k of g_k (T_after c_k - (C_k - C_k so far)), the same term for unc,
 * g_weight (1 - W)); "so far" includes the sample itself. */
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
        .scan = scan_c,
        .opacity = opacity_c,
        .composite = composite_c,
        .composite_backward = composite_backward_c,
    };
    const uint32_t flags = stk_cpu_flags();
    if (flags & STK_CPU_AVX2) stk_march_kernels_init_avx2(kernels);
    if (flags & STK_CPU_AVX512) stk_march_kernels_init_avx512(kernels);
}
