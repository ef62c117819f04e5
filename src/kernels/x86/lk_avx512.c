/* lk_avx512.c - point-following kernels, AVX-512: a row of 16 samples at a time. */
#include "kernels/lk_body.h"
#include "kernels/x86/lk_x86.h"
#include "base/attr.h"

#include <immintrin.h>

enum { LANES = 16 };

STK_INLINE __m512 inside(__m512 v, float last) {
    return _mm512_min_ps(_mm512_max_ps(v, _mm512_setzero_ps()), _mm512_set1_ps(last));
}

/* Two neighbours in one lane -> their mix. */
STK_INLINE __m512 mix_pair(__m512i pair, __m512 fx) {
    const __m512 left = _mm512_cvtepi32_ps(_mm512_and_si512(pair, _mm512_set1_epi32(0xffff)));
    const __m512 right = _mm512_cvtepi32_ps(_mm512_srli_epi32(pair, 16));
    return _mm512_fmadd_ps(fx, _mm512_sub_ps(right, left), left);
}

static void sample_avx512(const stk_lk_plane *plane, const float m[6], float bias, float *out) {
    const float right = (float)plane->width - 1.0f - 1.0f / 256;
    const float bottom = (float)plane->height - 1.0f - 1.0f / 256;
    const __m512i stride = _mm512_set1_epi32((int)plane->stride);
    const __m512 unit = _mm512_set1_ps(1.0f / STK_LK_ONE), less = _mm512_set1_ps(bias);
    const __m512 x = _mm512_setr_ps(-7.5f, -6.5f, -5.5f, -4.5f, -3.5f, -2.5f, -1.5f, -0.5f, 0.5f,
                                    1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.5f, 7.5f);
    for (int j = 0; j < STK_LK_SIDE; j++, out += LANES) {
        const float y = (float)j - 7.5f;
        const __m512 at_x = _mm512_set1_ps(m[1] * y + (m[2] - 0.5f));
        const __m512 at_y = _mm512_set1_ps(m[4] * y + (m[5] - 0.5f));
        const __m512 sx = inside(_mm512_fmadd_ps(_mm512_set1_ps(m[0]), x, at_x), right);
        const __m512 sy = inside(_mm512_fmadd_ps(_mm512_set1_ps(m[3]), x, at_y), bottom);
        const __m512i x0 = _mm512_cvttps_epi32(sx), y0 = _mm512_cvttps_epi32(sy);
        const __m512 fx = _mm512_sub_ps(sx, _mm512_cvtepi32_ps(x0));
        const __m512 fy = _mm512_sub_ps(sy, _mm512_cvtepi32_ps(y0));
        const __m512i at = _mm512_add_epi32(_mm512_mullo_epi32(y0, stride), x0);
        const __m512 top = mix_pair(_mm512_i32gather_epi32(at, plane->data, 2), fx);
        const __m512i next = _mm512_add_epi32(at, stride);
        const __m512 low = mix_pair(_mm512_i32gather_epi32(next, plane->data, 2), fx);
        const __m512 mixed = _mm512_fmadd_ps(fy, _mm512_sub_ps(low, top), top);
        _mm512_store_ps(out, _mm512_fmsub_ps(mixed, unit, less));
    }
}

STK_INLINE void dots_rows(const int rows, const float *basis, const float *s, float *sums) {
    __m512 acc[STK_LK_ROWS_MAX + 1];
    for (int k = 0; k <= rows; k++) acc[k] = _mm512_setzero_ps();
    for (int i = 0; i < STK_LK_SAMPLES; i += LANES) {
        const __m512 v = _mm512_load_ps(s + i);
        for (int k = 0; k < rows; k++)
            acc[k] = _mm512_fmadd_ps(_mm512_load_ps(basis + k * STK_LK_SAMPLES + i), v, acc[k]);
        const __m512 w = _mm512_load_ps(basis + (rows - 1) * STK_LK_SAMPLES + i);
        acc[rows] = _mm512_fmadd_ps(_mm512_mul_ps(w, v), v, acc[rows]);
    }
    for (int k = 0; k <= rows; k++) sums[k] = _mm512_reduce_add_ps(acc[k]);
}

static void dots_avx512(int rows, const float *basis, const float *s, float *sums) {
    if (rows == 4)
        dots_rows(4, basis, s, sums);
    else
        dots_rows(8, basis, s, sums);
}

void stk_lk_kernels_init_avx512(stk_lk_kernels *kernels) {
    kernels->isa = "avx512";
    kernels->grey = body_grey;
    kernels->smooth = body_smooth;
    kernels->halve = body_halve;
    kernels->sample = sample_avx512;
    kernels->dots = dots_avx512;
}
