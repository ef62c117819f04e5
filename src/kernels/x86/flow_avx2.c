/* flow_avx2.c - the flow kernels on AVX2 and FMA: 128 features are sixteen vectors. */
#include "kernels/x86/vector_avx2.h"

#include "kernels/flow_private.h"

/* Eight vectors -> the sum of each. */
static inline __m256 sums(const __m256 v[8]) {
    const __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    const __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

static inline float sum(__m256 v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline void row_dots(const float *query, const float *feature, int count, float *dots) {
    if (count == STK_FLOW_PATCH) {
        __m256 acc[STK_FLOW_PATCH];
        for (int k = 0; k < STK_FLOW_PATCH; k++) acc[k] = vf_zero();
        for (int c = 0; c < STK_FLOW_FEATURES; c += LANES) {
            const __m256 q = vf_load(query + c);
            for (int k = 0; k < STK_FLOW_PATCH; k++)
                acc[k] = vf_fma(q, vf_load(feature + k * STK_FLOW_FEATURES + c), acc[k]);
        }
        vf_store(dots, sums(acc));
        return;
    }
    for (int k = 0; k < count; k++, feature += STK_FLOW_FEATURES) {
        __m256 acc[2] = {vf_zero(), vf_zero()};
        for (int c = 0; c < STK_FLOW_FEATURES; c += 2 * LANES) {
            acc[0] = vf_fma(vf_load(query + c), vf_load(feature + c), acc[0]);
            acc[1] = vf_fma(vf_load(query + c + LANES), vf_load(feature + c + LANES), acc[1]);
        }
        dots[k] = sum(vf_add(acc[0], acc[1]));
    }
}

#include "kernels/x86/flow_simd.h"

void stk_flow_fill_avx2(stk_flow_kernels *kernels) {
    *kernels = (stk_flow_kernels){"avx2", lookup, unit_reset, unit_update};
}
