/* layer.h - what training a convolution costs besides the convolution: batch norm, ReLU, residual,
 * Adam.
 *
 *   forward    z [rows][c] -> sums over rows -> y = relu(scale z + shift [+ r])
 *   backward   dy, y -> g = dy where y > 0; its sums -> dz = a g + b (z - mean) + k
 *
 * rows runs over pictures and pixels (channels are innermost), every [c] array is one number a
 * channel, c <= STK_LAYER_CHANNELS. Sums are made in float over at most 64 rows and then in double,
 * in the order of the rows. Pure functions, no allocation; ranges of rows may go to threads, then
 * the caller adds the sums in a fixed order.
 */
#ifndef STK_KERNELS_LAYER_H
#define STK_KERNELS_LAYER_H

#include <stddef.h>
#include <stdint.h>

enum { STK_LAYER_CHANNELS = 2304 };

/* m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;
 * p = p (1 - lr wd) - lr (m / c1) / (sqrt(v / c2) + eps), c_i = 1 - b_i^t [Adam, AdamW] */
typedef struct stk_adam {
    float lr, weight_decay, beta1, beta2, eps;
    float correction1, correction2; /* 1 - beta^t, t counted from 1 */
} stk_adam;

typedef struct stk_layer_kernels {
    const char *isa;
    /* sum[c] = sum z, square[c] = sum (z - about)^2 */
    void (*moments)(size_t rows, int c, const float *z, const float *about, double *sum,
                    double *square);
    /* y = scale z + shift [+ residual], then max(., 0) if relu; no number stays none. y may be z */
    void (*apply)(size_t rows, int c, const float *z, const float *scale, const float *shift,
                  const float *residual, int relu, float *y);
    /* dy = 0 where relu and y <= 0; sum_g[c] = sum dy, sum_gz[c] = sum dy (z - mean) */
    void (*gate)(size_t rows, int c, const float *y, const float *z, const float *mean, int relu,
                 float *dy, double *sum_g, double *sum_gz);
    /* dz = a g + b (z - mean) + k */
    void (*spread)(size_t rows, int c, const float *g, const float *z, const float *mean,
                   const float *const abk[3], float *dz);
    /* y = x in bfloat16, to nearest even */
    void (*halve)(size_t n, const float *x, uint16_t *y);
    /* y += x */
    void (*add)(size_t n, const float *x, float *y);
    void (*adam)(const stk_adam *settings, size_t n, const float *g, float *p, float *m, float *v);
} stk_layer_kernels;

/* The best table that stk_cpu_flags() allows; the C twin in every slot no variant fills. */
void stk_layer_kernels_init(stk_layer_kernels *kernels);

#endif
