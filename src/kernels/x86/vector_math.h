/* vector_math.h - exp, sigmoid and softplus on tiles, in the operations of vector_<isa>.h. */
#ifndef STK_KERNELS_X86_VECTOR_MATH_H
#define STK_KERNELS_X86_VECTOR_MATH_H

#include "kernels/field.h"

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln(2)/2: the Taylor polynomial of degree 7 is within
 * 6e-9 there. ln 2 in two parts, the first short enough that n times it is exact. 89 overflows,
 * -104 rounds to zero; a NaN passes through min and max as their second operand. */
STK_INLINE vf vf_exp(vf x) {
    x = vf_max(vf_set1(-104.0f), vf_min(vf_set1(89.0f), x));
    vf n = vf_round(vf_mul(x, vf_set1(1.44269504088896341f)));
    vf r = vf_fma(n, vf_set1(-0.693359375f), x);
    r = vf_fma(n, vf_set1(2.12194440054690583e-4f), r);
    vf p = vf_set1(1.0f / 5040);
    p = vf_fma(p, r, vf_set1(1.0f / 720));
    p = vf_fma(p, r, vf_set1(1.0f / 120));
    p = vf_fma(p, r, vf_set1(1.0f / 24));
    p = vf_fma(p, r, vf_set1(1.0f / 6));
    p = vf_fma(p, r, vf_set1(0.5f));
    p = vf_fma(p, r, vf_set1(1.0f));
    p = vf_fma(p, r, vf_set1(1.0f));
    return vf_scale2(p, n);
}

/* log(1 + t), 0 <= t <= 1: 2 artanh(s), s = t / (2 + t) <= 1/3; the series to s^15 errs by 2e-9. */
STK_INLINE vf vf_log1p_unit(vf t) {
    vf s = vf_div(t, vf_add(t, vf_set1(2.0f)));
    vf q = vf_mul(s, s);
    vf p = vf_set1(1.0f / 15);
    for (int k = 13; k >= 3; k -= 2) p = vf_fma(p, q, vf_set1(1.0f / (float)k));
    p = vf_fma(vf_mul(p, q), s, s);
    return vf_add(p, p);
}

static inline void tile_exp(const float *x, float *y) {
    for (int s = 0; s < STK_TILE; s += LANES) vf_store(y + s, vf_exp(vf_load(x + s)));
}

static inline void tile_sigmoid(const float *x, float *y) {
    vf one = vf_set1(1.0f);
    for (int s = 0; s < STK_TILE; s += LANES) {
        vf e = vf_exp(vf_sub(vf_zero(), vf_load(x + s)));
        vf_store(y + s, vf_div(one, vf_add(one, e)));
    }
}

static inline void tile_softplus(const float *x, float *y) {
    for (int s = 0; s < STK_TILE; s += LANES) {
        vf a = vf_load(x + s), minus = vf_sub(vf_zero(), a);
        vf log1p = vf_log1p_unit(vf_exp(vf_min(a, minus)));
        vf_store(y + s, vf_add(vf_max(a, vf_zero()), log1p));
    }
}

#endif
