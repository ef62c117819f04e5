/* march.h - rays through the occupancy grid, and the volume compositing of their samples, forward
 * and backward (reference.md 4). bound 1, one cascade, 128^3 cells in Morton order, box +-1, +-0.5,
 * +-1.
 */
#ifndef STK_KERNELS_MARCH_H
#define STK_KERNELS_MARCH_H

#include "base/attr.h"
#include <stdint.h>
#include <stddef.h>

enum {
    STK_GRID_SIDE = 128,
    STK_GRID_CELLS = 128 * 128 * 128,
    STK_GRID_BYTES = STK_GRID_CELLS / 8,
    STK_TRAIN_SAMPLES_MAX = 16, /* per ray, training rule */
    STK_SCAN_WORDS = 4,
    STK_SCAN_POINTS = 32 * STK_SCAN_WORDS,
};
#define STK_STEP_NGP 0.0270632939f /* 2 sqrt(3) / 128: dt_min = dt_max, reference.md 4.1 */
#define STK_MIN_NEAR 0.05f
#define STK_TRANSMITTANCE_MIN 1e-4f

/* Bits x at 0, y at 1, z at 2, interleaved, 7 bits each. */
uint32_t stk_morton_encode(uint32_t x, uint32_t y, uint32_t z);
void stk_morton_decode(uint32_t code, uint32_t *x, uint32_t *y, uint32_t *z);

/* Opacity of a step: 1 - exp(-sigma dt). */
float stk_march_alpha(float sigma, float dt);

/* Composited values of one ray. */
typedef struct stk_ray_out {
    float rgb[3], depth, weight, amb_aud, amb_exp, unc;
} stk_ray_out;
/* Gradients of the loss by them; depth has none. */
typedef struct stk_ray_dout {
    float rgb[3], weight, amb_aud, amb_exp, unc;
} stk_ray_dout;

/* Samples of one ray in a sample array: views with stride 1 per sample, except that the caller may
 * keep them in tiles: sample i of the array lives at [i / 64][channel][i % 64]. All functions below
 * take flat index ranges [first, first + count) into such tile arrays. */
typedef struct stk_samples {
    const float *sigma;                   /* [tiles][64] */
    const float *rgb;                     /* [tiles][3][64] */
    const float *amb_aud, *amb_exp, *unc; /* [tiles][64]; unc may be NULL */
    const float *dt, *t_after;            /* [tiles][64] */
} stk_samples;
typedef struct stk_dsamples {
    float *sigma, *rgb, *amb_aud, *amb_exp, *unc; /* same layout; unc may be NULL */
} stk_dsamples;

typedef struct stk_march_kernels {
    const char *isa;
    /* Slab test against the box for n rays; near raised to STK_MIN_NEAR; a miss sets both to
     * FLT_MAX. o, d: [n][3]; near_far: [n][2]. */
    void (*near_far)(int n, const float *o, const float *d, float *near_far);
    /* One ray, rule 4.3: at most max_samples from t0 (already jittered) while t < far, among the
     * first STK_SCAN_POINTS points. Writes positions xyz[3] each, dt and t_after per sample with
     * the given strides; returns the count and stores the t reached. */
    int (*march)(const float o[3], const float d[3], float t0, float far, const uint8_t *bitfield,
                 int max_samples, float *xyz /* [count][3] */, float *dt_t /* [count][2] */,
                 float *t_end);
    /* All lattice points of n rays from one origin: bit k % 32 of mask[k / 32][i] is set when point
     * k of ray i, t = t0[i] + k dt < far[i], lies in an occupied cell. The box's diagonal holds
     * fewer than STK_SCAN_POINTS. d: [3][n], mask: [STK_SCAN_WORDS][n]; n is a multiple of 16,
     * arrays 64-byte aligned. A ray that misses has t0 >= far. bitfield: readable 4 bytes at a
     * time. */
    void (*scan)(int n, const float o[3], const float *d, const float *t0, const float *far,
                 const uint8_t *bitfield, uint32_t *mask);
    /* alpha[i] = stk_march_alpha(sigma[i], dt) for i < n, a multiple of 16; 64-byte aligned. */
    void (*opacity)(int n, const float *sigma, float dt, float *alpha);
    /* Training rule 4.4 over samples [first, first+count) of one ray. Returns the number visited
     * (the ray ends once T < 1e-4 after a sample). */
    int (*composite)(const stk_samples *samples, int64_t first, int count, stk_ray_out *out);
    /* Writes gradients for the visited samples and zeros for the rest of the ray. */
    void (*composite_backward)(const stk_samples *samples, int64_t first, int count,
                               const stk_ray_out *out, const stk_ray_dout *dout,
                               stk_dsamples *dsamples);
} stk_march_kernels;

void stk_march_kernels_init(stk_march_kernels *kernels);

#endif
