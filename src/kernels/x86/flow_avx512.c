/* flow_avx512.c - the flow kernels on AVX-512 (F, BW, DQ, VL): 128 features are eight vectors. */
#include "kernels/x86/vector_avx512.h"

#include "kernels/flow_private.h"

static inline __m256 fold(__m512 v) {
    return _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
}

/* Eight vectors -> the sum of each. */
static inline __m256 sums(const __m512 v[8]) {
    __m256 h[8];
    for (int k = 0; k < 8; k++) h[k] = fold(v[k]);
    const __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(h[0], h[1]), _mm256_hadd_ps(h[2], h[3]));
    const __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(h[4], h[5]), _mm256_hadd_ps(h[6], h[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

static inline void row_dots(const float *query, const float *feature, int count, float *dots) {
    if (count == STK_FLOW_PATCH) {
        __m512 acc[STK_FLOW_PATCH];
        for (int k = 0; k < STK_FLOW_PATCH; k++) acc[k] = vf_zero();
        for (int c = 0; c < STK_FLOW_FEATURES; c += LANES) {
            const __m512 q = vf_load(query + c);
            for (int k = 0; k < STK_FLOW_PATCH; k++)
                acc[k] = vf_fma(q, vf_load(feature + k * STK_FLOW_FEATURES + c), acc[k]);
        }
        _mm256_storeu_ps(dots, sums(acc));
        return;
    }
    for (int k = 0; k < count; k++, feature += STK_FLOW_FEATURES) {
        __m512 acc[2] = {vf_zero(), vf_zero()};
        for (int c = 0; c < STK_FLOW_FEATURES; c += 2 * LANES) {
            acc[0] = vf_fma(vf_load(query + c), vf_load(feature + c), acc[0]);
            acc[1] = vf_fma(vf_load(query + c + LANES), vf_load(feature + c + LANES), acc[1]);
        }
        dots[k] = _mm512_reduce_add_ps(vf_add(acc[0], acc[1]));
    }
}

#include "kernels/x86/flow_simd.h"

void stk_flow_fill_avx512(stk_flow_kernels *kernels) {
    *kernels = (stk_flow_kernels){"avx512", lookup, unit_reset, unit_update};
}
