/* vector_avx2.h - the operations that field_simd.h is written in, on AVX2 and FMA: vf and vi are
 * vectors of LANES floats and integers, a tile row is eight vectors of 8.
 *
 * Included once by a variant; everything is static.
 */
#ifndef STK_KERNELS_X86_VECTOR_AVX2_H
#define STK_KERNELS_X86_VECTOR_AVX2_H

#include "base/attr.h"

#include <immintrin.h>
#include <stdint.h>

#define LANES 8
#define COLUMNS 2

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vmask; /* all ones or zeros in each lane */

#define OP STK_INLINE
/* clang-format off */

OP vf vf_zero(void) { return _mm256_setzero_ps(); }
OP vf vf_set1(float x) { return _mm256_set1_ps(x); }
OP vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
OP void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
OP vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
OP vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
OP vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
OP vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
OP vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
OP vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
OP vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
OP vf vf_round(vf x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
OP vf vf_rounded(vf x) { __asm__("" : "+x"(x)); return x; }
OP vf vf_from_vi(vi x) { return _mm256_cvtepi32_ps(x); }
OP vi vi_truncate(vf x) { return _mm256_cvttps_epi32(x); }
OP vi vi_set1(int x) { return _mm256_set1_epi32(x); }
OP vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
OP vi vi_mul(vi a, vi b) { return _mm256_mullo_epi32(a, b); }
OP vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
OP vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
OP void vi_store(uint32_t *p, vi x) { _mm256_storeu_si256((void *)p, x); }
OP vi vi_load(const uint32_t *p) { return _mm256_loadu_si256((const void *)p); }
OP vi vi_shift_left_16(vi x) { return _mm256_slli_epi32(x, 16); }
OP vf vf_from_bits(vi x) { return _mm256_castsi256_ps(x); }
OP vf vf_keep(vmask m, vf x) { return _mm256_and_ps(m, x); } /* 0 elsewhere */
/* clang-format on */

OP vf vf_where_positive(vf test, vf x) {
    return _mm256_and_ps(_mm256_cmp_ps(test, vf_zero(), _CMP_GT_OQ), x);
}

/* x 2^n in two factors, each a normal number for -252 <= n <= 254, so that results below the normal
 * range round once and those above become infinite. */
OP vf vf_scale2(vf x, vf n) {
    vi whole = _mm256_cvtps_epi32(n), low = _mm256_srai_epi32(whole, 1);
    vi high = _mm256_sub_epi32(whole, low), bias = vi_set1(127);
    vf f1 = _mm256_castsi256_ps(_mm256_slli_epi32(vi_add(low, bias), 23));
    vf f2 = _mm256_castsi256_ps(_mm256_slli_epi32(vi_add(high, bias), 23));
    return vf_mul(vf_mul(x, f1), f2);
}

/* Both in [0, 1]; NaN is not. */
OP vmask vf_in_unit(vf a, vf b) {
    vf one = vf_set1(1.0f), zero = vf_zero();
    vf in_a = _mm256_and_ps(_mm256_cmp_ps(a, zero, _CMP_GE_OQ), _mm256_cmp_ps(a, one, _CMP_LE_OQ));
    vf in_b = _mm256_and_ps(_mm256_cmp_ps(b, zero, _CMP_GE_OQ), _mm256_cmp_ps(b, one, _CMP_LE_OQ));
    return _mm256_and_ps(in_a, in_b);
}

#endif
