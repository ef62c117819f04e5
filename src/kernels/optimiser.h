/* optimiser.h - AdamW with beta1 = 0 (reference.md 5.4) and the exponential moving average.
 *
 *   v = beta2 v + (1-beta2) g^2;  p = p (1 - lr wd) - lr g / (sqrt(v / (1-beta2^t)) + eps)
 */
#ifndef STK_KERNELS_OPTIMISER_H
#define STK_KERNELS_OPTIMISER_H

#include <stddef.h>

typedef struct stk_adamw {
    float lr, weight_decay, beta2, eps; /* 0.99, 1e-8 published */
    float correction;                   /* 1 - beta2^t, t counted from 1 */
} stk_adamw;

typedef struct stk_optimiser_kernels {
    const char *isa;
    /* p, v updated in place, g cleared to zero on the way. Returns 0 when every gradient is finite,
     * else non-zero (then nothing in this call is to be trusted). 64-byte aligned, n multiple of 16. */
    int (*adamw)(const stk_adamw *settings, size_t n, float *p, float *g, float *v);
    /* ema += (1-decay) (p - ema) */
    void (*ema)(float decay, size_t n, const float *p, float *ema);
    /* target += sum over k of source[k], in order of k (fixed order whatever the thread count) */
    void (*accumulate)(size_t n, int k, const float *const *source, float *target);
} stk_optimiser_kernels;

void stk_optimiser_kernels_init(stk_optimiser_kernels *kernels);

#endif
