/* lk_avx2.c - point-following kernels, AVX2: 8 samples at a time; a 32-bit gather takes both
 * neighbours of a row, so bilinear sampling costs two gathers. */
#include "kernels/lk_body.h"
#include "kernels/x86/lk_x86.h"
#include "base/attr.h"

#include <immintrin.h>

enum { LANES = 8 };

STK_INLINE __m256 inside(__m256 v, float last) {
    /* max first and v first: not-a-number becomes 0 */
    return _mm256_min_ps(_mm256_max_ps(v, _mm256_setzero_ps()), _mm256_set1_ps(last));
}

/* Two neighbours in one lane -> their mix. */
STK_INLINE __m256 mix_pair(__m256i pair, __m256 fx) {
    const __m256 left = _mm256_cvtepi32_ps(_mm256_and_si256(pair, _mm256_set1_epi32(0xffff)));
    const __m256 right = _mm256_cvtepi32_ps(_mm256_srli_epi32(pair, 16));
    return _mm256_fmadd_ps(fx, _mm256_sub_ps(right, left), left);
}

static void sample_avx2(const stk_lk_plane *plane, const float m[6], float bias, float *out) {
    const float right = (float)plane->width - 1.0f - 1.0f / 256;
    const float bottom = (float)plane->height - 1.0f - 1.0f / 256;
    const __m256i stride = _mm256_set1_epi32((int)plane->stride);
    const __m256 unit = _mm256_set1_ps(1.0f / STK_LK_ONE), less = _mm256_set1_ps(bias);
    const __m256 lane = _mm256_setr_ps(-7.5f, -6.5f, -5.5f, -4.5f, -3.5f, -2.5f, -1.5f, -0.5f);
    const int *data = (const int *)(const void *)plane->data;
    for (int j = 0; j < 2 * STK_LK_SIDE; j++, out += LANES) {
        const float y = (float)(j >> 1) - 7.5f;
        const __m256 x = _mm256_add_ps(lane, _mm256_set1_ps(j & 1 ? 8.0f : 0.0f));
        const __m256 at_x = _mm256_set1_ps(m[1] * y + (m[2] - 0.5f));
        const __m256 at_y = _mm256_set1_ps(m[4] * y + (m[5] - 0.5f));
        const __m256 sx = inside(_mm256_fmadd_ps(_mm256_set1_ps(m[0]), x, at_x), right);
        const __m256 sy = inside(_mm256_fmadd_ps(_mm256_set1_ps(m[3]), x, at_y), bottom);
        const __m256i x0 = _mm256_cvttps_epi32(sx), y0 = _mm256_cvttps_epi32(sy);
        const __m256 fx = _mm256_sub_ps(sx, _mm256_cvtepi32_ps(x0));
        const __m256 fy = _mm256_sub_ps(sy, _mm256_cvtepi32_ps(y0));
        const __m256i at = _mm256_add_epi32(_mm256_mullo_epi32(y0, stride), x0);
        const __m256 top = mix_pair(_mm256_i32gather_epi32(data, at, 2), fx);
        const __m256i next = _mm256_add_epi32(at, stride);
        const __m256 low = mix_pair(_mm256_i32gather_epi32(data, next, 2), fx);
        const __m256 mixed = _mm256_fmadd_ps(fy, _mm256_sub_ps(low, top), top);
        _mm256_store_ps(out, _mm256_fmsub_ps(mixed, unit, less));
    }
}

STK_INLINE float total(__m256 v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

STK_INLINE void dots_rows(const int rows, const float *basis, const float *s, float *sums) {
    __m256 acc[STK_LK_ROWS_MAX + 1];
    for (int k = 0; k <= rows; k++) acc[k] = _mm256_setzero_ps();
    for (int i = 0; i < STK_LK_SAMPLES; i += LANES) {
        const __m256 v = _mm256_load_ps(s + i);
        for (int k = 0; k < rows; k++)
            acc[k] = _mm256_fmadd_ps(_mm256_load_ps(basis + k * STK_LK_SAMPLES + i), v, acc[k]);
        const __m256 w = _mm256_load_ps(basis + (rows - 1) * STK_LK_SAMPLES + i);
        acc[rows] = _mm256_fmadd_ps(_mm256_mul_ps(w, v), v, acc[rows]);
    }
    for (int k = 0; k <= rows; k++) sums[k] = total(acc[k]);
}

static void dots_avx2(int rows, const float *basis, const float *s, float *sums) {
    if (rows == 4)
        dots_rows(4, basis, s, sums);
    else
        dots_rows(8, basis, s, sums);
}

void stk_lk_kernels_init_avx2(stk_lk_kernels *kernels) {
    kernels->isa = "avx2";
    kernels->grey = body_grey;
    kernels->smooth = body_smooth;
    kernels->halve = body_halve;
    kernels->sample = sample_avx2;
    kernels->dots = dots_avx2;
}
