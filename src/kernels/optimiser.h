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

/* Gradients are usable when |g| <= 1e18, so that g^2 stays representable; anything else (and NaN)
 * counts as not finite. All buffers are 64-byte aligned, n a multiple of 16. */
#define STK_GRADIENT_MAX 1e18f

typedef struct stk_optimiser_kernels {
    const char *isa;
    /* 0 when every gradient is usable. Lets a caller check the whole block before any adamw call.
     */
    int (*finite)(size_t n, const float *g);
    /* p, v updated in place, g cleared to zero on the way; returns 0. When a gradient is not
     * usable: returns non-zero, p and v are untouched, g is cleared all the same. */
    int (*adamw)(const stk_adamw *settings, size_t n, float *p, float *g, float *v);
    /* ema += (1-decay) (p - ema) */
    void (*ema)(float decay, size_t n, const float *p, float *ema);
    /* target += source[0], then += source[1] ... += source[k-1]: a fixed order, whatever the thread
     * count, the same bits on every ISA */
    void (*accumulate)(size_t n, int k, const float *const *source, float *target);
} stk_optimiser_kernels;

/* The best table that stk_cpu_flags() allows; the C twin in every slot no variant fills. */
void stk_optimiser_kernels_init(stk_optimiser_kernels *kernels);

#endif
